"""Rule: rows are put in order without holding them all: sorted runs are laid aside, and merged at the end.

Rows of one table -> the same rows, sorted by what the table is sorted by (docs/tables.md). Sums of one key become one.
Memory: RUN_ROWS rows, packed; on the disk as much as the packed rows take, in files without a name.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from heapq import merge
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import IO, Any, cast

import msgspec
import zstandard

from probe.core.sla.facts.grain_rows import added
from probe.core.tables.columns import EVENTS, GRAINS, REQUESTS, SLOTS, Row, Table, Type

RUN_ROWS = 20_000
PAGE_ROWS = 500
RUNS = 64  # that are merged at once; with more, they are merged into one before
_LENGTH_BYTES = 4
_BY_OBJECT = ("customer", "domain", "task", "scheduled_at", "agent", "seq")
SORTED_BY = {
    SLOTS.name: _BY_OBJECT,
    REQUESTS.name: (*_BY_OBJECT, "number"),
    EVENTS.name: ("customer", "agent", "seq", "slot_at"),
    GRAINS.name: GRAINS.key,
}
# What a row is sorted by, the row as it is laid aside, and as it is, where it was unpacked to know its place.
Sorted = tuple[tuple[Any, ...], bytes, Row | None]


class Spool:
    """A context manager: `add` rows, then take them by `pages` once. Raises OSError."""

    def __init__(self, table: Table, place: Path) -> None:
        """`place`: a directory on a disk with room for the rows."""
        self._place = place
        self._pack, self._unpack = _packing(table)
        self._by = SORTED_BY[table.name]
        self._sums = table is GRAINS
        self._held: list[Sorted] = []
        self._runs: list[IO[bytes]] = []

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *error: object) -> None:
        self._held = []
        while self._runs:
            self._runs.pop().close()

    def add(self, rows: Iterable[Row]) -> None:
        """Some more."""
        for row in rows:
            self._held.append((self._place_of(row), self._pack(row), None))
            if len(self._held) >= RUN_ROWS:
                self._lay_aside()

    def pages(self) -> Iterator[list[Row]]:
        """All of them, in order, some at a time."""
        self._held.sort(key=itemgetter(0))
        found = self._merged([iter(self._held)])
        ordered = (self._unpack(data) if row is None else row for _, data, row in found)
        rows = _summed(ordered) if self._sums else ordered
        while page := list(islice(rows, PAGE_ROWS)):
            yield page

    def _place_of(self, row: Row) -> tuple[Any, ...]:
        return tuple([(row[name] is not None, row[name]) for name in self._by])

    def _lay_aside(self) -> None:
        self._held.sort(key=itemgetter(0))
        held, self._held = self._held, []
        if len(self._runs) >= RUNS:
            runs, self._runs = self._runs, []
            self._runs.append(self._written(merge(*map(self._read, runs), key=itemgetter(0))))
            for run in runs:
                run.close()
        self._runs.append(self._written(held))

    def _merged(self, more: list[Iterator[Sorted]]) -> Iterator[Sorted]:
        return merge(*map(self._read, self._runs), *more, key=itemgetter(0))

    def _written(self, rows: Iterable[Sorted]) -> IO[bytes]:
        run = cast(IO[bytes], tempfile.TemporaryFile(dir=self._place))  # noqa: SIM115 - closed by `__exit__`
        with zstandard.ZstdCompressor(level=1).stream_writer(run, closefd=False) as out:
            for _, data, _ in rows:
                out.write(len(data).to_bytes(_LENGTH_BYTES, "big") + data)
        return run

    def _read(self, run: IO[bytes]) -> Iterator[Sorted]:
        run.seek(0)
        with zstandard.ZstdDecompressor().stream_reader(run, closefd=False) as unpacked:
            while head := unpacked.read(_LENGTH_BYTES):
                data = unpacked.read(int.from_bytes(head, "big"))
                row = self._unpack(data)
                yield self._place_of(row), data, row


def _packing(table: Table) -> tuple[Callable[[Row], bytes], Callable[[bytes], Row]]:
    names = tuple(table.columns)
    lists = [name for name, kind in table.columns.items() if kind in (Type.TEXTS, Type.COUNTS)]
    encode, decode = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder().decode

    def pack(row: Row) -> bytes:
        return encode([row[name] for name in names])

    def unpack(data: bytes) -> Row:
        row: Row = dict(zip(names, decode(data), strict=True))
        for name in lists:
            row[name] = tuple(cast(Any, row[name]))
        return row

    return pack, unpack


def _summed(ordered: Iterator[Row]) -> Iterator[Row]:
    """Rows of one key, which stand next to each other, as one."""
    same: list[Row] = []
    for row in ordered:
        if same and any(row[name] != same[0][name] for name in GRAINS.key):
            yield from added(same)
            same = []
        same.append(row)
    yield from added(same)
