"""Failpoints that exist in tests only: every call that changes a file or a database is a moment to die at.

In a process that is about to be killed, the calls of `os` that change names or bring bytes to the disk, and SQLite's
statements that write, are counted. At the chosen one the process kills itself: before it, or, of `os`, also after it,
and of a write also when half of it is done.
"""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

CALLS = ("replace", "rename", "fsync", "link", "unlink", "mkdir", "rmdir", "truncate", "ftruncate")
STATEMENTS = (
    "BEGIN",
    "COMMIT",
    "SAVEPOINT",
    "RELEASE",
    "CREATE",
    "DELETE",
    "UPDATE",
    "PRAGMA WAL",
    "ATTACH",
    "DETACH",
)
PLACES = (
    (r"_parts/\.?\d+\.zdict", "dictionary"),
    (r"_parts/\.\d+\.(new|back)|_parts/\d+\.db", "part"), (r"_parts/\.\d+\.rewritten", "part thinned"),
    (r"upgraded", "upgrade"), (r"_evidence", "evidence"), (r"manifest", "manifest"),
    (r"stamps\.ndjson", "stamps"), (r"ndjson", "segment"),
    (r"HEAD\.json", "head"), (r"_seal\.json", "note of sealing"), (r"_agent\.key|agent\.pub", "key"),
    (r"_set-aside", "set aside"), (r"results\.db", "catalogue"), (r"_aside", "segment"),
)  # fmt: skip


class Moments:
    """Counts the moments of this process, and ends it at the `die_at`th; 0: never. `say` is told where."""

    def __init__(self, die_at: int, say: Callable[[str], None]) -> None:
        self.count = 0
        self._die_at = die_at
        self._say = say
        self._lock = threading.Lock()

    def watch(self) -> None:
        """From now on; there is no way back."""
        for name in CALLS:
            setattr(os, name, self._wrapped(name, getattr(os, name)))
        os.write = self._halved(os.write)
        connect = sqlite3.connect

        def watched(database: Any, *args: Any, **names: Any) -> sqlite3.Connection:
            conn: sqlite3.Connection = connect(database, *args, **names)
            conn.set_trace_callback(lambda sql: self._statement(sql, str(database)))
            return conn

        sqlite3.connect = watched  # type: ignore[assignment]

    def _wrapped(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **names: Any) -> Any:
            where = _place(args[-1] if name in ("replace", "rename", "link") else args[0])
            self.moment(f"before {name}, {where}")
            made = call(*args, **names)
            self.moment(f"after {name}, {where}")
            return made

        return counted

    def _statement(self, sql: str, database: str) -> None:
        word = sql.lstrip().upper()
        if word.startswith(STATEMENTS):
            self.moment(f"before {word.split()[0]}, {_place(database)}")

    def _halved(self, write: Callable[[int, Any], int]) -> Callable[[int, Any], int]:
        def counted(handle: int, data: Any) -> int:
            where = _place(handle)
            half = len(data) // 2
            written = write(handle, data[:half]) if half else 0
            self.moment(f"half way through write, {where}")
            return written + write(handle, data[written:])

        return counted

    def moment(self, where: str) -> None:
        """One more. Whatever else the process does may be one too."""
        with self._lock:
            self.count += 1
            if self.count == self._die_at:
                self._say(where)
                os.kill(os.getpid(), signal.SIGKILL)


def _place(target: Any) -> str:
    """What kind of file it is."""
    if isinstance(target, int):
        try:
            target = os.readlink(f"/proc/self/fd/{target}")
        except OSError:
            return "other"
    text = str(Path(os.fsdecode(target)))
    return next((kind for pattern, kind in PLACES if re.search(pattern, text)), "other")
