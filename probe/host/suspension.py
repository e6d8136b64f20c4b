"""Rule: what was measured while the host was suspended is marked as our own stall: no peer is accused of that time.

CLOCK_MONOTONIC, which all durations follow, stands still while the host is suspended, and CLOCK_BOOTTIME does not:
the growth of their difference is the time suspended. A slot does not notice a suspension, but its connections are lost.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from probe.host.clock import Clock
from probe.host.loop_lag import LoopLag

LEAST_US = 100_000
KEPT = 64


class Suspensions:
    """When, on the monotonic clock, the host was suspended. Call `look` at least once a second."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._elapsed_ns = getattr(clock, "elapsed_ns", clock.monotonic_ns)
        self._seen_ns, self._slept_ns = self._now()
        self._found: deque[tuple[int, int, int]] = deque(maxlen=KEPT)  # not before, not after, slept

    @property
    def slept_ns(self) -> int:
        """For how long the host has been suspended since it was booted."""
        return self._now()[1]

    def look(self) -> None:
        """Record a suspension since the last call."""
        now_ns, slept_ns = self._now()
        if slept_ns - self._slept_ns >= LEAST_US * 1000:
            self._found.append((self._seen_ns, now_ns, slept_ns - self._slept_ns))
        self._seen_ns, self._slept_ns = now_ns, slept_ns

    def worst_us(self, since_ns: int, until_ns: int) -> int:
        """The longest suspension that may lie within [since, until] (monotonic), microseconds; 0: none."""
        self.look()
        within = (slept for begin, end, slept in self._found if begin <= until_ns and end >= since_ns)
        return max(within, default=0) // 1000

    def _now(self) -> tuple[int, int]:
        now_ns = self._clock.monotonic_ns()
        return now_ns, self._elapsed_ns() - now_ns


def worst_delay(lag: LoopLag, suspensions: Suspensions) -> Callable[[int, int], int]:
    """(since, until), monotonic nanoseconds -> for how long our loop was blocked in it or the host suspended, in us."""
    return lambda since_ns, until_ns: max(
        lag.worst_us(since_ns, until_ns), suspensions.worst_us(since_ns, until_ns)
    )
