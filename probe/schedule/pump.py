"""Rule: APScheduler says when, and nothing that it does to a job that is late can lose a slot.

APScheduler 3 follows the wall clock: it makes a run for every period that a step of the clock skips, sleeps for
as long as a step goes back, and drops what is later than its grace. So it is given one job only, which asks
"what is due?" at least four times a second. The answer never depends on when, or how often, the job ran.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger

HEARTBEAT_S = 0.25
LEAST_S = 0.002
LONG_AGO = datetime(1970, 1, 2, tzinfo=UTC)  # due whatever the wall clock says


class Heartbeat(BaseTrigger):  # type: ignore[misc] # APScheduler 3 comes without types
    """The next run is one heartbeat from now: never in the past, so that nothing can be caught up with."""

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime:
        """APScheduler's view of now, and a heartbeat. `previous` is passed over on purpose."""
        return now + timedelta(seconds=HEARTBEAT_S)


class Pump:
    """Calls `beat` at least every 250 ms, and earlier where `beat` asks for it."""

    def __init__(self, beat: Callable[[], float | None]) -> None:
        """`beat` is called on the event loop, returns the seconds until it wants to be called (None: no wish)."""
        self._beat = beat
        self._scheduler = AsyncIOScheduler(timezone=UTC)
        self._job: Any = None
        self._guard: asyncio.TimerHandle | None = None
        self._early: asyncio.TimerHandle | None = None
        self._last = 0.0
        self.runs = 0
        self.woken = 0

    def start(self) -> None:
        """Begin on the running event loop."""
        logging.getLogger("apscheduler").setLevel(logging.WARNING)  # it logs every run
        self._job = self._scheduler.add_job(
            self._run,
            trigger=Heartbeat(),
            next_run_time=LONG_AGO,
            coalesce=True,
            misfire_grace_time=None,
            max_instances=3,
        )
        self._scheduler.start()
        self._last = asyncio.get_running_loop().time()
        self._watch()

    async def stop(self) -> None:
        """No beat after this. Safe to call twice."""
        if self._guard is not None:
            self._guard.cancel()
            self._guard = None
        if self._early is not None:
            self._early.cancel()
            self._early = None
        if self._scheduler.running:
            self._scheduler.pause()
            await asyncio.sleep(0)  # a job that it has begun ends; cut off, it would be told as a failure
            self._scheduler.shutdown(wait=False)
            await asyncio.sleep(0)  # it ends itself in a callback

    async def _run(self) -> None:
        """APScheduler's heartbeat."""
        if self._guard is None:
            return
        self._last = asyncio.get_running_loop().time()
        self._pulse()

    def _pulse(self) -> None:
        """One beat. Until the next heartbeat the loop's own timer wakes it: a job of APScheduler costs ten of those."""
        self.runs += 1
        if self._early is not None:
            self._early.cancel()
            self._early = None
        wish_s = self._beat()
        if wish_s is not None and wish_s < HEARTBEAT_S and self._guard is not None:
            loop = asyncio.get_running_loop()
            self._early = loop.call_later(max(wish_s, LEAST_S), self._pulse)

    def _watch(self) -> None:
        """The wall clock went back and APScheduler waits for it: wake it. Runs on the monotonic clock."""
        loop = asyncio.get_running_loop()
        if loop.time() - self._last > 1.5 * HEARTBEAT_S:
            self.woken += 1
            self._job.modify(next_run_time=LONG_AGO)
        self._guard = loop.call_later(HEARTBEAT_S, self._watch)
