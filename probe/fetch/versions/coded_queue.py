"""A body as it comes on a stream: at once into its digest where it is plain, undone in turns where it is coded.

What waits is bounded: beyond 512 KiB it is decoded where it comes. A stream cannot be left unread as a TCP socket can:
its connection carries more than the stream.
"""

from __future__ import annotations

import asyncio
from collections import deque

from probe.fetch.body import Body

_BYTES = 512 * 1024


class CodedQueue:
    """Between the events of a stream and whoever reads the body."""

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque()
        self._bytes = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return not self._waiting

    def take(self, body: Body, data: bytes) -> None:
        """Raises what the body raises."""
        if not body.is_coded:
            body.add(data)
            return
        self._waiting.append(data)
        self._bytes += len(data)
        while self._bytes > _BYTES:
            for _ in body.take(self._next()):
                pass

    async def empty(self, body: Body | None) -> None:
        """Undo the codings of what came, and let others run meanwhile. Raises what the body raises."""
        while self._waiting and body is not None:
            for _ in body.take(self._next()):
                await asyncio.sleep(0)

    def _next(self) -> bytes:
        data = self._waiting.popleft()
        self._bytes -= len(data)
        return data
