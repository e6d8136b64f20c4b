"""What must hold of every verdict, whatever was observed: properties over made evidence."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from probe.core.model.value import replace
from probe.core.records.failure import FailureType, Phase
from probe.core.records.observation import Observation, Role
from probe.core.records.surroundings import LineState, NodeFacts, VantageHealth
from probe.core.records.verdict import Evidence, Outcome, Verdict
from tests.support import build
from tests.support.build import EDGE, EDGE_2, GOOD, OLD, OTHER
from tests.support.sizes import scaled

GRAVITY = {o: n for n, o in enumerate(("ok", "inconclusive", "slow", "stale", "failed"))}
OF_EDGES = (Role.EDGE, Role.CONFIRM, Role.SWEEP, Role.ELSEWHERE)
PHASES = {
    "dns": Phase.DNS, "tcp": Phase.TCP, "tls": Phase.TLS, "quic": Phase.QUIC, "http": Phase.HTTP, "body": Phase.BODY,
    "vantage": Phase.HOST, "agent": Phase.HOST,
}  # fmt: skip
TYPES = [t for t in FailureType if not t.value.startswith("dns.")]
# An anchor that our own address policy forbids is not asked: it is as good as none.
OF_ANCHORS = [t for t in TYPES if t is not FailureType.TCP_ADDRESS_BLOCKED]
addresses = st.sampled_from([EDGE, EDGE_2, "192.0.2.9"])


def failed(kind: FailureType, role: Role, address: str) -> Observation:
    return build.broken(kind, PHASES[kind.value.partition(".")[0]], role, address=address)


@st.composite
def observations(draw: st.DrawFn, *roles: Role) -> Observation:
    """Anything that one request can come to."""
    role = draw(st.sampled_from(roles))
    address = build.ORIGIN if role is Role.ORIGIN else draw(addresses)
    if draw(st.booleans()):
        made = failed(draw(st.sampled_from(TYPES)), role, address)
    else:
        made = build.seen(
            role,
            status=draw(st.sampled_from([200, 200, 301, 304, 403, 404, 500, 502, 503, 504])),
            digest=draw(st.sampled_from([GOOD, GOOD, OLD, OTHER, None])),
            address=address,
            timing=build.timing(*draw(st.sampled_from([(20_000, 30_000), (900_000, 5_000_000)]))),
        )
    of = 0 if role in (Role.CONFIRM, Role.ELSEWHERE) else None
    return replace(made, of=of, tainted=draw(st.booleans()))


@st.composite
def surroundings(draw: st.DrawFn) -> dict[str, object]:
    """A reference, our own host, the nodes known and the line's health."""
    versions = draw(
        st.sampled_from([(), (build.version(),), (build.version(OLD, etag='"v0"'), build.version())])
    )
    line = draw(st.sampled_from([None, LineState.ONLINE, LineState.UNKNOWN]))
    return {
        "reference": build.reference(*versions, changed_during_slot=draw(st.booleans()))
        if versions
        else replace(build.reference(), versions=()),
        "host": build.host(loop_lag_us=draw(st.sampled_from([0, 0, 0, 900_000]))),
        "nodes": draw(
            st.sampled_from(
                [None, NodeFacts(known=3, settled=True), NodeFacts(known=1, settled=True, strangers=(EDGE,))]
            )
        ),
        "vantage_health": None if line is None else VantageHealth(state=line),
    }


EVERY_OTHER = tuple(role for role in Role if role is not Role.EDGE)


def well(role: Role, **changes: object) -> Observation:
    return build.seen(role, **changes)


def whole(*made: Observation, **around: object) -> Evidence:
    return build.evidence(*made, **around)


def gravity(verdict: Verdict) -> int:
    return GRAVITY[verdict.outcome.value]


@settings(max_examples=scaled(400))
@given(st.lists(observations(*EVERY_OTHER), max_size=8), surroundings())
def test_edges_that_are_well_are_never_the_cdns_fault(
    others: list[Observation], around: dict[str, object]
) -> None:
    around["reference"] = build.reference()
    made = build.verdict(whole(well(Role.EDGE), well(Role.EDGE, address=EDGE_2), *others, **around))
    assert made.fault != "cdn", made.summary
    assert made.outcome in (Outcome.OK, Outcome.INCONCLUSIVE)


@settings(max_examples=scaled(400))
@given(
    st.lists(observations(Role.EDGE), min_size=1, max_size=3),
    st.lists(observations(Role.CONFIRM, Role.SWEEP, Role.ORIGIN), max_size=6),
    st.lists(st.sampled_from(OF_ANCHORS), min_size=1, max_size=3),
    surroundings(),
)
def test_a_vantage_point_that_is_offline_accuses_nobody(
    edges: list[Observation],
    others: list[Observation],
    anchors: list[FailureType],
    around: dict[str, object],
) -> None:
    dead = [failed(kind, Role.ANCHOR, "192.0.2.77") for kind in anchors]
    made = build.verdict(whole(*edges, *others, *dead, **around))
    assert made.fault in (None, "vantage", "agent"), made.summary
    assert made.outcome in (Outcome.OK, Outcome.INCONCLUSIVE)


@settings(max_examples=scaled(400))
@given(
    st.lists(observations(Role.EDGE), min_size=1, max_size=3),
    st.lists(observations(Role.CONFIRM, Role.SWEEP, Role.ORIGIN, Role.ANCHOR), max_size=6),
    st.sampled_from([*OF_EDGES, Role.ANCHOR, Role.ORIGIN]),
    surroundings(),
)
def test_one_more_healthy_observation_never_makes_it_worse(
    edges: list[Observation], others: list[Observation], role: Role, around: dict[str, object]
) -> None:
    """Where the line and the origin are known to be well already: else it would be the first witness of that."""
    witnesses = well(Role.ANCHOR), well(Role.ORIGIN)
    around["reference"] = build.reference()
    before = build.verdict(whole(*edges, *others, *witnesses, **around))
    more = well(role, address=EDGE_2, of=0 if role in (Role.CONFIRM, Role.ELSEWHERE) else None)
    after = build.verdict(whole(*edges, *others, *witnesses, more, **around))
    assert gravity(after) <= gravity(before), (before.summary, after.summary)


@settings(max_examples=scaled(400))
@given(
    st.lists(observations(Role.EDGE), min_size=1, max_size=3),
    st.lists(observations(*EVERY_OTHER), max_size=6),
    surroundings(),
)
def test_every_verdict_explains_itself(
    edges: list[Observation], others: list[Observation], around: dict[str, object]
) -> None:
    found = whole(*edges, *others, **around)
    made = build.verdict(found)
    assert made == build.verdict(found), "the same evidence, the same verdict"
    assert made.summary.endswith((".", ")."))
    assert (made.outcome is Outcome.OK) == (made.fault is None) == (made.reason is None)
    for finding in made.findings:
        assert finding.observation is None or finding.observation < len(found.observations)
    if made.outcome is not Outcome.OK:
        assert made.reason in {finding.reason for finding in made.findings}


@settings(max_examples=scaled(400))
@given(st.lists(observations(Role.EDGE, Role.CONFIRM, Role.SWEEP), min_size=1, max_size=6), surroundings())
def test_a_first_failure_stays_whatever_comes_after(
    later: list[Observation], around: dict[str, object]
) -> None:
    """Promise 2: a second look that is well confirms nothing and takes nothing away."""
    around["host"] = build.host()
    again = [replace(o, of=0) if o.role is Role.CONFIRM else o for o in later]
    witnesses = well(Role.ANCHOR), well(Role.ORIGIN)
    made = build.verdict(whole(build.refused(), *again, *witnesses, **around))
    assert made.outcome is Outcome.FAILED
    assert "tcp.refused" in {finding.reason for finding in made.findings}


@settings(max_examples=scaled(200))
@given(st.sampled_from([t for t in TYPES if t.value.startswith(("agent.", "vantage."))]), surroundings())
def test_our_own_faults_are_nobody_elses(kind: FailureType, around: dict[str, object]) -> None:
    made = build.verdict(whole(failed(kind, Role.EDGE, EDGE), well(Role.ORIGIN), **around))
    assert (made.outcome, made.fault) == ("inconclusive", kind.value.partition(".")[0])
