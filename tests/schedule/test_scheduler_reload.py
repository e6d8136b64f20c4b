"""Other tasks while it runs: what did not change loses no slot and gets none twice; ceilings and customers."""

from __future__ import annotations

import asyncio
import os
import random
import time as wall
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from probe.core.model.task import OriginSpec, Task, VantagePoint
from probe.core.model.value import replace
from probe.core.results.coverage import due_between
from probe.core.scheduling.admission import Ceilings
from probe.schedule.scheduler import Due
from tests.schedule.test_scheduler import Bench, S, for_s, herd
from tests.support.build import task
from tests.support.virtual import WALL_US

STAYING, CHANGING = 2_000, 200


def definitions(number: int, count: int) -> list[Task]:
    """Tasks that every reload defines otherwise: other checks, the same grid."""
    return [
        task(id=f"d{i:03}", definition=f"{number}", period_us=10 * S, phase_us=i * 41_011 % (10 * S))
        for i in range(count)
    ]


def comers(number: int) -> list[Task]:
    """Tasks of which some are new with each reload and some are gone."""
    return [
        task(id=f"c{i:03}", customer="new", period_us=7 * S, phase_us=i * 33_331 % (7 * S))
        for i in range(number % 37, number % 37 + 50)
    ]


def test_100_reloads_while_2000_tasks_run() -> None:
    staying = herd(STAYING)
    bench = Bench([*staying, *definitions(0, CHANGING)], ceilings=Ceilings(total=500))
    draw = random.Random(6)
    bench.lasts = 1.5  # so that hundreds are in flight at every reload

    async def script(bench: Bench) -> None:
        for number in range(100):
            await asyncio.sleep(draw.uniform(0.02, 0.6))
            if number % 10 == 5:
                bench.time.advance(0.6)  # a stall, but a short one
            await asyncio.sleep(0)
            bench.scheduler.replace([*staying, *definitions(number, CHANGING), *comers(number)])
        await asyncio.sleep(5)

    bench.play(script)
    until_us = bench.scheduler._last_beat_us
    kept = [pair for pair in bench.accounted() if not pair[0].startswith("c")]
    expected = sorted(
        (t.id, time)
        for t in [*staying, *definitions(0, CHANGING)]
        for time in due_between(t.period_us, t.phase_us, WALL_US, until_us)
    )
    assert kept == expected, "no slot lost, none doubled"
    assert len(expected) > 5_000
    assert set(bench.reasons) <= {"agent.stopped"}
    new = Counter(pair for pair in bench.accounted() if pair[0].startswith("c"))
    assert max(new.values()) == 1
    tally = bench.scheduler.tally
    assert tally.due == tally.started + sum(tally.missed.values())
    assert tally.started == tally.finished


@pytest.mark.parametrize("seconds", [30, -30, 365 * 86400, -365 * 86400])
def test_a_stepped_clock_with_reloads_before_in_and_after_it(seconds: int) -> None:
    tasks = herd(30, period_us=1 * S)
    bench = Bench(tasks)
    ran_before: list[int] = []

    async def script(bench: Bench) -> None:
        await asyncio.sleep(5)
        bench.scheduler.replace(tasks[::-1])
        bench.time.wall_offset_us += seconds * S
        bench.scheduler.replace(tasks)  # before any beat has seen the step
        bench.scheduler.replace(tasks[::-1])
        ran_before.append(len(bench.ran))
        await asyncio.sleep(10)
        bench.scheduler.replace(tasks)
        assert 270 <= len(bench.ran) - ran_before[0] <= 330, "the rate goes on: no storm, no skip"
        await asyncio.sleep(25)

    bench.play(script)
    assert bench.missed == []
    assert bench.steps == [pytest.approx(seconds * S, abs=300_000)]
    for part in (bench.ran[: ran_before[0]], bench.ran[ran_before[0] :]):
        for one in tasks:
            times = [time for name, time, _ in part if name == one.id]
            assert times == list(range(times[0], times[-1] + 1, one.period_us))
    doubled = {time for (_, time), count in Counter(bench.accounted()).items() if count > 1}
    assert bool(doubled) == (seconds == -30), "only a step back repeats times"


@pytest.fixture
def berlin() -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = "Europe/Berlin"
    wall.tzset()
    yield
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    wall.tzset()


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize("at", ["2026-03-29T01:00:00", "2026-10-25T01:00:00"])
def test_daylight_saving_time_begins_and_ends_unnoticed(at: str) -> None:
    """The host's own time zone jumps by an hour; everything here is UTC."""
    turn_us = round(datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp() * 1e6)
    local = [wall.localtime(turn_us / 1e6 + offset).tm_isdst for offset in (-1, 1)]
    assert sorted(local) == [0, 1], "the zone does change here"
    tasks = herd(40, period_us=5 * S)
    bench = Bench(tasks)
    bench.time.wall_offset_us = turn_us - 60 * S - WALL_US

    async def script(bench: Bench) -> None:
        for _ in range(12):
            await asyncio.sleep(10)
            bench.scheduler.replace(tasks)

    bench.play(script)
    assert bench.steps == bench.missed == []
    assert bench.accounted() == bench.due(turn_us - 60 * S, bench.scheduler._last_beat_us)


def test_suspended_for_an_hour_with_a_reload_right_after() -> None:
    tasks = herd(20, period_us=60 * S)
    bench = Bench(tasks)
    slept_us = 0
    bench.time.elapsed_ns = lambda: (bench.time.now_us + slept_us) * 1000  # type: ignore[attr-defined]

    async def script(bench: Bench) -> None:
        nonlocal slept_us
        await asyncio.sleep(61)
        slept_us = bench.time.wall_offset_us = 3600 * S
        bench.scheduler.replace(tasks)
        await asyncio.sleep(61)

    bench.play(script)
    assert bench.accounted() == bench.due(WALL_US, bench.scheduler._last_beat_us)
    assert bench.reasons.keys() == {"agent.suspended"}
    assert bench.reasons["agent.suspended"] == pytest.approx(20 * 60, abs=20)


def test_what_is_measured_while_the_host_sleeps_accuses_nobody() -> None:
    one = task(period_us=600 * S)
    first_us = -(-WALL_US // (600 * S)) * 600 * S
    bench = Bench([one])
    slept_us = 0
    bench.lasts = 30
    bench.time.elapsed_ns = lambda: (bench.time.now_us + slept_us) * 1000  # type: ignore[attr-defined]

    async def script(bench: Bench) -> None:
        nonlocal slept_us
        await asyncio.sleep((first_us - WALL_US) / S + 10)
        assert bench.scheduler.tally.running == 1
        slept_us = bench.time.wall_offset_us = 60 * S
        await asyncio.sleep(1)
        assert bench.scheduler.tally.running == 0
        await asyncio.sleep(1)

    bench.play(script)
    assert bench.missed == [("t1", first_us, "agent.suspended")]
    assert (bench.scheduler.tally.aborted, bench.scheduler.tally.missed) == (1, {})


def test_a_stall_is_no_suspension() -> None:
    bench = Bench(herd(20, period_us=1 * S))
    bench.time.elapsed_ns = lambda: (bench.time.now_us + 7) * 1000  # type: ignore[attr-defined]

    async def script(bench: Bench) -> None:
        await asyncio.sleep(3)
        bench.time.advance(10)
        await asyncio.sleep(1)

    bench.play(script)
    assert bench.reasons.keys() == {"agent.stalled"}
    assert bench.slept == []


def test_a_new_customer_owes_nothing_and_a_gone_one_is_open_until_its_last_slot_is_told() -> None:
    old, new = (
        task(id="old", customer="old", period_us=10 * S),
        task(id="new", customer="new", period_us=10 * S),
    )
    bench = Bench([old])
    bench.lasts = 3
    opened: list[bool] = []

    async def script(bench: Bench) -> None:
        await asyncio.sleep(11)
        bench.scheduler.replace([new])
        opened.append(bench.scheduler.is_open("old"))
        assert bench.scheduler.complete_up_to_us("old") == WALL_US + 10 * S
        assert not bench.scheduler.is_open("new")
        await asyncio.sleep(3)
        opened.append(bench.scheduler.is_open("old"))
        assert bench.scheduler.complete_up_to_us("old") == bench.scheduler._last_beat_us
        await asyncio.sleep(10)

    bench.play(script)
    assert opened == [True, False]
    assert [(name, (time - WALL_US) // S) for name, time, _ in bench.ran] == [("old", 10), ("new", 20)]


def test_doubled_ids_are_refused_and_nothing_changes() -> None:
    one = task(id="one", period_us=5 * S)
    bench = Bench([one])

    async def script(bench: Bench) -> None:
        with pytest.raises(ValueError, match="two tasks have the id"):
            bench.scheduler.replace([task(id="two"), task(id="two", period_us=S)])
        await asyncio.sleep(5.5)

    bench.play(script)
    assert [name for name, _, _ in bench.ran] == ["one"]


def test_other_ceilings_hold_from_the_reload_on() -> None:
    tasks = [task(id=f"t{i:02}", period_us=20 * S) for i in range(20)]
    bench = Bench(tasks, ceilings=Ceilings(total=2))
    bench.lasts = 2.5
    most: list[int] = []

    async def body(task: Task, due: Due) -> None:
        most.append(bench.scheduler.tally.running)
        await asyncio.sleep(bench.lasts)

    bench.body = body

    async def script(bench: Bench) -> None:
        await asyncio.sleep(21)
        assert max(most) == 2
        bench.scheduler.replace(tasks, Ceilings(total=9))
        assert bench.scheduler.tally.running == 9
        await asyncio.sleep(15)

    bench.play(script)
    assert max(most) == 9


@pytest.mark.parametrize(
    ("ceilings", "changes"),
    [
        (Ceilings(total=100, per_customer=3), [{"customer": f"c{i % 2}"} for i in range(2)]),
        (
            Ceilings(total=100, per_vantage_point=3),
            [{"vantage_point": VantagePoint(name=f"v{i}")} for i in range(2)],
        ),
        (
            Ceilings(total=100, per_origin=3),
            [{"origin": replace(task().origin or OriginSpec, address=f"192.0.2.{i}")} for i in range(2)],
        ),
    ],
)
def test_each_ceiling_holds_and_waiting_enters_no_slot(
    ceilings: Ceilings, changes: list[dict[str, object]]
) -> None:
    tasks = [task(id=f"t{i:02}", period_us=60 * S, **changes[i % 2]) for i in range(20)]
    bench = Bench(tasks, ceilings=ceilings)
    running: Counter[int] = Counter()
    took: list[float] = []

    async def body(task: Task, due: Due) -> None:
        kind = int(task.id[1:]) % 2
        running[kind] += 1
        assert running[kind] <= 3
        began = bench.time.now_us
        await asyncio.sleep(2)
        took.append((bench.time.now_us - began) / S)
        running[kind] -= 1

    bench.body = body
    bench.play(for_s(-(WALL_US // S) % 60 + 30))
    assert len(bench.ran) == 2 * 3 * 3, "at 0, 2 and 4 s; the others waited for more than five"
    assert bench.reasons == {"agent.overloaded": 2}
    assert took == pytest.approx([2.0] * 18, abs=0.01)


def test_2000_due_at_once_are_spread_by_admission_and_their_lateness_is_told() -> None:
    bench = Bench([task(id=f"t{i:04}", period_us=60 * S) for i in range(2_000)])
    bench.lasts = 0.1
    bench.play(for_s(-(WALL_US // S) % 60 + 10))
    assert len(bench.ran) + len(bench.missed) == 2_000
    assert bench.missed == [], "ten times two hundred at 0.1 s is a second"
    lateness = sorted(late for _, _, late in bench.ran)
    assert lateness[0] <= 5_000
    assert lateness[-1] == pytest.approx(900_000, abs=20_000)


def test_hurrying_cuts_the_draining_short() -> None:
    immediate = asyncio.Event()
    bench = Bench([task(period_us=10 * S)], immediate=immediate)
    bench.lasts = 500
    took: list[float] = []

    async def script(bench: Bench) -> None:
        await asyncio.sleep(10.5)
        asyncio.get_running_loop().call_later(3, immediate.set)
        began = bench.time.now_us
        await bench.scheduler.stop(60)
        took.append((bench.time.now_us - began) / S)

    bench.play(script)
    assert took == [pytest.approx(3, abs=0.1)]
    assert bench.missed == [("t1", WALL_US + 10 * S, "agent.aborted")]
