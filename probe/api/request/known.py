"""Rule: what is configured is read again now and then, in a thread; what cannot be read leaves what was known.

The plan says when slots were due; the customers' definitions say what a node is called.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from probe.api.request.ports import Whole
from probe.core.config.load import Config
from probe.core.config.plan import make_plan
from probe.core.model.task import Task

KEPT_S = 10.0


class Known:
    """The configuration and its tasks, for one event loop."""

    def __init__(self, whole: Whole, now: Callable[[], float]) -> None:
        self._whole = whole
        self._now = now
        self._read_at: float | None = None
        self._config: Config | None = None
        self._tasks: tuple[Task, ...] = ()
        self._lock = asyncio.Lock()

    async def config(self) -> Config | None:
        """None where it was never to be had."""
        async with self._lock:
            if self._read_at is None or self._now() - self._read_at > KEPT_S:
                self._read_at = self._now()
                found = await asyncio.to_thread(self._whole)
                if found is not None and (self._config is None or found.digest != self._config.digest):
                    self._config, self._tasks = found, make_plan(found).tasks
        return self._config

    async def tasks(self, customer: str) -> tuple[Task, ...]:
        """The tasks that are measured for a customer now."""
        await self.config()
        return tuple(task for task in self._tasks if task.customer == customer)
