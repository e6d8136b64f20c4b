"""Rule: an export is there whole, under its name, or not at all.

Lines, or rows of a table made of them, into one file of NDJSON, CSV or Parquet, written beside its place under a hidden
name and renamed.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Protocol, cast

from probe.core.records.codec import CodecError, decode, dropped_span
from probe.core.results.columns import COLUMNS, Row, flat_row
from probe.core.sla.facts.grain_rows import GrainTable
from probe.core.tables.columns import GRAINS, Table
from probe.core.tables.rows import rows_of
from probe.host.files import sync_directory
from probe.seal.parquet import ParquetWriter
from probe.seal.segment_files import compressed
from probe.seal.tables.files import MOST_KEYS, RowSink, rows_into
from probe.seal.tables.spool import Spool

EXPORT_MODE = 0o640
FORMATS = ("ndjson", "csv", "parquet")
ENDINGS = {"ndjson": ".ndjson.zst", "csv": ".csv", "parquet": ".parquet"}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Sink(Protocol):
    """Takes lines; `close` makes the file whole."""

    def put(self, agent: str, customer: str, line: str) -> int:
        """One more; the rows that it gave."""
        ...

    def close(self) -> int:
        """No more follow; rows that were written only now."""
        ...


class NdjsonSink:
    """The lines, byte for byte."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def put(self, agent: str, customer: str, line: str) -> int:
        """One more."""
        self._file.write(line.encode() + b"\n")
        return 1

    def close(self) -> int:
        """No more follow."""
        self._file.close()
        return 0


class CsvSink:
    """The flat columns (RFC 4180, UTF-8, a line of names first).

    Text that a spreadsheet would take for a formula gets an apostrophe before it: domains, paths and summaries hold
    what others sent. Whoever needs the text as it was takes NDJSON or Parquet.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        self._out = csv.writer(self._text, lineterminator="\r\n")
        self._out.writerow(COLUMNS)

    def put(self, agent: str, customer: str, line: str) -> int:
        """One more."""
        self._out.writerow(cells(flat_row(agent, customer, line.encode())))
        return 1

    def close(self) -> int:
        """No more follow."""
        self._text.flush()
        self._text.detach()
        self._file.close()
        return 0


class ParquetSink:
    """The flat columns and the line itself."""

    def __init__(self, path: Path) -> None:
        self._writer = ParquetWriter(path)

    def put(self, agent: str, customer: str, line: str) -> int:
        """One more."""
        self._writer.put(flat_row(agent, customer, line.encode()), line)
        return 1

    def close(self) -> int:
        """No more follow."""
        self._writer.close()
        return 0


class TableSink:
    """The rows of one table, sorted."""

    def __init__(self, table: Table, out: RowSink, place: Path) -> None:
        self._name, self._out = table.name, out
        self._spool = Spool(table, place)

    def put(self, agent: str, customer: str, line: str) -> int:
        """One more."""
        rows = rows_of(agent, customer, line.encode(), (self._name,)).of(self._name)
        self._spool.add(rows)
        return len(rows)

    def close(self) -> int:
        """No more follow."""
        with self._spool:
            for page in self._spool.pages():
                self._out.put(page)
        self._out.close()
        return 0


class GrainSink:
    """Sums of five minutes: written when all lines are there, since a row that was stored late belongs to them too."""

    def __init__(self, out: RowSink, place: Path) -> None:
        self._out = out
        self._tables: dict[tuple[str, str], GrainTable] = {}
        self._spool = Spool(GRAINS, place)

    def put(self, agent: str, customer: str, line: str) -> int:
        """One more."""
        table = self._tables.setdefault((agent, customer), GrainTable(agent))
        data = line.encode()
        if dropped_span(data) is not None:
            table.feed(rows_of(agent, customer, data))
        else:
            record = decode(data)
            try:
                table.see(record)
            except (
                ValueError,
                OverflowError,
            ) as error:  # a time that is none, of a line that was made by others
                raise CodecError(f"record {record.seq} of {customer} cannot be read: {error}") from error
        if len(table) >= MOST_KEYS:
            self._spool.add(table.take())
        return 0

    def close(self) -> int:
        """No more follow; the rows."""
        count = 0
        with self._spool:
            for table in self._tables.values():
                self._spool.add(table.take())
            for page in self._spool.pages():
                self._out.put(page)
                count += len(page)
        self._out.close()
        return count


def cells(row: Row) -> Iterator[str]:
    """As CSV holds them: nothing for what is not known, true and false in words, formulas defused."""
    for value in row.values():
        if value is None:
            yield ""
        elif isinstance(value, bool):
            yield "true" if value else "false"
        elif isinstance(value, str) and value.startswith(_FORMULA):
            yield "'" + value
        else:
            yield str(value)


class Export:
    """One file in the making: a context manager; the file gets its name by `keep`, else nothing is left of it.

    Raises OSError, ParquetMissing.
    """

    def __init__(self, kind: str, place: Path, name: str, table: Table | None = None) -> None:
        """`name`: of the file, if it is known already; it says which coding NDJSON and CSV are written in.

        `table`: the rows of this one instead of the lines.
        """
        self._place = place
        self._aside = place / f".{name}.{os.getpid()}.part"
        self._file: IO[bytes] | None = None
        self.rows = 0
        handle = os.open(self._aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, EXPORT_MODE)
        try:
            self._file = open(handle, "wb")  # noqa: SIM115 - closed by `__exit__`
            self._sink = self._opened(kind, name, self._file, table)
        except BaseException:
            self.__exit__()
            raise

    def _opened(self, kind: str, name: str, file: IO[bytes], table: Table | None) -> Sink:
        if table is not None:
            rows = rows_into(table, kind, self._aside, file, name)
            return GrainSink(rows, self._place) if table is GRAINS else TableSink(table, rows, self._place)
        if kind == "parquet":
            return ParquetSink(self._aside)
        out = compressed(file, name)
        return NdjsonSink(out) if kind == "ndjson" else CsvSink(out)

    def __enter__(self) -> Export:
        return self

    def __exit__(self, *error: object) -> None:
        if self._file is not None:
            self._file.close()
        with suppress(FileNotFoundError):
            self._aside.unlink()

    def put(self, agent: str, customer: str, line: str) -> None:
        """One more line."""
        self.rows += self._sink.put(agent, customer, line)

    def keep(self, name: str) -> Path:
        """The file is whole: give it its name, in place of what was there. Returns where it is."""
        self.rows += self._sink.close()
        file = cast(IO[bytes], self._file)
        file.flush()
        os.fsync(file.fileno())
        path = self._place / name
        os.replace(self._aside, path)
        sync_directory(self._place)
        return path
