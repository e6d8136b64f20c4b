"""Rule: a record is acknowledged when its transaction is on the disk, and not before.

Theory of operation. One thread owns the only writing connection. Callers put items into a bounded queue and never
wait for the disk; whoever wants to know passes a future, which is completed after the commit.

1. Waiting for work: `_take` sleeps until something is queued (or a side item is due), then as long as `batching`
   says, so that records which come one by one share a transaction. It takes at most BATCH records, adds an event for
   records that were lost before, and, at most once in SIDE_S, the latest origin versions and nodes.
2. Writing: `_write` makes one transaction of the batch. `seq` is given inside it, so a stream has no gap.
3. A transient error (locked, full, input or output error) is tried again, after pauses up to LONGEST_PAUSE_S, until it
   works or the store is closed; the records wait in the meantime. A damaged file is set aside by `files`.
4. Any other error is about one item: the batch is tried item by item; the one that fails is refused (its future gets
   a StoreError) and counted as lost.
5. Too much waits: beyond `room` records are queued without their evidence ("shed"); beyond `held` they are refused
   and counted, and an event in their stream says which slots were lost.
6. Closing: what is queued is written until the time given is over; the rest is refused, and `closed` stays "no".

`_news` is the lock of everything that both sides touch.
"""

from __future__ import annotations

import asyncio
import logging
import math
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

from probe.core.nodes.values import Changes
from probe.core.records.origin import OriginVersion
from probe.core.records.rows import Record
from probe.host.clock import Clock, rfc3339
from probe.store.base.ends import KnownEnd
from probe.store.base.rows import LostRecords, has_evidence, stripped, time_of
from probe.store.base.schema import StoreClosed, StoreError, damaged, get_meta, put_meta
from probe.store.upkeep.reading import asked_again
from probe.store.write.batching import LONGEST_S, Batching
from probe.store.write.commit import (
    Item,
    Statement,
    VersionKey,
    commit,
    complete_futures,
    is_transient,
    versions_statement,
)
from probe.store.write.files import Files, Limits
from probe.store.write.health import Health
from probe.store.write.marks import LogSize
from probe.store.write.nodes import PendingNodes
from probe.store.write.notices import Notice
from probe.store.write.sums import LinesOf

log = logging.getLogger("probe.store")

BATCH = 2_000  # records a transaction
SIDE_S = 1.0  # least time between two writes of what is kept beside the records
ENDS_S = 10.0  # the same for how far each stream goes
FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 5.0


class Writer(threading.Thread):
    """The writer thread. Other threads use `put`, `put_version` and `close`; none of them waits for the disk."""

    def __init__(
        self,
        directory: Path,
        agent: str,
        clock: Clock,
        *,
        room: int,
        held: int,
        limits: Limits | None = None,
        known: tuple[KnownEnd, ...] = (),
        lines_of: LinesOf | None = None,
    ) -> None:
        """Up to `room` records wait whole; then up to `held` in all, the later ones stripped; more are refused.

        `known`: as in `Store.open`. `lines_of`: as `Sums` takes it.
        """
        super().__init__(name="store-writer", daemon=True)
        self._directory = directory
        self._agent = agent
        self._clock = clock
        self._room = room
        self._held = held
        self._news = threading.Condition()
        self._queue: deque[Item] = deque()
        self._versions: dict[VersionKey, OriginVersion] = {}
        self._nodes = PendingNodes()
        self._lost: dict[tuple[str, str | None], LostRecords] = {}
        self._weight = 0
        self._counts = {"written": 0, "shed": 0, "lost": 0}
        self._trouble: str | None = None
        self._close_by: float | None = None
        self._batching = Batching()
        self._files = Files(directory, clock, limits or Limits(), known, lines_of)
        self._side_at_s = 0.0
        self._ends_at_s = -math.inf
        self._log_size = LogSize()
        self.opened: Future[bool] = Future()  # whether the store was closed properly before

    # --- for other threads ------------------------------------------------------------------------

    @property
    def health(self) -> Health:
        """How writing goes."""
        with self._news:
            return Health(trouble=self._trouble, queued=self._weight, alarm=self._files.alarm, **self._counts)

    def put(
        self,
        records: Sequence[Record],
        done: asyncio.Future[list[Record]] | None,
        complete_up_to: str | None = None,
        patience_s: float = 0.0,
        agent: str | None = None,
    ) -> None:
        """Queue records, to be written within so many seconds (`Batching.put`) where the disk allows.

        `agent`: as in `Store.append`.
        Raises StoreError if the store is closed or there is no room even for stripped ones.
        """
        with self._news:
            self._check_open()
            weight = self._weight + len(records)
            if weight > self._held and self._weight:  # one call may be larger if nothing waits before it
                self._lose(records)
                raise StoreError(f"{self._directory}: {self._trouble}; {self._weight} records wait already")
            if weight > self._room:
                self._counts["shed"] += sum(map(has_evidence, records))
                records = [stripped(record) for record in records]
            item = Item(records=tuple(records), done=done, complete_up_to=complete_up_to, agent=agent)
            self._queue.append(item)
            self._weight = weight
            self._batching.put(weight, patience_s)
            self._news.notify()

    def put_statement(self, statement: Statement, *, evidence_of: str | None = None) -> None:
        """Queue a small write that nobody waits for; it is done before what is put later.

        It may be done more than once. `evidence_of`: it is for the evidence of this customer, else for the catalogue.
        """
        with self._news:
            self._check_open()
            self._queue.append(Item(statement=statement, evidence_of=evidence_of))
            self._batching.put(self._weight, LONGEST_S)
            self._news.notify()

    def put_version(self, customer: str, url: str, version: OriginVersion) -> None:
        """Insert or update an origin version, with the next transaction; the latest state of each counts."""
        with self._news:
            self._check_open()
            self._versions[customer, url, version.content_digest] = version
            self._news.notify()

    def put_nodes(self, changes: Changes) -> None:
        """Insert or update nodes with the next records, or at closing: never for a transaction of their own."""
        with self._news:
            self._check_open()
            self._nodes.add(changes)

    def limit(self, limits: Limits) -> None:
        """When parts are full from now on."""
        self._files.limits = limits

    def take_notices(self) -> list[Notice]:
        """What happened to the files since it was asked last."""
        taken, self._files.notices = self._files.notices, []
        return taken

    def look(self) -> str | None:
        """Whether the open files are those under their names; the thread puts right what is not. Raises OSError."""
        found = self._files.marks.problem(wait=False)
        if found is not None:
            self._files.raise_alarm(found[1])
            self.put_statement(lambda db: None)
        return self._files.alarm

    def close(self, within_s: float) -> None:
        """Write what waits, for at most so many seconds, then end. Returns at once; `join` the thread."""
        with self._news:
            self._close_by = time.monotonic() + within_s
            self._batching.end()
            self._news.notify()

    def _check_open(self) -> None:
        if self._close_by is not None or not self.is_alive():
            raise StoreClosed(f"{self._directory}: the store is closed")

    def _lose(self, records: Sequence[Record]) -> None:
        self._counts["lost"] += len(records)
        for record in records:
            lost = self._lost.setdefault(LostRecords.key(record), LostRecords(record, []))
            lost.times.append(time_of(record))

    # --- the thread -------------------------------------------------------------------------------

    def run(self) -> None:
        """Open, write until closed, close."""
        try:
            clean = asked_again(self._begin, self._files.damaged)
        except BaseException as error:  # handed to the caller of Store.open
            self._files.close(clean=False)
            self.opened.set_exception(error)
            return
        self.opened.set_result(clean)
        whole = True
        while whole and (batch := self._take()):
            whole = self._write(batch)
        self._end(clean=whole)

    def _begin(self) -> bool:
        self._files.open()
        clean = get_meta(self._files.catalogue.conn, "closed") != "no"
        self._files.say({"closed": "no", "agent": self._agent})
        return clean

    def _end(self, *, clean: bool) -> None:
        left = [item for item in self._queue if item.weight or item.statement]
        if left:
            log.error("store.not_written", extra={"fields": {"records": sum(item.weight for item in left)}})
            self._refuse(left)
        try:
            if clean:
                self._files.open()
                with self._files.catalogue.atomic():
                    put_meta(self._files.catalogue, "closed", "yes")
                    self._files.note_ends(self._files.catalogue)
        except (sqlite3.Error, OSError) as error:
            log.error("store.close_failed", extra={"fields": {"error": str(error)}})
        self._files.close(clean=clean)

    def _take(self) -> list[Item]:
        """The next transaction's work; empty when the store is closed and all is written."""
        with self._news:
            self._news.wait_for(self._has_work, timeout=SIDE_S if self._versions else None)
        self._batching.wait()
        with self._news:
            batch: list[Item] = []
            weight = 0
            while self._queue and (not batch or weight + self._queue[0].weight <= BATCH):
                batch.append(self._queue.popleft())
                weight += batch[-1].weight + 1
            self._batching.taken(len(self._queue))
            if self._lost:
                now = rfc3339(self._clock.time_ns())
                events = tuple(event for loss in self._lost.values() for event in loss.events(now))
                batch.append(Item(records=events, of_loss=True))
                self._weight += batch[-1].weight
                self._lost.clear()
            return batch + self._side_items(closing=self._close_by is not None)

    def _has_work(self) -> bool:
        waits = self._queue or self._lost or self._close_by is not None
        return bool(waits or (self._versions and time.monotonic() - self._side_at_s >= SIDE_S))

    def _side_items(self, *, closing: bool) -> list[Item]:
        """What is written beside the records: not each time, for it takes a transaction of its own."""
        now_s = time.monotonic()
        items: list[Item] = []
        if now_s - self._side_at_s < SIDE_S and not closing:
            return items
        if self._versions:
            items.append(Item(statement=versions_statement(self._versions)))
            self._versions = {}
        if self._nodes:
            items.append(Item(statement=self._nodes.take()))
        if self._files.ends and now_s - self._ends_at_s >= ENDS_S:
            items.append(Item(statement=self._files.note_ends))
            self._ends_at_s = now_s
        self._side_at_s = now_s if items else self._side_at_s
        return items

    def _write(self, batch: list[Item]) -> bool:
        """Until it is done; False if the store was closed before it was."""
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                self._attempt(batch)
            except Exception as error:
                if is_transient(error):
                    self._on_transient_error(error)
                elif len(batch) > 1:  # no waiting cures it: find the item that it is about
                    return all([self._write([item]) for item in batch])  # noqa: C419 (each is tried)
                else:
                    self._refuse_item(batch[0], error)
                    return True
            else:
                self._acknowledge(batch)
                return True
            with self._news:
                if self._news.wait_for(self._past_closing, timeout=pause_s):
                    self._queue.extendleft(reversed(batch))
                    return False
            pause_s = min(LONGEST_PAUSE_S, 2 * pause_s)

    def _attempt(self, batch: list[Item]) -> None:
        self._files.open()
        commit(self._files, self._agent, batch)
        if not self._files.open():  # a file was taken away meanwhile, with what went into it
            raise StoreError(f"{self._directory}: rows were lost with a file, and are written again")

    def _past_closing(self) -> bool:
        return self._close_by is not None and time.monotonic() > self._close_by

    def _acknowledge(self, batch: list[Item]) -> None:
        weight = sum(item.weight for item in batch)
        with self._news:
            was, self._trouble = self._trouble, None
            self._weight -= weight
            self._counts["written"] += weight
            self._batching.written(weight, self._weight)
        if was is not None:
            log.warning("store.recovered", extra={"fields": {"after": was}})
        self._log_size.check(self._files.part)
        complete_futures([(item.done, item.written) for item in batch if item.done is not None])

    def _on_transient_error(self, error: Exception) -> None:
        with self._news:
            self._trouble = f"cannot write results: {error}"
            queued = self._weight
        log.error("store.write_failed", extra={"fields": {"error": str(error), "queued": queued}})
        if damaged(error):
            self._files.damaged()
        elif not any(word in str(error) for word in ("locked", "full")):
            self._files.close(clean=False)  # a fresh connection forgets what an error of the disk left behind

    def _refuse_item(self, item: Item, error: Exception) -> None:
        fields = {"error": f"{type(error).__name__}: {error}", "records": item.weight}
        log.error("store.record_refused", extra={"fields": fields})
        with self._news:
            self._weight -= item.weight
            if not item.of_loss:
                self._lose(item.records)
        refused = StoreError(f"{self._directory}: a record cannot be stored: {error}")
        complete_futures([(item.done, refused)] if item.done is not None else [])

    def _refuse(self, items: Sequence[Item]) -> None:
        error = StoreClosed(f"{self._directory}: closed before this was written ({self._trouble})")
        complete_futures([(item.done, error) for item in items if item.done is not None])
