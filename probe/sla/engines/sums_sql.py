"""Rule: sums of five minutes are merged before anybody looks at them: what is well leaves the engine as a count.

The texts that `GrainEngine` runs. `merged`: sums of all together, by domain, protocol and grain. `near`: rows of the
grains in which something is not well. `rest`: requests of each part, by segments of time that periods begin and end.
"""

from __future__ import annotations

from collections.abc import Sequence

from probe.core.sla.periods import Span
from probe.sla.engines import sql

PARTS = ("region", "carrier", "vantage_point", "address", "path")
_TOLD = {"n": "n", "errors": "errors_cdn", **{name: name for name in sql.SUMS[2:]}}
_SUMS = ", ".join(f"{name} BIGINT" for name in sql.SUMS)
_KEY = "domain VARCHAR, protocol VARCHAR"
_NAMES = ", ".join(f"{name} VARCHAR" for name in PARTS)
TABLES = {
    "merged": f"{_KEY}, grain BIGINT, {_SUMS}",
    "near": f"{_KEY}, grain BIGINT, {_NAMES}, {_SUMS}",
    "rest": f"{_KEY}, segment BIGINT, {_NAMES}, n BIGINT, due BIGINT, measured BIGINT",
}


def merge_texts(source: str) -> tuple[str, str]:
    """Rows of a source into `merged`: what nearly all rows have, added up; and as they are, what few have."""
    every = ", ".join(
        f"CAST(SUM({name}) AS BIGINT)" if name in ("n", "due", "measured") else "0" for name in sql.SUMS
    )
    few = ", ".join("0" if name in ("n", "due", "measured") else _TOLD[name] for name in sql.SUMS)
    return (
        f"INSERT INTO merged SELECT domain, protocol, grain, {every} FROM {source} WHERE customer = ?"  # noqa: S608
        " GROUP BY domain, protocol, grain ORDER BY domain",
        f"INSERT INTO merged SELECT domain, protocol, grain, {few} FROM {source} WHERE customer = ?"  # noqa: S608
        " AND (errors_cdn <> 0 OR unknown <> 0 OR excluded <> 0 OR clock_unsure <> 0)",
    )


def looked_at_text(width: int, excluded: Sequence[tuple[str, Sequence[Span]]], step_us: int) -> str:
    """Grains of `width` sums that are not well, or that a domain's declarations leave out. Marks: domains."""
    wanted = ["errors <> 0 OR unknown <> 0 OR excluded <> 0"]
    wanted += [f"(domain = ? AND ({out_text(spans, step_us)}))" for _, spans in excluded if spans]
    return (
        f"SELECT DISTINCT domain, protocol, grain // {width} AS wide FROM merged"  # noqa: S608
        f" WHERE {' OR '.join(wanted)}"
    )


def near_text(source: str, width: int, looked_at: str | None) -> str:
    """Rows of a source into `near`: those of the grains in the table `looked_at`; None: all."""
    names = ", ".join(PARTS)
    told = ", ".join(_TOLD[name] for name in sql.SUMS)
    rows = f"SELECT domain, protocol, grain, {names}, {told} FROM {source}"  # noqa: S608
    if looked_at is not None:
        rows += f" SEMI JOIN {looked_at} AS wanted ON wanted.domain = {source}.domain"
        rows += f" AND wanted.protocol = {source}.protocol AND wanted.wide = {source}.grain // {width}"
        rows = rows.replace("SELECT domain, protocol", f"SELECT {source}.domain, {source}.protocol")
    return f"INSERT INTO near {rows} WHERE customer = ? ORDER BY 1"


def rest_text(source: str, edges: Sequence[int]) -> str:
    """Rows of a source into `rest`. `edges`: of the segments, in order; what lies outside belongs to none."""
    names = ", ".join(PARTS)
    rows = (
        f"SELECT domain, protocol, {segment_text(edges)} AS segment, {names}, n, due, measured FROM {source}"  # noqa: S608
        f" WHERE customer = ? AND grain >= {edges[0]} AND grain < {edges[-1]}"
    )
    return (
        f"INSERT INTO rest SELECT domain, protocol, segment, {names}, SUM(n), SUM(due), SUM(measured)"  # noqa: S608
        f" FROM ({rows}) AS cut GROUP BY domain, protocol, segment, {names}"
    )


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


def counted_text(
    source: str, by: Sequence[str], where: str, width: int, excluded: Sequence[Span], step_us: int
) -> str:
    """`by`, `grain`, the sums in the order of SUMS, and `raw`: requests whatever is left out.

    What was tagged when it was measured is unknown unless the contract excludes it.
    """
    groups = "".join(f"{name}, " for name in by)
    sums = {
        "n": "CASE WHEN out THEN 0 ELSE n END",
        "errors": "CASE WHEN out THEN 0 ELSE errors END",
        "unknown": "CASE WHEN out THEN 0 ELSE unknown + excluded END",
        "excluded": "CASE WHEN out THEN n + unknown + excluded ELSE 0 END",
        "due": "due",
        "measured": "measured",
        "clock_unsure": "CASE WHEN out THEN 0 ELSE clock_unsure END",
    }
    told = ", ".join(f"CAST(SUM({sums[name]}) AS BIGINT) AS {name}" for name in sql.SUMS)
    rows = f"SELECT *, ({out_text(excluded, step_us)}) AS out FROM {source} WHERE {where}"  # noqa: S608
    return (
        f"SELECT {groups}grain // {width} AS grain, {told}, CAST(SUM(n) AS BIGINT) AS raw"  # noqa: S608
        f" FROM ({rows}) AS marked GROUP BY {groups}grain // {width}"
    )


def stretches_text(counted: str) -> str:
    """Grains of `counted_text` one after another that are alike, as one: the first, the last, the sums of each."""
    sums = ", ".join(sql.SUMS)
    marked = (
        f"SELECT grain, {sums}, grain - ROW_NUMBER() OVER (PARTITION BY {sums} ORDER BY grain) AS stretch"  # noqa: S608
        f" FROM ({counted}) AS counted"
    )
    return (
        f"SELECT MIN(grain) AS first, MAX(grain) AS last, {sums} FROM ({marked}) AS marked"  # noqa: S608
        f" GROUP BY {sums}, stretch ORDER BY first"
    )
