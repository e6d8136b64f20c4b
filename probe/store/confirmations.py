"""What readers confirmed, read from `_api.db` beside the API's process or without one. Loads nothing that writes.

In: the results directory and the agent's name. Out: `Ack` and `Pulled`; where there is no such file, nothing was
confirmed. Raises ApiDbError where the file cannot be used. Times are RFC 3339 UTC.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

FILE = "_api.db"
BUSY_S = 5.0
# Version 0.1 had no such table.
_HAS_RECEIVED = "SELECT 1 FROM sqlite_master WHERE name = 'received'"
_RECEIVED = (
    "SELECT reader, agent, customer, first, last, at FROM received ORDER BY agent, customer, reader, first"
)
Answer = TypeVar("Answer")


class ApiDbError(OSError):
    """`_api.db` cannot be used; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ack:
    """A reader has everything up to `seq` of a stream, and the digest of that line was `digest`."""

    reader: str
    agent: str
    customer: str
    seq: int
    digest: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """Rows `first`..`last` of a stream were handed to a reader whole at that time."""

    reader: str
    agent: str
    customer: str
    first: int
    last: int
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A reader received the lines `first`..`last` of a stream, in however many pages, the last of them at that time."""

    reader: str
    agent: str
    customer: str
    first: int
    last: int
    at: str


class Confirmations:
    """What readers confirmed and pulled, for any process. Each call opens and closes; raises ApiDbError."""

    def __init__(self, directory: Path, agent: str) -> None:
        self._path = directory / FILE
        self._agent = agent

    def confirmed(self, customer: str, readers: Collection[str]) -> int:
        """Up to which `seq` all these readers have the stream; 0 where one of them, or nobody, confirmed any."""
        known = {ack.reader: ack.seq for ack in self.acks() if ack.customer == customer}
        return min((known.get(reader, 0) for reader in readers), default=0)

    def first_seen(self, customer: str, seq: int) -> str | None:
        """When the row was first handed to anybody; None: never."""
        sql = "SELECT at, first FROM pulled WHERE agent = ? AND customer = ? AND last >= ? ORDER BY last LIMIT 1"
        found = self._read(lambda conn: conn.execute(sql, (self._agent, customer, seq)).fetchone(), None)
        return str(found[0]) if found is not None and found[1] <= seq else None

    def received(self) -> list[Received]:
        """What each reader received, of every agent that wrote here."""
        if self._read(lambda conn: conn.execute(_HAS_RECEIVED).fetchone(), None) is None:
            return []
        rows: list[tuple[str, str, str, int, int, str]] = self._read(
            lambda conn: conn.execute(_RECEIVED).fetchall(), []
        )
        return [
            Received(reader=reader, agent=agent, customer=customer, first=first, last=last, at=at)
            for reader, agent, customer, first, last, at in rows
        ]

    def acks(self) -> list[Ack]:
        """All of this agent's streams."""
        return self._read(lambda conn: acks_in(conn, self._agent), [])

    def furthest(self) -> list[tuple[str, str, int, str | None, str]]:
        """(agent, customer, seq, digest, reader): what was confirmed or pulled, of every agent that wrote here.

        What was pulled has no digest.
        """
        pulled = "SELECT agent, customer, max(last), NULL, reader FROM pulled GROUP BY agent, customer"
        acked = "SELECT agent, customer, seq, digest, reader FROM ack"
        return self._read(lambda conn: conn.execute(f"{acked} UNION ALL {pulled}").fetchall(), [])

    def _read(self, read: Callable[[sqlite3.Connection], Answer], empty: Answer) -> Answer:
        if not self._path.exists():
            return empty
        try:
            uri = f"file:{quote(str(self._path.absolute()))}?mode=ro"
            with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_S)) as conn:
                return read(conn)
        except sqlite3.Error as error:
            raise ApiDbError(f"{self._path}: cannot be read: {error}") from error


def acks_in(conn: sqlite3.Connection, agent: str | None) -> list[Ack]:
    """Of one agent, or of all."""
    sql = (
        "SELECT reader, agent, customer, seq, digest, at FROM ack WHERE agent = ? OR ? IS NULL"
        " ORDER BY agent, customer, reader"
    )
    return [
        Ack(reader=reader, agent=name, customer=customer, seq=seq, digest=digest, at=at)
        for reader, name, customer, seq, digest, at in conn.execute(sql, (agent, agent))
    ]
