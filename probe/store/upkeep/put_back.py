"""Rule: while a file is open, what was deleted of it is not lost: it is read out of the open file and put back.

SQLite goes on reading a database whose name was taken away. What was cut off, or written over, is gone for good.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from probe.store.base.schema import damaged

if TYPE_CHECKING:
    from sqlite_utils import Database

PAGES = 2_000  # copied at a time


def copy_open(db: Database, aside: Path) -> bool:
    """Copy an open database to another file; False where it cannot be read any more. Raises OSError, sqlite3.Error."""
    for ending in ("", "-wal", "-shm", "-journal"):
        Path(f"{aside}{ending}").unlink(missing_ok=True)
    aside.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with closing(sqlite3.connect(aside)) as copy:
            db.conn.backup(copy, pages=PAGES)
            copy.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
    except sqlite3.DatabaseError as error:
        if not damaged(error) and "disk I/O" not in str(error):
            raise
        with suppress(FileNotFoundError):
            aside.unlink()
        return False
    aside.chmod(0o600)
    return True
