"""Rule: a time is taken where the thing happens, on the monotonic clock, and never corrected afterwards."""

from __future__ import annotations

from probe.core.records import ResourceTiming
from probe.io.clock import Clock


class Stopwatch:
    """The instants of one fetch as W3C Resource Timing names them, in microseconds from the slot's start.

    `response_start_us` is the first byte of the final head: interim (1xx) heads do not shorten it.
    """

    __slots__ = (
        "_clock",
        "_is_the_kernels",
        "_zero_ns",
        "connect_end_us",
        "connect_start_us",
        "request_start_us",
        "response_end_us",
        "response_start_us",
        "secure_connection_start_us",
    )

    def __init__(self, clock: Clock, zero_ns: int) -> None:
        self._clock = clock
        self._is_the_kernels = getattr(clock, "is_the_kernels", False)
        self._zero_ns = zero_ns
        self.connect_start_us: int | None = None
        self.secure_connection_start_us: int | None = None
        self.connect_end_us: int | None = None
        self.request_start_us: int | None = None
        self.response_start_us: int | None = None
        self.response_end_us: int | None = None

    def now_us(self) -> int:
        """Microseconds from the slot's start to now."""
        return (self._clock.monotonic_ns() - self._zero_ns) // 1000

    def came_us(self, age_ns: int) -> int:
        """The same for what had come `age_ns` ago; nothing of a response comes before the request was begun.

        With a clock that is not the kernel's own, what comes comes now.
        """
        if not self._is_the_kernels:
            return self.now_us()
        then_us = (self._clock.monotonic_ns() - age_ns - self._zero_ns) // 1000
        return max(then_us, self.request_start_us or then_us)

    def timing(self, *, complete: bool) -> ResourceTiming:
        """The record; the end of a response that did not come to its end was not measured."""
        return ResourceTiming(
            connect_start_us=self.connect_start_us,
            secure_connection_start_us=self.secure_connection_start_us,
            connect_end_us=self.connect_end_us,
            request_start_us=self.request_start_us,
            response_start_us=self.response_start_us,
            response_end_us=self.response_end_us if complete else None,
        )
