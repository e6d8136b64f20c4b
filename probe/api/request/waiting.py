"""Rule: the store is polled for new rows only while a request waits for them, once for all that wait.

Long-polling: a request waits until the head of its stream has passed its cursor, or its time is over.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

log = logging.getLogger("probe.api")

POLL_S = 0.25
Heads = Callable[[], Awaitable[Mapping[str, int]]]


class HeadWatch:
    """For one event loop; ended by `close`."""

    def __init__(self, heads: Heads, *, poll_s: float = POLL_S) -> None:
        self._heads = heads
        self._poll_s = poll_s
        self._waiting: dict[asyncio.Future[None], tuple[str, int]] = {}
        self._poller: asyncio.Task[None] | None = None
        self._closed = False

    async def wait(self, customer: str, after: int, seconds: float) -> None:
        """Until the stream's head is beyond `after`, the time is over, or the server ends."""
        if self._closed:
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[turn] = (customer, after)
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll())
        try:
            async with asyncio.timeout(seconds):
                await turn
        except TimeoutError:
            pass
        finally:
            del self._waiting[turn]

    async def close(self) -> None:
        """Release all who wait at once."""
        self._closed = True
        self._wake(None)
        if self._poller is not None:
            self._poller.cancel()
            await asyncio.gather(self._poller, return_exceptions=True)

    async def _poll(self) -> None:
        while self._waiting:
            try:
                heads = await self._heads()
            except Exception as error:  # those who wait meet the error in their next query
                log.warning("api.watch_failed", exc_info=error)
                heads = {}
            self._wake(heads)
            await asyncio.sleep(self._poll_s)

    def _wake(self, heads: Mapping[str, int] | None) -> None:
        """Release those whose stream has grown; None: all."""
        for turn, (customer, after) in self._waiting.items():
            if not turn.done() and (heads is None or heads.get(customer, 0) > after):
                turn.set_result(None)
