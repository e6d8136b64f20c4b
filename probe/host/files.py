"""Rule: a file has its name on the disk only when its directory was synchronised as well.

fsync of a file brings its bytes to the disk; that a power cut does not take its name needs fsync of the directory.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path


def write_whole(
    path: Path, data: bytes, mode: int, *, aside: Path | None = None, fresh: bool = False
) -> None:
    """Write a file aside, on the disk, then give it its name. `fresh`: FileExistsError if the name is taken.

    `aside`: directory to write in, of the same file system; default: beside it. Raises OSError.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=aside or path.parent)
    try:
        with open(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        if fresh:
            os.link(name, path)
        else:
            os.replace(name, path)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(name)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """The names in a directory are on the disk when this returns. Raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
