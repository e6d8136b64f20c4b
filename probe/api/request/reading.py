"""Rule: the event loop never waits for the disk, and a thread holds no transaction between two pages.

A few threads, each with its own `Reader`; callers wait in turn for a free one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from probe.api.http.problem import unavailable
from probe.store.base.schema import StoreError
from probe.store.read.reader import Reader

REOPEN_AFTER_S = 30.0  # what was set aside or restored meanwhile is seen then
Answer = TypeVar("Answer")


class _Worker:
    """One thread and its Reader."""

    def __init__(self, directory: Path, agent: str) -> None:
        self._directory = directory
        self._agent = agent
        self._reader: Reader | None = None
        self._opened = 0.0
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="api-read")

    def work(self, ask: Callable[[Reader], Any], agent: str | None) -> Any:
        """In the thread. Raises what reading raises; the next one begins with a new Reader then."""
        if self._reader is None or time.monotonic() - self._opened > REOPEN_AFTER_S:
            self.close()
            self._reader, self._opened = Reader.open(self._directory, self._agent), time.monotonic()
        self._reader.agent = agent or self._agent
        try:
            return ask(self._reader)
        except Exception:
            self.close()
            raise

    def close(self) -> None:
        """In the thread."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None


class Readers:
    """Made in a running loop; ended by `close`."""

    def __init__(self, directory: Path, agent: str, threads: int) -> None:
        self.agent = agent
        self._workers = [_Worker(directory, agent) for _ in range(threads)]
        self._free: asyncio.Queue[_Worker] = asyncio.Queue()
        for worker in self._workers:
            self._free.put_nowait(worker)

    async def run(self, ask: Callable[[Reader], Answer], *, agent: str | None = None) -> Answer:
        """What `ask` gives, in a thread; of another agent's streams, if one is named.

        Raises Refused (503) where the store cannot be read.
        """
        worker = await self._free.get()
        work = asyncio.get_running_loop().run_in_executor(worker.thread, worker.work, ask, agent)
        work.add_done_callback(lambda _: self._free.put_nowait(worker))  # also when nobody waits any more
        try:
            made: Answer = await asyncio.shield(work)
        except StoreError as error:
            raise unavailable(
                "the results cannot be read at this moment; the agent's log says why"
            ) from error
        return made

    async def close(self) -> None:
        """Wait for what runs, then end the threads."""
        for worker in self._workers:
            await asyncio.get_running_loop().run_in_executor(worker.thread, worker.close)
            worker.thread.shutdown()
