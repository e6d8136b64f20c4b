"""Rule: due slots are looked for at least four times a second, on the loop's own clock, whatever the wall clock does.

Which slots are due never depends on when, or how often, `beat` is called: a beat that comes late, or twice, loses no
slot and runs none twice. Setting the wall clock does not reach this timer; APScheduler, which follows it, drives no
slot (decision 0020).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

HEARTBEAT_S = 0.25
LEAST_S = 0.002


class Pump:
    """Calls `beat` at least every 250 ms, and earlier where `beat` asks for it."""

    def __init__(self, beat: Callable[[], float | None]) -> None:
        """`beat` is called on the event loop, returns the seconds until it wants to be called (None: no wish)."""
        self._beat = beat
        self._timer: asyncio.TimerHandle | None = None
        self.runs = 0

    def start(self) -> None:
        """Begin on the running event loop; the first beat comes at once."""
        self._timer = asyncio.get_running_loop().call_later(0, self._pulse)

    def stop(self) -> None:
        """No beat after this. Safe to call twice."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _pulse(self) -> None:
        self.runs += 1
        wish_s: float | None = HEARTBEAT_S
        try:
            wish_s = self._beat()
        finally:  # also after a defect: measuring goes on
            if self._timer is not None:
                wait_s = HEARTBEAT_S if wish_s is None else min(max(wish_s, LEAST_S), HEARTBEAT_S)
                self._timer = asyncio.get_running_loop().call_later(wait_s, self._pulse)
