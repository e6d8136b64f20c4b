"""Rule: one page comes while the one before is written; what came ahead is dropped where that one could not be kept."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from probe.pull.page import PageReader


@dataclass(frozen=True, slots=True)
class Transfer:
    """A page on its way. `reader`: what came of it so far; `received`: raises what asking for it raises."""

    reader: PageReader
    received: asyncio.Task[None]


def transfer(reader: PageReader, receive: Coroutine[Any, Any, None]) -> Transfer:
    """Begin one; to be awaited or cancelled."""
    return Transfer(reader, asyncio.create_task(receive))


class Ahead:
    """The page behind the one that is being kept, if it was asked for."""

    def __init__(self) -> None:
        self._coming: Transfer | None = None

    def begin(self, coming: Transfer) -> None:
        """It is on its way."""
        self._coming = coming

    def take(self) -> Transfer | None:
        """It, for whoever goes on with it."""
        coming, self._coming = self._coming, None
        return coming

    async def drop(self) -> None:
        """Nobody wants it any more: its request is ended when this returns."""
        if (coming := self.take()) is not None:
            coming.received.cancel()
            await asyncio.gather(coming.received, return_exceptions=True)
