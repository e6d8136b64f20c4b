"""Rule: a dictionary is made of lines that are stored, before the part that needs it is begun; where it cannot be made,
the one before it goes on.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from probe.core.scheduling.grid import to_us
from probe.store.base import dictionary as dictionaries
from probe.store.base.part_query import PartQuery, dictionary_of
from probe.store.base.parts import parts_of
from probe.store.base.schema import StoreError

# What of a part its dictionary may be: it is kept twice.
_SHARE = 32
_PACKED = 16  # about how many times smaller a line is packed


def next_dictionary(directory: Path, span_us: int, size_bytes: int) -> bytes | None:
    """For the part that comes next, which holds at most so much; None: nothing better than the base is to be had.

    Trained on the newest lines; where there are too few, the dictionary of the part before.
    """
    lines: list[bytes] = []
    times_us: list[int] = []
    before: bytes | None = None
    size = 0
    for part in reversed(parts_of(directory)):
        try:
            with closing(PartQuery(part.path)) as query:
                if before is None and query.dense:
                    before, _ = dictionary_of(query) or (None, None)
                sql = f"SELECT id, {query.words.due}, body FROM record ORDER BY id DESC LIMIT ?"  # noqa: S608
                for number, due, body in query.each(sql, dictionaries.ROWS - len(lines)):
                    lines.append(query.line(body, number).encode())
                    times_us.append(due if query.dense else to_us(due))
                    size += len(lines[-1])
                    if size > dictionaries.SAMPLE_MOST_BYTES:
                        break
        except (StoreError, ValueError):
            continue  # it is mended, or not, by others
        if len(lines) >= dictionaries.ROWS or size > dictionaries.SAMPLE_MOST_BYTES:
            break
    if len(lines) < dictionaries.ROWS and size <= dictionaries.SAMPLE_MOST_BYTES:
        return before
    an_us = max(1, max(times_us) - min(times_us)) / len(lines)
    held_bytes = min(size_bytes, span_us / an_us * size / len(lines) / _PACKED)
    return dictionaries.trained(lines, int(held_bytes / _SHARE)) or before
