"""Rule: durations come from the monotonic clock, dates from one wall-clock sample; both are passed in.

Nothing else in the agent reads a clock, so that a test decides what time it is.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """The two clocks of a host, in nanoseconds."""

    def monotonic_ns(self) -> int:
        """Never steps; counts from an arbitrary zero; stands still while the host is suspended."""
        ...

    def time_ns(self) -> int:
        """Since the Unix epoch, UTC; may step."""
        ...


class SystemClock:
    """The host's own clocks."""

    def monotonic_ns(self) -> int:
        """CLOCK_MONOTONIC, the clock that asyncio's timers follow."""
        return time.monotonic_ns()

    def time_ns(self) -> int:
        """CLOCK_REALTIME."""
        return time.time_ns()


def rfc3339(time_ns: int) -> str:
    """Nanoseconds since the epoch -> `2026-11-22T10:00:00.000000Z` (microseconds, UTC)."""
    seconds, rest_ns = divmod(time_ns, 1_000_000_000)
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{rest_ns // 1000:06d}Z"
