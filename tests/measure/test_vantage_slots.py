"""Slots at a vantage point whose line goes away, in virtual time: the watch beside them, and nobody accused."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from probe.checks import CHECKS
from probe.core.model.task import AnchorSpec, Deadlines, OriginSpec, Task, VantagePoint
from probe.core.model.value import replace
from probe.core.records.dns import Resolution
from probe.core.records.failure import Failure, FailureType, Phase
from probe.core.records.observation import Observation, Role
from probe.core.records.rows import SlotRecord
from probe.core.records.surroundings import LineState
from probe.fetch.target import FetchTarget
from probe.host.clock import rfc3339
from probe.measure.pipeline import HostProbe, Pipeline
from probe.resolver.lookups import Lookups
from probe.schedule.jobs import Jobs
from probe.watch.anchor_watch import AnchorWatch
from tests.measure.test_pipeline import reply
from tests.support import build
from tests.support.virtual import VirtualTime, run

ANCHORS = tuple(AnchorSpec(scheme="tcp", host=f"192.0.2.{n}", port=443) for n in (77, 78))
OFFLINE = ("inconclusive", "vantage", "vantage.offline")
FAILED = ("failed", "cdn", "tcp.timed_out")


@dataclass
class Net:
    """What the vantage point reaches. `away`: spans of virtual seconds in which nothing that is sent comes back."""

    time: VirtualTime
    away: list[tuple[float, float]] = field(default_factory=list)
    dead: set[str] = field(default_factory=set)
    resolver_at_home: bool = False  # a resolver on this host answers from its cache whatever the line does

    def cut(self) -> bool:
        now_s = self.time.now_us / 1e6
        return any(start <= now_s < end for start, end in self.away)

    async def fetch(self, target: FetchTarget) -> Observation:
        made = replace(
            reply(), role=target.role, address=target.address, of=target.of, url=target.request.url
        )
        if self.cut() or target.address in self.dead:
            await asyncio.sleep(target.deadlines.connect_us / 1e6)
            return replace(
                made, response=None, failure=Failure(phase=Phase.TCP, type=FailureType.TCP_TIMED_OUT)
            )
        await asyncio.sleep(0.02)
        return made

    connect_only = fetch

    async def close(self) -> None:
        return None

    async def resolve(self, qname: str, *_: object, **__: object) -> Resolution:
        if self.cut() and not self.resolver_at_home:
            await asyncio.sleep(1)
            return build.unresolved(FailureType.DNS_TIMED_OUT, qname, "resolver_silent")
        return build.resolution(build.EDGE, build.EDGE_2)

    async def diagnose(self, resolution: Resolution, *_: object, **__: object) -> Resolution:
        return resolution

    async def ask_https_records(self, resolution: Resolution, *_: object, **__: object) -> Resolution:
        return resolution


class World:
    def __init__(self, interval_s: int = 10, **net: Any) -> None:
        self.time = VirtualTime()
        self.net = Net(self.time, **net)
        request = build.task().request
        self.task = build.task(
            vantage_point=VantagePoint(
                name="bj-ct", anchors=ANCHORS, anchor_interval_us=interval_s * 1_000_000
            ),
            period_us=5_000_000,
            deadlines=Deadlines(total_us=4_000_000, connect_us=2_000_000),
            origin=OriginSpec(address=build.ORIGIN, request=request, interval_us=3600_000_000),
        )
        self.jobs = Jobs(self.time)
        self.watch = AnchorWatch(
            self.jobs,
            self.time,
            self.net,
            Lookups(self.net).address_from,  # type: ignore[arg-type]
            [(self.task.vantage_point, 4)],
            lambda *_: None,
        )
        self.pipeline = Pipeline(
            kinds=CHECKS,
            resolver=self.net,  # type: ignore[arg-type]
            fetcher=self.net,
            clock=self.time,
            host=HostProbe(
                agent="a",
                agent_version="0",
                config_digest=lambda: "c",
                worst_lag_us=lambda since, until: 0,
                clock_state=lambda: (True, 10),
            ),
            line_health=self.watch,
        )
        self.rows: list[tuple[float, SlotRecord]] = []

    async def measure(self, task: Task | None = None) -> SlotRecord:
        began_s = self.time.now_us / 1e6
        row = await self.pipeline.measure(task or self.task, rfc3339(self.time.time_ns()))
        self.rows.append((began_s, row))
        return row

    async def every_five_seconds(self, until_s: float) -> None:
        while self.time.now_us / 1e6 < until_s:
            due_s = self.time.now_us / 1e6 + 5
            await self.measure()
            await asyncio.sleep(max(0, due_s - self.time.now_us / 1e6))

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


def triple(row: SlotRecord) -> tuple[str | None, str | None, str | None]:
    return row.outcome, row.fault, row.reason


def accusers(world: World) -> list[str | None]:
    rows = [row for _, row in world.rows]
    return [r.summary for r in rows if r.fault == "cdn" or any(f.fault == "cdn" for f in r.findings)]


def test_while_the_line_is_down_every_slot_is_the_vantage_points_and_none_accuses_the_cdn() -> None:
    world = World(away=[(62, 140)])

    async def work() -> None:
        await world.every_five_seconds(200)

    world.run(work)
    during = [row for began_s, row in world.rows if 62 <= began_s < 140]
    assert len(during) >= 10
    assert {triple(row)[:2] for row in during} == {("inconclusive", "vantage")}
    first_s = min(began_s for began_s, row in world.rows if row.outcome == "inconclusive")
    assert first_s - 62 < 5.1, "within one interval"
    after = [row for began_s, row in world.rows if began_s >= 145]
    assert {row.outcome for row in after} == {"ok"}
    assert accusers(world) == []


def test_health_is_in_every_row() -> None:
    world = World(away=[(62, 140)])

    async def work() -> None:
        await asyncio.sleep(15)
        await world.every_five_seconds(120)

    world.run(work)
    assert all(row.vantage_health is not None for _, row in world.rows)
    well = [row.vantage_health for began_s, row in world.rows if began_s < 55]
    assert {(h.state, h.anchors_asked, h.anchors_reached) for h in well if h} == {(LineState.ONLINE, 2, 2)}
    away = [row.vantage_health for began_s, row in world.rows if began_s > 75]
    assert {(h.state, h.offline_meanwhile) for h in away if h} == {(LineState.OFFLINE, True)}


def test_a_line_that_is_back_when_the_anchors_are_asked_again_excuses_the_slot() -> None:
    """A round of the watch fell into the time in which it was away; when the slot looks again all is well."""
    world = World(resolver_at_home=True)
    slow = replace(world.task, deadlines=Deadlines(total_us=9_000_000, connect_us=6_000_000))

    async def work() -> None:
        await asyncio.sleep(11)
        await world.measure()
        newest = world.watch._lines["bj-ct", 4].history.newest
        assert newest is not None
        away_s = newest.started_ns / 1e9 + 9.9
        world.net.away = [(away_s, away_s + 5.5)]
        await asyncio.sleep(away_s + 0.05 - world.time.now_us / 1e6)
        row = await world.measure(slow)
        looks = [o.failure for o in row.observations if o.role in (Role.CONFIRM, Role.ANCHOR)]
        assert set(looks) == {None}, "all is well again by the time that it is asked again"
        assert triple(row) == OFFLINE
        assert triple(await world.measure()) == ("ok", None, None)

    world.run(work)
    assert accusers(world) == []


@pytest.mark.parametrize("interval_s", [30, 3600])
def test_a_line_that_was_away_between_two_rounds_excuses_the_slot_too(interval_s: int) -> None:
    """Three seconds, and no round of the schedule in them: a slot that waits long has the anchors asked meanwhile."""
    world = World(interval_s, resolver_at_home=True)
    slow = replace(world.task, deadlines=Deadlines(total_us=9_000_000, connect_us=5_000_000))

    async def work() -> None:
        await asyncio.sleep(6)
        await world.measure()
        await asyncio.sleep(2)
        before = len(world.watch._lines["bj-ct", 4].history.rounds)
        world.net.away = [(world.time.now_us / 1e6, world.time.now_us / 1e6 + 3.1)]
        row = await world.measure(slow)
        looks = [o.failure for o in row.observations if o.role in (Role.CONFIRM, Role.ANCHOR)]
        assert set(looks) == {None}
        assert triple(row) == OFFLINE
        assert len(world.watch._lines["bj-ct", 4].history.rounds) > before

    world.run(work)
    assert accusers(world) == []


def test_slots_that_all_wait_have_the_anchors_asked_once() -> None:
    world = World(3600, dead={build.EDGE, build.EDGE_2}, resolver_at_home=True)
    rounds: list[float] = []
    fetch = world.net.fetch

    async def counting(target: FetchTarget) -> Observation:
        if target.role is Role.ANCHOR and target.deadlines.total_us == 2_000_000:
            rounds.append(world.time.now_us / 1e6)
        return await fetch(target)

    world.net.connect_only = counting  # type: ignore[method-assign]

    async def work() -> None:
        await asyncio.sleep(6)
        for _ in range(10):
            rows = await asyncio.gather(*(world.measure() for _ in range(20)))
            assert {triple(row) for row in rows} == {FAILED}

    world.run(work)
    took_s = world.time.now_us / 1e6 - 6
    assert 2 * 2 <= len(rounds) <= 2 * (took_s / 10 + 1)


def test_the_same_failure_with_a_line_that_was_well_is_the_cdns() -> None:
    world = World(dead={build.EDGE})

    async def work() -> None:
        await asyncio.sleep(11)
        assert triple(await world.measure()) == FAILED
        await asyncio.sleep(60)
        assert triple(await world.measure()) == FAILED

    world.run(work)


def test_a_node_that_fails_after_the_line_came_back_is_found_at_once() -> None:
    world = World(away=[(62, 100)])

    async def work() -> None:
        await asyncio.sleep(61)
        await world.every_five_seconds(101)
        await asyncio.sleep(10.1)
        world.net.dead = {build.EDGE}
        assert triple(await world.measure()) == FAILED

    world.run(work)


def test_what_one_slot_saw_of_the_anchors_excuses_the_one_beside_it() -> None:
    """The watch itself has not had a round since; the other slot's confirmation round is what is known."""
    world = World()
    slow = replace(world.task, id="t2", deadlines=Deadlines(total_us=9_000_000, connect_us=6_000_000))

    async def work() -> None:
        await asyncio.sleep(11)
        newest = world.watch._lines["bj-ct", 4].history.newest
        assert newest is not None
        await asyncio.sleep(newest.started_ns / 1e9 + 10.5 - world.time.now_us / 1e6)
        now_s = world.time.now_us / 1e6
        world.net.away = [(now_s + 1.1, now_s + 6)]
        await asyncio.sleep(1.2)
        first, second = await asyncio.gather(world.measure(), world.measure(slow))
        assert triple(first)[:2] == triple(second)[:2] == ("inconclusive", "vantage")

    world.run(work)
    assert accusers(world) == []


def test_what_a_failing_slot_saw_of_the_anchors_is_known_at_once() -> None:
    """No round of the schedule, and too short a wait for a request: the slot's own confirmation round tells."""
    world = World(3600, resolver_at_home=True)
    quick = replace(world.task, deadlines=Deadlines(total_us=900_000, connect_us=200_000))

    async def work() -> None:
        await asyncio.sleep(6)
        await world.measure()
        world.net.away = [(world.time.now_us / 1e6, world.time.now_us / 1e6 + 60)]
        assert triple(await world.measure(quick)) == OFFLINE
        found = world.watch.health(world.task.vantage_point, 4, world.time.monotonic_ns())
        assert found is not None
        assert (found.state, found.offline_meanwhile) == (LineState.OFFLINE, True)

    world.run(work)
