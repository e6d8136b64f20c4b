"""Rule: a confirmation is on the disk before the reader gets its reply, and it never goes back.

`_api.db` in the results directory: acknowledgements (retention respects them) and which rows were first pulled when
and by whom (a witness of when a failure was known). Written by the API's process alone, in a thread of its own;
any process may read it (`probe.store.confirmations`). Times are RFC 3339 UTC.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from sqlite_utils import Database

from probe.core.text.spans import uncovered, union
from probe.store.confirmations import BUSY_S, FILE, Ack, ApiDbError, Pulled, acks_in

MOST_SPANS = 1_000  # of one reader in one stream: who asks at random is not followed further
Answer = TypeVar("Answer")


class ApiDb:
    """The writer. Made by `ApiDb.open`; for one event loop; ended by `close`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="api-db")
        self._db: Database | None = None
        self.set_aside: Path | None = None

    @classmethod
    async def open(cls, directory: Path, now: str) -> ApiDb:
        """Open or make it; one that is damaged is set aside and a new one begun. Raises ApiDbError."""
        made = cls(directory / FILE)
        try:
            await made._run(lambda: made._open(now))
        except BaseException:
            made._thread.shutdown(wait=False)
            raise
        return made

    async def close(self) -> None:
        """Write what waits. Safe to call twice."""
        if self._db is not None:
            await self._run(self._close)
            self._thread.shutdown()

    async def acknowledge(self, ack: Ack) -> Ack:
        """Keep it unless a later one is there; gives the one that is kept, once it is on the disk.

        Raises ApiDbError if it cannot be written.
        """
        return await self._run(lambda: self._acknowledge(ack))

    async def pulled(self, pull: Pulled) -> None:
        """Note what of it was pulled for the first time. Raises ApiDbError."""
        await self._run(lambda: self._pulled(pull))

    async def acks(self) -> list[Ack]:
        """All that is kept. Raises ApiDbError."""
        return await self._run(lambda: acks_in(self._writable().conn, None))

    # --- in the thread ----------------------------------------------------------------------------

    async def _run(self, work: Callable[[], Answer]) -> Answer:
        try:
            # Shielded: a reader that goes away does not undo what is being written.
            return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, work))
        except (sqlite3.Error, RuntimeError) as error:
            raise ApiDbError(f"{self._path}: {error}") from error

    def _open(self, now: str) -> None:
        try:
            self._db = _opened(self._path)
        except sqlite3.DatabaseError as error:
            if (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF not in (
                sqlite3.SQLITE_CORRUPT,
                sqlite3.SQLITE_NOTADB,
            ):
                raise
            self.set_aside = self._path.with_name(f"{FILE}.damaged-{now.replace(':', '')}")
            for suffix in ("", "-wal", "-shm"):
                part = Path(f"{self._path}{suffix}")
                if part.exists():
                    part.rename(f"{self.set_aside}{suffix}")
            self._db = _opened(self._path)

    def _close(self) -> None:
        assert self._db is not None
        self._db.close()
        self._db = None

    def _acknowledge(self, ack: Ack) -> Ack:
        db = self._writable()
        key = (ack.reader, ack.agent, ack.customer)
        with db.atomic():
            known = db.execute(
                "SELECT seq, digest, at FROM ack WHERE reader = ? AND agent = ? AND customer = ?", key
            ).fetchone()
            if known is not None and known[0] >= ack.seq:
                return Ack(
                    reader=ack.reader, agent=ack.agent, customer=ack.customer,
                    seq=known[0], digest=known[1], at=known[2],
                )  # fmt: skip
            db.execute(
                "INSERT OR REPLACE INTO ack (reader, agent, customer, seq, digest, at) VALUES (?, ?, ?, ?, ?, ?)",
                (*key, ack.seq, ack.digest, ack.at),
            ).close()
        return ack

    def _pulled(self, pull: Pulled) -> None:
        db = self._writable()
        with db.atomic():
            covered = db.execute(
                "SELECT first, last FROM pulled WHERE agent = ? AND customer = ? AND last >= ? AND first <= ?",
                (pull.agent, pull.customer, pull.first, pull.last),
            ).fetchall()
            new = uncovered(pull.first, pull.last, union(covered))
            db.conn.executemany(
                "INSERT INTO pulled (agent, customer, first, last, reader, at) VALUES (?, ?, ?, ?, ?, ?)",
                [(pull.agent, pull.customer, low, high, pull.reader, pull.at) for low, high in new],
            )
            self._received(db, pull)

    def _received(self, db: Database, pull: Pulled) -> None:
        """Of each reader one row for lines without a gap, however many pages they came in."""
        key = (pull.reader, pull.agent, pull.customer)
        found = db.execute(
            "SELECT first, last FROM received WHERE reader = ? AND agent = ? AND customer = ?"
            " AND first <= ? AND last >= ? ORDER BY first LIMIT 1",
            (*key, pull.first, pull.first - 1),
        ).fetchone()
        if found is not None:
            if pull.last > found[1]:
                sql = "UPDATE received SET last = ?, at = ? WHERE reader = ? AND agent = ? AND customer = ?"
                db.execute(f"{sql} AND first = ?", (pull.last, pull.at, *key, found[0])).close()
            return
        sql = "SELECT count(*) FROM received WHERE reader = ? AND agent = ? AND customer = ?"
        if db.execute(sql, key).fetchone()[0] < MOST_SPANS:
            db.execute(
                "INSERT INTO received (reader, agent, customer, first, last, at) VALUES (?, ?, ?, ?, ?, ?)",
                (*key, pull.first, pull.last, pull.at),
            ).close()

    def _writable(self) -> Database:
        if self._db is None:
            raise ApiDbError(f"{self._path}: it is closed")
        return self._db


def _opened(path: Path) -> Database:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    db = Database(sqlite3.connect(path, timeout=BUSY_S))
    try:
        db.execute("PRAGMA journal_mode = WAL").close()
        db.execute("PRAGMA synchronous = FULL").close()
        if db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            error = sqlite3.DatabaseError("its check fails")
            error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise error
        with db.atomic():
            for statement in (
                "CREATE TABLE IF NOT EXISTS ack (reader TEXT NOT NULL, agent TEXT NOT NULL, customer TEXT NOT NULL,"
                " seq INTEGER NOT NULL, digest TEXT NOT NULL, at TEXT NOT NULL,"
                " PRIMARY KEY (reader, agent, customer)) STRICT",
                "CREATE TABLE IF NOT EXISTS pulled (agent TEXT NOT NULL, customer TEXT NOT NULL,"
                " first INTEGER NOT NULL, last INTEGER NOT NULL, reader TEXT NOT NULL, at TEXT NOT NULL,"
                " PRIMARY KEY (agent, customer, last)) STRICT, WITHOUT ROWID",
                "CREATE TABLE IF NOT EXISTS received (reader TEXT NOT NULL, agent TEXT NOT NULL,"
                " customer TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, at TEXT NOT NULL,"
                " PRIMARY KEY (reader, agent, customer, first)) STRICT, WITHOUT ROWID",
            ):
                db.execute(statement).close()
    except BaseException:
        db.close()
        raise
    return db
