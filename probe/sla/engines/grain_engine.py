"""Rule: sums that hosts sealed are added up further and judged; what they do not say is not made up.

Sums of five minutes (the table `grains`) in place of facts: of contracts that count in multiples of five minutes what
those sums count. Rows, incidents and times are not in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from probe.core.sla.facts.grain_rows import RULE
from probe.core.sla.facts.histogram import Quantity
from probe.core.sla.facts.row import FactRow, SlotLook
from probe.core.sla.grains import CountingRule, Grain, Part, Series
from probe.core.sla.periods import Span
from probe.core.tables.columns import GRAINS
from probe.sla.engines import sums_sql
from probe.sla.engines.duckdb_engine import DuckDbEngine, listed, quoted
from probe.sla.engines.engine import Grains, Group, Parts, Question
from probe.sla.engines.steps import PartSeries, Pieces, Well, series_of, short_spans
from probe.sla.engines.sums_files import SumsFile, kind_of, neighbours, of_csv, of_ndjson, of_parquet

STEP_US = RULE.length_us
DOMAINS_AT_ONCE = 10
_Bounds = tuple[int, int]
_Grouped = dict[tuple[str, ...], dict[Group, Pieces]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """All that `parts` will be asked in one report. `bounds`: of the periods, as there."""

    questions: tuple[Question, ...]
    rule: CountingRule
    least: int
    bounds: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class _Known:
    """Parts of a domain of all time, by column and name; and by segment what `near` does not have of them."""

    by: Mapping[str, Mapping[str, PartSeries]]
    rest: Mapping[tuple[str, str, int], Well]


class GrainEngine(DuckDbEngine):
    """DuckDB over files of sealed sums. Raises DuckDbMissing.

    Each file is read once, whatever is asked, and its rows that are not well once more. Rows that change from grain to
    grain are read again for each of the two answers that are made of them.
    """

    def __init__(self, threads: int | None = None) -> None:
        super().__init__(threads)
        self.version += ", sums that hosts sealed"
        self._files: list[list[str]] = []
        self._is_read = False
        self._ragged: list[int] = []
        self._customer: str | None = None
        self._extents: dict[str, Span] = {}
        self._protocols: dict[str, set[str]] = {}
        self._expected: tuple[str, int, int] | None = None
        self._edges: list[int] = []
        self._excluded: dict[str, tuple[Span, ...]] = {}
        self._series: dict[tuple[Question, int], Series] = {}
        self._parts: dict[Question, _Known] = {}
        self._held: dict[tuple[Any, ...], dict[str, _Grouped]] = {}

    def take_sums(self, files: Sequence[SumsFile]) -> None:
        """Files of the table `grains`, CSV or NDJSON (both also by zstd or gzip) or Parquet; once."""
        parquet = [file for file in files if kind_of(file.path) == "parquet"]
        for kind, reads in (("csv", of_csv), ("ndjson", of_ndjson)):
            if some := [str(file.path) for file in files if kind_of(file.path) == kind]:
                made = self._place / f"sums.{kind}.parquet"
                self._db.execute(f"COPY ({reads(some)}) TO {quoted(str(made))} (FORMAT parquet)")
                parquet.append(SumsFile(made))
        told = [file for file in parquet if file.rows is not None]
        told += self._asked(file.path for file in parquet if file.rows is None)
        self._files = list(neighbours(told))

    def _asked(self, files: Iterable[Path]) -> Iterator[SumsFile]:
        """What Parquet files say of themselves."""
        names = [str(file) for file in files]
        if not names:
            return
        text = (
            "SELECT file_name, SUM(num_values), MIN(CAST(stats_min_value AS BIGINT)) FROM"  # noqa: S608
            f" parquet_metadata([{listed(names)}]) WHERE path_in_schema = 'grain' GROUP BY file_name"
        )
        for name, rows, first in self._db.execute(text).fetchall():
            yield SumsFile(Path(name), rows, (first or 0) * STEP_US)

    def streams(self) -> list[tuple[str, str, int, int]]:
        """Agent and customer of all sums, and the numbers of the first and the last record in them."""
        found: dict[tuple[str, str], tuple[int, int]] = {}
        for number in range(len(self._files)):
            source = self._source(number)
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
            f" ({of_parquet(files)}) AS sums) AS beside WHERE seq_first <= before ORDER BY grain, agent LIMIT 1"
        )
        row = self._db.execute(text).fetchone()
        return None if row is None else (row[0], row[1])

    def _source(self, number: int) -> str:
        """A view of the rows of some files."""
        self._db.execute(f"CREATE OR REPLACE TEMP VIEW source AS {of_parquet(self._files[number])}")
        return "source"

    def _read(self) -> None:
        """What all questions begin with."""
        if self._is_read:
            return
        self._is_read = True
        for table in sums_sql.TABLES:
            self._empty(table)
        for number in range(len(self._files)):
            source = self._source(number)
            for text in sums_sql.read_texts(source):
                self._db.execute(text)
            if self._db.execute("SELECT 1 FROM fresh_now LIMIT 1").fetchone():
                self._db.execute(sums_sql.kinds_text(source))
            ((odd,),) = self._db.execute("SELECT COUNT(*) FROM odd_now").fetchall()
            for text in (*sums_sql.cells_texts(source), *sums_sql.kept_texts(number, odd)):
                self._db.execute(text)
            if self._db.execute("SELECT 1 FROM ragged WHERE source = ? LIMIT 1", [number]).fetchone():
                self._ragged.append(number)
                self._db.execute(sums_sql.merged_text(source, number))

    def _know(self, customer: str) -> None:
        """Which domains and protocols a customer has, and when."""
        self._read()
        if self._customer == customer:
            return
        self._customer = customer
        self._extents, self._protocols = {}, {}
        for domain, protocol, first, last in self._db.execute(sums_sql.EXTENTS, [customer]).fetchall():
            self._protocols.setdefault(domain, set()).add(protocol)
            span = Span(first * STEP_US, (last + 1) * STEP_US)
            had = self._extents.get(domain, span)
            self._extents[domain] = Span(min(had.from_us, span.from_us), max(had.to_us, span.to_us))

    def _empty(self, table: str) -> None:
        self._db.execute(f"CREATE OR REPLACE TABLE {table} ({sums_sql.TABLES[table]})")

    def expect(self, expected: Expected) -> None:
        """Read what is ragged for the parts of all domains and periods at once."""
        customer = expected.questions[0].customer
        self._know(customer)
        width, least = expected.rule.length_us // STEP_US, expected.least
        self._expected = customer, width, least
        self._excluded |= {asked.domain: asked.excluded for asked in expected.questions}
        edges = {edge * width for bounds in expected.bounds for edge in bounds}
        self._edges = sorted(edges.union(self._edges))
        self._series.clear()
        self._parts.clear()
        self._held.clear()
        self._empty("near")
        self._empty("rest")
        if not self._ragged:
            return
        looked_at = None
        if least <= 1:  # a grain that something was due in has a request, known or not
            excluded = [(domain, spans) for domain, spans in self._excluded.items() if spans]
            text = sums_sql.looked_at_text(width, excluded, STEP_US)
            self.keep("looked_at", text, [customer, *(domain for domain, _ in excluded)])
            looked_at = "looked_at"
        for number in self._ragged:
            source = self._source(number)
            self._db.execute(sums_sql.near_text(source, number, width, looked_at), [customer])
            if looked_at is not None and len(self._edges) > 1:
                self._db.execute(
                    sums_sql.rest_text(source, number, width, looked_at, self._edges), [customer]
                )

    def extent(self, customer: str, domain: str) -> Span | None:
        """From the begin of the first grain until the end of the last."""
        self._know(customer)
        return self._extents.get(domain)

    def grains(self, asked: Question, rule: CountingRule, by: Sequence[str] = ()) -> Grains:
        """Sums of grains, for each group; of all together without any."""
        self._know(asked.customer)
        width = rule.length_us // STEP_US
        if not self._protocols.get(asked.domain, set()) & set(asked.protocols):
            return {}
        if not by:
            return {(): self._whole(asked, width)}
        self._expect_more(asked, rule, 2, ())  # of what is ragged each row is wanted
        cut = _numbers(asked.span, width)
        made = self._pieces(asked, [tuple(by)], "near")[tuple(by)]
        grains = {
            group: series_of(of, short_spans(asked.excluded, STEP_US), width).within(*cut)
            for group, of in made.items()
        }
        return {group: series for group, series in grains.items() if series}

    def _expect_more(
        self, asked: Question, rule: CountingRule, least: int, bounds: Sequence[_Bounds]
    ) -> None:
        """What `expect` was not told is read now."""
        width = rule.length_us // STEP_US
        edges = {edge * width for of in bounds for edge in of}
        known = self._expected == (asked.customer, width, least) and edges <= set(self._edges)
        if not known or self._excluded.get(asked.domain, ()) != asked.excluded:
            self.expect(Expected(questions=(asked,), rule=rule, least=least, bounds=tuple(bounds)))

    def _whole(self, asked: Question, width: int) -> Mapping[int, Grain]:
        """The domain's grains of all time are asked for once, and cut."""
        key = _key(asked), width
        if key not in self._series:
            self._series = {had: of for had, of in self._series.items() if had[0].domain == asked.domain}
            pieces = self._pieces(asked, [()], "merged")[()].get((), Pieces())
            self._series[key] = series_of(pieces, short_spans(asked.excluded, STEP_US), width)
        return self._series[key].within(*_numbers(asked.span, width))

    def _pieces(self, asked: Question, by: Sequence[tuple[str, ...]], beside: str) -> _Grouped:
        """Of each grouping, its groups. Some domains that are asked for one after another are fetched together."""
        key = asked.customer, asked.protocols, tuple(by), beside
        if asked.domain not in self._held.get(key, {}):
            expected = list(self._excluded)
            at = expected.index(asked.domain) if asked.domain in expected else 0
            together = expected[at : at + DOMAINS_AT_ONCE] if expected else []
            self._held[key] = self._fetched(asked, {asked.domain, *together}, by, beside)
        return self._held[key][asked.domain]

    def _fetched(
        self, asked: Question, domains: Set[str], by: Sequence[tuple[str, ...]], beside: str
    ) -> dict[str, _Grouped]:
        where, given = sums_sql.where_text(asked, sorted(domains))
        columns = sorted({name for names in by for name in names})
        groupings = {
            sum(1 << at for at, name in enumerate(reversed(columns)) if name not in names): names
            for names in by
        }
        made: dict[str, _Grouped] = {domain: {names: {} for names in by} for domain in domains}
        behind = 2 + len(columns)
        known: dict[tuple[Any, ...], Pieces] = {}

        def of(row: Sequence[Any]) -> Pieces:
            names = groupings[row[0]]
            group = tuple([row[1 + columns.index(name)] for name in names])
            found = known[tuple(row[:behind])] = made[row[behind - 1]][names].setdefault(group, Pieces())
            return found

        for page in self.pages(sums_sql.cells_text(by, where), given):
            for row in page:
                pieces = known.get(row[:behind]) or of(row)
                pieces.intervals.append((row[behind], row[behind + 1], row[behind + 2 :]))
        for page in self.pages(sums_sql.single_text(by, where, beside), given):
            for row in page:
                pieces = known.get(row[:behind]) or of(row)
                pieces.single[row[behind]] = row[behind + 1 :]
        return made

    def parts(
        self, asked: Question, rule: CountingRule, by: Sequence[str], least: int, bounds: _Bounds
    ) -> tuple[Mapping[int, Grain], Parts]:
        """Sums of grains of all together, and parts for each of these columns by itself, of what has a name."""
        width = rule.length_us // STEP_US
        self._know(asked.customer)
        self._expect_more(asked, rule, least, (bounds,))
        key = _key(asked)
        if key not in self._parts or not set(by) <= self._parts[key].by.keys():
            self._parts = {key: self._known(asked, by, width, least)}
        known = self._parts[key]
        edges = [edge * width for edge in bounds]
        segments = [place for place, edge in enumerate(self._edges) if edges[0] <= edge < edges[1]]
        cut = _numbers(asked.span, width)
        made: Parts = {}
        for name in by:
            found: dict[str | None, Part] = {}
            for value, of in known.by[name].items():
                beside = [known.rest.get((name, value, place), (0, 0, 0)) for place in segments]
                part = of.part(*cut, bounds, beside)
                if part is not None:
                    found[value] = part
            made[name] = found
        return self._whole(asked, width), made

    def _known(self, asked: Question, by: Sequence[str], width: int, least: int) -> _Known:
        """Of all time."""
        out = short_spans(asked.excluded, STEP_US)
        rest: dict[tuple[str, str, int], Well] = {}
        if self._ragged:
            where, given = sums_sql.where_text(asked, [asked.domain])
            for name in by:
                added = ", ".join(f"CAST(SUM({each}) AS BIGINT)" for each in ("n", "due", "measured"))
                text = f"SELECT {name}, segment, {added} FROM rest WHERE {where}"  # noqa: S608
                text += f" AND {name} IS NOT NULL GROUP BY {name}, segment"
                rest |= {(name, row[0], row[1]): row[2:] for row in self.rows(text, given)}
        pieces = self._pieces(asked, [(name,) for name in by], "near")
        all_here = not self._ragged or least > 1
        made: dict[str, dict[str, PartSeries]] = {}
        for name in by:
            of = {group[0]: some for group, some in pieces[(name,)].items() if group[0] is not None}
            of |= {value: Pieces() for known, value, _ in rest if known == name and value not in of}
            made[name] = {}
            for value in sorted(of):
                near = set() if all_here else of[value].looked_at(width)
                made[name][value] = PartSeries(
                    series_of(of[value], out, width), least, all_here, near.__contains__
                )
        return _Known(made, rest)

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


def _numbers(span: Span, width: int) -> tuple[int, int]:
    """The grains that a span touches, half open."""
    length_us = width * STEP_US
    return span.from_us // length_us, -(-span.to_us // length_us)
