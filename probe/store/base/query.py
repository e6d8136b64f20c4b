"""Rule: reading holds nothing up: a connection that cannot write, and no statement left open between pages."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from probe.core.scheduling.grid import to_us
from probe.host.clock import rfc3339
from probe.store.base.schema import BUSY_S, StoreDamaged, StoreError, damaged

TRIES = (
    3  # where SQLite says "malformed", which it also says where a read failed; pages that were read stay read
)
Rows = list[tuple[Any, ...]]


class Query:
    """A read-only connection to a store. Raises StoreError in place of what SQLite raises."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            uri = f"file:{quote(str(path.absolute()))}?mode=ro"
            self._conn = sqlite3.connect(uri, uri=True, timeout=BUSY_S, isolation_level=None)
            self._conn.execute("PRAGMA query_only = ON")
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """End reading. Safe to call twice."""
        self._conn.close()

    def rows(self, sql: str, *values: object) -> Rows:
        """All rows at once: for pages and small tables."""
        for left in reversed(range(TRIES)):
            try:
                return self._conn.execute(sql, values).fetchall()
            except sqlite3.Error as error:
                if not (left and damaged(error)):
                    raise self._failed(error) from error
        raise AssertionError("the last try returns or raises")

    def value(self, sql: str, *values: object) -> Any:
        """The first column of the first row, or None."""
        rows = self.rows(sql, *values)
        return rows[0][0] if rows else None

    def each(self, sql: str, *values: object) -> Iterator[tuple[Any, ...]]:
        """Row by row, for sums that are taken in one go."""
        try:
            yield from self._conn.execute(sql, values)
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _failed(self, error: sqlite3.Error) -> StoreError:
        kind = StoreDamaged if damaged(error) else StoreError
        return kind(f"{self.path}: cannot be read: {error}")


def stored_time(text: str | None) -> str | None:
    """RFC 3339 with any offset, or a date, as times are stored, so that they compare. Raises ValueError."""
    if text is None:
        return None
    if len(text) == len("2026-11-22"):
        text += "T00:00:00Z"
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError(f"{text!r} has no offset from UTC; write it as 2026-11-22T10:00:00Z or +08:00")
    return rfc3339(to_us(text) * 1000)
