"""The watch over the anchors in virtual time: when it asks, what it makes of it, and what it tells."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from probe.core.model.task import AnchorSpec, VantagePoint
from probe.core.model.value import replace
from probe.core.records.failure import Failure, FailureType, Phase
from probe.core.records.observation import Observation, Role
from probe.core.records.surroundings import LineState, VantageHealth
from probe.core.vantage.health import LineHistory
from probe.evidence.capture import collecting, collector
from probe.fetch.target import FetchTarget
from probe.host.clock import rfc3339
from probe.schedule.jobs import Jobs
from probe.watch.anchor_watch import AnchorWatch
from tests.support import build
from tests.support.virtual import VirtualTime, run

ON, OFF, UNKNOWN = LineState.ONLINE, LineState.OFFLINE, LineState.UNKNOWN
A, B = (AnchorSpec(scheme="tcp", host=f"192.0.2.{n}", port=443) for n in (7, 8))
S = 1_000_000_000


def point(name: str = "bj-ct", *anchors: AnchorSpec, **changes: Any) -> VantagePoint:
    return VantagePoint(name=name, anchors=anchors or (A, B), **changes)


@dataclass
class MadeLine:
    """Answers for every anchor, as a line in virtual time does. `away`: nothing comes back; `own`: our own trouble."""

    time: VirtualTime
    away: bool = False
    own: FailureType | None = None
    down: set[str] = field(default_factory=set)
    asked: list[tuple[float, str, str]] = field(default_factory=list)

    async def fetch(self, target: FetchTarget) -> Observation:
        self.asked.append((self.time.now_us / 1e6, target.vantage.name, target.address))
        made = replace(build.seen(Role.ANCHOR), address=target.address, url=f"tcp://{target.address}")
        if self.own is not None:
            return replace(made, response=None, failure=Failure(phase=Phase.HOST, type=self.own))
        if self.away or target.address in self.down:
            await asyncio.sleep(target.deadlines.connect_us / 1e6)
            return replace(
                made, response=None, failure=Failure(phase=Phase.TCP, type=FailureType.TCP_TIMED_OUT)
            )
        await asyncio.sleep(0.02)
        return made

    connect_only = fetch

    async def close(self) -> None:
        return None

    def rounds_of(self, name: str) -> list[float]:
        return sorted({at for at, vantage, _ in self.asked if vantage == name})


class World:
    """A watch over made lines."""

    def __init__(self, *points: VantagePoint, versions: Sequence[int] = (4,)) -> None:
        self.time = VirtualTime()
        self.line = MadeLine(self.time)
        self.told: list[tuple[float, str, int, LineState]] = []
        self.histories: list[LineHistory] = []
        self.lag_us = 0
        self.looked_up: list[tuple[str, int]] = []
        self.points = points or (point(),)
        self.jobs = Jobs(self.time)
        self.watch = AnchorWatch(
            self.jobs,
            self.time,
            self.line,
            self.lookup,
            [(p, v) for p in self.points for v in versions],
            self.on_change,
            lambda since, until: self.lag_us,
        )

    async def lookup(
        self, host: str, vantage: VantagePoint, version: int, start_ns: int, limit_us: int
    ) -> str | Failure:
        self.looked_up.append((host, version))
        return "2001:db8::7" if version == 6 else "192.0.2.7"

    def on_change(self, vantage: VantagePoint, ip_version: int, history: LineHistory) -> None:
        self.told.append((self.time.now_us / 1e6, vantage.name, ip_version, history.state))
        self.histories.append(history)

    def health(self, last_s: float = 0, version: int = 4) -> VantageHealth:
        found = self.watch.health(self.points[0], version, self.time.monotonic_ns() - round(last_s * S))
        assert found is not None
        return found

    def run(self, work: Callable[[], Awaitable[None]]) -> None:
        async def whole() -> None:
            self.jobs.start()
            await self.watch.start()
            try:
                await work()
            finally:
                await self.watch.stop()
                await self.jobs.stop()

        run(self.time, whole())


def states(world: World) -> list[LineState]:
    return [state for *_, state in world.told]


def test_each_vantage_point_has_a_round_every_interval_all_anchors_at_once() -> None:
    world = World(point(), point("sh-cu"), point("gd-cm", anchor_interval_us=10_000_000))

    async def work() -> None:
        await asyncio.sleep(305)

    world.run(work)
    for name, interval_s, count in (("bj-ct", 30, 10), ("sh-cu", 30, 10), ("gd-cm", 10, 30)):
        rounds = world.line.rounds_of(name)
        assert rounds[0] < 5.1
        assert len(rounds) in (count, count + 1)
        assert {round(b - a, 3) for a, b in itertools.pairwise(rounds)} == {interval_s}
    firsts = {world.line.rounds_of(p.name)[0] for p in world.points}
    assert len(firsts) == 3, "vantage points do not fire together"
    assert len(world.line.asked) == 2 * sum(len(world.line.rounds_of(p.name)) for p in world.points)
    assert world.told == [], "that all is well is no news"


def test_the_phase_is_the_same_after_a_restart() -> None:
    async def work() -> None:
        await asyncio.sleep(20)

    firsts = []
    for _ in range(2):
        world = World()
        world.run(work)
        firsts.append(world.line.rounds_of("bj-ct")[0])
    assert firsts[0] == firsts[1]


def test_a_line_that_is_cut_and_mended_is_told_twice() -> None:
    world = World()

    async def work() -> None:
        await asyncio.sleep(40)
        assert world.health().state is ON
        world.line.away = True
        await asyncio.sleep(100)
        found = world.health()
        assert (found.state, found.anchors_asked, found.anchors_reached) == (OFF, 2, 0)
        assert found.offline_meanwhile is True
        world.line.away = False
        await asyncio.sleep(20)
        assert world.health().state is ON
        assert world.health().offline_meanwhile is False
        assert world.health(last_s=30).offline_meanwhile is True

    world.run(work)
    assert states(world) == [OFF, ON]
    (off_s, *_), (on_s, *_) = world.told
    assert 40 < off_s <= 40 + 30 + 5.1, "within one interval and the time of a round"
    assert 140 < on_s <= 140 + 10.1, "a line that is away is looked at more often"
    offline, online = world.histories
    assert offline.since is not None
    assert online.since is not None
    assert offline.since < online.since <= rfc3339(world.time.time_ns())


def test_a_line_that_is_offline_from_the_start_is_told() -> None:
    world = World()
    world.line.away = True

    async def work() -> None:
        await asyncio.sleep(15)

    world.run(work)
    assert states(world) == [OFF]


def test_one_dead_anchor_is_no_dead_line() -> None:
    world = World()
    world.line.down = {"192.0.2.7"}

    async def work() -> None:
        await asyncio.sleep(100)
        found = world.health()
        assert (found.state, found.anchors_asked, found.anchors_reached) == (ON, 2, 1)

    world.run(work)
    assert world.told == []


def test_what_our_own_host_lacks_is_no_news_of_the_line() -> None:
    world = World()

    async def work() -> None:
        await asyncio.sleep(40)
        world.line.own = FailureType.AGENT_DESCRIPTORS_EXHAUSTED
        await asyncio.sleep(30)
        assert world.health().state is ON
        await asyncio.sleep(60)
        assert world.health() == VantageHealth(state=UNKNOWN), "nothing fresh is known"

    world.run(work)
    assert world.told == []


def test_a_round_that_our_own_loop_slept_through_says_nothing() -> None:
    world = World()
    world.line.away, world.lag_us = True, 600_000

    async def work() -> None:
        await asyncio.sleep(60)
        assert world.health() == VantageHealth(state=UNKNOWN)
        world.lag_us = 0
        await asyncio.sleep(40)
        assert world.health().state is OFF

    world.run(work)


def test_a_reaction_counts_although_our_loop_was_slow() -> None:
    world = World()
    world.lag_us = 600_000

    async def work() -> None:
        await asyncio.sleep(10)
        assert world.health().state is ON

    world.run(work)


def test_steps_of_the_wall_clock_make_no_storm_and_no_gap() -> None:
    """Hostile case 44."""
    world = World()

    async def work() -> None:
        for step_s in (30, -30, 365 * 86_400, -365 * 86_400):
            await asyncio.sleep(60)
            world.time.wall_offset_us += step_s * 1_000_000
        await asyncio.sleep(60)
        assert world.health().state is ON

    world.run(work)
    assert len(world.line.rounds_of("bj-ct")) in (10, 11)
    assert world.told == []


def test_a_process_that_stood_still_makes_up_for_nothing() -> None:
    world = World()

    async def work() -> None:
        await asyncio.sleep(40)
        before = len(world.line.rounds_of("bj-ct"))
        world.time.advance(3600)
        await asyncio.sleep(60)
        assert len(world.line.rounds_of("bj-ct")) - before in (2, 3)

    world.run(work)


def test_an_interval_shorter_than_a_round_gives_bounded_rounds() -> None:
    world = World(point(anchor_interval_us=1_000_000))
    world.line.away = True

    async def work() -> None:
        await asyncio.sleep(60)

    world.run(work)
    assert len(world.line.rounds_of("bj-ct")) <= 61
    assert states(world) == [OFF]


def test_rounds_of_slots_count_and_tell_at_once() -> None:
    world = World()

    async def work() -> None:
        await asyncio.sleep(10)
        dead = [build.silent(Role.ANCHOR, address="192.0.2.7", url="tcp://192.0.2.7:443")]
        world.watch.note_round(world.points[0], 4, dead, world.time.monotonic_ns() - 2 * S)
        assert (world.health().state, states(world)) == (OFF, [OFF])
        await asyncio.sleep(3)
        world.watch.note_round(world.points[0], 4, [build.seen(Role.ANCHOR)], world.time.monotonic_ns())
        assert (world.health().state, states(world)) == (ON, [OFF, ON])
        assert world.health(last_s=4).offline_meanwhile is True
        world.watch.note_round(point("unknown"), 4, dead, world.time.monotonic_ns())
        world.watch.note_round(world.points[0], 6, dead, world.time.monotonic_ns())
        assert len(world.told) == 2

    world.run(work)


def test_a_line_that_comes_and_goes_is_told_once_a_second_at_most_and_rightly_in_the_end() -> None:
    world = World()
    dead = [build.silent(Role.ANCHOR, address="192.0.2.7", url="tcp://192.0.2.7:443")]

    async def work() -> None:
        await asyncio.sleep(10)
        for n in range(1000):
            anchors = dead if n % 2 == 0 else [build.seen(Role.ANCHOR)]
            world.watch.note_round(world.points[0], 4, anchors, world.time.monotonic_ns())
            await asyncio.sleep(0.01)
        world.watch.note_round(world.points[0], 4, dead, world.time.monotonic_ns())
        await asyncio.sleep(2)
        assert states(world)[-1] is world.health().state is OFF

    world.run(work)
    assert 2 <= len(world.told) <= 13
    assert all(one is not other for one, other in itertools.pairwise(states(world)))


def test_each_ip_version_is_a_line_of_its_own() -> None:
    six = AnchorSpec(scheme="tcp", host="2001:db8::8", port=443)
    named = AnchorSpec(scheme="tcp", host="anchor.example", port=443)
    world = World(point("bj-ct", A, six, named), versions=(4, 6))
    world.line.down = {"2001:db8::7", "2001:db8::8"}

    async def work() -> None:
        await asyncio.sleep(20)
        assert (world.health(version=4).state, world.health(version=6).state) == (ON, OFF)

    world.run(work)
    assert [(version, state) for _, _, version, state in world.told] == [(6, OFF)]
    assert set(world.looked_up) == {("anchor.example", 4), ("anchor.example", 6)}


def test_health_is_known_only_while_somebody_watches() -> None:
    world = World()
    assert world.watch.health(world.points[0], 4, 0) is None

    async def work() -> None:
        assert world.health() == VantageHealth(state=UNKNOWN)
        assert world.watch.health(point("other"), 4, 0) is None
        await asyncio.sleep(10)
        assert world.health().state is ON

    world.run(work)
    assert world.watch.health(world.points[0], 4, 0) is None


def test_a_vantage_point_without_anchors_is_asked_nothing() -> None:
    world = World(VantagePoint(name="bare"))

    async def work() -> None:
        await asyncio.sleep(1)
        assert world.health() == VantageHealth(state=UNKNOWN)

    world.run(work)
    assert world.line.asked == []


def test_whoever_is_told_and_whatever_breaks_does_not_end_the_watch() -> None:
    world = World()

    def refuse(*_: object) -> None:
        raise RuntimeError("no")

    world.watch._on_change = refuse
    world.line.away = True
    broken = iter((True, False))
    fetch = world.line.fetch

    async def sometimes(target: FetchTarget) -> Observation:
        if target.address == "192.0.2.7" and next(broken, False):
            raise ZeroDivisionError
        return await fetch(target)

    world.line.connect_only = sometimes  # type: ignore[method-assign]

    async def work() -> None:
        await asyncio.sleep(90)
        assert world.health().state is OFF
        world.line.away = False
        await asyncio.sleep(20)
        assert world.health().state is ON

    world.run(work)


def test_a_slot_that_waits_long_has_the_anchors_asked_at_once_and_not_in_its_own_name() -> None:
    world = World(point(anchor_interval_us=3600_000_000))
    collectors: list[object] = []
    fetch = world.line.fetch

    async def looking(target: FetchTarget) -> Observation:
        collectors.append(collector())
        return await fetch(target)

    world.line.connect_only = looking  # type: ignore[method-assign]

    async def work() -> None:
        await asyncio.sleep(6)
        world.line.away = True
        del collectors[:]
        with collecting():
            for _ in range(5):
                world.watch.request_anchor_check(world.points[0], 4)
                await asyncio.sleep(0.5)
        world.watch.request_anchor_check(point("unknown"), 4)
        assert collectors == [None, None]
        assert world.health().state is OFF
        await asyncio.sleep(9)
        world.watch.request_anchor_check(world.points[0], 4)
        await asyncio.sleep(0.5)

    world.run(work)
    assert len(collectors) in (4, 6, 8), "the second request, and the rounds of a line that is offline"


def test_stopping_in_the_middle_of_a_round_leaves_nothing_behind() -> None:
    world = World()
    world.line.away = True

    async def work() -> None:
        await asyncio.sleep(5.2)

    world.run(work)

    async def again() -> None:
        world.jobs.start()
        await world.watch.stop()
        await world.watch.start()
        await world.watch.start()
        world.line.away = False
        before = len(world.line.rounds_of("bj-ct"))
        await asyncio.sleep(61)
        assert len(world.line.rounds_of("bj-ct")) - before in (2, 3)
        await world.watch.stop()
        assert world.jobs.states() == ()
        await world.jobs.stop()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(world.time, again())
