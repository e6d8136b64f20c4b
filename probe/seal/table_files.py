"""Rule: a file of a table holds every row that its lines give, in their order, and can be read without our code.

Lines -> rows of one table, as CSV, NDJSON or Parquet. Compressed where whoever opens the file says so.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO, Protocol

from probe.core.tables.columns import Row, Table
from probe.core.tables.text import csv_head, csv_line, json_line
from probe.seal.parquet import TableParquetWriter
from probe.seal.segment_files import compressed


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
