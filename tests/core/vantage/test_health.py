"""The rule that calls a line offline: one round, rounds over time, and what that does to verdicts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probe.core.model.task import AnchorSpec, VantagePoint
from probe.core.model.value import replace
from probe.core.records.failure import FailureType, Phase
from probe.core.records.observation import Observation, Role
from probe.core.records.surroundings import LineState, VantageHealth
from probe.core.records.transport import ResourceTiming, Tls
from probe.core.records.verdict import Outcome
from probe.core.vantage.health import (
    KEPT_ROUNDS,
    AnchorRound,
    LineHistory,
    anchors_for,
    counted,
    health_during,
    late,
    rounds_of,
    stale_after_ns,
    state_of,
)
from tests.support import build
from tests.support.build import (
    EDGE_2,
    GOOD,
    OLD,
    OTHER,
    broken,
    evidence,
    refused,
    seen,
    silent,
    task,
    triple,
)
from tests.support.sizes import scaled

ON, OFF, UNKNOWN = LineState.ONLINE, LineState.OFFLINE, LineState.UNKNOWN
S = 1_000_000_000
STALE = 60 * S
OFFLINE = "inconclusive", "vantage", "vantage.offline"
_numbers = iter(range(1_000_000))


def anchor(kind: FailureType | None = None, phase: Phase = Phase.TCP, **changes: Any) -> Observation:
    made = seen(Role.ANCHOR) if kind is None else broken(kind, phase, Role.ANCHOR)
    return replace(made, url=f"tcp://192.0.2.77:{next(_numbers)}", **changes)


def state(*anchors: Observation) -> LineState:
    return state_of(*counted(anchors))


# --- one round ----------------------------------------------------------------------------------------


def test_one_anchor_that_reacts_is_enough() -> None:
    assert state(anchor(FailureType.TCP_TIMED_OUT), anchor()) is ON
    assert state(anchor(FailureType.TCP_TIMED_OUT), anchor(FailureType.TCP_TIMED_OUT)) is OFF
    assert state() is UNKNOWN


@pytest.mark.parametrize("status", [200, 301, 404, 500, 503])
def test_a_response_of_any_status_is_a_reaction(status: int) -> None:
    assert state(replace(seen(Role.ANCHOR, status=status))) is ON


@pytest.mark.parametrize("kind", [FailureType.DNS_NO_DATA, FailureType.DNS_DANGLING_ALIAS])
def test_a_name_without_an_address_of_this_version_says_nothing(kind: FailureType) -> None:
    """Else every failure over IPv6 would be excused by anchors that are there over IPv4 only."""
    nowhere = anchor(kind, Phase.DNS)
    assert state(nowhere, nowhere) is UNKNOWN
    assert state(nowhere, anchor()) is ON
    assert state(nowhere, anchor(FailureType.TCP_TIMED_OUT)) is OFF
    assert state(anchor(FailureType.DNS_TIMED_OUT, Phase.DNS)) is OFF


def test_a_reply_that_broke_off_and_a_certificate_are_reactions() -> None:
    cut = anchor(FailureType.BODY_TRUNCATED, Phase.BODY, response=seen().response)
    assert state(cut) is ON
    shown = anchor(FailureType.HTTP_TIMED_OUT, Phase.HTTP, tls=Tls(chain_sha256=("a" * 64,)))
    assert state(shown) is ON
    assert state(replace(shown, tls=Tls())) is OFF


@pytest.mark.parametrize(
    ("kind", "phase"),
    [
        (FailureType.TCP_REFUSED, Phase.TCP),
        (FailureType.TCP_ADDRESS_UNREACHABLE, Phase.TCP),
        (FailureType.TCP_CLOSED, Phase.HTTP),
        (FailureType.DNS_TIMED_OUT, Phase.DNS),
        (FailureType.DNS_NAME_NOT_RESOLVED, Phase.DNS),
        (FailureType.VANTAGE_NETWORK_DOWN, Phase.HOST),
        (FailureType.VANTAGE_SOURCE_UNAVAILABLE, Phase.HOST),
        (FailureType.VANTAGE_PROXY_UNREACHABLE, Phase.HOST),
    ],
)
def test_these_are_none(kind: FailureType, phase: Phase) -> None:
    assert state(anchor(kind, phase)) is OFF


@pytest.mark.parametrize(
    "kind",
    [
        FailureType.AGENT_DESCRIPTORS_EXHAUSTED,
        FailureType.AGENT_MEMORY_EXHAUSTED,
        FailureType.AGENT_SOCKET_LATE,
        FailureType.AGENT_INTERNAL_ERROR,
        FailureType.TCP_ADDRESS_BLOCKED,
    ],
)
def test_what_our_own_host_did_not_ask_says_nothing(kind: FailureType) -> None:
    assert state(anchor(kind, Phase.HOST)) is UNKNOWN
    assert state(anchor(kind, Phase.HOST), anchor()) is ON
    assert state(anchor(kind, Phase.HOST), anchor(FailureType.TCP_TIMED_OUT)) is OFF


def test_an_anchor_tried_twice_counts_once() -> None:
    lost = broken(FailureType.DNS_TIMED_OUT, Phase.DNS, Role.ANCHOR, url="dns://192.0.2.53:53/.")
    answered = replace(lost, failure=None)
    assert counted([lost, answered]) == (1, 1)
    assert counted([lost, lost]) == (1, 0)


def test_behind_a_proxy_only_what_went_through_it_counts() -> None:
    proxy = "socks5://192.0.2.80:1080"
    dns = anchor()
    dead = anchor(FailureType.VANTAGE_PROXY_UNREACHABLE, Phase.HOST, proxy=proxy)
    assert state(dns, dead) is OFF
    assert state(dns, replace(anchor(), proxy=proxy)) is ON
    assert state(dns) is ON, "where nothing was asked through the proxy, the line to it is all that is known"


def test_each_ip_version_has_the_anchors_of_its_own() -> None:
    four, six, named = (
        AnchorSpec(scheme="tcp", host=host, port=443) for host in ("192.0.2.7", "2001:db8::7", "a.example")
    )
    all_three = VantagePoint(name="v", anchors=(four, six, named))
    assert anchors_for(all_three, 4) == (four, named)
    assert anchors_for(all_three, 6) == (six, named)
    assert anchors_for(VantagePoint(name="v", anchors=(four,)), 6) == (four,)
    assert anchors_for(VantagePoint(name="v"), 6) == ()


def after(connecting_us: int, **changes: Any) -> Observation:
    timing = ResourceTiming(connect_start_us=1_000, connect_end_us=1_000 + connecting_us)
    return anchor(timing=timing, **changes)


def test_a_line_that_comes_back_while_it_is_asked() -> None:
    """Every first packet was lost at the same moment, and sent again after a second."""
    both = [after(1_020_000), after(1_030_000)]
    assert late(both)
    times = {"started_ns": 1, "ended_ns": 5, "started_at": "a", "ended_at": "b"}
    away, back = rounds_of(both, **times)  # type: ignore[arg-type]
    assert (away.state, away.witnessed_ns, back.state, back.witnessed_ns) == (OFF, 1, ON, 5)
    found = history(away, back)
    assert (found.state, health_during(found, 2, 6, STALE).offline_meanwhile) == (ON, True)
    assert health_during(found, 6, 7, STALE).offline_meanwhile is False
    assert triple(evidence(silent(), seen(Role.ORIGIN), *both)) == OFFLINE
    stalled = build.host(loop_lag_us=900_000)
    assert triple(evidence(refused(), seen(Role.ORIGIN), *both, host=stalled))[1] == "cdn"


def test_one_that_is_reached_at_once_shows_that_the_line_was_there() -> None:
    assert not late([after(1_020_000), after(20_000)])
    assert not late([after(999_999)])
    assert not late([anchor(FailureType.TCP_TIMED_OUT)])
    assert not late([])
    assert not late([after(2_000_000, proxy="socks5://192.0.2.80:1080")]), "a proxy takes its time"
    slow_tls = ResourceTiming(
        connect_start_us=0, secure_connection_start_us=300_000, connect_end_us=1_500_000
    )
    assert not late([anchor(timing=slow_tls)]), "a long way, and nothing was lost"


def test_a_question_that_had_to_be_repeated_was_lost() -> None:
    lost = broken(FailureType.DNS_TIMED_OUT, Phase.DNS, Role.ANCHOR, url="dns://192.0.2.53:53/.")
    answered = replace(lost, failure=None)
    assert late([lost, answered])
    assert not late([lost, answered, after(20_000)])


# --- rounds over time ---------------------------------------------------------------------------------


def made(start_s: float, end_s: float, *, reached: int = 0, asked: int = 2) -> AnchorRound:
    told = end_s if reached else start_s
    return AnchorRound(
        started_ns=round(start_s * S),
        ended_ns=round(end_s * S),
        witnessed_ns=round(told * S),
        started_at=f"started {start_s}",
        ended_at=f"ended {end_s}",
        asked=asked,
        reached=reached,
    )


def history(*rounds: AnchorRound) -> LineHistory:
    found = LineHistory()
    for one in rounds:
        found = found.with_round(one)
    return found


def during(start_s: float, end_s: float, *rounds: AnchorRound) -> VantageHealth:
    return health_during(history(*rounds), round(start_s * S), round(end_s * S), STALE)


def test_a_round_is_made_of_its_observations() -> None:
    times = {"started_ns": 1, "ended_ns": 5, "started_at": "a", "ended_at": "b"}
    (found,) = rounds_of([anchor(), anchor(FailureType.TCP_TIMED_OUT)], **times)  # type: ignore[arg-type]
    assert (found.asked, found.reached, found.state, found.witnessed_ns) == (2, 1, ON, 5)
    (found,) = rounds_of([anchor(FailureType.TCP_TIMED_OUT)], **times)  # type: ignore[arg-type]
    assert (found.asked, found.reached, found.state, found.witnessed_ns) == (1, 0, OFF, 1)


def test_without_a_round_nothing_is_known() -> None:
    assert during(0, 10) == VantageHealth(state=UNKNOWN)
    assert during(0, 10, made(1, 2, asked=0)) == VantageHealth(state=UNKNOWN)


def test_a_line_that_is_well() -> None:
    found = during(10, 12, made(0, 1, reached=1), made(9, 9.1, reached=2))
    assert found == VantageHealth(
        state=ON,
        since="ended 1",
        checked_at="ended 9.1",
        anchors_asked=2,
        anchors_reached=2,
        offline_meanwhile=False,
    )


def test_a_line_that_was_offline_when_the_slot_began() -> None:
    found = during(20, 22, made(0, 1, reached=1), made(15, 16))
    assert (found.state, found.since, found.offline_meanwhile) == (OFF, "started 15", True)


def test_a_line_that_was_away_for_three_seconds_and_is_back() -> None:
    """Edges timed out meanwhile; whoever asks again afterwards finds all well."""
    found = during(10, 20, made(0, 1, reached=2), made(11, 13), made(19, 19.1, reached=2))
    assert (found.state, found.since, found.offline_meanwhile) == (ON, "ended 19.1", True)


@pytest.mark.parametrize(
    ("start_s", "end_s", "meanwhile"),
    [(0, 4.9, False), (0, 5, True), (6, 7, True), (7, 30, True), (13, 30, False), (20, 30, False)],
)
def test_only_slots_that_an_offline_round_touches_are_excused(
    start_s: float, end_s: float, meanwhile: bool
) -> None:
    rounds = made(-5, -4, reached=1), made(5, 7), made(12, 12.5, reached=1)
    assert during(start_s, end_s, *rounds).offline_meanwhile is meanwhile


def test_a_stale_state_excuses_nobody() -> None:
    old = made(0, 1)
    assert during(61, 61, old).offline_meanwhile is True
    assert during(61.1, 62, old) == VantageHealth(state=UNKNOWN)
    assert during(500, 501, old) == VantageHealth(state=UNKNOWN)
    assert stale_after_ns(VantagePoint(name="v", anchor_interval_us=30_000_000)) == STALE


def test_a_round_that_waited_long_in_vain_does_not_contradict_one_that_began_later() -> None:
    late = made(0, 5)
    found = history(made(4, 4.1, reached=1), late)
    assert (found.state, found.since) == (ON, "ended 4.1")
    assert health_during(found, 2 * S, 6 * S, STALE).offline_meanwhile is True
    assert health_during(found, 6 * S, 7 * S, STALE).offline_meanwhile is False
    assert history(late, made(4, 4.1, reached=1)).state is ON
    assert history(late, made(4, 4.1, reached=1), made(5, 6)).state is OFF


def test_many_slots_that_ask_at_once_leave_a_bounded_history_that_forgets_nothing_that_matters() -> None:
    many = [made(10 + n / 100, 12 + n / 100) for n in range(500)]
    found = history(made(0, 1, reached=1), *many)
    assert len(found.rounds) == 2
    assert (found.rounds[1].started_ns, found.rounds[1].ended_ns) == (10 * S, round(16.99 * S))
    well = history(*[made(n / 100, n / 100 + 0.001, reached=1) for n in range(500)])
    assert len(well.rounds) <= 21
    mixed = history(*[made(n, n + 0.5, reached=n % 2) for n in range(1000)])
    assert len(mixed.rounds) == KEPT_ROUNDS


def test_a_slot_in_the_middle_of_a_long_good_time_is_not_excused_by_what_was_before() -> None:
    rounds = [made(0, 5), *[made(5 + n / 10, 5.05 + n / 10, reached=1) for n in range(1, 400)]]
    assert during(20, 21, *rounds).offline_meanwhile is False


@given(
    st.lists(
        st.tuples(st.integers(0, 300), st.integers(0, 10), st.integers(0, 2), st.integers(0, 2)), max_size=40
    ),
    st.integers(0, 300),
    st.integers(0, 60),
)
def test_what_holds_of_any_history(rounds: list[tuple[int, int, int, int]], start: int, length: int) -> None:
    by_end = sorted(
        (
            made(at, at + took, asked=asked, reached=min(asked, reached))
            for at, took, asked, reached in rounds
        ),
        key=lambda r: r.ended_ns,
    )
    found = history(*by_end)
    told = health_during(found, start * S, (start + length) * S, STALE)
    offline = [r for r in by_end if r.state is OFF]
    touching = [r for r in offline if r.started_ns <= (start + length) * S and r.ended_ns >= start * S]
    assert not touching or told.offline_meanwhile
    assert not told.offline_meanwhile or any(
        r.started_ns <= (start + length) * S and r.ended_ns >= start * S - STALE for r in offline
    ), "excused by nothing that was seen lately"
    assert told.state is UNKNOWN or told.checked_at is not None
    assert (told.state is ON) == (told.anchors_reached > 0)
    assert len(found.rounds) <= KEPT_ROUNDS


# --- verdicts -----------------------------------------------------------------------------------------

AWAY = VantageHealth(state=ON, offline_meanwhile=True)
HERE = VantageHealth(state=ON, anchors_asked=2, anchors_reached=2)
WAS_OFF = VantageHealth(state=OFF, anchors_asked=2)


def test_the_anchors_that_answer_afterwards_do_not_convict() -> None:
    late = seen(Role.ANCHOR), seen(Role.ORIGIN), silent(Role.CONFIRM, of=0)
    assert triple(evidence(silent(), *late, vantage_health=AWAY)) == OFFLINE
    assert triple(evidence(silent(), *late, vantage_health=HERE)) == ("failed", "cdn", "tcp.timed_out")
    assert triple(evidence(silent(), *late, vantage_health=WAS_OFF)) == ("failed", "cdn", "tcp.timed_out")
    assert triple(evidence(silent(), *late)) == ("failed", "cdn", "tcp.timed_out")


def test_a_name_that_was_not_found_while_the_line_was_away_is_nobodys_fault() -> None:
    gone = build.unresolved(FailureType.DNS_SERVER_FAILURE, "acme.cdn.example.net", "other_resolvers_failed")
    assert triple(evidence(seen(Role.ANCHOR), resolution=gone, vantage_health=AWAY)) == OFFLINE
    assert triple(evidence(seen(Role.ANCHOR), resolution=gone))[1] == "cdn"


def test_anchors_that_our_own_host_could_not_ask_leave_it_our_own_fault() -> None:
    none = anchor(FailureType.AGENT_DESCRIPTORS_EXHAUSTED, Phase.HOST)
    found = triple(evidence(refused(), none))
    assert found == ("inconclusive", "agent", "agent.descriptors_exhausted")
    assert triple(evidence(refused(), none, anchor())) == ("failed", "cdn", "tcp.refused")


def test_an_anchor_that_our_policy_forbids_is_as_good_as_none() -> None:
    blocked = anchor(FailureType.TCP_ADDRESS_BLOCKED)
    assert triple(evidence(refused(), blocked)) == triple(evidence(refused()))
    assert triple(evidence(silent(), blocked)) == ("inconclusive", "unknown", "vantage.no_witness")


def test_an_anchors_name_that_is_not_found_proves_no_line() -> None:
    """A resolver on this host says as much when the line is cut."""
    lost = anchor(FailureType.DNS_SERVER_FAILURE, Phase.DNS)
    assert triple(evidence(silent(), lost)) == OFFLINE
    origin = broken(FailureType.DNS_SERVER_FAILURE, Phase.DNS, Role.ORIGIN)
    assert triple(evidence(silent(), origin)) == ("inconclusive", "unknown", "vantage.no_witness")


def test_ipv4_that_works_says_nothing_of_ipv6() -> None:
    six = task(ip_version=6)
    dead = silent(address="2001:db8::1")
    over_4 = seen(Role.ANCHOR, address="192.0.2.7"), seen(Role.ORIGIN)
    assert triple(evidence(dead, *over_4), six) == ("inconclusive", "unknown", "vantage.no_witness")
    assert triple(evidence(dead, seen(Role.ANCHOR, address="2001:db8::7")), six)[1] == "cdn"
    assert triple(evidence(silent(), *over_4)) == ("failed", "cdn", "tcp.timed_out")


_FAILURES = [
    (t, Phase(t.value.partition(".")[0]) if t.value[:3] in ("tcp", "tls") else Phase.HTTP)
    for t in FailureType
    if t.value.startswith(("tcp.", "tls.", "http.", "body."))
]


@st.composite
def looks(draw: st.DrawFn, role: Role) -> Observation:
    changes: dict[str, Any] = {"of": 0} if role is Role.CONFIRM else {}
    if draw(st.booleans()):
        return broken(*draw(st.sampled_from(_FAILURES)), role, **changes)
    return seen(
        role,
        status=draw(st.sampled_from([200, 404, 503])),
        digest=draw(st.sampled_from([GOOD, OLD, OTHER])),
        timing=build.timing(*draw(st.sampled_from([(20_000, 30_000), (900_000, 5_000_000)]))),
        **changes,
    )


EDGES = st.lists(looks(Role.EDGE), min_size=1, max_size=3)
OTHERS = st.lists(
    st.one_of(*[looks(r) for r in (Role.CONFIRM, Role.SWEEP, Role.ORIGIN, Role.ANCHOR)]), max_size=6
)


@settings(max_examples=scaled(300))
@given(EDGES, OTHERS, st.sampled_from(list(LineState)), st.booleans())
def test_while_the_line_was_away_nobody_is_accused(
    edges: list[Observation], others: list[Observation], line: LineState, known: bool
) -> None:
    away = VantageHealth(state=line, offline_meanwhile=True)
    versions = (build.version(OLD, etag='"v0"'), build.version()) if known else (build.version(),)
    made_of = build.verdict(
        evidence(*edges, *others, vantage_health=away, reference=build.reference(*versions))
    )
    assert made_of.fault in (None, "vantage", "agent"), made_of.summary
    assert not [f for f in made_of.findings if f.fault == "cdn"]
    assert made_of.outcome in (Outcome.OK, Outcome.INCONCLUSIVE)


@given(OTHERS, st.sampled_from([None, AWAY, HERE, WAS_OFF]))
def test_a_healthy_edge_is_never_made_worse(others: list[Observation], line: VantageHealth | None) -> None:
    healthy = seen(), seen(address=EDGE_2)
    before = build.verdict(evidence(*healthy, *others))
    after = build.verdict(evidence(*healthy, *others, vantage_health=line))
    if before.outcome is Outcome.OK:
        assert (after.outcome, after.fault) == (Outcome.OK, None)
