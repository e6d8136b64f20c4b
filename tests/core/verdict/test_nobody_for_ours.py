"""For any evidence: what is ours accuses nobody, unless something untouched by it proves the fault."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from probe.core.model.value import replace
from probe.core.records.failure import OWN_LIMITS, FailureType, Phase
from probe.core.records.observation import Observation, Role
from probe.core.records.transport import TcpInfo
from probe.core.records.verdict import Fault, Finding, Verdict
from probe.core.vantage.line_quality import resent
from probe.core.vantage.loss import SLOW_LOOKS
from probe.core.verdict.corroboration import TIMEOUTS
from tests.core.verdict.test_judge_properties import observations, surroundings
from tests.support.build import broken, evidence, host, resolution, seen, timing, unresolved, verdict
from tests.support.sizes import scaled

ACCUSED = (Fault.CDN, Fault.ORIGIN, Fault.CUSTOMER)
ANCHOR = seen(Role.ANCHOR, digest=None, address="192.0.2.71")
LOSS = TcpInfo(rtt_us=20_000, rtt_var_us=1_000, retransmits_total=2, mss_bytes=1460)
EDGES = st.lists(observations(Role.EDGE), min_size=1, max_size=3)
OTHERS = st.lists(
    observations(Role.CONFIRM, Role.SWEEP, Role.ORIGIN, Role.ANCHOR, Role.ELSEWHERE), max_size=6
)
DNS_TYPES = [kind for kind in FailureType if kind.value.startswith("dns.")]
RESOLVERS_FLAGS = st.sets(
    st.sampled_from(
        [
            "no_other_resolver",
            "other_resolvers_failed",
            "other_resolvers_unwell",
            "resolvers_disagree",
            "nxdomain_rewritten",
            "authority_unproven",
            "authority_intercepted",
        ]
    )
)
NOT_ALIVE = st.sampled_from(["resolver_unwell", "resolver_silent"])


NOTHING_CAME = {FailureType.TCP_TIMED_OUT, FailureType.TLS_TIMED_OUT, FailureType.HTTP_TIMED_OUT}


def accusing(made: Verdict) -> list[Finding]:
    return [finding for finding in made.findings if finding.fault in ACCUSED]


def seen_reason(finding: Finding) -> str:
    """What was seen, where the reason says whose fault it is."""
    if finding.detail is None or not finding.detail.startswith("seen: "):
        return finding.reason
    return finding.detail.removeprefix("seen: ").partition(",")[0]


@settings(max_examples=scaled(2_000))
@given(
    st.sampled_from(DNS_TYPES),
    st.sampled_from(["www.acme.example", "acme.cdn.example.net", "elsewhere.example.org"]),
    RESOLVERS_FLAGS,
    NOT_ALIVE,
    st.lists(observations(Role.SWEEP, Role.ORIGIN, Role.ANCHOR), max_size=5),
    surroundings(),
)
def test_a_look_up_by_a_resolver_without_the_control_question_accuses_nobody(
    kind: FailureType,
    name: str,
    flags: set[str],
    life: str,
    others: list[Observation],
    around: dict[str, object],
) -> None:
    failed = unresolved(kind, name, *sorted(flags), life)
    made = verdict(evidence(*others, **around, resolution=failed))
    assert made.fault not in ACCUSED, made.summary


@settings(max_examples=scaled(2_000))
@given(EDGES, OTHERS, RESOLVERS_FLAGS, NOT_ALIVE, surroundings())
def test_an_alias_that_such_a_resolver_does_not_know_accuses_nobody(
    edges: list[Observation],
    others: list[Observation],
    flags: set[str],
    life: str,
    around: dict[str, object],
) -> None:
    hidden = resolution(cname_chain=(), canonical_name="www.acme.example", flags=(*sorted(flags), life))
    made = verdict(evidence(*edges, *others, **around, resolution=hidden))
    assert made.fault not in ACCUSED, made.summary


@settings(max_examples=scaled(2_000))
@given(EDGES, OTHERS, surroundings(), st.booleans() | st.none())
def test_without_a_voucher_for_our_clock_no_date_accuses(
    edges: list[Observation], others: list[Observation], around: dict[str, object], synchronised: bool | None
) -> None:
    """A kernel that says yes is outvoted by the dates of two certificates of others, that do not fit either."""
    around["host"] = host(clock_synchronised=synchronised)
    contradicting = [
        replace(_dated_wrongly(Role.ANCHOR), address=address) for address in ("198.18.7.1", "198.18.7.2")
    ]
    made = verdict(evidence(*edges, *others, *(contradicting if synchronised else ()), **around))
    wrong = [f for f in accusing(made) if seen_reason(f) == "tls.cert.date_invalid"]
    assert not wrong, made.summary


def _dated_wrongly(role: Role) -> Observation:
    return broken(FailureType.TLS_CERT_DATE_INVALID, Phase.TLS, role)


@settings(max_examples=scaled(2_000))
@given(EDGES, OTHERS, surroundings())
def test_beside_limits_of_ours_only_what_was_seen_of_others_accuses(
    edges: list[Observation], others: list[Observation], around: dict[str, object]
) -> None:
    made = verdict(evidence(*edges, *others, **around))
    for finding in accusing(made):
        assert seen_reason(finding) not in {kind.value for kind in OWN_LIMITS}, made.summary
        assert not finding.reason.startswith("agent."), made.summary


@settings(max_examples=scaled(2_000))
@given(EDGES, OTHERS, st.integers(0, 4), surroundings(), st.integers(1, 9))
def test_on_a_line_found_lossy_no_lateness_accuses_but_of_an_edge_that_gave_nothing_or_was_late_each_time(
    edges: list[Observation],
    others: list[Observation],
    late_looks: int,
    around: dict[str, object],
    retransmits: int,
) -> None:
    lossy = replace(ANCHOR, tcp_info=replace(LOSS, retransmits_total=retransmits))
    late = [seen(Role.CONFIRM, of=0, timing=timing(1_400_000, 1_450_000)) for _ in range(late_looks)]
    found = evidence(*edges, *others, *late, lossy, **around)
    for finding in accusing(verdict(found)):
        if seen_reason(finding) not in TIMEOUTS | {"timing.over_limit"}:
            continue
        looks = [found.observations[finding.observation or 0]]
        looks += [o for o in found.observations if o.role is Role.CONFIRM and o.of == finding.observation]
        assert len(looks) > 1, finding
        if seen_reason(finding) == "timing.over_limit":  # late each time, and nothing of it lost
            assert len(looks) > SLOW_LOOKS
            assert not any(map(resent, looks)), finding
            continue
        assert {None if o.failure is None else o.failure.type for o in looks} <= NOTHING_CAME
