"""Rule: durations come from the monotonic clock, dates from one wall-clock sample; both are passed in.

Nothing else in the agent reads a clock, so that a test decides what time it is.
"""

from __future__ import annotations

import time
from typing import Protocol

from probe.core.model.times import utc_text_us

STEP_US = 2_000_000
SLEW_SHARE = 0.004  # faster than any NTP client slews (500 ppm), too slow to disturb a period


class Clock(Protocol):
    """The two clocks of a host, in nanoseconds."""

    def monotonic_ns(self) -> int:
        """Never steps; counts from an arbitrary zero; stands still while the host is suspended."""
        ...

    def time_ns(self) -> int:
        """Since the Unix epoch, UTC; may step."""
        ...


class SystemClock:
    """The host's own clocks. Time stamps of the kernel are on them too; of another clock they say nothing."""

    is_the_kernels = True

    def monotonic_ns(self) -> int:
        """CLOCK_MONOTONIC, the clock that asyncio's timers follow."""
        return time.monotonic_ns()

    def time_ns(self) -> int:
        """CLOCK_REALTIME."""
        return time.time_ns()

    def elapsed_ns(self) -> int:
        """CLOCK_BOOTTIME: monotonic, and goes on while the host is suspended."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class AgentTime:
    """Wall time at the start, carried on by elapsed time, so that setting the clock moves nothing at once.

    In microseconds since the Unix epoch. Where the clock has `elapsed_ns` the time of a suspension passes too;
    else `monotonic_ns` counts. A small difference to the wall clock is followed slowly (`follow`); a greater
    one is a step, that the owner answers with `reanchor`.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._elapsed_ns = getattr(clock, "elapsed_ns", clock.monotonic_ns)
        self.reanchor()

    def now_us(self) -> int:
        """Agent time; never goes back but by `reanchor`."""
        return self._at_us + (self._elapsed_ns() - self._at_ns) // 1000

    def slept_us(self) -> int:
        """For how long the host has been suspended since it was booted; only what it grows by means something."""
        return (self._elapsed_ns() - self._clock.monotonic_ns()) // 1000

    def behind_us(self) -> int:
        """Wall clock minus agent time: what setting the clock has changed and nobody has answered yet."""
        return self._clock.time_ns() // 1000 - self.now_us()

    def stepped_us(self) -> int | None:
        """The difference if it is a step (over 2 s), else None."""
        behind_us = self.behind_us()
        return behind_us if abs(behind_us) > STEP_US else None

    def follow(self) -> None:
        """Come nearer to the wall clock, by at most 0.4 % of the time since the last call."""
        now_ns = self._elapsed_ns()
        passed_us = (now_ns - self._at_ns) // 1000
        most_us = int(passed_us * SLEW_SHARE)
        behind_us = self.behind_us()
        self._at_us += passed_us + max(-most_us, min(most_us, behind_us))
        self._at_ns += passed_us * 1000

    def reanchor(self) -> None:
        """Take the wall clock's time, whatever it is."""
        self._at_ns: int = self._elapsed_ns()
        self._at_us = self._clock.time_ns() // 1000


def rfc3339(time_ns: int) -> str:
    """Nanoseconds since the epoch -> `2026-11-22T10:00:00.000000Z` (microseconds, UTC)."""
    return utc_text_us(time_ns // 1000)
