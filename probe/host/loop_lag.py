"""Rule: the delays of our own host are recorded with each slot, so that they are never taken for the CDN's.

The lag of the event loop, and whether the host's clock is synchronised (adjtimex(2), NTP: RFC 5905).
"""

from __future__ import annotations

import asyncio
import ctypes
import time
from collections import deque
from dataclasses import dataclass

from probe.host.clock import Clock

SAMPLE_S = 0.05
KEPT_SAMPLES = 6_000  # five minutes, longer than any slot
STA_UNSYNC = 0x0040
TIME_ERROR = 5
CACHED_S = 1.0
OWN_TIME_S = 5.0  # between two readings of one clock; the process may have been stopped in between


class LoopLag:
    """Measures how late the event loop runs its timers.

    A timer is set every 50 ms; how much later than asked it runs is the lag of the span since it was set.
    """

    def __init__(self, clock: Clock, *, sample_s: float = SAMPLE_S) -> None:
        self._clock = clock
        self._sample_s = sample_s
        self._sample_ns = round(sample_s * 1e9)
        self._samples: deque[tuple[int, int, int]] = deque(maxlen=KEPT_SAMPLES)
        self._set_ns: int | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Begin to sample on the running loop."""
        await self.stop()
        self._set()

    async def stop(self) -> None:
        """End sampling; what was sampled stays."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._set_ns = None

    def worst_us(self, since_ns: int, until_ns: int) -> int:
        """The greatest lag, in microseconds, of any span that overlaps [since, until] (monotonic clock).

        A stall that is still going on counts as long as it has lasted so far.
        """
        worst_ns = 0
        if self._set_ns is not None and self._set_ns <= until_ns:
            worst_ns = until_ns - self._set_ns - self._sample_ns
        for set_ns, ran_ns, lag_ns in reversed(self._samples):
            if ran_ns < since_ns:
                break
            if set_ns <= until_ns:
                worst_ns = max(worst_ns, lag_ns)
        return max(0, worst_ns) // 1000

    def _set(self) -> None:
        self._set_ns = self._clock.monotonic_ns()
        self._timer = asyncio.get_running_loop().call_later(self._sample_s, self._ran)

    def _ran(self) -> None:
        assert self._set_ns is not None
        now_ns = self._clock.monotonic_ns()
        self._samples.append((self._set_ns, now_ns, now_ns - self._set_ns - self._sample_ns))
        self._set()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockState:
    """Whether the kernel considers its clock synchronised, and its own bound on the error. None: unknown."""

    synchronised: bool | None
    max_error_us: int | None


class _Timeval(ctypes.Structure):
    _fields_ = (("tv_sec", ctypes.c_long), ("tv_usec", ctypes.c_long))


class _Timex(ctypes.Structure):
    """struct timex of <sys/timex.h>."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("time", _Timeval),
        ("tick", ctypes.c_long),
        ("rest", ctypes.c_char * 256),  # more than any libc writes
    )


_kept: tuple[float, ClockState] | None = None


def clock_state() -> ClockState:
    """The state of the system clock now, or up to a second ago. Where the call is refused: unknown."""
    global _kept
    now = time.monotonic()
    if _kept is None or now - _kept[0] >= CACHED_S:
        _kept = (now, read_clock_state())
    return _kept[1]


def _is_ours(kernel_s: int) -> bool:
    """Whether the kernel's clock is the one that this process sees (a library may give it another)."""
    return abs(time.time() - kernel_s) <= OWN_TIME_S


def read_clock_state() -> ClockState:
    """Ask the kernel, changing nothing (modes 0)."""
    timex = _Timex(modes=0)
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex))
    except (OSError, AttributeError):
        state = -1
    if state < 0:
        return ClockState(synchronised=None, max_error_us=None)
    synchronised = state != TIME_ERROR and not timex.status & STA_UNSYNC and _is_ours(timex.time.tv_sec)
    return ClockState(synchronised=synchronised, max_error_us=int(timex.maxerror))
