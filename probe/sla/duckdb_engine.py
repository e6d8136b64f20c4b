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
from pathlib import Path
from typing import Any

import msgspec

from probe.core.sla.facts.row import FactRow, SlotLook
from probe.core.sla.grains import CountingRule, Grain
from probe.core.sla.periods import Span
from probe.sla import sql
from probe.sla.engine import Grains, Group, Question

MEMORY = "400MB"
PAGE = 10_000
DAY_US = 86_400_000_000
EPOCH = date(1970, 1, 1).toordinal()
STRETCH_US = 6 * 3_600_000_000  # longer than any interval between two looks of a track
FLUSH_BYTES = 64 << 20
_TYPES = {int: "BIGINT", bool: "BOOLEAN"}
_FIRST = (
    "SELECT agent, customer, task, scheduled_us, MIN(seq) AS seq FROM facts"
    " GROUP BY agent, customer, task, scheduled_us HAVING COUNT(DISTINCT seq) > 1"
)


class DuckDbMissing(RuntimeError):  # noqa: N818 - it is not there; nothing went wrong
    """DuckDB is not installed."""


def loaded() -> Any:
    """The library, which not every host has. Raises DuckDbMissing."""
    try:
        return import_module("duckdb")
    except ImportError as error:
        raise DuckDbMissing(f"DuckDB is not installed: install cdn-probe[sla] ({error})") from None


class DuckDbEngine:
    """A database of its own in a temporary directory, gone with `close`. Raises DuckDbMissing."""

    def __init__(self, threads: int | None = None) -> None:
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
        self._tables = {"facts": _columns(FactRow), "looks": _columns(SlotLook)}
        self._waiting: dict[str, bytearray] = {name: bytearray() for name in self._tables}
        self._encoder = msgspec.json.Encoder()
        for name, columns in self._tables.items():
            told = ", ".join(f"{column} {kind}" for column, kind in columns.items())
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
        for name, files in (("facts", facts), ("looks", looks)):
            if files:
                names = ", ".join(self._tables[name])
                listed = ", ".join(_quoted(file) for file in files)
                self._db.execute(f"ALTER TABLE {name} RENAME TO {name}_taken")
                self._db.execute(
                    f"CREATE VIEW {name} AS SELECT {names} FROM {name}_taken"  # noqa: S608
                    f" UNION ALL SELECT {names} FROM read_parquet([{listed}], hive_partitioning = false)"
                )

    def days(self) -> list[str]:
        """The days (UTC) in which facts are due."""
        text = f"SELECT DISTINCT scheduled_us // {DAY_US} AS day FROM facts ORDER BY day"  # noqa: S608
        return [f"{date.fromordinal(EPOCH + row[0])}" for row in self._db.execute(text).fetchall()]

    def forget(self, table: str, files: Sequence[str]) -> None:
        """What is due at a time at which these files have a row of the same task."""
        listed = ", ".join(_quoted(file) for file in files)
        same = " AND ".join(f"{table}.{name} = had.{name}" for name in ("task", "scheduled_us"))
        self._db.execute(
            f"DELETE FROM {table} USING (SELECT DISTINCT task, scheduled_us FROM"  # noqa: S608
            f" read_parquet([{listed}], hive_partitioning = false)) AS had WHERE {same}"
        )

    def write(self, table: str, file: Path, day: str) -> bool:
        """One day of a table as Parquet, sorted by domain, task and due time. False: there is nothing of it."""
        begin = (date.fromisoformat(day).toordinal() - EPOCH) * DAY_US
        where = f"scheduled_us >= {begin} AND scheduled_us < {begin + DAY_US}"
        if not self._db.execute(f"SELECT COUNT(*) FROM {table} WHERE {where}").fetchone()[0]:  # noqa: S608
            return False
        order = "customer, domain, task, scheduled_us, seq" + (", number" if table == "facts" else "")
        self._db.execute(
            f"COPY (SELECT * FROM {table} WHERE {where} ORDER BY {order}) TO {_quoted(str(file))}"  # noqa: S608
            " (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 250000)"
        )
        return True

    def _flush(self, name: str) -> None:
        if not self._waiting[name]:
            return
        file = self._place / f"{name}.ndjson"
        file.write_bytes(self._waiting[name])
        self._waiting[name].clear()
        told = ", ".join(f"{column}: '{kind}'" for column, kind in self._tables[name].items())
        self._db.execute(
            f"INSERT INTO {name} SELECT * FROM read_json(?, format='newline_delimited', columns={{{told}}})",  # noqa: S608
            [str(file)],
        )
        file.unlink()

    def settle(self) -> None:
        """Of two rows for one due time the first counts."""
        for name in self._tables:
            self._flush(name)
        self._db.execute(f"CREATE TEMP TABLE again AS {_FIRST}")
        for name in self._tables:
            same = " AND ".join(
                f"{name}.{c} = again.{c}" for c in ("agent", "customer", "task", "scheduled_us")
            )
            self._db.execute(f"DELETE FROM {name} USING again WHERE {same} AND {name}.seq > again.seq")  # noqa: S608

    def extent(self, customer: str, domain: str) -> Span | None:
        """From the first due time until behind the last."""
        first, last = self._db.execute(
            "SELECT MIN(scheduled_us), MAX(scheduled_us) FROM facts WHERE customer = ? AND domain = ?",
            [customer, domain],
        ).fetchone()
        return None if first is None else Span(first, last + 1)

    def grains(self, asked: Question, rule: CountingRule, by: Sequence[str] = ()) -> Grains:
        """Sums of grains, for each group."""
        where, given = _where(asked)
        return self._read_grains(
            sql.grains_text("duckdb", "facts", where, rule, asked.excluded, by), given, len(by)
        )

    def _read_grains(self, text: str, given: list[Any], columns: int) -> Grains:
        made: Grains = {}
        for row in self._rows(text, given):
            grain = Grain(**dict(zip(sql.SUMS, row[columns + 1 :], strict=True)))
            made.setdefault(tuple(row[:columns]), {})[row[columns]] = grain
        return made

    def parts(self, asked: Question, rule: CountingRule, by: Sequence[str]) -> dict[str, Grains]:
        """Sums of grains for each of these columns by itself, and of all together: one pass over the facts."""
        where, given = _where(asked)
        text = sql.grains_text("duckdb", "facts", where, rule, asked.excluded, by)
        self._db.execute(f"CREATE OR REPLACE TABLE fine AS {text}", given)
        made = {
            name: self._read_grains(sql.sums_text("fine", columns), [], len(columns))
            for name, columns in (("", ()), *((name, (name,)) for name in by))
        }
        self._db.execute("DROP TABLE fine")
        return made

    def times(self, asked: Question, by: Sequence[str]) -> dict[Group, dict[int, int]]:
        """Histograms of times to the first byte of served requests, for each group."""
        where, given = _where(asked)
        made: dict[Group, dict[int, int]] = {}
        for row in self._rows(sql.times_text("facts", where, by), given):
            made.setdefault(tuple(row[: len(by)]), {})[row[len(by)]] = row[len(by) + 1]
        return made

    def troubled(self, asked: Question) -> Iterator[SlotLook]:
        """Those looks that are not well, and the ones next to them in their track."""
        where, given = _where(asked)
        # Only times in which something is not well are looked at row by row, and the times beside them.
        self._db.execute(f"CREATE OR REPLACE TABLE bad_times AS {_bad_times(where)}", given)
        names = ", ".join(self._tables["looks"])
        for row in self._rows(_beside_bad_times(names, where), given):
            yield msgspec.convert(dict(zip(self._tables["looks"], row, strict=True)), SlotLook)

    def failing(
        self, asked: Question, rule: CountingRule, within: Sequence[Span], most: int
    ) -> list[FactRow]:
        """The facts that count as errors, or say nothing, in these spans."""
        where, given = _where(asked)
        length = rule.length_us
        spans = " OR ".join(
            f"scheduled_us >= {s.from_us // length * length} AND scheduled_us < {-(-s.to_us // length) * length}"
            for s in within
        )
        where += f" AND ({spans or 'FALSE'}) AND {sql.kind(rule, asked.excluded)} IN ('error', 'unknown')"
        return list(self._selected("facts", FactRow, where, given, f" LIMIT {most}"))

    def facts(self, asked: Question) -> Iterator[FactRow]:
        """All, in order of due time."""
        yield from self._selected("facts", FactRow, *_where(asked))

    def looks(self, asked: Question) -> Iterator[SlotLook]:
        """All, in order of due time."""
        yield from self._selected("looks", SlotLook, *_where(asked))

    def close(self) -> None:
        """Leave nothing behind."""
        self._db.close()
        shutil.rmtree(self._place, ignore_errors=True)

    def _selected(
        self, table: str, kind: Any, where: str, given: list[Any], limit: str = ""
    ) -> Iterator[Any]:
        names = list(self._tables[table])
        order = "scheduled_us, agent, seq" + (", number" if table == "facts" else "")
        text = f"SELECT {', '.join(names)} FROM {table} WHERE {where} ORDER BY {order}{limit}"  # noqa: S608
        for row in self._rows(text, given):
            yield msgspec.convert(dict(zip(names, row, strict=True)), kind)

    def _rows(self, text: str, given: list[Any]) -> Iterator[Any]:
        answer = self._db.cursor().execute(text, given)
        while rows := answer.fetchmany(PAGE):
            yield from rows


_WELL = "(state = 'measured' AND COALESCE(outcome IN ('ok', 'slow', 'stale'), FALSE))"


def _bad_times(where: str) -> str:
    """Of each track: the stretches in which a look is not well, and those beside them."""
    stretch = f"scheduled_us // {STRETCH_US} AS stretch"
    bad = f"SELECT vantage_point, task, {stretch} FROM looks WHERE {where} AND NOT {_WELL}"  # noqa: S608
    return (
        "SELECT DISTINCT vantage_point, task, stretch + beside AS stretch"  # noqa: S608
        f" FROM ({bad}) AS bad, (VALUES (-1), (0), (1)) AS near(beside)"
    )


def _beside_bad_times(names: str, where: str) -> str:
    inside = (
        f"SELECT looks.*, {_WELL} AS well FROM looks SEMI JOIN bad_times ON looks.task = bad_times.task"  # noqa: S608
        f" AND looks.vantage_point = bad_times.vantage_point AND looks.scheduled_us // {STRETCH_US} = bad_times.stretch"
        f" WHERE {where}"
    )
    marked = (
        "SELECT *, COALESCE(LAG(well) OVER track, TRUE) AS before, COALESCE(LEAD(well) OVER track, TRUE) AS after"  # noqa: S608
        f" FROM ({inside}) AS inside"
        " WINDOW track AS (PARTITION BY vantage_point, task ORDER BY scheduled_us, agent, seq)"
    )
    return (
        f"SELECT {names} FROM ({marked}) AS marked WHERE NOT (well AND before AND after)"  # noqa: S608
        " ORDER BY scheduled_us, agent, seq"
    )


def _quoted(text: str) -> str:
    """A literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def _where(asked: Question) -> tuple[str, list[Any]]:
    marks = ", ".join("?" for _ in asked.protocols)
    span = f"scheduled_us >= {asked.span.from_us} AND scheduled_us < {asked.span.to_us}"
    return (
        f"customer = ? AND domain = ? AND {span} AND protocol IN ({marks})",
        [asked.customer, asked.domain, *asked.protocols],
    )


def _columns(kind: Any) -> dict[str, str]:
    """A column for each field: whole numbers, truths, and text for all else."""
    made = {}
    for each in msgspec.structs.fields(kind):
        types = [t for t in (int, bool) if t is each.type or t in getattr(each.type, "__args__", ())]
        made[each.name] = _TYPES[types[0]] if types else "VARCHAR"
    return made
