"""A slow edge and a late reply: what a lost packet explains accuses nobody, and what it does not is found."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probe.core.model.task import Deadlines
from probe.core.model.value import replace
from probe.core.records.failure import FailureType, Phase
from probe.core.records.observation import Observation, Role
from probe.core.records.response import CacheStatus
from probe.core.records.transport import TcpInfo
from probe.core.records.verdict import SECOND_LOOKS
from probe.core.vantage.line_quality import RESENT_US
from probe.core.vantage.loss import ONCE_LOOKS, SLOW_LOOKS, may_be_a_lost_packet, patient
from tests.support.build import EDGE, broken, evidence, seen, task, timing, triple, verdict
from tests.support.sizes import scaled

CLEAN = TcpInfo(rtt_us=20_000, rtt_var_us=1_000, retransmits_total=0, mss_bytes=1460)
LOSS = replace(CLEAN, retransmits_total=1)
SLOW = timing(3_200_000, 3_250_000)
UNKNOWN, CDN = ("slow", "unknown", "timing.over_limit"), ("slow", "cdn", "timing.over_limit")
LOSSY = "inconclusive", "vantage", "vantage.lossy"
SECONDS = timing(1_400_000, 1_450_000)


def edge(late: bool = True, *, lost: bool = False, **changes: object) -> Observation:
    """The object's own request: over the limit of 500 ms, or not; `lost`: a packet of ours was sent again."""
    made = {"timing": SECONDS if late else timing(), "tcp_info": LOSS if lost else CLEAN}
    return seen(**{**made, **changes})


def again(late: bool, *, lost: bool = False, **changes: object) -> Observation:
    return replace(edge(late, lost=lost, **changes), role=Role.CONFIRM, of=0)


def anchors(number: int, *, lost: int = 0) -> list[Observation]:
    return [
        seen(Role.ANCHOR, digest=None, address=f"192.0.2.{71 + n}", tcp_info=LOSS if n < lost else CLEAN)
        for n in range(number)
    ]


@pytest.mark.parametrize("bystanders", [2, 12])
@pytest.mark.parametrize("lost", [False, True])
def test_late_once_and_in_time_three_times_is_not_known_to_be_the_cdns(bystanders: int, lost: bool) -> None:
    looks = [again(False) for _ in range(SLOW_LOOKS)]
    found = evidence(edge(lost=lost), *looks, seen(Role.ORIGIN), *anchors(bystanders))
    assert triple(found) == UNKNOWN
    made = verdict(found)
    assert "ttfb 1400.0ms, limit 500ms; 0 of 3 further looks too" in made.summary
    assert "lost packets would explain it" in made.summary
    assert made.confirmed is False


@pytest.mark.parametrize("quick", [0, 1, 2])
def test_late_again_without_a_loss_is_the_cdns(quick: int) -> None:
    looks = [again(n >= quick) for n in range(SLOW_LOOKS)]
    found = evidence(edge(), *looks, seen(Role.ORIGIN), *anchors(2))
    assert triple(found) == CDN
    assert f"{SLOW_LOOKS - quick} of 3 further looks too" in verdict(found).summary
    assert verdict(found).confirmed is True


def test_late_again_with_a_loss_each_time_shows_nothing_unless_others_lost_nothing() -> None:
    """Then the loss is on the edge's own way."""
    looks = [again(True, lost=True) for _ in range(SLOW_LOOKS)]
    few = evidence(edge(lost=True), *looks, seen(Role.ORIGIN), *anchors(2))
    assert triple(few) == UNKNOWN
    assert triple(evidence(edge(lost=True), *looks, seen(Role.ORIGIN), *anchors(6))) == CDN
    mixed = [*looks[:2], again(False)]
    assert triple(evidence(edge(lost=True), *mixed, seen(Role.ORIGIN), *anchors(6))) == UNKNOWN


def test_a_late_first_packet_is_a_loss() -> None:
    late = replace(timing(1_400_000, 1_450_000), connect_end_us=1_000 + RESENT_US)
    looks = [again(True, timing=late, tcp_info=None) for _ in range(SLOW_LOOKS)]
    found = evidence(edge(timing=late, tcp_info=None), *looks, seen(Role.ORIGIN), *anchors(2))
    # the edges' own connections came about late, and no bystander's did
    assert triple(found) == UNKNOWN


def test_what_had_to_come_from_the_origin_cannot_be_shown_again_from_the_cache() -> None:
    miss, hit = CacheStatus(hit=False, fwd="miss"), CacheStatus(hit=True)
    looks = [again(False, cache_status=hit) for _ in range(SLOW_LOOKS)]
    quick_origin = seen(Role.ORIGIN, tcp_info=CLEAN)
    assert triple(evidence(edge(cache_status=miss), *looks, quick_origin, *anchors(6))) == CDN
    assert triple(evidence(edge(cache_status=miss), *looks, quick_origin, *anchors(2))) == UNKNOWN
    assert triple(evidence(edge(cache_status=miss, lost=True), *looks, quick_origin, *anchors(6))) == UNKNOWN
    missed = [again(False, cache_status=miss) for _ in range(SLOW_LOOKS)]
    assert triple(evidence(edge(cache_status=miss), *missed, quick_origin, *anchors(6))) == UNKNOWN


def test_an_edge_that_is_slow_in_each_of_four_looks_is_found_beside_a_lossy_anchor() -> None:
    looks = [again(True) for _ in range(SLOW_LOOKS)]
    bystanders = [seen(Role.ORIGIN), *anchors(3, lost=1)]
    assert triple(evidence(edge(), *looks, *bystanders)) == CDN
    for other in (again(False), again(True, lost=True)):
        assert triple(evidence(edge(), *looks[:2], other, *bystanders)) == LOSSY
    assert triple(evidence(edge(), *looks[:2], *bystanders)) == LOSSY
    assert triple(evidence(edge(lost=True), *looks, *bystanders)) == LOSSY
    soon = timing(700_000, 750_000)  # one lost reply of a server that sends again soon explains each
    quick = [again(True, timing=soon) for _ in range(SLOW_LOOKS)]
    assert triple(evidence(edge(timing=soon), *quick, *bystanders)) == LOSSY


def test_looks_that_our_own_pace_left_out_acquit_nobody_of_a_loss() -> None:
    lost = evidence(edge(lost=True), seen(Role.ORIGIN), *anchors(6))
    assert triple(lost) == CDN
    assert triple(replace(lost, left_out=(SECOND_LOOKS,))) == UNKNOWN
    assert triple(replace(evidence(edge(), seen(Role.ORIGIN), *anchors(6)), left_out=(SECOND_LOOKS,))) == CDN


def test_a_second_look_that_was_made_for_another_reason_acquits_nobody() -> None:
    """Rows of earlier versions: a slow edge that was also looked at again for its content."""
    assert triple(evidence(edge(), again(False), seen(Role.ORIGIN), *anchors(2))) == CDN


def test_only_what_took_as_long_as_sending_again_is_asked_again() -> None:
    assert may_be_a_lost_packet(seen(timing=timing(100_000, 200_000)))
    assert not may_be_a_lost_packet(seen(timing=timing(100_000, 199_999)))
    assert not may_be_a_lost_packet(seen(timing=SLOW, proxy="http://192.0.2.99:3128"))
    assert not may_be_a_lost_packet(seen(Role.CONFIRM, timing=SLOW, of=0))


LATE, LOST = st.booleans(), st.booleans()


@settings(max_examples=scaled(2_000))
@given(
    LOST,
    st.lists(st.tuples(LATE, LOST), min_size=1, max_size=SLOW_LOOKS),
    st.integers(0, 8),
    st.integers(0, 3),
)
def test_one_late_reply_or_late_ones_with_losses_alone_never_accuse(
    first_lost: bool, looks: list[tuple[bool, bool]], clean: int, lossy: int
) -> None:
    """Whatever the bystanders: two late looks without a loss, or every look late beside six that lost nothing."""
    found = evidence(
        edge(lost=first_lost),
        *(again(late, lost=lost) for late, lost in looks),
        seen(Role.ORIGIN, tcp_info=CLEAN),
        *anchors(clean + lossy, lost=lossy),
        left_out=(SECOND_LOOKS,) if len(looks) < SLOW_LOOKS else (),
    )
    shown = sum(late and not lost for late, lost in [(True, first_lost), *looks])
    always = len(looks) == SLOW_LOOKS and all(late for late, _ in looks)
    made = verdict(found)
    if lossy:
        assert (made.fault == "cdn") == (shown == SLOW_LOOKS + 1), made.summary
    else:
        assert (made.fault == "cdn") == (shown > 1 or (always and clean >= 5)), made.summary
    assert made.fault in ("cdn", "unknown", "vantage")


@settings(max_examples=scaled(1_000))
@given(LOST, st.lists(st.tuples(LATE, LOST), min_size=1, max_size=SLOW_LOOKS), st.integers(0, 8))
def test_one_more_look_in_time_never_makes_it_the_cdns(
    first_lost: bool, looks: list[tuple[bool, bool]], clean: int
) -> None:
    bystanders = [seen(Role.ORIGIN, tcp_info=CLEAN), *anchors(clean)]
    around = {"left_out": (SECOND_LOOKS,)}
    made = [again(late, lost=lost) for late, lost in looks]
    before = verdict(evidence(edge(lost=first_lost), *made, *bystanders, **around))
    after = verdict(evidence(edge(lost=first_lost), *made, again(False), *bystanders, **around))
    assert after.fault != "cdn" or before.fault == "cdn", (before.summary, after.summary)


def test_the_edge_beside_a_slow_one_is_not_named() -> None:
    other = seen(address="192.0.2.2")
    looks = [replace(again(True), address=EDGE) for _ in range(SLOW_LOOKS)]
    made = verdict(evidence(edge(), other, *looks, seen(Role.ORIGIN), *anchors(2)), task())
    assert {finding.address for finding in made.findings if finding.fault == "cdn"} == {EDGE}


# --- nothing came in time, once ---------------------------------------------------------------------

TIMED_OUT = [
    (FailureType.TCP_TIMED_OUT, Phase.TCP),
    (FailureType.TLS_TIMED_OUT, Phase.TLS),
    (FailureType.HTTP_TIMED_OUT, Phase.HTTP),
    (FailureType.BODY_TIMED_OUT, Phase.BODY),
]
SHORT = task(deadlines=Deadlines(connect_us=700_000))


@pytest.mark.parametrize(("kind", "phase"), TIMED_OUT)
def test_nothing_in_time_once_and_well_in_three_further_looks_is_not_known_to_be_the_cdns(
    kind: FailureType, phase: Phase
) -> None:
    looks = [again(False) for _ in range(ONCE_LOOKS)]
    found = evidence(broken(kind, phase), *looks, seen(Role.ORIGIN), *anchors(12))
    assert triple(found) == ("failed", "unknown", kind)
    assert "lost packets would explain it" in verdict(found).summary
    twice = [*looks[1:], broken(kind, phase, Role.CONFIRM, of=0)]
    assert triple(evidence(broken(kind, phase), *twice, seen(Role.ORIGIN), *anchors(12))) == (
        "failed",
        "cdn",
        kind,
    )


def test_a_connection_that_had_time_for_one_packet_alone_accuses_only_with_a_second_look_that_waited() -> (
    None
):
    dead = broken(FailureType.TCP_TIMED_OUT, Phase.TCP)
    bystanders = [seen(Role.ORIGIN), *anchors(12)]
    unknown, cdn = ("failed", "unknown", "tcp.timed_out"), ("failed", "cdn", "tcp.timed_out")
    for looks, expected in (
        ([], unknown),
        ([again(False)], unknown),
        ([replace(dead, role=Role.CONFIRM, of=0)], cdn),
    ):
        assert triple(evidence(dead, *looks, *bystanders), SHORT) == expected
    assert triple(evidence(dead, *bystanders)) == cdn, "with time for more packets one look is enough"
    refused = broken(FailureType.TCP_REFUSED, Phase.TCP)
    assert triple(evidence(refused, *bystanders), SHORT) == ("failed", "cdn", "tcp.refused")


def test_only_who_has_time_for_one_packet_is_given_more() -> None:
    assert patient(Deadlines(connect_us=1_500_000)) == Deadlines(connect_us=1_500_000)
    longer = patient(Deadlines(total_us=2_000_000, connect_us=700_000))
    assert (longer.connect_us, longer.total_us) == (3_500_000, 4_800_000)
