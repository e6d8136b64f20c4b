"""What APScheduler 3 really does, which `probe.schedule.jobs` guards against. Looked at again on every upgrade."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

from probe.schedule.jobs import Jobs
from tests.support.virtual import VirtualTime, run

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def run_times(trigger: object, since: datetime, now: datetime) -> int:
    scheduler = AsyncIOScheduler(timezone=UTC)
    job = scheduler.add_job(lambda: None, trigger=trigger, next_run_time=since)
    job._modify(next_run_time=since)
    return len(job._get_run_times(now))


def test_an_interval_job_makes_a_run_for_every_period_that_a_step_skips() -> None:
    trigger = IntervalTrigger(seconds=10, start_date=NOW, timezone=UTC)
    assert run_times(trigger, NOW, NOW + timedelta(days=1)) == 8_641


def test_a_job_for_one_run_makes_one_however_far_the_step() -> None:
    for step in (timedelta(days=366), timedelta(hours=1), timedelta(0)):
        assert run_times(DateTrigger(NOW, UTC), NOW, NOW + step) == 1


def test_a_job_that_is_later_than_its_grace_is_not_run() -> None:
    """The default grace is a second; `misfire_grace_time=None` is what keeps our jobs going."""
    time = VirtualTime()
    ran: list[str] = []

    async def late(name: str) -> None:
        ran.append(name)

    async def script() -> None:
        scheduler = AsyncIOScheduler(timezone=UTC)
        soon = datetime.fromtimestamp(time.time_ns() / 1e9 + 1, UTC)
        scheduler.add_job(late, "date", run_date=soon, args=["default"])
        scheduler.add_job(late, "date", run_date=soon, args=["none"], misfire_grace_time=None)
        scheduler.start()
        time.advance(3.5)
        await asyncio.sleep(1)
        scheduler.shutdown()
        await asyncio.sleep(0)

    run(time, script())
    assert ran == ["none"]


def test_a_running_job_is_cancelled_on_shutdown_even_with_wait() -> None:
    """Hence a run is a task of our own, which a job only begins."""
    ended: list[str] = []

    async def slot() -> None:
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    time = VirtualTime()

    async def script() -> None:
        scheduler = AsyncIOScheduler(timezone=UTC)
        soon = datetime.fromtimestamp(time.time_ns() / 1e9 + 0.1, UTC)
        scheduler.add_job(slot, "date", run_date=soon)
        scheduler.start()
        await asyncio.sleep(1)
        scheduler.shutdown(wait=True)
        await asyncio.sleep(1)

    run(time, script())
    assert ended == ["cancelled"]


def test_the_timer_sleeps_for_as_long_as_the_clock_was_set_back_but_for_the_look_at_it() -> None:
    time = VirtualTime()
    runs: list[int] = []

    async def work() -> None:
        runs.append(time.now_us)

    async def script() -> None:
        jobs = Jobs(time)
        jobs.start()
        jobs.add("seconds", work, lambda: 1.0)
        await asyncio.sleep(5)
        assert jobs._looking is not None
        jobs._looking.cancel()
        time.wall_offset_us = -3_600_000_000
        before = len(runs)
        await asyncio.sleep(60)
        assert len(runs) <= before + 1, "APScheduler alone sleeps"
        jobs._look()
        before = len(runs)
        await asyncio.sleep(60)
        assert len(runs) - before >= 58
        await jobs.stop()

    run(time, script())
