"""Rule: a change is reported once it is complete: when nothing differs between two consecutive checks.

Files and directories are compared by stat(2) every `EVERY_S`, in a thread: that works on every file system, for
symbolic links that are exchanged and for files that are replaced. Contents are not read.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path

log = logging.getLogger("probe.files")

EVERY_S = 2.0
UNSETTLED_LOOKS = 5  # after so many checks a file that changes all the time is reported all the same
MOST_ENTRIES = 20_000

Look = tuple[tuple[str, tuple[int, ...]], ...]


class FileWatch:
    """Calls `on_change` when a file of `places()` was changed, came or went: `look` is to be called regularly."""

    def __init__(
        self,
        places: Callable[[], Iterable[Path]],
        on_change: Callable[[], None],
        *,
        suffixes: tuple[str, ...] = (".yaml", ".yml"),
    ) -> None:
        """`places`: files, and directories whose files with these suffixes count; asked anew for each look."""
        self._places = places
        self._on_change = on_change
        self._suffixes = suffixes
        self._told: Look | None = None
        self._seen: Look | None = None
        self._unsettled = 0

    async def look(self) -> None:
        """Check once. The first state is reported too, since the files may have changed after they were read."""
        try:
            await self._compare()
        except Exception as error:  # an error of the callback must not end the watch
            log.error("files.defect", exc_info=error)

    async def _compare(self) -> None:
        before, self._seen = self._seen, await self._look()
        if self._seen == self._told:
            self._unsettled = 0
            return
        self._unsettled += 1
        if self._seen == before or self._unsettled > UNSETTLED_LOOKS:
            self._told, self._unsettled = self._seen, 0
            self._on_change()

    async def _look(self) -> Look:
        return await asyncio.to_thread(look, tuple(self._places()), self._suffixes)


def look(places: Iterable[Path], suffixes: tuple[str, ...]) -> Look:
    """The state of the files, to be compared with another one; what stat(2) cannot read counts as absent."""
    found: list[tuple[str, tuple[int, ...]]] = []
    for place in places:
        found.append((str(place), _state(place)))
        try:
            with os.scandir(place) as entries:
                names = [entry.path for entry in entries if entry.name.endswith(suffixes)]
        except OSError:  # a file, or nothing
            continue
        found += [(name, _state(name)) for name in sorted(names)[:MOST_ENTRIES]]
    return tuple(found)


def _state(path: str | Path) -> tuple[int, ...]:
    """Of the file itself, and of what a link leads to. Directories by name only: their entries are looked at."""
    try:
        status = os.stat(path)
    except OSError:
        return ()
    if os.path.isdir(path):
        return (status.st_dev, status.st_ino, status.st_mode)
    return (
        status.st_dev,
        status.st_ino,
        status.st_mode,
        status.st_uid,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )
