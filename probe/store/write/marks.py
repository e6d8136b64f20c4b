"""Rule: what is acknowledged lies in files that have their names: one that lost its name is noticed at once.

A file that is open goes on taking rows after it was deleted, moved or replaced, and nobody will ever read them. So the
writer's files are compared with what stands under their names: before and after each transaction, and by whoever asks.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from probe.store.base.schema import WAL_BYTES

log = logging.getLogger("probe.store")

LOG_ALARM_BYTES = 4 * WAL_BYTES
_BESIDE = ("", "-wal", "-shm")


@dataclass(slots=True)
class _Seen:
    """A file as it was when it was looked at last."""

    inode: tuple[int, int]
    size: int


class Marks:
    """Which files are open. Changed by the writer's thread alone, asked by any."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._seen: dict[Path, dict[str, _Seen | None]] = {}

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Files are opened and closed within: nobody else compares them meanwhile."""
        with self._lock:
            yield

    def set(self, paths: Iterable[Path]) -> None:
        """These are open now, each with its log."""
        with self._lock:
            self._seen = {
                path: {ending: _stat(path, ending) for ending in _BESIDE} for path in dict.fromkeys(paths)
            }

    def problem(self, *, wait: bool = True) -> tuple[Path, str] | None:
        """The first file that is not what is open, and what became of it, in words. Raises OSError.

        `wait` False: None at once where files are being opened or closed.
        """
        if not self._lock.acquire(blocking=wait):
            return None
        try:
            for path, files in self._seen.items():
                for ending in _BESIDE:
                    if (words := _compare(path, ending, files)) is not None:
                        return path, words
            return None
        finally:
            self._lock.release()


@dataclass(slots=True)
class LogSize:
    """A reader that never ends keeps a part's log from being taken over: said before it fills the disk."""

    _large: bool = False

    def check(self, part: Path | None) -> None:
        """Look at the log of the part that is written."""
        found = None if part is None else _stat(part, "-wal")
        size = 0 if found is None else found.size
        if size > LOG_ALARM_BYTES and not self._large:
            log.error("store.log_grows", extra={"fields": {"bytes": size, "why": "a reader holds it"}})
        elif self._large and size <= LOG_ALARM_BYTES:
            log.warning("store.log_taken_over", extra={"fields": {"bytes": size}})
        self._large = size > LOG_ALARM_BYTES


def _compare(path: Path, ending: str, files: dict[str, _Seen | None]) -> str | None:
    before, now = files[ending], _stat(path, ending)
    if before is None:
        files[ending] = now
        return None
    name = f"{path.name}{ending}"
    if now is None:
        return f"{name} is no longer there: it was deleted or moved"
    if now.inode != before.inode:
        return f"{name} was replaced by another file"
    # A log is cut to this size when it is begun again; nothing else makes a file that is open smaller.
    least = min(before.size, WAL_BYTES) if ending == "-wal" else before.size
    if now.size < least:
        return f"{name} was cut from {before.size} to {now.size} bytes"
    before.size = now.size
    return None


def _stat(path: Path, ending: str) -> _Seen | None:
    try:
        found = os.stat(f"{path}{ending}")
    except (FileNotFoundError, NotADirectoryError):
        return None
    return _Seen((found.st_dev, found.st_ino), found.st_size)
