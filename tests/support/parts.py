"""Parts of a store by SQL, as whoever holds the disk may use them; and parts as version 0.1 wrote them."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from probe.store.base.dictionary import beside
from probe.store.base.part_query import PartQuery, is_dense, packers_of
from probe.store.base.parts import parts_of


@contextmanager
def by_sql(part: Path) -> Iterator[sqlite3.Connection]:
    """A connection that knows `line(body)` and `packed(text)`, and lets records be changed."""
    with closing(sqlite3.connect(part)) as conn:
        with_lines(conn, part)
        conn.execute("DROP TRIGGER IF EXISTS record_is_append_only")
        yield conn
        conn.commit()


def with_lines(conn: sqlite3.Connection, part: Path) -> None:
    """Let the connection know `line(body)` and `packed(text)`."""
    if not is_dense(conn):
        conn.create_function("line", 1, lambda body: body)
        conn.create_function("packed", 1, lambda text: text)
        return
    packer, *_ = packers_of(conn, part)
    conn.create_function("line", 1, lambda body: packer.unpack(body).decode())
    conn.create_function("packed", 1, lambda text: packer.pack(text.encode()))


# What version 0.1 made of a new part.
_STREAM = (
    "CREATE TABLE stream (id INTEGER PRIMARY KEY, agent TEXT NOT NULL, customer TEXT NOT NULL,"
    " base INTEGER NOT NULL DEFAULT 0, base_digest TEXT NOT NULL, head INTEGER NOT NULL DEFAULT 0,"
    " digest TEXT NOT NULL, complete_up_to TEXT, UNIQUE (agent, customer)) STRICT"
)
_RECORD = (
    "CREATE TABLE record (id INTEGER PRIMARY KEY, stream INTEGER NOT NULL REFERENCES stream (id),"
    " seq INTEGER NOT NULL, kind TEXT NOT NULL, task TEXT, domain TEXT, path TEXT, vantage_point TEXT,"
    " scheduled_at TEXT NOT NULL, state TEXT, outcome TEXT, fault TEXT, reason TEXT, body TEXT NOT NULL,"
    " UNIQUE (stream, seq)) STRICT"
)
_REST = (
    "CREATE INDEX record_of_task ON record (task, scheduled_at, state, reason, stream) WHERE task IS NOT NULL",
    "CREATE INDEX record_by_time ON record (scheduled_at)",
    "CREATE INDEX record_of_domain ON record (domain) WHERE domain IS NOT NULL",
    "CREATE INDEX record_of_events ON record (stream, seq) WHERE kind = 'event'",
    "CREATE INDEX record_of_outcome ON record (outcome) WHERE outcome IS NOT NULL",
    "CREATE TRIGGER record_is_append_only BEFORE UPDATE ON record"
    " BEGIN SELECT RAISE(ABORT, 'records are never changed'); END",
    "CREATE TABLE dropped (stream INTEGER NOT NULL REFERENCES stream (id), first_seq INTEGER NOT NULL,"
    " last_seq INTEGER NOT NULL, previous TEXT NOT NULL, digest TEXT NOT NULL, reason TEXT NOT NULL,"
    " PRIMARY KEY (stream, first_seq)) STRICT",
)
_COLUMNS = 14


def as_text(directory: Path) -> None:
    """Every part of a closed store as version 0.1 would have written it."""
    for part in parts_of(directory):
        aside = part.path.with_suffix(".text")
        with closing(PartQuery(part.path)) as query, closing(sqlite3.connect(aside)) as conn:
            conn.execute("PRAGMA journal_mode = WAL")
            conn.execute("CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT")
            begun = query.value("SELECT value FROM meta WHERE key = 'begun_at'")
            conn.executemany("INSERT INTO meta VALUES (?, ?)", [("begun_at", begun), ("schema_version", "1")])
            for statement in (_STREAM, _RECORD, *_REST):
                conn.execute(statement)
            copy_as_text(query, conn)
            for table, columns in (("stream", 8), ("dropped", 6)):
                sql = f"INSERT INTO {table} VALUES ({', '.join('?' * columns)})"
                conn.executemany(sql, query.rows(f"SELECT * FROM {table}"))
            conn.commit()
            conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for left in (*part.path.parent.glob(f"{part.path.name}-*"), beside(part.path)):
            left.unlink(missing_ok=True)
        os.replace(aside, part.path)


def copy_as_text(query: PartQuery, conn: sqlite3.Connection) -> None:
    """The records of a part into a table of version 0.1's, with a column for each name."""
    rows = query.rows_with_line("SELECT seq, id, stream, body FROM record ORDER BY id")
    conn.executemany(
        f"INSERT INTO record VALUES ({', '.join('?' * _COLUMNS)})",
        [(number, stream, seq, *_names(line), line) for seq, number, stream, line in rows],
    )


def _names(line: str) -> tuple[Any, ...]:
    told = msgspec.json.decode(line)
    if told["kind"] != "slot":
        return told["kind"], None, None, None, None, told["at"], None, None, None, told["event"]
    names = ("task", "domain", "path", "vantage_point", "scheduled_at", "state", "outcome", "fault")
    return (told["kind"], *(told[name] for name in names), told["missed_reason"] or told["reason"])
