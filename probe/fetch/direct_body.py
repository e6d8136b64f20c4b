"""Rule: a body of a declared length and without codings goes to its reader as it comes, and is stored nowhere between.

Whoever reads it does so within the call, so that the buffer of the socket can be handed on as it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

Take = Callable[[bytes | memoryview], None]


class Straight:
    """`left` bytes are still to come; each piece goes to `take`, which may raise: then the rest is passed over."""

    __slots__ = ("_error", "_take", "_waiter", "left")

    def __init__(self, take: Take, length_bytes: int) -> None:
        self.left = length_bytes
        self._take = take
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None

    def came(self, data: bytes | memoryview) -> int:
        """How many of these bytes belong to the body: the first ones."""
        due = data if len(data) <= self.left else data[: self.left]
        self.left -= len(due)
        if due and self._error is None:
            try:
                self._take(due)
            except Exception as error:
                self.fail(error)
        if not self.left:
            self._wake()
        return len(due)

    def fail(self, error: Exception) -> None:
        """It will not become whole; the first reason counts."""
        self._error = self._error or error
        self._wake()

    async def whole(self, until_s: float) -> None:
        """Until everything came. Raises what it failed with, TimeoutError at `until_s` on the clock of the loop."""
        if self.left and self._error is None:
            loop = asyncio.get_running_loop()
            self._waiter = loop.create_future()
            timer = loop.call_at(until_s, self.fail, TimeoutError())
            try:
                await self._waiter
            finally:
                timer.cancel()
        if self._error is not None:
            raise self._error

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
