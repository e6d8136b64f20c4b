"""Rule: stamps are appended, on the disk when the stream names them, and never changed.

`<results>/<customer>/<agent>.stamps.ndjson`: one stamp a line, in the order in which they were given.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from probe.core.proof.stamp import Stamp, parse_stamp
from probe.pull.copy_dir import append_line
from probe.pull.layout import read_lines, whole_size

ENDING = "stamps.ndjson"
TAIL_BYTES = 2 * 1024 * 1024
PAGE_MOST_BYTES = 4 * 1024 * 1024


def stamps_file(directory: Path, agent: str, customer: str) -> Path:
    """Where the stamps of a stream are, in a results directory."""
    return directory / customer / f"{agent}.{ENDING}"


def append(file: Path, stamp: Stamp) -> None:
    """One stamp more, on the disk when this returns; what a kill left half written goes. Raises OSError."""
    file.parent.mkdir(mode=0o750, exist_ok=True)
    with suppress(FileNotFoundError):
        size = whole_size(file)
        if size < file.stat().st_size:
            os.truncate(file, size)
    append_line(file, stamp.line())


def newest(file: Path) -> list[Stamp]:
    """The last stamps of a file, as many as make `TAIL_BYTES`; lines that are none are left out. Raises OSError."""
    try:
        size = file.stat().st_size
    except FileNotFoundError:
        return []
    found = []
    for text, _ in read_lines(file, max(0, size - TAIL_BYTES)):
        with suppress(ValueError):
            found.append(parse_stamp(text))
    return found


def page(file: Path, after: int, limit: int) -> tuple[list[bytes], int]:
    """Up to `limit` lines behind the first `after`, and how many lines there are. Raises OSError."""
    found: list[bytes] = []
    count = held = 0
    try:
        for text, _ in read_lines(file):
            count += 1
            if count > after and len(found) < limit and held < PAGE_MOST_BYTES:
                found.append(text)
                held += len(text)
    except FileNotFoundError:
        pass
    return found, count
