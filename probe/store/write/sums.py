"""Rule: sums are fed from rows that are committed, and only from these: a crash never makes the two differ.

The sums of five minutes that are kept as rows come (`core.sla.facts.grain_rows`). Rows that were committed are added in
memory: some microseconds a row. With the first transaction after a grain is over, or after MOST_ROWS, what was added
is written, with the `seq` up to which it holds. After a restart, or an error, whatever is behind that `seq` is
read again from the rows, some at a time; rows of earlier versions are caught up with in the same way.
"""

from __future__ import annotations

import logging
import math
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from probe.core.proof.chain import Line
from probe.core.records.codec import CodecError, dropped_span
from probe.core.records.rows import Record
from probe.core.sla.facts.grain_rows import NOTHING_CARRIED, RULE, GrainTable
from probe.core.tables.rows import rows_of
from probe.host.clock import Clock
from probe.store.base.grains import GrainEnd, Span, end_in, write_grains
from probe.store.base.parts import parts_of
from probe.store.base.query import Query
from probe.store.base.schema import StoreError, damaged

if TYPE_CHECKING:
    from sqlite_utils import Database

log = logging.getLogger("probe.store")

GRACE_US = 20_000_000  # after the end of a grain, so that most of its rows are there
MOST_ROWS = 50_000
CATCH_UP_ROWS = 500  # read again at once, and as often as CATCH_UP_S says
CATCH_UP_S = 1.0

Stream = tuple[str, str]  # agent, customer


class Lines(Protocol):
    """What is needed of a reader of the store."""

    def lines(self, customer: str, after: int, limit: int) -> list[Line]:
        """Up to `limit` lines after `seq` `after`."""
        ...

    def close(self) -> None:
        """End reading."""
        ...


LinesOf = Callable[[str], Lines]


class _Mark(msgspec.Struct):
    """What a line says of the stream."""

    complete_up_to: str | None = None


_MARK = msgspec.json.Decoder(_Mark)


@dataclass(slots=True)
class _Summed:
    """One stream: what was added since sums were written last, up to `seq`; `written`: up to where that was."""

    table: GrainTable
    seq: int
    written: int
    complete_up_to: str | None
    rows: int = 0
    unseen: list[Span] = field(default_factory=list)  # gone before they could be added up
    caught_up_at_s: float = -math.inf

    def reached(self, seq: int, complete_up_to: str | None) -> None:
        """The row `seq` is in it."""
        self.seq = seq
        self.rows += 1
        if complete_up_to is not None:
            self.complete_up_to = max(complete_up_to, self.complete_up_to or "")


class Sums:
    """Of one results directory; for the writer's thread. `lines_of`: agent -> a reader of its streams."""

    def __init__(self, directory: Path, clock: Clock, lines_of: LinesOf | None) -> None:
        self._directory = directory
        self._clock = clock
        self._lines_of = lines_of
        self._streams: dict[Stream, _Summed] = {}
        self._readers: dict[str, Lines] = {}
        self._grain: int | None = None  # in which sums were written last

    def forget(self) -> None:
        """The newest part is another one, or nobody knows what became of a transaction: begin with what is stored."""
        self._streams.clear()
        self.close()

    def close(self) -> None:
        """Close what is open. Safe to call twice."""
        while self._readers:
            self._readers.popitem()[1].close()

    def follow(self, stream: Stream, records: Sequence[Record]) -> None:
        """These records of a stream were committed, one after another. What goes wrong here holds up no row."""
        try:
            self._follow(stream, records)
        except Exception as error:
            self._failed(error)

    def _follow(self, stream: Stream, records: Sequence[Record]) -> None:
        summed = self._streams.get(stream)
        if summed is None:
            summed = self._streams[stream] = self._stored(stream)
        for record in records:
            if record.seq == summed.seq + 1:
                summed.table.see(record)
                summed.reached(record.seq, record.complete_up_to)
        if records and (records[-1].seq or 0) > summed.seq:
            self._catch_up(stream, summed)

    def save(self, db: Database, *, at_once: bool = False) -> None:
        """Write what was added into the newest part, if it is due; or `at_once`.

        Raises what SQLite raises where the disk is in the way.
        """
        if not (at_once or self._due()) or not any(summed.rows for summed in self._streams.values()):
            return
        try:
            with db.atomic():
                self._write(db)
        except Exception as error:
            self._failed(error)  # it may be on the disk, or not
            if isinstance(error, sqlite3.OperationalError | OSError) or damaged(error):
                raise
        else:
            self._written()

    def _failed(self, error: Exception) -> None:
        log.error("store.sums_failed", extra={"fields": {"error": f"{type(error).__name__}: {error}"}})
        self.forget()

    def _due(self) -> bool:
        grain = self._grain_now()
        if self._grain is None:
            self._grain = grain
        over = grain != self._grain
        return any(summed.rows and (over or summed.rows >= MOST_ROWS) for summed in self._streams.values())

    def _write(self, db: Database) -> None:
        for (agent, customer), summed in self._streams.items():
            if summed.rows:
                db.execute("INSERT OR IGNORE INTO stream (agent, customer) VALUES (?, ?)", (agent, customer))
                sql = "SELECT id FROM stream WHERE agent = ? AND customer = ?"
                number = int(db.execute(sql, (agent, customer)).fetchone()[0])
                end = GrainEnd(
                    first_seq=summed.written + 1,
                    seq=summed.seq,
                    complete_up_to=summed.complete_up_to,
                    carried=summed.table.carried,
                    unseen=tuple(summed.unseen),
                )
                write_grains(db, number, end, summed.table.keyed())

    def _written(self) -> None:
        self._grain = self._grain_now()
        for summed in self._streams.values():
            if summed.rows:
                summed.table = GrainTable.after(summed.table)
                summed.written, summed.rows = summed.seq, 0
                summed.unseen.clear()

    def _grain_now(self) -> int:
        return (self._clock.time_ns() // 1000 - GRACE_US) // RULE.length_us

    def _stored(self, stream: Stream) -> _Summed:
        """Up to where the parts have sums of a stream: nowhere, if no part has any."""
        agent = stream[0]
        for part in reversed(parts_of(self._directory)):
            try:
                with closing(Query(part.path)) as query:
                    end = end_in(query, *stream)
            except StoreError:
                continue  # retention took it meanwhile, or it is damaged, and will be mended
            if end is not None:
                return _Summed(GrainTable(agent, end.carried), end.seq, end.seq, end.complete_up_to)
        return _Summed(GrainTable(agent, NOTHING_CARRIED), 0, 0, None)

    def _catch_up(self, stream: Stream, summed: _Summed) -> None:
        """Some of the rows behind what is summed, from the store."""
        now_s = time.monotonic()
        if self._lines_of is None or now_s - summed.caught_up_at_s < CATCH_UP_S:
            return
        summed.caught_up_at_s = now_s
        agent, customer = stream
        reader = self._readers.get(agent)
        if reader is None:
            reader = self._readers[agent] = self._lines_of(agent)
        for line in reader.lines(customer, summed.seq, CATCH_UP_ROWS):
            data = line.text.encode()
            if (gone := dropped_span(data)) is not None:
                summed.unseen.append((max(gone.first_seq, summed.seq + 1), line.seq))
            try:
                summed.table.feed(rows_of(agent, customer, data))
            except CodecError as error:  # it is in no sum, as it is in no table
                log.error("store.sums_failed", extra={"fields": {"error": str(error)}})
            summed.reached(line.seq, _MARK.decode(data).complete_up_to)
