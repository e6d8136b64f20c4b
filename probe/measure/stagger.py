"""Rule: the next request of a slot starts when the one before is done, or after STAGGER_S if it is slow.

Fetches that start together wait for each other in one event loop, and that wait would be measured as the network's.
With the bound, dead nodes do not add up their timeouts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, TypeVar

T = TypeVar("T")
STAGGER_S = 0.25


class Staggered:
    """A task group whose members start one after the other, or STAGGER_S apart if they take long."""

    def __init__(self) -> None:
        self._group = asyncio.TaskGroup()

    async def __aenter__(self) -> Staggered:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._group.__aexit__(kind, error, trace)

    async def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start `work` and give it its time alone."""
        task = self._group.create_task(work)
        await asyncio.wait((task,), timeout=STAGGER_S)
        return task
