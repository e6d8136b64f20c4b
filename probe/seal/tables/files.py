"""Rule: a file of a table holds every row that its lines give, in their order, and can be read without our code.

Rows of one table as CSV, NDJSON or Parquet, compressed where the file's name says so. And the tables of a sealed
segment: beside `<stem>.ndjson.zst` it has `<stem>.slots`, `.requests`, `.events` and `.grains` as `.csv.zst`, or as
`.parquet` where that is wanted, named in the manifest with their digests as any file of a segment.
"""

from __future__ import annotations

from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from probe.core.records.codec import CodecError, decode, dropped_span
from probe.core.sla.facts.grain_rows import GrainTable
from probe.core.tables.columns import EVENTS, EXPORTED, GRAINS, TABLES, Row, Table
from probe.core.tables.rows import Rows, rows_of, rows_of_record
from probe.core.tables.text import csv_head, csv_line, json_line
from probe.seal.parquet import TableParquetWriter
from probe.seal.segment_files import compressed, digest_of
from probe.seal.tables.spool import Spool

MOST_KEYS = 10_000  # sums that are held in memory; then they are laid aside
CSV_ZST, PARQUET = ".csv.zst", ".parquet"
UNREADABLE = "unreadable"


class RowSink(Protocol):
    """Takes rows of one table; `close` makes the file whole."""

    def put(self, rows: list[Row]) -> None:
        """Some more."""
        ...

    def close(self) -> None:
        """No more follow."""
        ...


class CsvRows:
    """RFC 4180, UTF-8, a line of names first."""

    def __init__(self, table: Table, file: IO[bytes]) -> None:
        self._table, self._file = table, file
        file.write(csv_head(table).encode())

    def put(self, rows: list[Row]) -> None:
        """Some more."""
        for row in rows:
            self._file.write(csv_line(self._table, row).encode())

    def close(self) -> None:
        """No more follow."""
        self._file.close()


class NdjsonRows:
    """One JSON object a row."""

    def __init__(self, table: Table, file: IO[bytes]) -> None:
        self._table, self._file = table, file

    def put(self, rows: list[Row]) -> None:
        """Some more."""
        for row in rows:
            self._file.write(json_line(self._table, row))

    def close(self) -> None:
        """No more follow."""
        self._file.close()


class ParquetRows:
    """Typed; needs the extra `parquet`."""

    def __init__(self, table: Table, path: Path) -> None:
        self._writer = TableParquetWriter(table, path)

    def put(self, rows: list[Row]) -> None:
        """Some more."""
        self._writer.put(rows)

    def close(self) -> None:
        """No more follow."""
        self._writer.close()


def rows_into(table: Table, kind: str, path: Path, file: IO[bytes], name: str) -> RowSink:
    """What writes rows of a table: into `file`, in the coding that `name` asks for, or as Parquet at `path`."""
    if kind == "parquet":
        return ParquetRows(table, path)
    out = compressed(file, name)
    return NdjsonRows(table, out) if kind == "ndjson" else CsvRows(table, out)


# --- of a segment ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Aside:
    """A file of a segment before it has its name, which is the segment's with `ending`."""

    path: Path
    ending: str
    sha256: str
    bytes: int
    rows: int


class SegmentTables:
    """Writes the tables of one segment aside; a context manager. Raises OSError, ParquetMissing."""

    def __init__(self, aside: Path, sums: GrainTable, *, parquet: bool) -> None:
        """`aside`: where, without an ending. `sums`: empty, knowing what the lines before the segment say."""
        ending = PARQUET if parquet else CSV_ZST
        self._paths = {name: aside.with_name(f"{aside.name}.{name}{ending}") for name in EXPORTED}
        self._endings = {name: f".{name}{ending}" for name in EXPORTED}
        self._kind = "parquet" if parquet else "csv"
        self._rows = dict.fromkeys(EXPORTED, 0)
        self._sinks: dict[str, RowSink] = {}
        self._open = ExitStack()
        self._sums = sums
        self._spool = Spool(GRAINS, aside.parent)

    def __enter__(self) -> SegmentTables:
        try:
            self._open.enter_context(self._spool)
            for name, path in self._paths.items():
                file = self._open.enter_context(open(path, "wb"))
                self._sinks[name] = rows_into(EXPORTED[name], self._kind, path, file, path.name)
                self._open.callback(self._sinks[name].close)
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(self, kind: object, *error: object) -> None:
        with self._open:
            if kind is None:
                self._spool.add(self._sums.take())
                for page in self._spool.pages():
                    self._put(GRAINS.name, page)

    def put(self, agent: str, customer: str, seq: int, line: bytes) -> None:
        """The rows of one more line. A line that cannot be read holds up nothing: it is an event that says so."""
        try:
            rows = self._rows_of(agent, customer, line)
        except CodecError as error:
            rows = _unreadable(agent, customer, seq, error)
        for name in TABLES:
            self._put(name, rows.of(name))
        if len(self._sums) >= MOST_KEYS:
            self._spool.add(self._sums.take())

    def _rows_of(self, agent: str, customer: str, line: bytes) -> Rows:
        """And they are added to the sums. Raises CodecError."""
        if dropped_span(line) is not None:
            return rows_of(agent, customer, line)
        record = decode(line)
        rows = rows_of_record(agent, record, line)
        self._sums.see(record)
        return rows

    def _put(self, name: str, rows: list[Row]) -> None:
        if rows:
            self._sinks[name].put(rows)
            self._rows[name] += len(rows)

    def files(self) -> list[Aside]:
        """What was written, once the block is left. Raises OSError."""
        return [
            Aside(path, self._endings[name], *digest_of(path), self._rows[name])
            for name, path in self._paths.items()
        ]

    def remove(self) -> None:
        """What has no name yet goes."""
        for path in self._paths.values():
            with suppress(OSError):
                path.unlink(missing_ok=True)


def _unreadable(agent: str, customer: str, seq: int, error: CodecError) -> Rows:
    row = dict.fromkeys(EVENTS.columns) | {
        "agent": agent,
        "customer": customer,
        "seq": seq,
        "event": UNREADABLE,
        "detail": {"error": str(error)},
    }
    return Rows(events=[row])
