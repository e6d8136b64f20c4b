"""Rule: DuckDB holds the facts in a file of its own, within bounded memory, and fetches nothing from anywhere.

Needs the extra `sla`. Facts reach it as lines of JSON, which it reads faster than anything that Python could insert.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec

from probe.core.sla.facts.row import FactRow, SlotLook
from probe.core.sla.periods import Span
from probe.core.tables.columns import Row, Table, Type
from probe.sla.engines import beside_sql, sql
from probe.sla.engines.by_sql import SqlEngine

MEMORY = "300MB"  # beside it there are the interpreter and what its allocator keeps
PAGE = 10_000
QUIET = "SET enable_progress_bar = false"  # its bar would go to standard output; an option of each connection
FLUSH_BYTES = 64 << 20
DAY_US = 86_400_000_000
EPOCH = date(1970, 1, 1).toordinal()
_TYPES = {"int": "BIGINT", "bool": "BOOLEAN", "str": "VARCHAR"}

_COLUMNS = {Type.I64: "BIGINT", Type.U32: "UINTEGER", Type.U8: "UTINYINT", Type.COUNTS: "UINTEGER[]"}


class DuckDbMissing(RuntimeError):  # noqa: N818 - it is not there; nothing went wrong
    """DuckDB is not installed."""


def loaded() -> Any:
    """The library, which not every host has. Raises DuckDbMissing."""
    try:
        return import_module("duckdb")
    except ImportError as error:
        raise DuckDbMissing(f"DuckDB is not installed: install cdn-probe[sla] ({error})") from None


class DuckDbEngine(SqlEngine):
    """A database of its own in a temporary directory, gone with `close`. Raises DuckDbMissing."""

    dialect = "duckdb"

    def __init__(self, threads: int | None = None) -> None:
        super().__init__()
        duckdb = loaded()
        self.version = f"duckdb {duckdb.__version__}"
        self._place = Path(tempfile.mkdtemp(prefix="cdn-probe-sla-"))
        self._db: Any = duckdb.connect(
            str(self._place / "facts"),
            config={
                "memory_limit": MEMORY,
                "temp_directory": str(self._place / "spill"),
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
                "threads": str(threads or min(4, os.cpu_count() or 1)),
                "preserve_insertion_order": "false",
            },
        )
        self._waiting: dict[str, bytearray] = {name: bytearray() for name in self.tables}
        self._encoder = msgspec.json.Encoder()
        self._views: dict[str, tuple[str, str, Sequence[str]]] = {}
        self._due: dict[str, Span] = {}
        self._narrowed_to: Span | None = None
        self._db.execute(QUIET)
        for name, columns in self.tables.items():
            told = ", ".join(f"{column} {_TYPES[kind]}" for column, kind in columns.items())
            self._db.execute(f"CREATE TABLE {name} ({told})")

    def take(self, facts: Sequence[FactRow], looks: Sequence[SlotLook]) -> None:
        """Some more."""
        rows: Iterable[tuple[str, Sequence[FactRow | SlotLook]]] = (("facts", facts), ("looks", looks))
        for name, some in rows:
            waiting = self._waiting[name]
            for row in some:
                waiting += self._encoder.encode(row) + b"\n"
            if len(waiting) > FLUSH_BYTES:
                self._flush(name)

    def take_tables(self, facts: Sequence[str], looks: Sequence[str]) -> None:
        """Parquet files beside what was taken; they are read where they lie. After `settle`, and once."""
        found: set[str] = set()
        counts = " + ".join(f"(SELECT COUNT(*) FROM {name})" for name in self.tables)  # noqa: S608
        alone = not self._db.execute(f"SELECT {counts}").fetchone()[0]
        for name, files in (("facts", facts), ("looks", looks)):
            if files:
                beside = beside_sql.BESIDE[name] if self._have(files, beside_sql.BESIDE[name]) else ()
                if name == "looks" and beside and self._are_interleaved(files):
                    beside = ()
                self._beside(name, files, beside)
                found.update(beside)
        self.beside = frozenset(found)
        if files := [*facts, *looks]:
            self._learn(files, alone=alone)

    def _beside(self, name: str, files: Sequence[str], beside: Sequence[str]) -> None:
        """What was taken and what files hold, as one. Of looks that were taken each may be near trouble."""
        names = ", ".join(self.tables[name])
        computed = told = ""
        if beside:
            computed = (
                f", TRUE AS {beside_sql.NEAR}"
                if name == "looks"
                else f", {beside_sql.beside_text(self.dialect, name)}"
            )
            told = "".join(f", {column}" for column in beside)
        self._db.execute(f"ALTER TABLE {name} RENAME TO {name}_taken")
        self._views[name] = (
            f"SELECT {names}{computed} FROM {name}_taken",  # noqa: S608
            f"SELECT {names}{told}",
            files,
        )
        self._view(name, files)

    def _view(self, name: str, files: Sequence[str]) -> None:
        taken, told, _ = self._views[name]
        beside = f" UNION ALL {told} FROM {parquet(files)}" if files else ""
        self._db.execute(f"CREATE OR REPLACE VIEW {name} AS {taken}{beside}")

    def narrow(self, span: Span | None) -> None:
        """Only files with rows in the span are opened: some twenty questions would each ask all files of their rows."""
        if span == self._narrowed_to:
            return
        self._narrowed_to = span
        for name, (_, _, files) in self._views.items():
            self._view(name, [file for file in files if span is None or self._touches(file, span)])

    def _touches(self, file: str, span: Span) -> bool:
        due = self._due.get(file)
        return due is None or (due.from_us < span.to_us and span.from_us < due.to_us)

    def _have(self, files: Sequence[str], columns: Sequence[str]) -> bool:
        """Whether each file has them: those that an earlier version wrote have not."""
        wanted = ", ".join(quoted(column) for column in columns)
        text = f"SELECT COUNT(*) FROM parquet_schema([{listed(files)}]) WHERE name IN ({wanted})"  # noqa: S608
        ((found,),) = self._db.execute(text).fetchall()
        return bool(found == len(files) * len(columns))

    def _are_interleaved(self, files: Sequence[str]) -> bool:
        """Whether looks next to each other in a track stand in two files, so that neither tells it of its last ones."""
        track = "customer, domain, vantage_point, task, scheduled_us"
        near = (
            f"SELECT {track}, filename AS file FROM read_parquet([{listed(files)}],"  # noqa: S608
            f" hive_partitioning = false, filename = true) WHERE {beside_sql.NEAR}"
            f" UNION ALL SELECT {track}, '' AS file FROM looks"
        )
        ((tracks,),) = self._db.execute(beside_sql.interleaved_text(near)).fetchall()
        return bool(tracks)

    def _learn(self, files: Sequence[str], *, alone: bool) -> None:
        """When the rows of each file are due, as it says; and what all have in common, where they are `alone`."""
        said = (
            "SELECT file_name, path_in_schema, MIN(stats_min_value), MAX(stats_max_value),"  # noqa: S608
            " MIN(TRY_CAST(stats_min_value AS BIGINT)), MAX(TRY_CAST(stats_max_value AS BIGINT))"
            f" FROM parquet_metadata([{listed(files)}])"
            " WHERE path_in_schema IN ('customer', 'domain', 'protocol', 'scheduled_us') GROUP BY ALL"
            " HAVING BOOL_AND(COALESCE(min_is_exact AND max_is_exact AND stats_null_count = 0, FALSE))"
        )
        values: dict[str, list[tuple[str, str]]] = {}
        for file, name, low, high, first, last in self._db.execute(said).fetchall():
            if name == "scheduled_us":
                self._due[file] = Span(first, last + 1)
            else:
                values.setdefault(name, []).append((low, high))
        if not alone:
            return
        self.same = {
            name: known[0][0]
            for name, known in values.items()
            if len(known) == len(files) and len({*chain.from_iterable(known)}) == 1
        }
        if len(self._due) == len(files):
            due = self._due.values()
            self.within = Span(min(one.from_us for one in due), max(one.to_us for one in due))

    def days(self) -> list[str]:
        """The days (UTC) in which facts are due."""
        text = f"SELECT DISTINCT scheduled_us // {DAY_US} AS day FROM facts ORDER BY day"  # noqa: S608
        return [f"{date.fromordinal(EPOCH + row[0])}" for row in self._db.execute(text).fetchall()]

    def forget(self, table: str, files: Sequence[str]) -> None:
        """What is due at a time at which these files have a row of the same task."""
        same = " AND ".join(f"{table}.{name} = had.{name}" for name in ("task", "scheduled_us"))
        self._db.execute(
            f"DELETE FROM {table} USING (SELECT DISTINCT task, scheduled_us FROM"  # noqa: S608
            f" {parquet(files)}) AS had WHERE {same}"
        )

    def write(self, table: str, file: Path, day: str) -> bool:
        """One day of a table as Parquet, sorted by domain, task and due time. False: there is nothing of it."""
        begin = (date.fromisoformat(day).toordinal() - EPOCH) * DAY_US
        where = f"scheduled_us >= {begin} AND scheduled_us < {begin + DAY_US}"
        if not self._db.execute(f"SELECT COUNT(*) FROM {table} WHERE {where}").fetchone()[0]:  # noqa: S608
            return False
        order, beside = (
            "customer, domain, task, scheduled_us, seq",
            beside_sql.beside_text(self.dialect, table),
        )
        if table == "facts":
            order += ", number"
        self._db.execute(
            f"COPY (SELECT *, {beside} FROM {table} WHERE {where} ORDER BY {order}) TO {quoted(str(file))}"  # noqa: S608
            " (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 250000)"
        )
        return True

    def write_rows(self, table: Table, rows: Sequence[Row], file: Path) -> None:
        """Rows of a table as Parquet, in their order."""
        lines = self._place / f"{table.name}.ndjson"
        lines.write_bytes(b"".join(self._encoder.encode(row) + b"\n" for row in rows))
        told = ", ".join(
            f"{column}: '{_COLUMNS.get(kind, 'VARCHAR')}'" for column, kind in table.columns.items()
        )
        self._db.execute(
            f"COPY (SELECT * FROM read_json('{lines}', format='newline_delimited', columns={{{told}}}))"  # noqa: S608
            f" TO {quoted(str(file))} (FORMAT parquet, COMPRESSION zstd)"
        )
        lines.unlink()

    def _flush(self, name: str) -> None:
        if not self._waiting[name]:
            return
        file = self._place / f"{name}.ndjson"
        file.write_bytes(self._waiting[name])
        self._waiting[name].clear()
        told = ", ".join(f"{column}: '{_TYPES[kind]}'" for column, kind in self.tables[name].items())
        self._db.execute(
            f"INSERT INTO {name} SELECT * FROM read_json(?, format='newline_delimited', columns={{{told}}})",  # noqa: S608
            [str(file)],
        )
        file.unlink()

    def settle(self) -> None:
        """Of two rows for one due time the first counts."""
        for name in self.tables:
            self._flush(name)
        self.keep("again", sql.again_text("facts"))
        for name in self.tables:
            same = " AND ".join(f"{name}.{column} = again.{column}" for column in sql.DUE)
            self._db.execute(f"DELETE FROM {name} USING again WHERE {same} AND {name}.seq > again.seq")  # noqa: S608

    def close(self) -> None:
        """Leave nothing behind."""
        self._db.close()
        shutil.rmtree(self._place, ignore_errors=True)

    def keep(self, name: str, text: str, given: Sequence[str] = ()) -> None:
        """The answer as a table of the session."""
        self._db.execute(f"CREATE OR REPLACE TABLE {name} AS {text}", list(given))

    def forget_table(self, name: str) -> None:
        """Its memory is free again."""
        self._db.execute(f"DROP TABLE {name}")

    def rows(self, text: str, given: Sequence[str] = ()) -> Iterator[Any]:
        """The answer, row by row."""
        for page in self.pages(text, given):
            yield from page

    def pages(self, text: str, given: Sequence[str] = ()) -> Iterator[Sequence[Any]]:
        """The answer, some thousand rows at once."""
        cursor = self._db.cursor()
        cursor.execute(QUIET)
        answer = cursor.execute(text, list(given))
        while rows := answer.fetchmany(PAGE):
            yield rows


def parquet(files: Sequence[str]) -> str:
    """Files as a source of rows."""
    return f"read_parquet([{listed(files)}], hive_partitioning = false)"


def listed(files: Sequence[str]) -> str:
    """Their names as literals of SQL."""
    return ", ".join(quoted(file) for file in files)


def quoted(text: str) -> str:
    """A literal of SQL."""
    return "'" + text.replace("'", "''") + "'"
