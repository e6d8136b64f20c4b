"""What APScheduler 3 really does, on which `probe.schedule.pump` rests. Looked at again on every upgrade."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

from probe.schedule.pump import HEARTBEAT_S, LONG_AGO, Heartbeat, Pump
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


def test_the_heartbeat_makes_one_however_far_the_step() -> None:
    for step in (timedelta(days=366), timedelta(hours=1), timedelta(0)):
        assert run_times(Heartbeat(), NOW, NOW + step) == 1
    assert run_times(Heartbeat(), LONG_AGO, NOW) == 1


def test_the_heartbeat_is_always_in_the_future() -> None:
    for previous in (None, LONG_AGO, NOW, NOW + timedelta(days=366)):
        assert Heartbeat().get_next_fire_time(previous, NOW) == NOW + timedelta(seconds=HEARTBEAT_S)


def test_a_job_that_is_later_than_its_grace_is_not_run() -> None:
    """The default grace is a second; `misfire_grace_time=None` is what keeps the pump going."""
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
    """Hence slots are tasks of our own, not jobs."""
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


def test_the_timer_sleeps_for_as_long_as_the_clock_was_set_back_but_for_the_guard() -> None:
    time = VirtualTime()
    beats: list[int] = []

    async def script() -> None:
        pump = Pump(lambda: beats.append(time.now_us))
        pump.start()
        await asyncio.sleep(2)
        time.wall_offset_us = -3_600_000_000
        with patch.object(pump, "_watch"):
            assert pump._guard is not None
            pump._guard.cancel()
            before = len(beats)
            await asyncio.sleep(60)
            assert len(beats) == before, "APScheduler alone sleeps"
        pump._watch()
        await asyncio.sleep(60)
        assert pump.woken == 1
        assert len(beats) - before >= 4 * 59
        await pump.stop()
        after = len(beats)
        await asyncio.sleep(5)
        assert len(beats) == after

    run(time, script())
