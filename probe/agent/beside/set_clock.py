"""Rule: right after the wall clock was set nobody counts as long silent: first an event has to say by how much.

The scheduler says so within a second or two (`clock.stepped`), before rows that are due by the new time.
"""

from __future__ import annotations

from probe.host.clock import Clock

SET_US, HELD_US = 500_000, 5_000_000


class SetClock:
    """Looked at once a second."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ahead_us: int | None = None  # by how much the wall clock is ahead of the monotonic one
        self._held_us = 0

    def was_set(self) -> bool:
        """Just now, or within the last seconds; also where the host slept."""
        monotonic_us = self._clock.monotonic_ns() // 1000
        ahead_us = self._clock.time_ns() // 1000 - monotonic_us
        before_us, self._ahead_us = self._ahead_us, ahead_us
        if before_us is not None and abs(ahead_us - before_us) > SET_US:
            self._held_us = monotonic_us + HELD_US
        return monotonic_us < self._held_us
