"""Rule: a disk that hangs delays nobody: it is read in a thread, and callers wait for half a second at most.

The size of the results, and the free space on their file system.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

from probe.core.results.live_state import Disk

FRESH_S = 10.0
WITHIN_S = 0.5
PLACES = (
    "",
    "_parts",
    "_evidence",
    "_set-aside",
)  # sealed segments are files for others and do not count as the store


def disk_of(directory: Path) -> Disk:
    """Read now; waits for the disk. What cannot be read is None."""
    try:
        free = os.statvfs(directory)
        sizes = sum(size for place in PLACES for size in _sizes(directory / place))
    except OSError:
        return Disk()
    return Disk(store_bytes=sizes, free_bytes=free.f_bavail * free.f_frsize)


def _sizes(place: Path) -> Iterator[int]:
    try:
        with os.scandir(place) as entries:
            for entry in entries:
                try:
                    if entry.is_file(follow_symlinks=False):
                        yield entry.stat(follow_symlinks=False).st_size
                except FileNotFoundError:
                    continue  # retention took it meanwhile
    except (FileNotFoundError, NotADirectoryError):
        return


class DiskWatch:
    """Reads the disk in a thread, at most every ten seconds, once at a time."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._looking: asyncio.Future[Disk] | None = None
        self._last = Disk()
        self._at_s: float | None = None

    async def now(self) -> Disk:
        """The newest reading; waits half a second for one that is being made, no longer."""
        loop = asyncio.get_running_loop()
        if self._looking is None and (self._at_s is None or loop.time() - self._at_s > FRESH_S):
            self._looking = asyncio.ensure_future(asyncio.to_thread(disk_of, self._directory))
        if self._looking is not None:
            done, _ = await asyncio.wait([self._looking], timeout=WITHIN_S)
            if done and self._looking is not None:
                self._last, self._at_s, self._looking = self._looking.result(), loop.time(), None
        return self._last
