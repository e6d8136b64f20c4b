"""Rule: a test of a deadline counts the time in which its event loop ran, not that in which the machine stood still."""

from __future__ import annotations

import asyncio
from types import TracebackType

TICK_S = 0.01


class Awake:
    """`async with Awake() as awake`: `awake.seconds` is how long the loop has waited and worked since it was entered.

    A gap between two ticks counts as two ticks at most: code that waits is seen, a busy machine is not.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._last_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Awake:
        self._last_s = asyncio.get_running_loop().time()
        self._tick()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._timer is not None
        self._timer.cancel()

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        self.seconds += min(now_s - self._last_s, 2 * TICK_S)
        self._last_s = now_s
        self._timer = loop.call_later(TICK_S, self._tick)
