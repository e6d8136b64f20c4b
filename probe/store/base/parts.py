"""Rule: what is complete is never written to again: a part that is full is closed and a new one begun.

No file changes its journal mode once it has its name: a kill in the middle of that leaves a journal that a reader,
which cannot write, could not roll back.

The parts of the store by number; the highest is the one that is written. Within a stream a part continues where the
one before it ended, and says so in itself, so that parts may be dropped, set aside or carried away one by one.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from probe.host.files import sync_directory
from probe.store.base import dictionary as dictionaries
from probe.store.base.part_query import PartQuery
from probe.store.base.schema import BUSY_S, EVIDENCE, PART, Step, StoreError, get_meta, open_writer, put_meta

if TYPE_CHECKING:
    from sqlite_utils import Database

PARTS = "_parts"
EVIDENCE_PARTS = "_evidence"
ASIDE = "_set-aside"
_NAME = re.compile(r"(\d{6,})\.db")
_ENDS = "SELECT agent, customer, head, digest, complete_up_to FROM stream"
_EMPTY = "empty_bytes"
STEPS: dict[str, tuple[Step, ...]] = {PARTS: PART, EVIDENCE_PARTS: EVIDENCE}


@dataclass(frozen=True, slots=True)
class Part:
    """One file of the store."""

    number: int
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEnd:
    """Where a stream stood when a part was closed."""

    agent: str
    customer: str
    head: int
    digest: str
    complete_up_to: str | None


def parts_of(directory: Path, kind: str = PARTS) -> list[Part]:
    """The parts of a results directory, oldest first."""
    found = []
    try:
        with os.scandir(directory / kind) as entries:
            for entry in entries:
                if match := _NAME.fullmatch(entry.name):
                    found.append(Part(int(match[1]), Path(entry.path)))
    except FileNotFoundError:
        return []
    return sorted(found, key=lambda part: part.number)


def open_newest(
    directory: Path, kind: str, now: str, dictionary: Callable[[], bytes | None] = lambda: None
) -> tuple[Part, Database]:
    """The newest part, opened for writing; the first one is begun if there is none, and one after version 0.1's.

    `dictionary`: asked for one that is begun after others (`begin`).
    """
    parts = parts_of(directory, kind)
    part = parts[-1] if parts else begin(directory, kind, 1, now, ())
    if kind == PARTS and (ends := _ends_as_text(part)) is not None:
        part = begin(directory, kind, part.number + 1, now, ends, dictionary())
    return part, open_writer(part.path, STEPS[kind])


def _ends_as_text(part: Part) -> list[StreamEnd] | None:
    """Where the streams stand in a part of version 0.1, which is not written to any more; None: it is none."""
    with closing(PartQuery(part.path)) as query:
        return None if query.dense else [_end(*row) for row in query.rows(_ENDS)]


def begin(
    directory: Path,
    kind: str,
    number: int,
    now: str,
    ends: Iterable[StreamEnd],
    dictionary: bytes | None = None,
) -> Part:
    """A new part under its name only when it is whole and on the disk. Streams go on from `ends`.

    `dictionary`: for the lines of a part of records; None: the one that comes with the program.
    """
    place = directory / kind
    place.mkdir(mode=0o700, exist_ok=True)
    aside = place / f".{number:06}.new"
    for old in (aside, *_journals(aside)):
        old.unlink(missing_ok=True)
    db = open_writer(aside, STEPS[kind])
    try:
        with db.atomic():
            put_meta(db, "begun_at", now)
            if kind == PARTS:
                put_dictionary(db, dictionary or dictionaries.base())
            for end in ends:
                db.execute(
                    "INSERT INTO stream (agent, customer, base, base_digest, head, digest, complete_up_to)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (end.agent, end.customer, end.head, end.digest, end.head, end.digest, end.complete_up_to),
                )
            put_meta(db, _EMPTY, str(_size_bytes(db)))
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
    finally:
        db.close()
    part = Part(number, place / f"{number:06}.db")
    if any(journal.exists() for journal in _journals(part.path)):  # of one of this number that was taken away
        set_aside(directory, part.path, now)
    if kind == PARTS:
        dictionaries.put_beside(part.path, dictionary or dictionaries.base())
    install(aside, part.path)
    return part


def put_dictionary(db: Database, dictionary: bytes) -> None:
    """A part's own copy of its dictionary, within the caller's transaction."""
    row = dictionaries.digest_of(dictionary), dictionary
    db.execute("INSERT INTO dictionary (sha256, body) VALUES (?, ?)", row)


def install(aside: Path, path: Path) -> None:
    """Give a file that is whole its name; both are on the disk when this returns. Raises OSError."""
    _sync(aside)
    os.replace(aside, path)
    sync_directory(path.parent)


def settle(path: Path) -> None:
    """Nothing of a closed part is left in its log, where a kill or a reader kept it: what takes its place would be
    written over with that. Raises StoreError where a reader is in the way.
    """
    wal = path.with_name(path.name + "-wal")
    if not path.exists() or not wal.exists() or not wal.stat().st_size:
        return
    with closing(sqlite3.connect(path, timeout=BUSY_S)) as conn:
        (busy, *_) = conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        raise StoreError(f"{path}: a reader is in the way; it is tried again")


def make(path: Path, steps: tuple[Step, ...]) -> None:
    """A new empty file under its name when it is whole; nothing if it is there. Raises OSError, sqlite3.Error."""
    if path.exists():
        return
    aside = path.with_name(f".{path.name}.new")
    for old in (aside, *_journals(aside)):
        old.unlink(missing_ok=True)
    db = open_writer(aside, steps)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
    db.close()
    install(aside, path)


def stream_ends(db: Database) -> list[StreamEnd]:
    """Where each stream stands in an open part."""
    return [_end(*row) for row in db.execute(_ENDS).fetchall()]


def _end(agent: str, customer: str, head: int, digest: str, complete_up_to: str | None) -> StreamEnd:
    return StreamEnd(agent=agent, customer=customer, head=head, digest=digest, complete_up_to=complete_up_to)


def begun_at(db: Database) -> str | None:
    """When a part was begun (RFC 3339)."""
    return get_meta(db.conn, "begun_at")


def size_bytes(db: Database) -> int:
    """Of what was put into a part since it was begun, without its log: neither empty pages nor its dictionary."""
    return _size_bytes(db) - int(get_meta(db.conn, _EMPTY) or "0")


def _size_bytes(db: Database) -> int:
    pages = db.execute("PRAGMA page_count").fetchone()[0]
    return int(pages) * int(db.execute("PRAGMA page_size").fetchone()[0])


def bytes_on_disk(part: Part) -> int:
    """Of the file, its log and what is kept beside it."""
    total = 0
    for path in (part.path, *_journals(part.path), dictionaries.beside(part.path)):
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue
    return total


def finish(db: Database) -> None:
    """Close a part that will not be written again; it is one file then, unless somebody reads it right now."""
    # A reader is in the way, or the disk: the log stays beside it. Whether it is damaged is seen when it is looked at.
    with suppress(sqlite3.DatabaseError):
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
    db.close()


def remove(part: Part) -> None:
    """Delete a part; whoever reads it now keeps reading."""
    for path in (part.path, *_journals(part.path), dictionaries.beside(part.path)):
        path.unlink(missing_ok=True)
    sync_directory(part.path.parent)


def remove_left_over(directory: Path) -> None:
    """Delete dictionaries whose parts are gone: a kill may leave them. Raises OSError."""
    parts = {part.path for part in parts_of(directory)}
    for left in (directory / PARTS).glob(f"*{dictionaries.ENDING}"):
        if left.with_suffix(".db") not in parts:
            left.unlink(missing_ok=True)


def set_aside(directory: Path, path: Path, now: str) -> Path:
    """Move a damaged file and its logs out of the way, for people to look at. Returns where it is."""
    place = directory / ASIDE / now.replace(":", "")
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    for file in (path, *_journals(path)):
        if file.exists():
            os.replace(file, place / file.name)
    sync_directory(path.parent)
    return place / path.name


def _journals(path: Path) -> tuple[Path, ...]:
    return tuple(path.with_name(path.name + ending) for ending in ("-wal", "-shm", "-journal"))


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
