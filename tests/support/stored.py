"""What an agent that runs beside a test has stored, bit by bit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from probe.core.records.rows import Record
from probe.store.read.reader import Reader
from probe.store.store import StoreError


def stored_since(results: Path, seen: dict[str, int]) -> Iterator[Record]:
    """What came after `seen` (customer -> seq), which is brought up to date; nothing where there is no store yet."""
    try:
        with Reader.open(results) as reader:
            for record in reader.follow(seen):
                assert record.seq is not None
                seen[record.customer] = record.seq
                yield record
    except StoreError:
        return
