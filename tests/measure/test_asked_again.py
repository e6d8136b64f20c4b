"""How often, and for how long, an edge is asked again before it is named for what a lost packet explains."""

from __future__ import annotations

from probe.core.model.task import AnchorSpec, Deadlines, Limits, VantagePoint
from probe.core.model.value import replace
from probe.core.records.failure import FailureType, Phase
from probe.core.records.observation import Observation, Role
from probe.core.records.rows import SlotRecord
from probe.fetch.target import FetchTarget
from tests.measure.test_pipeline import Bench, reply
from tests.support import build
from tests.support.build import EDGE, EDGE_2, broken, timing

ANCHORS = tuple(AnchorSpec(scheme="http", host=f"192.0.2.7{n}", port=80) for n in (1, 2))
TASK = build.task(vantage_point=VantagePoint(name="bj-ct", anchors=ANCHORS))
SLOW = replace(reply(), timing=timing(900_000, 950_000))
TIMED_OUT = broken(FailureType.TCP_TIMED_OUT, Phase.TCP)


def at_edge(bench: Bench) -> list[FetchTarget]:
    """The further looks at the edge that is late."""
    return [t for t in bench.fetcher.targets if t.role is Role.CONFIRM and t.address == EDGE]


def first(found: Observation, then: Observation | None = None) -> Bench:
    """The first edge gives this to the object's own request, and the other thing to whoever looks again."""

    def answer(target: FetchTarget, count: int) -> Observation:
        if target.address != EDGE:
            return reply()
        return found if target.role is Role.EDGE else then or found

    return Bench(answer)


def triple(row: SlotRecord) -> tuple[str, str | None, str | None]:
    assert row.outcome is not None
    return row.outcome.value, None if row.fault is None else row.fault.value, row.reason


async def test_a_slow_edge_is_asked_three_times_more_and_the_other_not_at_all() -> None:
    bench = first(SLOW)
    row = await bench.measure(TASK)
    assert triple(row) == ("slow", "cdn", "timing.over_limit")
    assert len(at_edge(bench)) == bench.roles()["confirm"] == 3
    assert bench.roles()["sweep"] == 0, "no other node is asked for slowness"


async def test_the_origin_is_asked_before_a_slow_edge_is_asked_again() -> None:
    """Many slow replies later, an origin that made them slow may be well again."""
    bench = first(SLOW)
    await bench.measure(TASK)
    roles = [t.role for t in bench.fetcher.targets if t.role in (Role.CONFIRM, Role.ORIGIN)]
    assert roles[-4:] == [Role.ORIGIN, Role.CONFIRM, Role.CONFIRM, Role.CONFIRM]


def at(observation: Observation, begun_us: int) -> Observation:
    """The same, connected to so long after the slot began."""
    times, by_us = observation.timing, begun_us - (observation.timing.connect_start_us or 0)
    names = ("connect_start_us", "connect_end_us", "request_start_us", "response_start_us", "response_end_us")
    return replace(
        observation, timing=replace(times, **{name: (getattr(times, name) or 0) + by_us for name in names})
    )


def test_another_edge_that_is_well_again_tells_as_much() -> None:
    """Both were late; this one was so in all its looks, the other no longer; then the origin was quick."""
    late, other = build.seen(timing=timing(900_000, 950_000)), build.seen(address=EDGE_2)
    again = [at(replace(late, role=Role.CONFIRM, of=0), us) for us in (1_000_000, 1_100_000, 1_200_000)]
    well = at(replace(other, role=Role.CONFIRM, of=1), 1_300_000)
    calm = [build.seen(Role.ANCHOR, address=f"192.0.2.7{n}") for n in (1, 2, 3, 4)]
    for origin_us, fault in ((1_400_000, "unknown"), (1_150_000, "cdn")):
        origin = at(build.seen(Role.ORIGIN), origin_us)
        assert build.triple(build.evidence(late, other, *again, well, origin, *calm), TASK)[1] == fault


def late_then(*looks: tuple[bool, int], origin_us: int) -> str | None:
    """Whose fault an edge is that was late at first; `looks` again: whether late, and when. The origin is quick."""
    slow, quick = build.seen(timing=timing(900_000, 950_000)), build.seen()
    again = [at(replace(slow if late else quick, role=Role.CONFIRM, of=0), us) for late, us in looks]
    calm = [build.seen(Role.ANCHOR, address=f"192.0.2.7{n}") for n in (1, 2, 3, 4)]
    found = build.evidence(slow, *again, at(build.seen(Role.ORIGIN), origin_us), *calm)
    return build.triple(found, TASK)[1]


def test_an_edge_that_is_well_as_soon_as_the_origin_is_asked_may_have_waited_for_it() -> None:
    late, well = (True, 1_000_000), (False, 2_000_000)
    assert late_then(late, well, well, origin_us=1_900_000) == "unknown"
    assert late_then(late, (True, 2_000_000), well, origin_us=1_900_000) == "cdn"
    assert late_then(late, (True, 1_100_000), (True, 1_200_000), origin_us=1_900_000) == "cdn"
    assert late_then(late, (True, 1_100_000), (True, 1_200_000), well, origin_us=1_900_000) == "unknown"
    assert late_then((True, 1_300_000), well, well, origin_us=1_200_000) == "cdn"


async def test_in_time_each_time_it_is_asked_again_nobody_is_named() -> None:
    bench = first(SLOW, reply())
    assert triple(await bench.measure(TASK)) == ("slow", "unknown", "timing.over_limit")
    assert bench.roles()["anchor"] > len(ANCHORS), "the anchors tell whether the line loses packets"


async def test_a_host_that_stood_still_meanwhile_asks_the_edge_again_and_the_anchors_once() -> None:
    def answer(target: FetchTarget, count: int) -> Observation:
        return SLOW if target.address == EDGE and target.role is Role.EDGE else reply()

    bench = Bench(answer, lag_us=150_000)
    assert triple(await bench.measure(TASK)) == ("slow", "unknown", "timing.over_limit")
    assert len(at_edge(bench)) == 3
    assert bench.roles()["anchor"] == len(ANCHORS)


async def test_less_than_a_lost_packet_takes_is_not_asked_again() -> None:
    quick = replace(reply(), timing=timing(150_000, 199_000))
    checks = build.checks(availability={}, response_time={"ttfb": "100ms"})
    bench = first(quick)
    assert triple(await bench.measure(replace(TASK, checks=checks))) == ("slow", "cdn", "timing.over_limit")
    assert at_edge(bench) == []


async def test_further_looks_keep_to_the_rate_and_what_is_left_out_is_said() -> None:
    bench = first(SLOW)
    row = await bench.measure(replace(TASK, limits=Limits(further_per_minute=2)))
    assert len(at_edge(bench)) == 2
    assert row.left_out == ("second_looks",)


async def test_a_dead_edge_is_asked_once_more_and_one_that_was_well_then_three_times() -> None:
    dead, once = first(TIMED_OUT), first(TIMED_OUT, reply())
    assert triple(await dead.measure(TASK)) == ("failed", "cdn", "tcp.timed_out")
    assert len(at_edge(dead)) == 1
    assert triple(await once.measure(TASK)) == ("failed", "unknown", "tcp.timed_out")
    assert len(at_edge(once)) == 3


async def test_where_a_connection_has_time_for_one_packet_further_looks_and_anchors_have_more() -> None:
    short = Deadlines(total_us=2_000_000, connect_us=700_000)
    longer = replace(short, total_us=4_800_000, connect_us=3_500_000)
    dead = first(TIMED_OUT)
    await dead.measure(replace(TASK, deadlines=short))
    had = {(t.role, t.deadlines) for t in dead.fetcher.targets}
    assert {(Role.EDGE, short), (Role.CONFIRM, longer), (Role.ANCHOR, longer)} <= had
    assert not {(Role.CONFIRM, short), (Role.EDGE, longer)} & had


async def test_so_does_a_checks_further_request_that_is_asked_again() -> None:
    checks = build.checks(availability={}, negotiation={})
    short = Deadlines(total_us=2_000_000, connect_us=700_000)

    def answer(target: FetchTarget, count: int) -> Observation:
        further = target.role is Role.CHECK and target.request.method == "HEAD"
        return TIMED_OUT if further else reply()

    bench = Bench(answer, build.resolution(EDGE))
    await bench.measure(replace(TASK, deadlines=short, checks=checks))
    again = [t for t in bench.fetcher.targets if t.role is Role.CONFIRM]
    assert {t.request.method for t in again} == {"HEAD"}
    assert {t.deadlines.connect_us for t in again} == {3_500_000}
