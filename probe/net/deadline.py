"""Rule: of the deadlines of one attempt only the next one counts, so that one timer is enough for all of them.

A deadline that is put off costs nothing: the timer finds out when it rings.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

_EARLY_S = 0.001  # asyncio may ring by the resolution of its clock too early


class Alarm:
    """Calls what was set last when its time has come. `end` it."""

    __slots__ = ("_act", "_at_s", "_loop", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._at_s = 0.0
        self._act: Callable[[], None] | None = None

    def set(self, at_s: float, act: Callable[[], None]) -> None:
        """At `at_s`, on the clock of the loop; what was set before counts no more."""
        self._at_s, self._act = at_s, act
        if self._timer is None or self._timer.when() > at_s:
            self._end_timer()
            self._timer = self._loop.call_at(at_s, self._ring)

    def end(self) -> None:
        """Nothing is called any more."""
        self._act = None
        self._end_timer()

    def _end_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self) -> None:
        self._timer = None
        if self._act is None:
            return
        if self._loop.time() + _EARLY_S < self._at_s:  # it was put off
            self._timer = self._loop.call_at(self._at_s, self._ring)
            return
        act, self._act = self._act, None
        act()
