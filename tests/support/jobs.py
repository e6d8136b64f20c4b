"""The jobs of an agent, for tests of what recurs in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from probe.host.clock import Clock, SystemClock
from probe.schedule.jobs import Jobs


@asynccontextmanager
async def running_jobs(clock: Clock | None = None) -> AsyncIterator[Jobs]:
    """Jobs that run until the block is left."""
    jobs = Jobs(clock or SystemClock())
    jobs.start()
    try:
        yield jobs
    finally:
        await jobs.stop()
