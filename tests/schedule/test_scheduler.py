"""Every due slot is run or missed, once; shown in virtual time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from probe.core.model.task import Deadlines, Task
from probe.core.model.value import replace
from probe.core.results.coverage import due_between
from probe.core.scheduling.admission import Ceilings
from probe.schedule.scheduler import Due, Scheduler, _before
from tests.codes.provoking import provokes, saw
from tests.support.build import task
from tests.support.virtual import WALL_US, VirtualTime, run, wall_of_apscheduler

S = 1_000_000


class Bench:
    """A scheduler in virtual time and everything that it said. Slots take `lasts` seconds."""

    def __init__(self, tasks: list[Task], **options: object) -> None:
        self.time = VirtualTime()
        self.tasks = tasks
        self.options = options
        self.lasts: float = 0.01
        self.ran: list[tuple[str, int, int]] = []
        self.missed: list[tuple[str, int, str]] = []
        self.errors: list[tuple[str, int, BaseException]] = []
        self.steps: list[int] = []
        self.slept: list[int] = []
        self.body: Callable[[Task, Due], Awaitable[None]] | None = None
        self.scheduler: Scheduler

    def play(self, script: Callable[[Bench], Awaitable[None]], *, drain_s: float = 5) -> None:
        run(self.time, self._play(script, drain_s))

    async def _play(self, script: Callable[[Bench], Awaitable[None]], drain_s: float) -> None:
        self.scheduler = Scheduler(
            self.tasks,
            clock=self.time,
            on_slot=self._on_slot,
            on_missed=self._on_missed,
            on_error=lambda task, due, error: self.errors.append((task.id, due.scheduled_us, error)),
            on_clock_step=self.steps.append,
            on_suspended=self.slept.append,
            **self.options,  # type: ignore[arg-type]
        )
        await self.scheduler.start()
        await script(self)
        await self.scheduler.stop(drain_s)

    async def _on_slot(self, task: Task, due: Due) -> None:
        self.ran.append((task.id, due.scheduled_us, due.lateness_us))
        if self.body is not None:
            await self.body(task, due)
        else:
            await asyncio.sleep(self.lasts)

    async def _on_missed(self, task: Task, due: Due, reason: str) -> None:
        await asyncio.sleep(0)
        self.missed.append((task.id, due.scheduled_us, reason))
        saw({"missed_reason": reason})

    @property
    def reasons(self) -> Counter[str]:
        return Counter(reason for _, _, reason in self.missed)

    def accounted(self) -> list[tuple[str, int]]:
        """Every slot that came out, whatever became of it; aborted ones ran and are counted once."""
        aborted = {(name, time) for name, time, reason in self.missed if reason == "agent.aborted"}
        ran = [(name, time) for name, time, _ in self.ran if (name, time) not in aborted]
        return sorted(ran + [(name, time) for name, time, _ in self.missed])

    def due(self, after_us: int, until_us: int) -> list[tuple[str, int]]:
        """What should have come out."""
        return sorted(
            (t.id, time)
            for t in self.tasks
            for time in due_between(t.period_us, t.phase_us, after_us, until_us)
        )


def herd(count: int, period_us: int = 10 * S) -> list[Task]:
    return [task(id=f"t{i:03}", period_us=period_us, phase_us=i * 37_123 % period_us) for i in range(count)]


def for_s(seconds: float) -> Callable[[Bench], Awaitable[None]]:
    async def script(bench: Bench) -> None:
        await asyncio.sleep(seconds)

    return script


def test_200_tasks_for_ten_minutes() -> None:
    bench = Bench(herd(200))
    bench.play(for_s(600))
    assert bench.missed == []
    assert bench.accounted() == bench.due(WALL_US, WALL_US + 600 * S)
    assert len(bench.ran) == 200 * 60
    assert max(lateness for _, _, lateness in bench.ran) <= 5_000
    tally = bench.scheduler.tally
    assert (tally.due, tally.started, tally.finished, tally.missed) == (12_000, 12_000, 12_000, {})


@provokes("agent.stalled", "agent.overloaded", peer=False)
def test_due_is_measured_plus_missed_when_nothing_goes_well() -> None:
    bench = Bench(herd(200, period_us=2 * S), ceilings=Ceilings(total=20))
    bench.lasts = 0.7

    async def script(bench: Bench) -> None:
        for _ in range(5):
            bench.time.advance(3.1)
            await asyncio.sleep(7.3)

    bench.play(script, drain_s=0.1)
    assert bench.accounted() == bench.due(WALL_US, bench.scheduler._last_beat_us)
    assert set(bench.reasons) == {"agent.stalled", "agent.overloaded", "agent.aborted", "agent.stopped"}
    tally = bench.scheduler.tally
    assert tally.due == tally.started + sum(tally.missed.values())
    assert tally.started == tally.finished + tally.aborted


def test_lateness_is_told() -> None:
    bench = Bench([task(period_us=10 * S)])

    async def script(bench: Bench) -> None:
        await asyncio.sleep(9.5)
        bench.time.advance(1.2)  # a stall, but a short one
        await asyncio.sleep(1)

    bench.play(script)
    assert bench.ran == [("t1", WALL_US + 10 * S, pytest.approx(700_000, abs=2_000))]
    assert bench.missed == []


def test_slots_due_in_a_stall_are_missed_and_no_others() -> None:
    bench = Bench(herd(20, period_us=1 * S))

    async def script(bench: Bench) -> None:
        await asyncio.sleep(5)
        began = bench.scheduler._last_beat_us
        bench.time.advance(30)
        ended = WALL_US + bench.time.now_us
        await asyncio.sleep(5)
        silent = bench.due(began, ended - 250_000 - 1)
        assert sorted((name, time) for name, time, _ in bench.missed) == silent
        assert len(silent) == pytest.approx(30 * 20, abs=25)

    bench.play(script)
    assert bench.reasons.keys() == {"agent.stalled"}
    assert bench.accounted() == bench.due(WALL_US, WALL_US + bench.time.now_us)


@provokes("agent.suspended", peer=False)
def test_a_suspended_host_misses_what_was_due_meanwhile() -> None:
    """CLOCK_MONOTONIC stands still, the wall clock and CLOCK_BOOTTIME do not."""
    bench = Bench([task(period_us=60 * S)])
    slept_us = 0
    bench.time.elapsed_ns = lambda: (bench.time.now_us + slept_us) * 1000  # type: ignore[attr-defined]

    async def script(bench: Bench) -> None:
        nonlocal slept_us
        await asyncio.sleep(61)
        slept_us = bench.time.wall_offset_us = 3600 * S
        await asyncio.sleep(61)

    bench.play(script)
    assert bench.reasons == {"agent.suspended": 60}
    assert bench.slept == [pytest.approx(3600 * S, abs=1000)]
    assert bench.steps == []
    assert bench.accounted() == bench.due(WALL_US, WALL_US + 3722 * S)


@pytest.mark.parametrize("seconds", [3600, -3600, 366 * 86400, -366 * 86400, 30, -30])
def test_setting_the_wall_clock_makes_no_storm_no_skip_and_no_spin(seconds: int) -> None:
    bench = Bench(herd(10, period_us=1 * S))

    async def script(bench: Bench) -> None:
        await asyncio.sleep(10)
        before, ticks, beats = len(bench.ran), bench.time.ticks, bench.scheduler._counts["beats"]
        bench.time.wall_offset_us += seconds * S
        await asyncio.sleep(10)
        assert 90 <= len(bench.ran) - before <= 110, "the rate goes on"
        assert bench.scheduler._counts["beats"] - beats < 200
        assert bench.time.ticks - ticks < 1_000

    bench.play(script)
    assert bench.missed == []
    assert bench.steps == [pytest.approx(seconds * S, abs=1000)]
    times = [time for _, time, _ in bench.ran]
    after = [time for time in times if abs(time - WALL_US - seconds * S) < 25 * S]
    assert len(after) >= 90, "on the new wall clock's grid"
    assert max(lateness for _, _, lateness in bench.ran) <= 1_000_000


def test_a_wall_clock_that_only_others_see_set_changes_no_beat() -> None:
    """APScheduler would sleep for as long as it was set back, and catch up with a year; no slot hangs on it."""
    bench = Bench(herd(10, period_us=1 * S))

    async def script(bench: Bench) -> None:
        back = VirtualTime()
        await asyncio.sleep(5)
        for offset_s in (-3600, 366 * 86400):
            back.time_ns = (  # type: ignore[method-assign]
                lambda offset_s=offset_s: bench.time.time_ns() + offset_s * 1_000_000_000
            )
            runs = bench.scheduler._pump.runs
            with wall_of_apscheduler(back):
                await asyncio.sleep(30)
            assert 30 * 4 <= bench.scheduler._pump.runs - runs < 1_000

    bench.play(script)
    assert bench.missed == []
    assert bench.steps == []
    assert bench.accounted() == bench.due(WALL_US, WALL_US + 65 * S)
    assert max(lateness for _, _, lateness in bench.ran) <= 700_000


def test_a_slow_drift_is_followed_without_a_step() -> None:
    bench = Bench(herd(1, period_us=5 * S))

    async def script(bench: Bench) -> None:
        for _ in range(1500):
            await asyncio.sleep(1)
            bench.time.wall_offset_us += 2000  # 0.2 %, three seconds in all
        assert abs(bench.scheduler._time.behind_us()) < 5_000

    bench.play(script)
    assert bench.steps == []
    assert bench.missed == []
    assert bench.accounted() == bench.due(WALL_US, bench.scheduler._last_beat_us)


def test_no_more_than_so_many_at_once_and_none_waits_for_ever() -> None:
    bench = Bench([task(id=f"t{i:02}", period_us=60 * S) for i in range(30)], ceilings=Ceilings(total=10))
    bench.lasts = 3.0
    at_once: list[int] = []

    async def body(task: Task, due: Due) -> None:
        at_once.append(bench.scheduler.tally.running)
        await asyncio.sleep(bench.lasts)

    bench.body = body
    first = -(-WALL_US // (60 * S)) * 60 * S
    bench.play(for_s((first - WALL_US) / S + 20))
    assert max(at_once) == 10
    assert sorted(round(lateness / S) for _, _, lateness in bench.ran) == [0] * 10 + [3] * 10
    assert bench.reasons == {"agent.overloaded": 10}
    assert bench.accounted() == bench.due(WALL_US, first)


@provokes("agent.overlap", peer=False)
def test_a_task_that_overlaps_itself_too_often_is_missed() -> None:
    bench = Bench([task(period_us=1 * S, deadlines=Deadlines(total_us=1 * S))], overlap=4)
    bench.lasts = 20
    bench.play(for_s(10.5), drain_s=30)
    assert len(bench.ran) == 4
    assert bench.reasons == {"agent.overlap": 6}


def test_stop_waits_then_cuts_off_and_says_so_once() -> None:
    bench = Bench([task(id="quick", period_us=10 * S), task(id="slow", period_us=10 * S)])

    async def body(task: Task, due: Due) -> None:
        await asyncio.sleep(3 if task.id == "quick" else 100)

    bench.body = body
    bench.play(for_s(10.5), drain_s=5)
    assert bench.missed == [("slow", WALL_US + 10 * S, "agent.aborted")]
    tally = bench.scheduler.tally
    assert (tally.due, tally.started, tally.finished, tally.aborted, tally.running) == (2, 2, 1, 1, 0)


def test_stop_reports_those_that_waited() -> None:
    bench = Bench([task(id=f"t{i}", period_us=10 * S) for i in range(5)], ceilings=Ceilings(total=2))
    bench.lasts = 2
    bench.play(for_s(10.5), drain_s=5)
    assert len(bench.ran) == 2
    assert bench.reasons == {"agent.stopped": 3}


def test_a_slot_that_finishes_its_work_although_cancelled_is_not_aborted() -> None:
    bench = Bench([task(period_us=10 * S)])

    async def body(task: Task, due: Due) -> None:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            await asyncio.sleep(0.1)  # stores what it has

    bench.body = body
    bench.play(for_s(10.5), drain_s=1)
    assert bench.missed == []
    assert bench.scheduler.tally.finished == 1


def test_a_slot_that_will_not_even_be_cancelled_is_aborted_once() -> None:
    bench = Bench([task(period_us=10 * S)])

    async def body(task: Task, due: Due) -> None:
        end = bench.time.now_us + 60 * S
        while bench.time.now_us < end:
            try:
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                continue

    bench.body = body

    async def script(bench: Bench) -> None:
        await asyncio.sleep(10.5)
        await bench.scheduler.stop(1)
        await asyncio.sleep(100)

    bench.play(script)
    assert bench.missed == [("t1", WALL_US + 10 * S, "agent.aborted")]


def test_a_stop_that_is_cancelled_cuts_off_what_runs_and_reports_it_to_whoever_takes_nothing() -> None:
    bench = Bench(herd(600))
    reported: list[tuple[str, int, str]] = []

    async def never(task: Task, due: Due) -> None:
        await asyncio.Event().wait()

    async def refused(task: Task, due: Due, reason: str) -> None:
        reported.append((task.id, due.scheduled_us, reason))
        await asyncio.Event().wait()

    bench.body = never
    bench._on_missed = refused  # type: ignore[assignment,method-assign]

    async def script(bench: Bench) -> None:
        await asyncio.sleep(25)
        stopping = asyncio.ensure_future(bench.scheduler.stop(5))
        await asyncio.sleep(1)
        stopping.cancel()
        await asyncio.wait({stopping})
        assert stopping.cancelled()
        assert bench.scheduler.tally.running == bench.scheduler.tally.waiting == 0
        bench.scheduler.stop = done  # type: ignore[assignment,method-assign]

    async def done(drain_s: float) -> None:
        """It has been stopped."""

    bench.play(script)
    assert {"agent.aborted", "agent.stopped"} <= {reason for _, _, reason in reported}
    assert sorted((name, time) for name, time, _ in reported) == bench.due(WALL_US, WALL_US + 25 * S)


def test_an_error_is_told_and_its_slot_is_missed_once() -> None:
    bench = Bench([task(period_us=10 * S)])

    async def body(task: Task, due: Due) -> None:
        raise KeyError("broken")

    bench.body = body
    bench.play(for_s(20.5))
    assert [(name, time) for name, time, _ in bench.errors] == bench.due(WALL_US, WALL_US + 20 * S)
    assert all(isinstance(error, KeyError) for _, _, error in bench.errors)
    assert bench.reasons == {"agent.internal_error": 2}
    assert sorted((name, time) for name, time, _ in bench.missed) == bench.due(WALL_US, WALL_US + 20 * S)


def test_replacing_keeps_what_is_the_same_and_accounts_for_what_was_due() -> None:
    one, two = task(id="one", period_us=10 * S), task(id="two", period_us=10 * S, phase_us=5 * S)
    bench = Bench([one, two])

    async def script(bench: Bench) -> None:
        await asyncio.sleep(8)
        bench.scheduler.replace([replace(one, definition="d2"), task(id="new", period_us=4 * S)])
        await asyncio.sleep(10)

    bench.play(script)
    seconds = [(name, (time - WALL_US) // S) for name, time, _ in bench.ran]
    assert seconds == [("two", 5), ("one", 10), ("new", 12), ("new", 16)]
    assert bench.missed == []


def test_slots_due_while_the_agent_was_starting_are_begun_late_or_accounted_for() -> None:
    bench = Bench([task(period_us=2 * S, phase_us=1 * S)], since_us=WALL_US - 6 * S)
    bench.play(for_s(1.5))
    assert bench.accounted() == bench.due(WALL_US - 6 * S, WALL_US + 1 * S)
    assert bench.reasons == {
        "agent.stopped": 2
    }  # 5 and 3 seconds ago; that of a second ago is worth measuring
    assert [(time - WALL_US) // S for _, time, _ in bench.ran] == [-1, 1]


def test_a_callback_that_fails_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(herd(2, period_us=1 * S))
    told: list[int] = []

    async def failing(task: Task, due: Due, reason: str) -> None:
        told.append(due.scheduled_us)
        raise RuntimeError("store is full")

    bench._on_missed = failing  # type: ignore[method-assign]

    async def script(bench: Bench) -> None:
        bench.time.advance(5)
        await asyncio.sleep(1)

    bench.play(script)
    assert len(told) == bench.scheduler.tally.missed["agent.stalled"] >= 8
    assert "slot.missed_not_recorded" in caplog.text


def test_a_plain_function_may_be_told_of_the_missed() -> None:
    bench = Bench(herd(2, period_us=1 * S))
    told: list[str] = []
    bench._on_missed = lambda task, due, reason: told.append(reason)  # type: ignore[assignment,method-assign]

    async def script(bench: Bench) -> None:
        bench.time.advance(5)
        await asyncio.sleep(1)

    bench.play(script)
    assert len(told) == bench.scheduler.tally.missed["agent.stalled"]


def test_stop_before_start_and_twice() -> None:
    async def both() -> None:
        scheduler = Scheduler([task()], clock=VirtualTime(), on_slot=_nothing, on_missed=lambda *_: None)
        await scheduler.stop(1)
        await scheduler.stop(1)

    run(VirtualTime(), both())


async def _nothing(task: Task, due: Due) -> None:
    return None


@pytest.mark.parametrize(
    ("bound", "expected"), [(0, []), (10, []), (11, [10]), (20, [10]), (21, [10, 20]), (99, [10, 20, 30])]
)
def test_before(bound: int, expected: list[int]) -> None:
    assert list(_before(range(10, 31, 10), bound)) == expected
