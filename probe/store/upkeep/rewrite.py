"""Rule: a part is replaced by a whole one or not at all, and what it no longer holds is named in it.

Writing a part anew with fewer rows: after damage, or when healthy rows have been kept for long enough.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import astuple, dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from probe.store.base import dictionary as dictionaries
from probe.store.base.dictionary import Packer
from probe.store.base.grains import copy_grains
from probe.store.base.parts import PARTS, install, put_dictionary, settle
from probe.store.base.query import Query
from probe.store.base.rows import COLUMNS, Names, indexed_line
from probe.store.base.schema import PART, open_writer, put_meta

if TYPE_CHECKING:
    from sqlite_utils import Database

log = logging.getLogger("probe.store")

BATCH = 500


@dataclass(frozen=True, slots=True)
class Row:
    """A line and its place in a part."""

    id: int
    stream: int
    seq: int
    line: bytes


@dataclass(frozen=True, slots=True)
class DroppedSpan:
    """Rows that a part no longer holds: from `first` to `last`.

    `previous`: digest of the line before the first of them; `digest`: of the last of them.
    """

    first: int
    last: int
    previous: str
    digest: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPart:
    """One stream in a part; `id` is its number there.

    `base`, `base_digest`: seq and digest of its last line before this part. `head`, `digest`: of its last line in it.
    `gone`: the spans in between whose rows the part does not hold.
    """

    id: int
    agent: str
    customer: str
    base: int
    base_digest: str
    head: int
    digest: str
    complete_up_to: str | None
    gone: tuple[DroppedSpan, ...] = ()


def write_part(
    path: Path,
    begun_at: str,
    streams: Iterable[StreamPart],
    rows: Iterable[Row],
    meta: Mapping[str, str] | None = None,
    sums: Query | None = None,
    dictionary: bytes | None = None,
    make_room: Callable[[], None] | None = None,
) -> None:
    """Write the file aside, then give it its name, in place of what was there. Raises OSError, sqlite3.Error.

    `sums`: the part whose sums it is to hold, of whatever rows; StoreError where they cannot be read. `dictionary`: for
    its lines; None: the one that comes with the program. `make_room`: takes away what was
    there, when the new one is whole.
    """
    dictionary = dictionary or dictionaries.base()
    aside = path.with_name(f".{path.stem}.rewritten")
    for old in (aside, *(aside.with_name(aside.name + end) for end in ("-wal", "-shm", "-journal"))):
        old.unlink(missing_ok=True)
    db = open_writer(aside, PART)
    try:
        with db.atomic():
            for key, value in {"begun_at": begun_at, **(meta or {})}.items():
                put_meta(db, key, value)
            put_dictionary(db, dictionary)
            for stream in streams:
                db.execute(
                    "INSERT INTO stream (id, agent, customer, base, base_digest, head, digest, complete_up_to)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        stream.id, stream.agent, stream.customer, stream.base, stream.base_digest,
                        stream.head, stream.digest, stream.complete_up_to,
                    ),
                )  # fmt: skip
                db.conn.executemany(
                    "INSERT INTO dropped (stream, first_seq, last_seq, previous, digest, reason)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    [(stream.id, *astuple(gone)) for gone in stream.gone],
                )
            put_rows(db, rows, Packer(dictionary))
            if sums is not None:
                copy_grains(sums, db)
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
    finally:
        db.close()
    if make_room is None:
        settle(path)
    else:
        make_room()
    # A kill after this leaves the part that was there with its own copy of its dictionary.
    dictionaries.put_beside(path, dictionary)
    install(aside, path)


def finish_begun(directory: Path) -> None:
    """Give what a kill left written, and whole, the place that had been made for it. Raises OSError."""
    for aside in sorted((directory / PARTS).glob(".*.rewritten")):
        path = aside.with_name(f"{aside.name.split('.')[1]}.db")
        if not path.exists():
            install(aside, path)
            problem = "a start ended while it was mended; what was saved of it is in its place now"
            log.error("store.damaged", extra={"fields": {"file": path.name, "problem": problem}})


def put_rows(db: Database, rows: Iterable[Row], packer: Packer) -> None:
    """Lines into a part, each under the number that it has, within the caller's transaction.

    What lists need of them is read from the lines. Raises ValueError for one that is none.
    """
    names = Names(db.conn)
    left = iter(rows)
    while batch := list(islice(left, BATCH)):
        made = [
            (row.id, *names.row(indexed_line(row.line), row.stream, row.seq, packer.pack(row.line)))
            for row in batch
        ]
        names.put(db.conn)
        db.conn.executemany(_INSERT, made)


_INSERT = f"INSERT INTO record (id, {', '.join(COLUMNS)}) VALUES (?, {', '.join('?' * len(COLUMNS))})"  # noqa: S608
