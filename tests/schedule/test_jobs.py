"""What recurs runs on the monotonic clock, one run after the other, and says when; only its removal ends it."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable

import pytest

from probe.host.clock import rfc3339
from probe.schedule.jobs import Job, Jobs
from tests.support.jobs import running_jobs
from tests.support.virtual import WALL_US, VirtualTime, run

HOUR_S = 3600


class Bench:
    """A job every ten seconds in virtual time, and when it ran (seconds since the start, on the monotonic clock)."""

    def __init__(self, lasts_s: float = 0.0) -> None:
        self.time = VirtualTime()
        self.ran: list[float] = []
        self.lasts_s = lasts_s
        self.jobs: Jobs
        self.job: Job

    async def work(self) -> str | None:
        self.ran.append(round(self.time.now_us / 1e6, 1))
        await asyncio.sleep(self.lasts_s)
        return None

    def play(self, script: Callable[[], Awaitable[None]]) -> None:
        async def whole() -> None:
            async with running_jobs(self.time) as self.jobs:
                self.job = self.jobs.add("tens", self.work, lambda: 10.0, first_s=0.0)
                await script()

        run(self.time, whole())


def test_the_next_run_is_so_long_after_the_end_of_the_last() -> None:
    bench = Bench(lasts_s=5)

    async def script() -> None:
        await asyncio.sleep(46)

    bench.play(script)
    assert bench.ran == [0, 15, 30, 45]


def test_a_run_that_takes_long_is_never_overlapped_nor_caught_up_with(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench(lasts_s=100)

    async def script() -> None:
        await asyncio.sleep(111)
        bench.lasts_s = 0
        await asyncio.sleep(110)

    bench.play(script)
    assert bench.ran == [0, 110, 220]
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("step_s", [HOUR_S, 366 * 86_400, -HOUR_S, -366 * 86_400, 0.3, -0.3])
def test_setting_the_wall_clock_makes_neither_a_storm_nor_a_gap(step_s: float) -> None:
    """Alone, APScheduler makes 3.1 million runs of a year forward, and none for a year when it is set back."""
    bench = Bench()

    async def script() -> None:
        await asyncio.sleep(25)
        bench.time.wall_offset_us += round(step_s * 1e6)
        await asyncio.sleep(100)

    bench.play(script)
    before, after = [at for at in bench.ran if at <= 25], [at for at in bench.ran if at > 25]
    assert before == [0, 10, 20]
    assert 9 <= len(after) <= 10
    assert all(b - a >= 9.4 for a, b in itertools.pairwise(after)), "none too early"
    assert after[0] - 20 <= 16.1, "at most a look and an interval later"


def test_an_early_call_of_apscheduler_is_put_off() -> None:
    """Between the step and the look at it another job's run makes APScheduler see that this one is due."""
    bench = Bench()

    async def nothing() -> None:
        return None

    async def script() -> None:
        await asyncio.sleep(1.5)
        bench.time.wall_offset_us += HOUR_S * 1_000_000
        bench.jobs.add("other", nothing, lambda: HOUR_S, first_s=0.1)
        await asyncio.sleep(5)

    bench.play(script)
    assert bench.ran == [0]


def test_a_job_by_the_wall_clock_is_asked_again_when_that_is_set() -> None:
    time, ran = VirtualTime(), list[float]()

    def rest_s() -> float:
        return HOUR_S - time.time_ns() / 1e9 % HOUR_S

    async def work() -> None:
        ran.append(time.time_ns() / 1e9 % HOUR_S)

    async def script() -> None:
        async with running_jobs(time) as jobs:
            jobs.add("hours", work, rest_s)
            for step_s in (-900, 900, 30 * 86_400 + 100):
                await asyncio.sleep(2 * HOUR_S)
                time.wall_offset_us += step_s * 1_000_000
            await asyncio.sleep(2 * HOUR_S)

    run(time, script())
    assert 7 <= len(ran) <= 9
    assert all(at < 2 for at in ran), "at whole hours, whatever the clock was set to"


def test_a_process_that_stood_still_makes_up_for_nothing() -> None:
    bench = Bench()

    async def script() -> None:
        await asyncio.sleep(25)
        bench.time.advance(HOUR_S)
        await asyncio.sleep(11)

    bench.play(script)
    assert [at for at in bench.ran if at > 25] == [25 + HOUR_S, 35 + HOUR_S]


def test_what_it_says_of_itself() -> None:
    bench = Bench(lasts_s=5)
    start_s = WALL_US / 1e6

    async def script() -> None:
        (state,) = bench.jobs.states()
        assert (state.name, state.running, state.runs, state.last_at) == ("tens", False, 0, None)
        await asyncio.sleep(1)
        (state,) = bench.jobs.states()
        assert (state.running, state.next_at, state.took_us) == (True, None, None)
        assert state.last_at is not None
        assert state.last_at.startswith(rfc3339(round(start_s * 1e9))[:19])
        await asyncio.sleep(5)
        (state,) = bench.jobs.states()
        assert (state.running, state.runs, state.problem) == (False, 1, None)
        assert state.took_us == pytest.approx(5e6, rel=0.01)
        assert state.next_at is not None
        assert state.next_at[:19] == rfc3339(round((start_s + 15) * 1e9))[:19]

    bench.play(script)


def test_a_run_that_fails_is_said_and_followed_by_the_next(caplog: pytest.LogCaptureFixture) -> None:
    time, ends = VirtualTime(), iter((RuntimeError("a defect"), "the disk is full", None))
    said: list[str | None] = []

    async def work() -> str | None:
        end = next(ends)
        if isinstance(end, Exception):
            raise end
        return end

    async def script() -> None:
        async with running_jobs(time) as jobs:
            jobs.add("fails", work, lambda: 10.0, first_s=0.0)
            for _ in range(3):
                await asyncio.sleep(10)
                said.append(jobs.states()[0].problem)

    run(time, script())
    assert said == ["RuntimeError: a defect", "the disk is full", None]
    (record,) = [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert (record.getMessage(), record.fields["name"], record.fields["again_in_s"]) == (  # type: ignore[attr-defined]
        "companion.failed",
        "fails",
        10.0,
    )


def test_removing_cuts_a_run_off_or_lets_it_end_by_itself() -> None:
    time, told = VirtualTime(), list[str]()

    async def script() -> None:
        ending = asyncio.Event()

        async def cut() -> None:
            try:
                await asyncio.sleep(HOUR_S)
            except asyncio.CancelledError:
                told.append("cut off")
                raise

        async def whole() -> None:
            await ending.wait()
            await asyncio.sleep(1)
            told.append("ended")

        async with running_jobs(time) as jobs:
            one = jobs.add("cut", cut, lambda: 1.0, first_s=0.0)
            two = jobs.add("whole", whole, lambda: 1.0, first_s=0.0, end_run=ending.set)
            await asyncio.sleep(5)
            await jobs.remove(one, two)
            assert told == ["cut off", "ended"]
            await jobs.remove(one, two)
            assert jobs.states() == ()
            await asyncio.sleep(100)
        assert told == ["cut off", "ended"]

    run(time, script())


def test_a_run_that_does_not_end_holds_nothing_up_for_long() -> None:
    time = VirtualTime()

    async def script() -> None:
        release = asyncio.Event()

        async def stuck() -> None:
            await release.wait()

        jobs = Jobs(time)
        jobs.start()
        job = jobs.add("stuck", stuck, lambda: 1.0, first_s=0.0, end_run=lambda: None)
        await asyncio.sleep(1)
        began_us = time.now_us
        await jobs.stop(within_s=3)
        assert (time.now_us - began_us) / 1e6 == pytest.approx(3, abs=0.1)
        release.set()
        assert job.running is not None
        await job.running

    run(time, script())


@pytest.mark.parametrize("turns", range(8))
async def test_it_can_be_stopped_at_any_turn_of_the_loop(
    turns: int, caplog: pytest.LogCaptureFixture
) -> None:
    """APScheduler logs a job that it cancels as a failure, with a traceback."""
    caplog.set_level(logging.DEBUG, "apscheduler")
    runs = 0

    async def work() -> None:
        nonlocal runs
        runs += 1

    jobs = Jobs(VirtualTime())
    jobs.add("early", work, lambda: 0.0)
    jobs.start()
    jobs.add("late", work, lambda: 0.0)
    for _ in range(turns):
        await asyncio.sleep(0)
    await jobs.stop()
    before = runs
    for _ in range(10):
        await asyncio.sleep(0)
    assert runs == before, "no run after the stop"
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING] == []
    await jobs.stop()
    jobs.add("too late", work, lambda: 0.0)
    await asyncio.sleep(0)
    assert runs == before
