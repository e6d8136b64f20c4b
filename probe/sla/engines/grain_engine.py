"""Rule: sums that hosts sealed are added up further and judged; what they do not say is not made up.

Sums of five minutes (the table `grains`) in place of facts: of contracts that count in multiples of five minutes what
those sums count. Rows, incidents and times are not in them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from probe.core.sla.facts.grain_rows import RULE
from probe.core.sla.facts.histogram import Quantity
from probe.core.sla.facts.row import FactRow, SlotLook
from probe.core.sla.grains import CountingRule, Grain, Part, Series, Stretch
from probe.core.sla.periods import Span
from probe.core.tables.columns import GRAINS
from probe.sla.engines import sql, sums_sql
from probe.sla.engines.duckdb_engine import DuckDbEngine, quoted
from probe.sla.engines.engine import Grains, Group, Parts, Question

COLUMNS = (
    "agent", "customer", "domain", "path", "scheme", "protocol", "vantage_point", "region", "carrier", "address",
    "ip_version", "grain", "due", "measured", "n", "errors_cdn", "unknown", "excluded", "clock_unsure",
    "seq_first", "seq_last",
)  # fmt: skip
TEXTS = COLUMNS[:10]
STEP_US = RULE.length_us
ROWS_AT_ONCE = 4_000_000  # of files that are next to each other in time, so that their sums are few
_Troubled = dict[str, list[tuple[int, Grain, int]]]
_Rest = dict[str, dict[int, Grain]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """All that `parts` will be asked in one report. `bounds`: of the periods, as there."""

    questions: tuple[Question, ...]
    rule: CountingRule
    least: int
    bounds: tuple[tuple[int, int], ...]


class GrainEngine(DuckDbEngine):
    """DuckDB over files of sealed sums. Raises DuckDbMissing.

    All files are read once for what all domains have in common, and twice for their parts, whatever is asked. After
    that a question about a domain looks at grains that are alike, at troubled ones, and at counts of the others.
    """

    def __init__(self, threads: int | None = None) -> None:
        super().__init__(threads)
        self.version += ", sums that hosts sealed"
        self._files: list[Sequence[str]] = []
        self._customer: str | None = None
        self._extents: dict[str, Span] = {}
        self._protocols: dict[str, set[str]] = {}
        self._width, self._least, self._edges = 0, 0, list[int]()
        self._excluded: dict[str, tuple[Span, ...]] = {}
        self._series: dict[tuple[Question, int], Series] = {}
        self._parts: dict[tuple[Question, str], tuple[_Troubled, _Rest]] = {}

    def take_sums(self, files: Sequence[Path]) -> None:
        """Files of the table `grains`, CSV or NDJSON (both also by zstd) or Parquet; once."""
        parquet = [str(file) for file in files if file.name.endswith(".parquet")]
        for ending, reads in ((".csv", _of_csv), (".ndjson", _of_ndjson)):
            if some := [str(file) for file in files if file.name.removesuffix(".zst").endswith(ending)]:
                made = self._place / f"sums{ending}.parquet"
                self._db.execute(f"COPY ({reads(some)}) TO {quoted(str(made))} (FORMAT parquet)")
                parquet.append(str(made))
        self._files = list(self._neighbours(parquet))

    def streams(self) -> list[tuple[str, str, int, int]]:
        """Agent and customer of all sums, and the numbers of the first and the last record in them."""
        found: dict[tuple[str, str], tuple[int, int]] = {}
        for source in self._chunks():
            text = f"SELECT agent, customer, MIN(seq_first), MAX(seq_last) FROM {source} GROUP BY agent, customer"  # noqa: S608
            for agent, customer, first, last in self._db.execute(text).fetchall():
                had = found.get((agent, customer), (first, last))
                found[agent, customer] = min(had[0], first), max(had[1], last)
        return [(*name, *ends) for name, ends in sorted(found.items())]

    def given_twice(self) -> tuple[str, int] | None:
        """An agent and a grain of which two rows of one key sum up the same records; None: there is none."""
        files = [file for some in self._files for file in some]
        key = ", ".join(GRAINS.key)
        lag = f"LAG(seq_last) OVER (PARTITION BY {key} ORDER BY seq_first, seq_last)"
        text = (
            f"SELECT agent, grain FROM (SELECT agent, grain, seq_first, {lag} AS before FROM"  # noqa: S608
            f" ({_of_parquet(files)}) AS sums) AS beside WHERE seq_first <= before ORDER BY grain, agent LIMIT 1"
        )
        row = self._db.execute(text).fetchone()
        return None if row is None else (row[0], row[1])

    def _neighbours(self, files: Sequence[str]) -> Iterator[Sequence[str]]:
        """Files in order of time, so many at once that their rows are a few million."""
        told = self._db.execute(
            "SELECT file_name, MIN(CAST(stats_min_value AS BIGINT)) AS first, SUM(num_values) FROM"  # noqa: S608
            f" parquet_metadata([{', '.join(quoted(file) for file in files)}]) WHERE path_in_schema = 'grain'"
            " GROUP BY file_name ORDER BY first, file_name"
        ).fetchall()
        some: list[str] = []
        rows = 0
        for name, _, count in told:
            if some and rows + count > ROWS_AT_ONCE:
                yield some
                some, rows = [], 0
            some.append(name)
            rows += count
        if some:
            yield some

    def _chunks(self) -> Iterator[str]:
        for files in self._files:
            self._db.execute(f"CREATE OR REPLACE TEMP VIEW chunk AS {_of_parquet(files)}")
            yield "chunk"

    def _merge(self, customer: str) -> None:
        """What all questions about a customer begin with."""
        if self._customer == customer:
            return
        self._customer = customer
        self._empty("merged")
        for source in self._chunks():
            for text in sums_sql.merge_texts(source):
                self._db.execute(text, [customer])
        told = self._db.execute(
            "SELECT domain, protocol, MIN(grain), MAX(grain) FROM merged GROUP BY domain, protocol"
        ).fetchall()
        self._extents, self._protocols = {}, {}
        for domain, protocol, first, last in told:
            self._protocols.setdefault(domain, set()).add(protocol)
            span = Span(first * STEP_US, (last + 1) * STEP_US)
            had = self._extents.get(domain, span)
            self._extents[domain] = Span(min(had.from_us, span.from_us), max(had.to_us, span.to_us))

    def _empty(self, table: str) -> None:
        self._db.execute(f"CREATE OR REPLACE TABLE {table} ({sums_sql.TABLES[table]})")

    def expect(self, expected: Expected) -> None:
        """Read the files for the parts of all domains and periods at once."""
        customer = expected.questions[0].customer
        self._merge(customer)
        self._width, self._least = expected.rule.length_us // STEP_US, expected.least
        self._excluded |= {asked.domain: asked.excluded for asked in expected.questions}
        edges = {edge * self._width for bounds in expected.bounds for edge in bounds}
        self._edges = sorted(edges.union(self._edges))
        self._series.clear()
        self._parts.clear()
        looked_at = None
        if expected.least <= 1:  # a grain that something was due in has a request, known or not
            excluded = [(domain, spans) for domain, spans in self._excluded.items() if spans]
            text = sums_sql.looked_at_text(self._width, excluded, STEP_US)
            self.keep("looked_at", text, [domain for domain, _ in excluded])
            looked_at = "looked_at"
        self._empty("near")
        self._empty("rest")
        for source in self._chunks():
            self._db.execute(sums_sql.near_text(source, self._width, looked_at), [customer])
            if len(self._edges) > 1:
                self._db.execute(sums_sql.rest_text(source, self._edges), [customer])

    def extent(self, customer: str, domain: str) -> Span | None:
        """From the begin of the first grain until the end of the last."""
        self._merge(customer)
        return self._extents.get(domain)

    def grains(self, asked: Question, rule: CountingRule, by: Sequence[str] = ()) -> Grains:
        """Sums of grains, for each group; of all together without any."""
        self._merge(asked.customer)
        if by:
            raise NotImplementedError("sums are told apart by `parts`")
        if not self._protocols.get(asked.domain, set()) & set(asked.protocols):
            return {}
        return {(): self._whole(asked, rule.length_us // STEP_US)}

    def _whole(self, asked: Question, width: int) -> Mapping[int, Grain]:
        """The domain's grains of all time are asked for once, and cut."""
        key = _key(asked), width
        if key not in self._series:
            where, given = _where(asked)
            text = sums_sql.stretches_text(
                sums_sql.counted_text("merged", (), where, width, asked.excluded, STEP_US)
            )
            self._series[key] = Series(
                Stretch(first, last, _grain(sums)) for first, last, *sums in self.rows(text, given)
            )
        return self._series[key].within(*_numbers(asked.span, width))

    def parts(
        self, asked: Question, rule: CountingRule, by: Sequence[str], least: int, bounds: tuple[int, int]
    ) -> tuple[Mapping[int, Grain], Parts]:
        """Sums of grains of all together, and parts for each of these columns by itself, of what has a name."""
        width = rule.length_us // STEP_US
        edges = [edge * width for edge in bounds]
        known = (self._width, self._least, self._excluded.get(asked.domain)) == (width, least, asked.excluded)
        if self._customer != asked.customer or not known or not set(edges) <= set(self._edges):
            self.expect(Expected(questions=(asked,), rule=rule, least=least, bounds=(bounds,)))
        made: Parts = {}
        segments = [place for place, edge in enumerate(self._edges) if edges[0] <= edge < edges[1]]
        first, end = _numbers(asked.span, width)
        for name in by:
            troubled, rest = self._part(asked, name)
            found: dict[str | None, Part] = {}
            for value in sorted({*troubled, *rest}):
                bad = [one for one in troubled.get(value, ()) if first <= one[0] < end]
                left = Grain()
                for place in segments:
                    left += rest.get(value, {}).get(place, Grain())
                for number, one, raw in bad:
                    if bounds[0] <= number < bounds[1]:
                        left += Grain(n=-raw, due=-one.due, measured=-one.measured)
                if bad or left != Grain():
                    found[value] = Part(troubled={number: one for number, one, _ in bad}, rest=left)
            made[name] = found
        return self._whole(asked, width), made

    def _part(self, asked: Question, name: str) -> tuple[_Troubled, _Rest]:
        """Of each value: its troubled grains of all time with their requests, and the sums of segments."""
        key = _key(asked), name
        if key not in self._parts:
            where, given = _where(asked)
            where += f" AND {name} IS NOT NULL"
            counted = sums_sql.counted_text("near", (name,), where, self._width, asked.excluded, STEP_US)
            trouble = f"errors > 0 OR unknown > 0 OR excluded > 0 OR n < {self._least}"
            troubled: _Troubled = {}
            text = f"SELECT * FROM ({counted}) AS counted WHERE {trouble} ORDER BY grain"  # noqa: S608
            for value, number, *sums, raw in self.rows(text, given):
                troubled.setdefault(value, []).append((number, _grain(sums), raw))
            rest: _Rest = {}
            added = ", ".join(f"CAST(SUM({each}) AS BIGINT)" for each in ("n", "due", "measured"))
            text = f"SELECT {name}, segment, {added} FROM rest WHERE {where} GROUP BY {name}, segment"  # noqa: S608
            for value, place, n, due, measured in self.rows(text, given):
                rest.setdefault(value, {})[place] = Grain(n=n, due=due, measured=measured)
            self._parts[key] = troubled, rest
        return self._parts[key]

    def values(self, asked: Question, quantity: Quantity, by: Sequence[str]) -> dict[Group, dict[int, int]]:
        """None: sums have times in other buckets."""
        return {}

    def troubled(self, asked: Question) -> Iterator[SlotLook]:
        """None: sums have no rows."""
        return iter(())

    def failing(
        self, asked: Question, rule: CountingRule, within: Sequence[Span], most: int
    ) -> list[FactRow]:
        """None: sums have no rows."""
        return []


def _key(asked: Question) -> Question:
    """Questions about several periods of a domain have one answer."""
    return replace(asked, span=Span(0, 0))


def _where(asked: Question) -> tuple[str, list[str]]:
    marks = ", ".join("?" for _ in asked.protocols)
    return f"domain = ? AND protocol IN ({marks})", [asked.domain, *asked.protocols]


def _numbers(span: Span, width: int) -> tuple[int, int]:
    """The grains that a span touches, half open."""
    length_us = width * STEP_US
    return span.from_us // length_us, -(-span.to_us // length_us)


def _grain(sums: Sequence[int]) -> Grain:
    return Grain(**dict(zip(sql.SUMS, sums, strict=True)))


def _of_parquet(files: Sequence[str]) -> str:
    listed = ", ".join(quoted(file) for file in files)
    numbers = ", ".join(f"CAST({name} AS BIGINT) AS {name}" for name in COLUMNS if name not in TEXTS)
    return (
        f"SELECT {', '.join(TEXTS)}, {numbers}"  # noqa: S608
        f" FROM read_parquet([{listed}], hive_partitioning = false)"
    )


def _of_csv(files: Sequence[str]) -> str:
    """As text, without the apostrophe that keeps a sheet from calculating it."""
    listed = ", ".join(quoted(file) for file in files)
    texts = ", ".join(
        f"CASE WHEN starts_with({name}, '''') THEN {name}[2:] ELSE {name} END AS {name}" for name in TEXTS
    )
    numbers = ", ".join(f"CAST({name} AS BIGINT) AS {name}" for name in COLUMNS if name not in TEXTS)
    kinds = ", ".join(f"{quoted(name)}: 'VARCHAR'" for name in GRAINS.columns)
    return (
        f"SELECT {texts}, {numbers} FROM read_csv([{listed}], header = true, columns = {{{kinds}}},"  # noqa: S608
        " quote = '\"', escape = '\"', allow_quoted_nulls = false)"
    )


def _of_ndjson(files: Sequence[str]) -> str:
    """As `GET /v1/grains` answers, page after page; a page's last line, which is no row, is passed over."""
    listed = ", ".join(quoted(file) for file in files)
    kinds = ", ".join(f"{quoted(name)}: '{'VARCHAR' if name in TEXTS else 'BIGINT'}'" for name in COLUMNS)
    return (
        f"SELECT {', '.join(COLUMNS)} FROM read_json([{listed}], format = 'newline_delimited',"  # noqa: S608
        f" columns = {{{kinds}}}) WHERE grain IS NOT NULL"
    )
