"""Rule: the shape of the store changes only by the numbered steps below; a step once released never changes.

A results directory holds three kinds of SQLite files:
- the catalogue `results.db`: `definition` (tasks by digest, for replay), `config_version`, `origin_version`,
  `origin_standing` (whether an origin answers us), `node` and `node_learning` (the inventory), `stream_end` (how far
  each stream went when that was noted last), `meta`;
- parts `_parts/NNNNNN.db`: `record` (append-only; `body` is the record's line, packed by the part's `dictionary`; the
  other columns repeat what lists and the ledger need, as numbers into `task`, `domain`, `outcome` and `verdict`; an
  event has no task), `stream` (one agent's results for one customer: where this part begins and ends in it), `dropped`
  (spans whose rows are gone from this part, and why), `grain` and `grain_end` (sums of five minutes, and of which
  records they are: `base.grains`). Parts of version 0.1 keep the line as text, and names and times beside it: they are
  read as they are;
- evidence `_evidence/NNNNNN.db`: `bundle` (evidence of slots that are not well).
Times are RFC 3339 UTC with microseconds, so that they sort.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from probe.core.proof.chain import GENESIS

if TYPE_CHECKING:
    from sqlite_utils import Database

FILE = "results.db"
LOCK = ".lock"
LEAST_SQLITE = (3, 37, 0)  # STRICT tables
BUSY_S = 1.0
SHORT_READ = 522  # SQLITE_IOERR_SHORT_READ: the file ends before the page does
WAL_BYTES = 64 * 1024 * 1024


class StoreError(OSError):
    """The store cannot be used; the message says which, why, and what to do."""


class StoreLocked(StoreError):  # noqa: N818
    """Another process has this results directory open for writing."""


class StoreClosed(StoreError):  # noqa: N818
    """The store is closed: a record was refused, or was queued and not written before the end."""


class StoreDamaged(StoreError):  # noqa: N818
    """A file of the store does not hold what was written to it."""


def _first(db: Database) -> None:
    for statement in (
        "CREATE TABLE definition (digest TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT",
        "CREATE TABLE config_version (digest TEXT PRIMARY KEY, at TEXT NOT NULL, body TEXT NOT NULL) STRICT",
        "CREATE TABLE origin_version (customer TEXT NOT NULL, url TEXT NOT NULL, content_digest TEXT NOT NULL,"
        " first_seen TEXT NOT NULL, last_seen TEXT NOT NULL, body TEXT NOT NULL,"
        " PRIMARY KEY (customer, url, content_digest)) STRICT",
    ):
        db.execute(statement)


def _nodes(db: Database) -> None:
    db.execute(
        "CREATE TABLE node (customer TEXT NOT NULL, domain TEXT NOT NULL, ip_version INTEGER NOT NULL,"
        " address TEXT NOT NULL, vantage_point TEXT NOT NULL, suffix TEXT NOT NULL, first_seen TEXT NOT NULL,"
        " last_seen TEXT NOT NULL, on_trial INTEGER NOT NULL,"
        " PRIMARY KEY (customer, domain, ip_version, address, vantage_point)) STRICT, WITHOUT ROWID"
    )
    db.execute("CREATE INDEX node_of_domain ON node (domain)")
    db.execute(
        "CREATE TABLE node_learning (customer TEXT NOT NULL, domain TEXT NOT NULL, ip_version INTEGER NOT NULL,"
        " vantage_point TEXT NOT NULL, since TEXT NOT NULL, last TEXT NOT NULL, resolutions INTEGER NOT NULL,"
        " PRIMARY KEY (customer, domain, ip_version, vantage_point)) STRICT, WITHOUT ROWID"
    )


def _standings(db: Database) -> None:
    db.execute(
        "CREATE TABLE origin_standing (customer TEXT NOT NULL, origin TEXT NOT NULL, body TEXT NOT NULL,"
        " PRIMARY KEY (customer, origin)) STRICT, WITHOUT ROWID"
    )


def _stream_ends(db: Database) -> None:
    db.execute(
        "CREATE TABLE stream_end (agent TEXT NOT NULL, customer TEXT NOT NULL, seq INTEGER NOT NULL,"
        " digest TEXT NOT NULL, complete_up_to TEXT, PRIMARY KEY (agent, customer)) STRICT, WITHOUT ROWID"
    )


def _part_as_text(db: Database) -> None:
    """The first shapes of a part, with lines as text: they are read, and made no more."""


def _part(db: Database) -> None:
    for statement in (
        "CREATE TABLE stream (id INTEGER PRIMARY KEY, agent TEXT NOT NULL, customer TEXT NOT NULL,"
        f" base INTEGER NOT NULL DEFAULT 0, base_digest TEXT NOT NULL DEFAULT '{GENESIS}',"
        f" head INTEGER NOT NULL DEFAULT 0, digest TEXT NOT NULL DEFAULT '{GENESIS}', complete_up_to TEXT,"
        " UNIQUE (agent, customer)) STRICT",
        "CREATE TABLE dictionary (sha256 TEXT PRIMARY KEY, body BLOB NOT NULL) STRICT",
        "CREATE TABLE task (id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT",
        "CREATE TABLE domain (id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT",
        "CREATE TABLE outcome (id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT",
        "CREATE TABLE verdict (id INTEGER PRIMARY KEY, state TEXT, outcome TEXT, fault TEXT, reason TEXT) STRICT",
        "CREATE TABLE record (id INTEGER PRIMARY KEY, stream INTEGER NOT NULL REFERENCES stream (id),"
        " seq INTEGER NOT NULL, task INTEGER, domain INTEGER, due_us INTEGER NOT NULL, outcome INTEGER,"
        " verdict INTEGER NOT NULL, body BLOB NOT NULL, UNIQUE (stream, seq)) STRICT",
        "CREATE INDEX record_of_task ON record (task, due_us, verdict, stream) WHERE task IS NOT NULL",
        "CREATE INDEX record_by_time ON record (due_us)",
        "CREATE INDEX record_of_domain ON record (domain) WHERE domain IS NOT NULL",
        "CREATE INDEX record_of_events ON record (stream, seq) WHERE task IS NULL",
        "CREATE INDEX record_of_outcome ON record (outcome) WHERE outcome IS NOT NULL",
        "CREATE TRIGGER record_is_append_only BEFORE UPDATE ON record"
        " BEGIN SELECT RAISE(ABORT, 'records are never changed'); END",
        "CREATE TABLE dropped (stream INTEGER NOT NULL REFERENCES stream (id), first_seq INTEGER NOT NULL,"
        " last_seq INTEGER NOT NULL, previous TEXT NOT NULL, digest TEXT NOT NULL, reason TEXT NOT NULL,"
        " PRIMARY KEY (stream, first_seq)) STRICT",
    ):
        db.execute(statement)


def _grains(db: Database) -> None:
    db.execute(
        "CREATE TABLE grain (id INTEGER PRIMARY KEY, stream INTEGER NOT NULL REFERENCES stream (id),"
        " grain INTEGER NOT NULL, domain TEXT NOT NULL, last_seq INTEGER NOT NULL, due INTEGER NOT NULL,"
        " measured INTEGER NOT NULL, n INTEGER NOT NULL, errors_cdn INTEGER NOT NULL, errors_origin INTEGER NOT NULL,"
        " errors_other INTEGER NOT NULL, unknown INTEGER NOT NULL, excluded INTEGER NOT NULL,"
        " clock_unsure INTEGER NOT NULL, ok INTEGER NOT NULL, slow INTEGER NOT NULL, stale INTEGER NOT NULL,"
        " inconclusive INTEGER NOT NULL, failed_cdn INTEGER NOT NULL, failed_origin INTEGER NOT NULL,"
        " failed_customer INTEGER NOT NULL, failed_path INTEGER NOT NULL, failed_vantage INTEGER NOT NULL,"
        " failed_agent INTEGER NOT NULL, failed_unknown INTEGER NOT NULL, body BLOB NOT NULL,"
        " UNIQUE (stream, grain, domain, last_seq)) STRICT"
    )
    db.execute(
        "CREATE TABLE grain_end (stream INTEGER PRIMARY KEY REFERENCES stream (id), first_seq INTEGER NOT NULL,"
        " seq INTEGER NOT NULL, complete_up_to TEXT, carried BLOB NOT NULL, unseen BLOB NOT NULL) STRICT"
    )


def _bundles(db: Database) -> None:
    db.execute(
        "CREATE TABLE bundle (id TEXT PRIMARY KEY, customer TEXT NOT NULL, scheduled_at TEXT NOT NULL,"
        " body BLOB NOT NULL) STRICT"
    )
    db.execute("CREATE INDEX bundle_by_time ON bundle (scheduled_at)")


Step = Callable[["Database"], None]
CATALOGUE: tuple[Step, ...] = (_first, _nodes, _standings, _stream_ends)
PART: tuple[Step, ...] = (_part_as_text, _part_as_text, _part, _grains)
DENSE = 3  # from this version on a part keeps lines packed
EVIDENCE: tuple[Step, ...] = (_bundles, _stream_ends)
NOTES_ENDS = 2  # from this version on a file of evidence notes how far the streams went


def catalogue_file(directory: Path) -> Path:
    """Where the catalogue of a results directory is."""
    return directory / FILE


PAGE_BYTES = 4096
PART_PAGE_BYTES = (
    8192  # rows of several edges then share a page, and a transaction of one row writes no more than before
)


def open_writer(path: Path, steps: tuple[Step, ...]) -> Database:
    """The one writing connection to a file, verified and migrated. Call it in the thread that will use it.

    Raises StoreError, sqlite3.Error or OSError.
    """
    if sqlite3.sqlite_version_info < LEAST_SQLITE:
        least = ".".join(map(str, LEAST_SQLITE))
        raise StoreError(f"SQLite {sqlite3.sqlite_version} is too old: {least} or later is needed")
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    from sqlite_utils import Database  # here: who only reads needs none of it

    db = Database(sqlite3.connect(path, timeout=BUSY_S))
    try:
        # Heeded where the file is new.
        db.execute(f"PRAGMA page_size = {PART_PAGE_BYTES if steps is PART else PAGE_BYTES}")
        _set(db, "journal_mode", "WAL", "wal", path)
        _set(db, "synchronous", "FULL", 2, path)
        _set(db, "foreign_keys", "ON", 1, path)
        db.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
        migrate(db, path, steps)
    except BaseException:
        db.close()
        raise
    return db


def _set(db: Database, name: str, value: str, expected: object, path: Path) -> None:
    db.execute(f"PRAGMA {name} = {value}")
    found = db.execute(f"PRAGMA {name}").fetchone()[0]
    if found != expected:
        raise StoreError(
            f"{path}: {name} is {found!r} and cannot be made {value}; is this file system local and writable?"
        )


def migrate(db: Database, path: Path, steps: tuple[Step, ...]) -> None:
    """Bring the schema to this version, each step in a transaction. Raises StoreError for a newer schema."""
    with db.atomic():
        db.execute("CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT")
    have = int(get_meta(db.conn, "schema_version") or "0")
    if have > len(steps):
        raise StoreError(
            f"{path} has schema {have}, this version knows up to {len(steps)}:"
            " it was written by a newer version; run that one, or use another results directory"
        )
    for number, step in enumerate(steps[have:], have + 1):
        with db.atomic():
            step(db)
            put_meta(db, "schema_version", str(number))


def get_meta(conn: sqlite3.Connection, key: str) -> str | None:
    """A value of the meta table."""
    row = conn.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return None if row is None else str(row[0])


def put_meta(db: Database, key: str, value: str) -> None:
    """Set a value of the meta table, within the caller's transaction."""
    db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, value))


def damaged(error: BaseException) -> bool:
    """Whether SQLite says that a file is not what was written to it; it says so too where reading failed."""
    if isinstance(error, StoreDamaged):
        return True
    if not isinstance(error, sqlite3.DatabaseError):
        return False
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return False
    # A short read: a log that ends before its frame does was cut.
    return code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or code == SHORT_READ
