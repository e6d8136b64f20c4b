"""Time that passes only when everybody waits: an event loop, a clock and APScheduler's view of the wall."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

WALL_US = 1_700_000_000_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class VirtualTime:
    """Both clocks. `wall_offset_us` is what somebody has set the wall clock by; `ticks` how often time moved."""

    def __init__(self) -> None:
        self.now_us = 333  # so that nothing falls on the very moment at which something is due
        self.wall_offset_us = 0
        self.ticks = 0

    def monotonic_ns(self) -> int:
        return self.now_us * 1000

    def time_ns(self) -> int:
        return (WALL_US + self.now_us + self.wall_offset_us) * 1000

    def advance(self, seconds: float) -> None:
        """What a blocked loop or a stopped process is: time passes and nobody runs."""
        self.now_us += round(seconds * 1e6)


class _Selector(selectors.SelectSelector):
    def __init__(self, time: VirtualTime) -> None:
        super().__init__()
        self._time = time

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        assert timeout is not None, "everybody waits for something that no timer brings"
        self._time.ticks += 1
        self._time.now_us += max(1, round(timeout * 1e6))
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Nothing on it sleeps: where it would wait, time is moved on."""

    def __init__(self, time: VirtualTime) -> None:
        super().__init__(_Selector(time))
        self._virtual = time

    def time(self) -> float:
        return self._virtual.now_us / 1e6


@contextmanager
def wall_of_apscheduler(time: VirtualTime) -> Iterator[None]:
    """APScheduler and its jobs read the wall clock by `datetime.now`."""

    class Wall(datetime):
        @classmethod
        def now(cls, _tz: Any = None) -> datetime:
            return EPOCH + timedelta(microseconds=time.time_ns() // 1000)

    with (
        patch("apscheduler.schedulers.base.datetime", Wall),
        patch("apscheduler.executors.base.datetime", Wall),
        patch("probe.schedule.jobs.datetime", Wall),
    ):
        yield


def run(time: VirtualTime, work: Coroutine[Any, Any, None]) -> None:
    """Run to the end in virtual time."""
    loop = VirtualLoop(time)
    try:
        with wall_of_apscheduler(time):
            loop.run_until_complete(work)
    finally:
        loop.close()
