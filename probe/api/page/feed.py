"""Rule: rows are read when they come, in a thread of its own, and drawn in the same: looking never waits for the disk.

Follows the store beside the agent. What was drawn a moment ago is given again (`drawn`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from probe.api.page.drawn import Drawn
from probe.api.page.past import Past
from probe.core.records.codec import CodecError
from probe.page.model.feed import Feed
from probe.store.base.schema import StoreError
from probe.store.read.reader import Reader
from probe.telemetry.logs import fields

log = logging.getLogger("probe.api")

POLL_S = 1.0
BATCH = 500
FIRST_S = 3.0
Answer = TypeVar("Answer")


class LiveFeed:
    """Made in a running loop; ended by `close`. `begin` may be called twice."""

    def __init__(self, directory: Path, agent: str, clock_ns: Callable[[], int]) -> None:
        self._directory = directory
        self._agent = agent
        self._clock_ns = clock_ns
        self._feed = Feed()
        self._past: dict[str, Past] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="api-page")
        self._task: asyncio.Task[None] | None = None
        self._drawn = Drawn()
        self._first = asyncio.Event()
        self.behind = True  # what was stored before is not all taken yet

    def begin(self) -> None:
        """Start to follow."""
        if self._task is None:
            self._task = asyncio.create_task(self._follow())

    async def close(self) -> None:
        """Safe to call if it never began."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._thread.shutdown(wait=True)

    def is_looked_at(self, key: Hashable) -> bool:
        """Whether somebody asked for it a moment ago: drawing it again takes of the share of all such pages."""
        return self._drawn.is_kept(key)

    async def draw(self, key: Hashable, make: Callable[[Feed], str]) -> str:
        """What `make` gives, in the thread that feeds; the same again for `key` a moment later."""
        self.begin()
        with suppress(TimeoutError):  # what there is by then is shown, and that it is not all
            async with asyncio.timeout(FIRST_S):
                await self._first.wait()

        def timed(feed: Feed) -> tuple[str, float]:
            begun_s = time.thread_time()
            return make(feed), time.thread_time() - begun_s

        return await self._drawn.page(key, lambda: self.ask(timed))

    async def ask(self, make: Callable[[Feed], Answer]) -> Answer:
        """Something of the sums, in the thread that feeds."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: make(self._feed))

    async def _follow(self) -> None:
        loop, failed = asyncio.get_running_loop(), False
        while True:
            count = 0
            try:
                count = await loop.run_in_executor(self._thread, self._take)
                failed = False
            except (StoreError, CodecError, OSError) as error:
                if not failed:  # the same, until it works again
                    log.warning("api.page_not_fed", extra=fields(problem=str(error)))
                failed = True
            self.behind = count >= BATCH
            if not self.behind:
                self._first.set()
                await asyncio.sleep(POLL_S)

    def _take(self) -> int:
        """A batch of each stream, in the thread: whoever looks meanwhile waits for one batch at most."""
        most, now_us = 0, self._clock_ns() // 1000
        with Reader.open(self._directory, self._agent) as reader:
            for customer, head in reader.heads().items():
                past = self._past.get(customer)
                if past is None:
                    past = self._past[customer] = Past(reader, self._feed, self._agent, customer, now_us)
                if past.step(reader):
                    most = BATCH
                after = max(self._feed.after(self._agent, customer), past.after)
                if head > after:
                    lines = reader.lines(customer, after, BATCH)
                    most = max(most, self._feed.take(self._agent, customer, lines))
        self._feed.settle(now_us if most < BATCH else None)
        return most
