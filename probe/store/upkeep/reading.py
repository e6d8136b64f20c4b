"""Rule: damage is what each reading of a file finds; an error of reading that passes is none.

SQLite alone does not tell the two apart: where a read fails with EIO, it says "database disk image is malformed", as of
a page that holds something else (SQLITE_IOERR_CORRUPTFS in its os_unix.c). So a file is read again, by a fresh
connection, and the operating system is asked whether it can read the file at all.
"""

from __future__ import annotations

import errno
import os
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from probe.store.base.schema import SHORT_READ, damaged

TRIES = 3  # where the operating system reads the file without an error
# After a try, where it does not; with the last one it is taken for what it is from then on.
PAUSES_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0)
_CHUNK_BYTES = 1024 * 1024
_NOT_READ = re.compile(r"unable to get the page\. error code=(\d+)|failed to get page \d+")

T = TypeVar("T")


def is_reading_error(found: str) -> bool:
    """Whether what `PRAGMA quick_check` found is that it could not read a page, not what the page holds."""
    match = _NOT_READ.search(found)
    if match is None:
        return False
    code = int(match[1] or sqlite3.SQLITE_IOERR)
    return code != SHORT_READ and code & 0xFF not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def each_time(look: Callable[[Path], str | None], path: Path) -> str | None:
    """What `look` finds damaged in a file, if it finds something each time. Waits for the disk.

    Raises OSError where nothing of the file can be read at present, which says nothing of what is in it.
    """
    problem = None
    for _ in tries(path):
        problem = look(path)
        if problem is None:
            return None
    failed, chunks = _unread(path)
    if chunks and failed == chunks:
        raise OSError(errno.EIO, f"nothing of it can be read at present ({problem})", str(path))
    return problem


def tried_again(read: Callable[[], T], path: Path) -> T:
    """What `read` returns of a file, once it does. Raises the sqlite3.Error or OSError that stays."""
    last: sqlite3.Error | OSError | None = None
    for _ in tries(path):
        try:
            return read()
        except (sqlite3.Error, OSError) as error:
            last = error
    assert last is not None, "it is tried at least once"
    raise last


def asked_again(read: Callable[[], T], between: Callable[[], None]) -> T:
    """What `read` returns, tried again where it finds damage, which a read that fails looks like. Raises what stays."""
    for _ in range(TRIES - 1):
        try:
            return read()
        except (sqlite3.Error, OSError) as error:
            if not damaged(error):
                raise
            between()
    return read()


def tries(path: Path) -> Iterator[None]:
    """Once for each try at a file that seems damaged; while it cannot be read, after a pause."""
    for number, pause_s in enumerate(PAUSES_S, 1):
        yield
        if _unread(path)[0]:
            time.sleep(pause_s)
        elif number >= TRIES:
            return


def _unread(path: Path) -> tuple[int, int]:
    """(how many pieces of a file and its log the operating system cannot read, of how many)."""
    failed = chunks = 0
    for file in (path, path.with_name(path.name + "-wal")):
        try:
            handle = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        except OSError:
            return 1, 1
        try:
            for offset in range(0, os.fstat(handle).st_size, _CHUNK_BYTES):
                chunks += 1
                try:
                    os.lseek(handle, offset, os.SEEK_SET)
                    os.read(handle, _CHUNK_BYTES)
                except OSError:
                    failed += 1
        finally:
            os.close(handle)
    return failed, chunks
