"""Rule: rows that are alike for days leave the engine as one; only what is not, grain by grain.

The texts that `GrainEngine` runs, for each source of rows (some files next to each other in time):
`kinds`: keys without their grain, and the sums of a row that go with them. `cells`: rows of a kind that are well: how
many, from which grain until which. `odd`: rows in which something is not well. A cell is *even* where it and the odd
rows of its key are each grain between its ends once (by their number, and by the hashes of all): it says all of its
rows. What is not even (grains missing, or given twice, or requests that change from grain to grain) is *ragged*: its
rows are read again, added up over all together (`merged`), near what is not well row by row (`near`), and elsewhere as
sums between the ends of periods (`rest`).
What odd rows say beside the even cell that they stand in (a grain of it is taken out) is kept in `runs` where it is the
same in grain after grain, and else in `loose`.
"""

from __future__ import annotations

from collections.abc import Sequence

from probe.core.sla.periods import Span
from probe.sla.engines import sql
from probe.sla.engines.engine import Question

PARTS = ("region", "carrier", "vantage_point", "address", "path")
IDENTITY = (
    "agent", "customer", "domain", "path", "scheme", "protocol", "vantage_point", "region", "carrier", "address",
    "ip_version",
)  # fmt: skip
_NAMED = ("customer", "domain", "protocol", *PARTS)
_TOLD = {"n": "n", "errors": "errors_cdn", **{name: name for name in sql.SUMS[2:]}}
_WELL = ("n", "due", "measured")
MOST_SORTED = 1_000_000  # of one source; sorting ten times as many takes longer than all else
_NAMES = ", ".join(f"{name} VARCHAR" for name in _NAMED)
_COUNTS = ", ".join(f"{name} BIGINT" for name in (*sql.SUMS, "rows"))
TABLES = {
    "cells": "kind UBIGINT, first BIGINT, last BIGINT, even BOOLEAN",
    "runs": f"{_NAMES}, first BIGINT, last BIGINT, {_COUNTS}",
    "loose": f"{_NAMES}, grain BIGINT, {_COUNTS}",
    "near": f"{_NAMES}, grain BIGINT, {_COUNTS}",
    "merged": f"customer VARCHAR, domain VARCHAR, protocol VARCHAR, grain BIGINT, {_COUNTS}",
    "rest": f"{_NAMES}, segment BIGINT, n BIGINT, due BIGINT, measured BIGINT",
    "ragged": "source BIGINT, kind UBIGINT",
    "kinds": f"kind UBIGINT, key UBIGINT, n BIGINT, due BIGINT, measured BIGINT, {_NAMES}",
}
EXTENTS = (
    "SELECT domain, protocol, MIN(first), MAX(last) FROM (SELECT customer, domain, protocol, first, last FROM cells"
    " JOIN kinds USING (kind) UNION ALL SELECT customer, domain, protocol, first, last FROM runs"
    " UNION ALL SELECT customer, domain, protocol, grain, grain FROM loose) AS picked WHERE customer = ?"
    " GROUP BY domain, protocol"
)
_ODD = "(errors_cdn | unknown | excluded | clock_unsure) <> 0"
_IDENTITY = ", ".join(IDENTITY)
_KEY = f"hash({_IDENTITY}) AS key"
# Two kinds of one hash (64 bits) have their grains twice, and so are ragged: of these each column is compared.
_KIND = f"hash({_IDENTITY}, {', '.join(_WELL)}, {_ODD}) AS kind"
_KEPT = f"{', '.join(_NAMED)}, {{0}}, {', '.join(sql.SUMS)}, rows"
_BETWEEN = "odd_now.key = {0}.key AND odd_now.grain BETWEEN {0}.first AND {0}.last"


def read_texts(source: str) -> tuple[str, ...]:
    """The tables `kinds_now`, `odd_now` and `fresh_now` of a source: what is read of all of its rows."""
    told = ", ".join(f"{_TOLD[name]} AS {name}" for name in sql.SUMS)
    return (
        "CREATE OR REPLACE TEMP TABLE kinds_now AS SELECT kind, COUNT(*) AS rows, MIN(grain) AS first,"  # noqa: S608
        f" MAX(grain) AS last, BIT_XOR(hash(grain)) AS met FROM (SELECT {_KIND}, grain FROM {source}) AS hashed"
        " GROUP BY kind",
        f"CREATE OR REPLACE TEMP TABLE odd_now AS SELECT {_KIND}, {_KEY}, {', '.join(_NAMED)}, grain, {told}"  # noqa: S608
        f" FROM {source} WHERE {_ODD}",
        "CREATE OR REPLACE TEMP TABLE fresh_now AS SELECT kind, first FROM kinds_now ANTI JOIN kinds USING (kind)"
        " ANTI JOIN odd_now USING (kind)",
    )


def kinds_text(source: str) -> str:
    """What the kinds of `fresh_now` are, which no source had before, into `kinds`."""
    names = ", ".join(f"any_value({name})" for name in ("key", *_WELL, *_NAMED))
    begins = f"(SELECT * FROM {source} WHERE grain IN (SELECT first FROM fresh_now)) AS begins"  # noqa: S608
    return (
        f"INSERT INTO kinds SELECT kind, {names} FROM (SELECT *, {_KIND}, {_KEY} FROM {begins}) AS hashed"  # noqa: S608
        " JOIN fresh_now USING (kind) WHERE grain = fresh_now.first GROUP BY kind"
    )


def cells_texts(source: str) -> tuple[str, ...]:
    """The tables `cells_now` and `even_now` of a source, whose kinds are known."""
    return (
        "CREATE OR REPLACE TEMP TABLE cells_now AS SELECT kinds_now.*, key FROM kinds_now JOIN kinds USING (kind)",
        "CREATE OR REPLACE TEMP TABLE between_now AS SELECT cells_now.kind, COUNT(*) AS rows,"  # noqa: S608
        " BIT_XOR(hash(grain)) AS met FROM cells_now JOIN odd_now"
        f" ON {_BETWEEN.format('cells_now')} GROUP BY cells_now.kind",
        "CREATE OR REPLACE TEMP TABLE counted_now AS SELECT cells_now.*,"
        " xor(cells_now.met, COALESCE(between_now.met, 0::UBIGINT)) AS seen"
        " FROM cells_now LEFT JOIN between_now USING (kind)"
        " WHERE cells_now.rows + COALESCE(between_now.rows, 0) = last - first + 1",
        "CREATE OR REPLACE TEMP TABLE wanted_now AS SELECT first, last, BIT_XOR(hash(grain)) AS wanted FROM"
        " (SELECT first, last, UNNEST(range(first, last + 1)) AS grain FROM"
        " (SELECT DISTINCT first, last FROM counted_now) AS spans) AS each GROUP BY first, last",
        "CREATE OR REPLACE TEMP TABLE even_now AS SELECT kind, key, first, last FROM counted_now"
        " JOIN wanted_now USING (first, last) WHERE seen = wanted",
    )


def kept_texts(number: int, odd: int) -> tuple[str, ...]:
    """What stays of a source, after `cells_texts`. `odd`: its rows that are not well; very many are not sorted."""
    one_by_one = f"INSERT INTO loose SELECT {_KEPT.format('grain')} FROM {_beside()}"  # noqa: S608
    taken = ", ".join(f"-several.{name}" if name in _WELL else "0" for name in sql.SUMS)
    return (
        "INSERT INTO cells SELECT kind, first, last, kind IN (SELECT kind FROM even_now) FROM cells_now",
        *(_runs_texts() if odd <= MOST_SORTED else (one_by_one,)),
        f"INSERT INTO loose SELECT {', '.join(f'odd_now.{name}' for name in _NAMED)}, grain, {taken}, -1"  # noqa: S608
        f" FROM odd_now JOIN {_even('> 1')} AS several ON {_BETWEEN.format('several')}",
        f"INSERT INTO ragged SELECT {number}, kind FROM cells_now ANTI JOIN even_now USING (kind)",  # noqa: S608
    )


def _runs_texts() -> tuple[str, ...]:
    """What odd rows say beside even cells: where it is the same in grain after grain, as one."""
    same = f"key, {', '.join(sql.SUMS)}, rows"
    of_key = ", ".join(f"any_value({name}) AS {name}" for name in _NAMED)
    return (
        f"CREATE OR REPLACE TEMP TABLE runs_now AS SELECT {of_key}, {', '.join(sql.SUMS)}, rows,"  # noqa: S608
        " MIN(grain) AS first, MAX(grain) AS last FROM"
        f" (SELECT *, grain - ROW_NUMBER() OVER (PARTITION BY {same} ORDER BY grain) AS run FROM {_beside()})"
        f" AS numbered GROUP BY {same}, run",
        f"INSERT INTO runs SELECT {_KEPT.format('first, last')} FROM runs_now WHERE first < last",  # noqa: S608
        f"INSERT INTO loose SELECT {_KEPT.format('first')} FROM runs_now WHERE first = last",  # noqa: S608
    )


def _beside() -> str:
    """Odd rows without what an even cell says of their grain, where their key has but one."""
    beside = ", ".join(f"odd_now.{name} - COALESCE(alone.{name}, 0) AS {name}" for name in _WELL)
    return (
        f"(SELECT odd_now.* REPLACE ({beside}), CASE WHEN alone.key IS NULL THEN 1 ELSE 0 END AS rows"  # noqa: S608
        f" FROM odd_now LEFT JOIN {_even('= 1')} AS alone ON {_BETWEEN.format('alone')}) AS beside"
    )


def _even(of_key: str) -> str:
    """Even cells of keys that have so many of them."""
    well = ", ".join(_WELL)
    return (
        f"(SELECT key, first, last, {well} FROM even_now JOIN (SELECT kind, {well} FROM kinds) AS of_kind USING (kind)"  # noqa: S608
        f" QUALIFY COUNT(*) OVER (PARTITION BY key) {of_key})"
    )


def merged_text(source: str, number: int) -> str:
    """Ragged rows of a source into `merged`."""
    added = ", ".join(f"SUM({name})" if name in _WELL else "0" for name in sql.SUMS)
    return (
        f"INSERT INTO merged SELECT customer, domain, protocol, grain, {added}, COUNT(*)"  # noqa: S608
        f" FROM {_ragged(source, number)} GROUP BY customer, domain, protocol, grain"
    )


def _ragged(source: str, number: int) -> str:
    """Rows of a source that no even cell has, and that are well."""
    return (
        f"(SELECT hashed.* FROM (SELECT *, {_KIND} FROM {source} WHERE NOT ({_ODD})) AS hashed SEMI JOIN"  # noqa: S608
        f" (SELECT kind FROM ragged WHERE source = {number}) AS wanted USING (kind)) AS picked"
    )


def looked_at_text(width: int, excluded: Sequence[tuple[str, Sequence[Span]]], step_us: int) -> str:
    """Grains of `width` sums that are not well, or that a domain's declarations leave out. Marks: customer, domains.

    Of all protocols: where one is not well, a question about several asks how many requests the others had.
    """
    out = " OR ".join(f"(domain = ? AND ({out_text(spans, step_us)}))" for _, spans in excluded if spans)
    return (
        f"SELECT DISTINCT domain, grain // {width} AS wide FROM (SELECT domain, grain FROM"  # noqa: S608
        " (SELECT customer, domain, grain FROM loose UNION ALL"
        " SELECT customer, domain, UNNEST(range(first, last + 1)) FROM runs) AS odd WHERE customer = ?"
        f" UNION ALL SELECT domain, grain FROM merged WHERE {out or 'FALSE'}) AS picked"
    )


def near_text(source: str, number: int, width: int, looked_at: str | None) -> str:
    """Ragged rows of a source into `near`: those of the grains in the table `looked_at`; None: all. Mark: customer."""
    told = ", ".join(name if name in _WELL else "0" for name in sql.SUMS)
    kept = "" if looked_at is None else f" SEMI JOIN {_same(looked_at, width)}"
    return (
        f"INSERT INTO near SELECT {', '.join(f'picked.{name}' for name in _NAMED)}, grain, {told}, 1"  # noqa: S608
        f" FROM {_ragged(source, number)}{kept} WHERE customer = ?"
    )


def rest_text(source: str, number: int, width: int, looked_at: str, edges: Sequence[int]) -> str:
    """Ragged rows of a source that are not in `near` into `rest`. Mark: customer.

    `edges`: of the segments, in order; what lies outside belongs to none.
    """
    names = ", ".join(f"picked.{name}" for name in _NAMED)
    return (
        f"INSERT INTO rest SELECT {names}, {segment_text(edges)} AS segment, SUM(n), SUM(due), SUM(measured)"  # noqa: S608
        f" FROM {_ragged(source, number)} ANTI JOIN {_same(looked_at, width)}"
        f" WHERE customer = ? AND grain >= {edges[0]} AND grain < {edges[-1]} GROUP BY {names}, segment"
    )


def _same(looked_at: str, width: int) -> str:
    return f"{looked_at} AS looked ON looked.domain = picked.domain AND looked.wide = picked.grain // {width}"


def segment_text(edges: Sequence[int]) -> str:
    """An expression: which segment a grain lies in, by halves: few comparisons for many edges."""

    def half(low: int, high: int) -> str:
        if high - low == 1:
            return str(low)
        middle = (low + high) // 2
        return f"CASE WHEN grain < {edges[middle]} THEN {half(low, middle)} ELSE {half(middle, high)} END"

    return half(0, len(edges) - 1)


def out_text(excluded: Sequence[Span], step_us: int) -> str:
    """A condition: whether declared spans leave out sums of `step_us`."""
    spans = (f"grain >= {span.from_us // step_us} AND grain < {span.to_us // step_us}" for span in excluded)
    return " OR ".join(spans) or "FALSE"


def where_text(asked: Question, domains: Sequence[str]) -> tuple[str, list[str]]:
    """A condition, and what stands for its marks: which rows a question is about, of these domains."""
    marks, protocols = (", ".join("?" for _ in some) for some in (domains, asked.protocols))
    given = [asked.customer, *domains, *asked.protocols]
    return f"customer = ? AND domain IN ({marks}) AND protocol IN ({protocols})", given


def cells_text(by: Sequence[Sequence[str]], where: str) -> str:
    """Even cells and runs of each of these groupings: its number, its columns, domain, first, last, SUMS, rows."""
    names = ", ".join(_NAMED)
    well = ", ".join(name if name in _WELL else f"0 AS {name}" for name in sql.SUMS)
    source = (
        f"(SELECT {names}, first, last, {well}, 1 AS rows FROM cells JOIN kinds USING (kind) WHERE even"  # noqa: S608
        f" UNION ALL SELECT {names}, first, last, {', '.join(sql.SUMS)}, rows FROM runs) AS picked"
    )
    return _grouped(source, by, where, ("domain", "first", "last"))


def single_text(by: Sequence[Sequence[str]], where: str, beside: str) -> str:
    """Single grains of each of these groupings: its number, its columns, domain, grain, SUMS, rows.

    `beside`: `near` or `merged`.
    """
    columns = ("domain", "protocol", "customer", "grain", *sql.SUMS, "rows")
    told = ", ".join((*columns, *(PARTS if beside == "near" else ())))
    source = f"(SELECT {told} FROM loose UNION ALL SELECT {told} FROM {beside}) AS picked"  # noqa: S608
    return _grouped(source, by, where, ("domain", "grain"))


def _grouped(source: str, by: Sequence[Sequence[str]], where: str, within: Sequence[str]) -> str:
    """GROUPING(...) has a bit for each column, set where the grouping is not by it."""
    columns = sorted({name for names in by for name in names})
    sets = ", ".join(f"({', '.join((*names, *within))})" for names in by)
    which = f"GROUPING({', '.join(columns)})" if columns else "0"
    shown = "".join(f"{name}, " for name in columns)
    sums = ", ".join(f"CAST(SUM({name}) AS BIGINT)" for name in (*sql.SUMS, "rows"))
    return (
        f"SELECT {which}, {shown}{', '.join(within)}, {sums} FROM {source} WHERE {where}"  # noqa: S608
        f" GROUP BY GROUPING SETS ({sets})"
    )
