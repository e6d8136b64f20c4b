"""Rule: one transaction takes all of a call's records or none, and gives each its place in its stream.

What is written together, what an error of SQLite means, and whose futures are completed.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

from probe.core.model.value import replace
from probe.core.proof.chain import line_digest
from probe.core.records.codec import encode
from probe.core.records.origin import OriginVersion
from probe.core.records.rows import Record, SlotRecord
from probe.store.base.ends import Stream, note_ends
from probe.store.base.parts import StreamEnd
from probe.store.base.rows import INSERT_RECORD, indexed, version_row
from probe.store.base.schema import StoreError
from probe.store.write.files import Files

if TYPE_CHECKING:
    from sqlite_utils import Database

VERSIONS_KEPT = 64
ROWS_AN_INSERT = 100

Statement = Callable[["Database"], None]
VersionKey = tuple[str, str, str]  # customer, url, content digest
Waiting = asyncio.Future[list[Record]]


@dataclass(slots=True)
class Item:
    """One call's work: records, or a statement. `written`: the records with their `seq`, once committed.

    `complete_up_to`: what holds once these records and all before them are stored (RFC 3339). `agent`: in whose streams
    the records belong, if not the writing agent's: an earlier name of it.
    """

    records: tuple[Record, ...] = ()
    statement: Statement | None = None
    evidence_of: str | None = (
        None  # the statement is for the evidence of this customer, not for the catalogue
    )
    done: Waiting | None = None
    complete_up_to: str | None = None
    of_loss: bool = False
    agent: str | None = None
    written: list[Record] = field(default_factory=list)

    @property
    def weight(self) -> int:
        """How many records it holds."""
        return len(self.records)


def is_transient(error: Exception) -> bool:
    """Whether to try the same again: the disk or a lock is in the way, not what is to be written."""
    if isinstance(
        error,
        sqlite3.DataError | sqlite3.IntegrityError | sqlite3.ProgrammingError | sqlite3.NotSupportedError,
    ):
        return False
    return isinstance(error, sqlite3.Error | OSError)


def commit(files: Files, agent: str, batch: Sequence[Item]) -> None:
    """Write the items; they are on the disk when this returns. Raises what SQLite raises.

    Three transactions, each only if there is something for it: what records refer to (catalogue, evidence) comes
    before them, so that no record is without it. Done again as a whole after an error: each statement may be.
    The end of each stream is read from the database each time: after an error nobody has to know what became of it.
    """
    _state(files.catalogue, [item.statement for item in batch if item.statement and not item.evidence_of])
    if any(item.evidence_of for item in batch):
        _keep_evidence(files, agent, batch)
    if any(item.records for item in batch):
        _append(files, agent, batch)


def _state(db: Database, statements: Sequence[Statement]) -> None:
    if statements:
        with db.atomic():
            for statement in statements:
                statement(db)


def _keep_evidence(files: Files, agent: str, batch: Sequence[Item]) -> None:
    """With it how far the streams concerned go, which it then knows also where the parts do not any more."""
    db = files.evidence
    streams = {(agent, item.evidence_of) for item in batch if item.evidence_of}
    with db.atomic():
        for item in batch:
            if item.statement and item.evidence_of:
                item.statement(db)
        note_ends(db, [end for stream, end in files.ends.items() if stream in streams])


def _append(files: Files, agent: str, batch: Sequence[Item]) -> None:
    files.save_sums()
    db = files.records
    try:
        _append_to(db, files, agent, batch)
    except BaseException:
        files.packing.forget_names()
        raise


def _append_to(db: Database, files: Files, agent: str, batch: Sequence[Item]) -> None:
    names, pack = files.packing.names(db), files.packing.packer.pack
    written: dict[Stream, list[Record]] = {}
    with db.atomic():
        ends: dict[tuple[str, str], _End] = {}
        rows: list[tuple[Any, ...]] = []
        taken: set[tuple[str, int]] = set()  # due times of this transaction
        for item in batch:
            item.written = []
            for record in item.records:
                stream = (item.agent or agent, record.customer)
                end = ends.get(stream)
                if end is None:
                    end = ends[stream] = _end(db, *stream)
                complete = end.after(item.complete_up_to)
                numbered = replace(record, seq=end.seq + 1, previous=end.digest, complete_up_to=complete)
                columns = indexed(numbered)
                if isinstance(numbered, SlotRecord):
                    due = numbered.task, columns.due_us
                    if due in taken or files.due_times.has(db, *due):
                        numbered = replace(numbered, due_again=True)
                    taken.add(due)
                line = encode(numbered)
                end.seq, end.digest = end.seq + 1, line_digest(line)
                item.written.append(numbered)
                written.setdefault(stream, []).append(numbered)
                rows.append(names.row(columns, end.stream, end.seq, pack(line)))
        names.put(db.conn)
        db.conn.executemany(INSERT_RECORD, rows)
        for end in ends.values():
            db.execute(
                "UPDATE stream SET head = ?, digest = ?, complete_up_to = ? WHERE id = ?",
                (end.seq, end.digest, end.complete_up_to, end.stream),
            )
    for (name, customer), end in ends.items():
        files.ends[name, customer] = StreamEnd(
            agent=name,
            customer=customer,
            head=end.seq,
            digest=end.digest,
            complete_up_to=end.complete_up_to,
        )
    for stream, records in written.items():
        files.sums.follow(stream, records)


@dataclass(slots=True)
class _End:
    """Where a stream ends, while a transaction is put together."""

    stream: int
    seq: int
    digest: str
    complete_up_to: str | None

    def after(self, complete_up_to: str | None) -> str | None:
        """What a record says that comes now: it never falls, also where the clock was set back."""
        if complete_up_to is not None:
            self.complete_up_to = max(complete_up_to, self.complete_up_to or "")
            return self.complete_up_to
        return None


def _end(db: Database, agent: str, customer: str) -> _End:
    """As committed; the stream begins if there is none."""
    key = (agent, customer)
    db.execute("INSERT OR IGNORE INTO stream (agent, customer) VALUES (?, ?)", key)
    sql = "SELECT id, head, digest, complete_up_to FROM stream WHERE agent = ? AND customer = ?"
    return _End(*db.execute(sql, key).fetchone())


def versions_statement(versions: dict[VersionKey, OriginVersion]) -> Statement:
    """Insert or update these origin versions and keep the newest 64 of each object."""

    def write(db: Database) -> None:
        rows = [version_row(customer, url, version) for (customer, url, _), version in versions.items()]
        db.table("origin_version").insert_all(rows, replace=True, batch_size=ROWS_AN_INSERT)
        for customer, url in {(customer, url) for customer, url, _ in versions}:
            db.execute(
                "DELETE FROM origin_version WHERE customer = ? AND url = ? AND content_digest NOT IN"
                " (SELECT content_digest FROM origin_version WHERE customer = ? AND url = ?"
                " ORDER BY last_seen DESC LIMIT ?)",
                (customer, url, customer, url, VERSIONS_KEPT),
            )

    return write


def complete_futures(results: Sequence[tuple[Waiting, list[Record] | StoreError]]) -> None:
    """Tell those who wait, one call for each event loop. A loop that is gone has nobody waiting."""
    for loop, group in groupby(results, key=lambda pair: pair[0].get_loop()):
        if not loop.is_closed():
            loop.call_soon_threadsafe(_set, list(group))


def _set(pairs: Sequence[tuple[Waiting, list[Record] | StoreError]]) -> None:
    for future, result in pairs:
        if future.done():  # cancelled: nobody waits any more, and it is stored all the same
            continue
        if isinstance(result, StoreError):
            future.set_exception(result)
        else:
            future.set_result(result)
