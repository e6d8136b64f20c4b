"""Rule: rows are read when they come, in a thread of its own, and drawn in the same: looking never waits for the disk.

Follows the store beside the agent. What was drawn a moment ago is given again while nothing new has come.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from probe.core.incidents.told import is_of_incident
from probe.core.records.codec import CodecError, decode
from probe.core.records.rows import SlotRecord
from probe.page.model.board import FINE_KEPT, GRAIN_US
from probe.page.model.feed import Feed
from probe.store.base.schema import StoreError
from probe.store.read.reader import Reader
from probe.telemetry.logs import fields

log = logging.getLogger("probe.api")

POLL_S = 1.0
BATCH = 500
BACK = timedelta(hours=26)
RECALLED = timedelta(hours=2)  # rows of what was summed before, for incidents, certificates and versions
KEPT_S = 2.0
KEPT_PAGES = 64
Answer = TypeVar("Answer")


class LiveFeed:
    """Made in a running loop; ended by `close`. `begin` may be called twice."""

    def __init__(self, directory: Path, agent: str, clock_ns: Callable[[], int]) -> None:
        self._directory = directory
        self._agent = agent
        self._clock_ns = clock_ns
        self._feed = Feed()
        self._begun: dict[str, int] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="api-page")
        self._task: asyncio.Task[None] | None = None
        self._pages: OrderedDict[object, tuple[int, float, str]] = OrderedDict()
        self._changes = 0
        self._first = asyncio.Event()

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

    async def draw(self, key: object, make: Callable[[Feed], str]) -> str:
        """What `make` gives, in the thread that feeds; the same again for `key` a moment later."""
        self.begin()
        await self._first.wait()
        kept = self._pages.get(key)
        if kept is not None and kept[0] == self._changes and time.monotonic() - kept[1] < KEPT_S:
            return kept[2]
        changes = self._changes
        text = await self.ask(make)
        self._pages[key] = changes, time.monotonic(), text
        self._pages.move_to_end(key)
        while len(self._pages) > KEPT_PAGES:
            self._pages.popitem(last=False)
        return text

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
            if count:
                self._changes += 1
            if count < BATCH:
                self._first.set()
                await asyncio.sleep(POLL_S)

    def _take(self) -> int:
        """A batch of each stream, in the thread: whoever looks meanwhile waits for one batch at most."""
        most = 0
        with Reader.open(self._directory, self._agent) as reader:
            for customer, head in reader.heads().items():
                if customer not in self._begun:
                    self._begin(reader, customer)
                after = max(self._feed.after(self._agent, customer), self._begun[customer])
                if head > after:
                    lines = reader.lines(customer, after, BATCH)
                    most = max(most, self._feed.take(self._agent, customer, lines))
        self._feed.settle(self._clock_ns() // 1000 if most < BATCH else None)
        return most

    def _begin(self, reader: Reader, customer: str) -> None:
        """Sums that the agent kept, and where they end; where there are none, rows of the last hours."""
        now_us = self._clock_ns() // 1000
        grains = reader.grains(customer)
        spans = grains.summed().spans
        last = now_us // GRAIN_US
        if spans and (rows := grains.rows(last - FINE_KEPT, last + 1)):
            self._feed.seed(self._agent, customer, rows, spans[-1][1])
            self._begun[customer] = spans[-1][1]
            self._recall(reader, customer, spans[-1][1], _ago(now_us, RECALLED))
            return
        since = _ago(now_us, BACK)
        first = reader.list(customer, since=since, limit=1, newest_first=False)
        self._begun[customer] = (first[0].seq or 1) - 1 if first else reader.head(customer).seq

    def _recall(self, reader: Reader, customer: str, up_to: int, since: str) -> None:
        """What sums do not tell: the incidents that events tell, and the newest rows."""
        after = 0
        while lines := reader.events(customer, after, BATCH):
            for line in lines:
                if is_of_incident(line.text) and line.seq <= up_to:
                    self._feed.recall(self._agent, decode(line.text))
            after = lines[-1].seq
        for record in reader.iterate(customer, since=since, newest_first=False):
            if isinstance(record, SlotRecord) and (record.seq or 0) <= up_to:
                self._feed.recall(self._agent, record)


def _ago(now_us: int, back: timedelta) -> str:
    return (datetime.fromtimestamp(now_us / 1e6, UTC) - back).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
