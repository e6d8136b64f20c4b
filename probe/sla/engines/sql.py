"""Rule: one text adds facts up to grains and selects rows, in whole numbers, for whoever runs SQL: DuckDB, Spark.

Names and literals are ours alone: numbers, and words of closed lists. What users wrote is given as parameters. Two
things differ between dialects: how whole numbers are divided, and nothing else.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence

from probe.core.records.verdict import Fault
from probe.core.sla.facts.histogram import Quantity, bucket_sql
from probe.core.sla.grains import CountingRule, Error
from probe.core.sla.periods import US, Span

DIVIDE = {"duckdb": "//", "spark": "DIV"}
SUMS = ("n", "errors", "unknown", "excluded", "due", "measured", "clock_unsure")
STRETCH_US = 6 * 3_600_000_000  # at least; it is longer than the time between two looks of any track
DUE = ("agent", "customer", "task", "scheduled_us")
_SERVED = "outcome IN ('ok', 'slow', 'stale')"
_NO_REPLY = "COALESCE(failure_phase IN ('dns', 'tcp', 'tls', 'http', 'body'), FALSE)"
_KINDS = {
    Error.NO_COMPLETE_REPLY: f"({_NO_REPLY} OR status_code IS NULL)",
    Error.STATUS_5XX: f"(NOT {_NO_REPLY} AND COALESCE(status_code BETWEEN 500 AND 599, FALSE))",
    Error.BY_CONTENT: f"(NOT {_NO_REPLY} AND COALESCE(status_code NOT BETWEEN 500 AND 599, FALSE))",
}


def kind(rule: CountingRule, excluded: Sequence[Span]) -> str:
    """An expression: what a fact counts as, `excluded`, `unknown`, `error` or `good`."""
    out = " OR ".join(f"scheduled_us >= {span.from_us} AND scheduled_us < {span.to_us}" for span in excluded)
    faults = _words(str(fault.value) for fault in sorted(rule.faults) if fault is not Fault.UNKNOWN)
    kinds = " OR ".join(_KINDS[error] for error in sorted(rule.errors)) or "FALSE"
    return (
        f"CASE WHEN {out or 'FALSE'} THEN 'excluded' "
        f"WHEN state <> 'measured' OR NOT {vouched(rule)} THEN 'unknown' "
        f"WHEN {_SERVED} THEN 'good' "
        f"WHEN outcome IS NULL OR outcome <> 'failed' OR fault IS NULL OR fault = 'unknown' THEN 'unknown' "
        f"WHEN fault IN ({faults}) AND ({kinds}) THEN 'error' ELSE 'good' END"
    )


def vouched(rule: CountingRule) -> str:
    """An expression: whether the row's time is vouched for."""
    return (
        f"COALESCE(clock IN ({_words(sorted(rule.clocks))}) AND clock_max_error_us <= {rule.clock_max_error_us},"
        " FALSE)"
    )


def grains_text(
    dialect: str,
    source: str,
    where: str,
    rule: CountingRule,
    excluded: Sequence[Span],
    by: Sequence[str],
) -> str:
    """The group-by: the columns `by`, `grain`, and the sums in the order of SUMS."""
    groups = "".join(f"{name}, " for name in by)
    sums = (
        "SUM(CASE WHEN kind IN ('good', 'error') THEN weight ELSE 0 END)",
        "SUM(CASE WHEN kind = 'error' THEN weight ELSE 0 END)",
        "SUM(CASE WHEN kind = 'unknown' THEN weight ELSE 0 END)",
        "SUM(CASE WHEN kind = 'excluded' THEN weight ELSE 0 END)",
        "SUM(CASE WHEN first THEN 1 ELSE 0 END)",
        "SUM(CASE WHEN first AND state = 'measured' THEN 1 ELSE 0 END)",
        "SUM(CASE WHEN kind = 'unknown' AND NOT vouched THEN weight ELSE 0 END)",
    )
    told = ", ".join(f"CAST({text} AS BIGINT) AS {name}" for text, name in zip(sums, SUMS, strict=True))
    grain = f"scheduled_us {DIVIDE[dialect]} {rule.length_us}"
    counted = (
        f"SELECT {groups}weight, first, state, {grain} AS grain, {kind(rule, excluded)} AS kind,"  # noqa: S608
        f" {vouched(rule)} AS vouched FROM {source} WHERE {where}"
    )
    return (
        f"SELECT {groups}grain, {told} FROM ({counted}) AS counted"  # noqa: S608
        f" GROUP BY {groups}grain"
    )


def plain_text() -> str:
    """An expression: whether a fact is a single request, measured and served, whatever vouched for its time."""
    return f"(weight = 1 AND state = 'measured' AND COALESCE({_SERVED}, FALSE))"


def others_text(
    where: str, rule: CountingRule, excluded: Sequence[Span], columns: Sequence[str], *, marked: bool = False
) -> str:
    """Facts that are not simply good and one request: nearly always few, so that what is asked of each costs little.

    `marked`: facts have the column PLAIN. Each condition then stands by itself, so that files pass by what they say
    of a column as a whole.
    """
    inside = " OR ".join(f"scheduled_us >= {s.from_us} AND scheduled_us < {s.to_us}" for s in excluded)
    told = f"SELECT {', '.join(columns)} FROM facts WHERE {where}"  # noqa: S608
    if not marked:
        return f"{told} AND NOT ({plain_text()} AND {vouched(rule)} AND NOT ({inside or 'FALSE'}))"
    known, exact = (
        f"clock IN ({_words(sorted(rule.clocks))})",
        f"clock_max_error_us <= {rule.clock_max_error_us}",
    )
    apart = [
        f"NOT {PLAIN}",
        f"{PLAIN} AND clock_max_error_us > {rule.clock_max_error_us}",
        f"{PLAIN} AND clock_max_error_us IS NULL",
        f"{PLAIN} AND {exact} AND clock IS NULL",
        f"{PLAIN} AND {exact} AND NOT {known}",
    ]
    if inside:
        apart.append(f"{PLAIN} AND {exact} AND {known} AND ({inside})")
    return " UNION ALL ".join(f"{told} AND {one}" for one in apart)


def two_sums_text(dialect: str, where: str, others: str, length_us: int, by: Sequence[str]) -> str:
    """The same as `grains_text`: each fact as if it were good, and one request, and its own sums in place of that for
    those of the table `others`, which `others` adds up.

    A group-by of many rows takes as long as it has sums: here it counts rows, and those that stand for a slot.
    """
    groups = "".join(f"{name}, " for name in by)
    every = "COUNT(*) AS n, COUNT(*) FILTER (WHERE first) AS due"
    grain = f"scheduled_us {DIVIDE[dialect]} {length_us} AS grain"
    facts = f"SELECT {groups}first, {grain} FROM facts WHERE {where}"  # noqa: S608
    added = f"SELECT {groups}grain, {every} FROM ({facts}) AS facts GROUP BY {groups}grain"  # noqa: S608
    some = f"SELECT {groups}{grain} FROM others"  # noqa: S608
    both = (
        f"SELECT {groups}grain, n, 0 AS errors, 0 AS unknown, 0 AS excluded, due, due AS measured, 0 AS clock_unsure"  # noqa: S608
        f" FROM ({added}) AS added UNION ALL SELECT {groups}grain, -COUNT(*) AS n, 0 AS errors, 0 AS unknown,"
        f" 0 AS excluded, 0 AS due, 0 AS measured, 0 AS clock_unsure FROM ({some}) AS counted GROUP BY {groups}grain"
        f" UNION ALL SELECT {groups}grain, n, errors, unknown, excluded, 0 AS due, measured - due AS measured,"
        f" clock_unsure FROM ({others}) AS others"
    )
    return sums_text(f"({both}) AS parts", by)


def sums_text(source: str, by: Sequence[str]) -> str:
    """Sums of sums: grains that were made for more columns, for fewer."""
    groups = "".join(f"{name}, " for name in by)
    told = ", ".join(f"CAST(SUM({name}) AS BIGINT) AS {name}" for name in SUMS)
    return f"SELECT {groups}grain, {told} FROM {source} GROUP BY {groups}grain"  # noqa: S608


def part_text(source: str, name: str, least: int, bounds: tuple[int, int]) -> str:
    """The column, the number of a troubled grain, its sums; and those of all others of a period, without a number."""
    told = ", ".join(f"CAST(SUM({each}) AS BIGINT) AS {each}" for each in SUMS)
    trouble = f"(errors > 0 OR unknown > 0 OR excluded > 0 OR n < {least})"
    marked = (
        f"SELECT {name}, CASE WHEN {trouble} THEN grain END AS troubled, {', '.join(SUMS)}"  # noqa: S608
        f" FROM ({sums_text(source, (name,))}) AS sums"
        f" WHERE {trouble} OR (grain >= {bounds[0]} AND grain < {bounds[1]})"
    )
    return f"SELECT {name}, troubled, {told} FROM ({marked}) AS marked GROUP BY {name}, troubled"  # noqa: S608


BUCKETS = {Quantity.FIRST_BYTE: "first_byte_bucket", Quantity.THROUGHPUT: "throughput_bucket"}
PLAIN = "plain"
"""Columns that tables may have beside those of facts: `beside_sql`."""


def told_text(divide: str, quantity: Quantity) -> tuple[str, str]:
    """Two expressions: the value of a fact, and whether it tells one."""
    served = f"state = 'measured' AND {_SERVED}"
    return {
        Quantity.FIRST_BYTE: ("ttfb_us", f"ttfb_us IS NOT NULL AND {served}"),
        Quantity.THROUGHPUT: (
            f"body_bytes * {US} {divide} transfer_us",
            f"transfer_us > 0 AND body_bytes > 0 AND {served}",
        ),
        Quantity.PROPAGATION: ("propagated_us", "propagated_us IS NOT NULL"),
    }[quantity]


def values_text(
    dialect: str,
    source: str,
    where: str,
    by: Sequence[str],
    quantity: Quantity,
    beside: Container[str] = (),
) -> str:
    """The columns `by`, `bucket`, and how many requests have their value of the quantity within it.

    `beside`: which of these columns the source has. A request that is PLAIN weighs one, so rows are counted.
    """
    groups = "".join(f"{name}, " for name in by)
    name = BUCKETS.get(quantity, "")
    if name in beside and PLAIN in beside:
        plain = f"SELECT {groups}{name} AS bucket FROM {source} WHERE {where}"  # noqa: S608
        other = f"SELECT {groups}weight - 1 AS weight, {name} AS bucket FROM {source} WHERE {where} AND NOT {PLAIN}"  # noqa: S608
        counted = (
            f"SELECT {groups}COUNT(*) AS weight, bucket FROM ({plain}) AS plain GROUP BY {groups}bucket"  # noqa: S608
            f" UNION ALL SELECT {groups}weight, bucket FROM ({other}) AS other"
        )
    else:
        value, told = told_text(DIVIDE[dialect], quantity)
        values = f"SELECT {groups}weight, {value} AS value FROM {source} WHERE {where} AND {told}"  # noqa: S608
        bucket = bucket_sql("value", DIVIDE[dialect])
        counted = f"SELECT {groups}weight, {bucket} AS bucket FROM ({values}) AS told"  # noqa: S608
    return (
        f"SELECT {groups}bucket, CAST(SUM(weight) AS BIGINT) AS count FROM ({counted}) AS counted"  # noqa: S608
        f" GROUP BY {groups}bucket HAVING bucket IS NOT NULL ORDER BY {groups}bucket"
    )


# --- rows ---------------------------------------------------------------------------------------------

WELL = "(state = 'measured' AND COALESCE(outcome IN ('ok', 'slow', 'stale'), FALSE))"


def again_text(source: str) -> str:
    """Due times that have several rows, with the number of the first."""
    due = ", ".join(DUE)
    return f"SELECT {due}, MIN(seq) AS seq FROM {source} GROUP BY {due} HAVING COUNT(DISTINCT seq) > 1"  # noqa: S608


def first_text(names: Sequence[str], source: str, again: str) -> str:
    """The rows of `source` without those that are a later one of a due time in `again`."""
    same = " AND ".join(f"{source}.{name} = {again}.{name}" for name in DUE)
    told = ", ".join(f"{source}.{name}" for name in names)
    return (
        f"SELECT {told} FROM {source} LEFT JOIN {again} ON {same}"  # noqa: S608
        f" WHERE {again}.seq IS NULL OR {source}.seq <= {again}.seq"
    )


def extent_text(where: str) -> str:
    """The first and the last due time."""
    return f"SELECT MIN(scheduled_us) AS first_us, MAX(scheduled_us) AS last_us FROM facts WHERE {where}"  # noqa: S608


def where_text(span: Span | None, names: Sequence[str], protocols: int) -> str:
    """A condition, with marks for these columns and for so many protocols; TRUE where nothing is asked."""
    conditions = [f"{name} = ?" for name in names]
    if span is not None:
        conditions.append(f"scheduled_us >= {span.from_us} AND scheduled_us < {span.to_us}")
    if protocols:
        conditions.append(f"protocol IN ({', '.join('?' * protocols)})")
    return " AND ".join(conditions) or "TRUE"


def failing_text(rule: CountingRule, excluded: Sequence[Span], within: Sequence[Span]) -> str:
    """A condition: whether a fact counts as an error, or says nothing, in a grain that one of these spans touches."""
    length = rule.length_us
    spans = " OR ".join(
        f"scheduled_us >= {s.from_us // length * length} AND scheduled_us < {-(-s.to_us // length) * length}"
        for s in within
    )
    return f"({spans or 'FALSE'}) AND {kind(rule, excluded)} IN ('error', 'unknown')"


def rows_text(names: Sequence[str], table: str, where: str, most: int | None = None) -> str:
    """Rows in order of due time."""
    order = "scheduled_us, agent, seq" + (", number" if table == "facts" else "")
    limit = "" if most is None else f" LIMIT {most}"
    return f"SELECT {', '.join(names)} FROM {table} WHERE {where} ORDER BY {order}{limit}"  # noqa: S608


def apart_text(dialect: str, where: str) -> str:
    """How far apart the looks of the slowest track are, on average."""
    span = f"(MAX(scheduled_us) - MIN(scheduled_us)) {DIVIDE[dialect]} (COUNT(*) - 1)"
    tracks = (
        f"SELECT {span} AS apart FROM looks WHERE {where}"  # noqa: S608
        " GROUP BY vantage_point, task HAVING COUNT(*) > 1"
    )
    return f"SELECT MAX(apart) AS apart FROM ({tracks}) AS tracks"  # noqa: S608


def bad_times_text(dialect: str, where: str, stretch_us: int) -> str:
    """Of each track: the stretches in which a look is not well, and those beside them."""
    stretch = f"scheduled_us {DIVIDE[dialect]} {stretch_us} AS stretch"
    bad = f"SELECT vantage_point, task, {stretch} FROM looks WHERE {where} AND NOT {WELL}"  # noqa: S608
    return (
        "SELECT DISTINCT vantage_point, task, stretch + beside AS stretch"  # noqa: S608
        f" FROM ({bad}) AS bad, (VALUES (-1), (0), (1)) AS near(beside)"
    )


def in_bad_times_text(dialect: str, stretch_us: int) -> str:
    """Looks of the table `bad_times`, as a source for `beside_trouble_text`."""
    return (
        "looks SEMI JOIN bad_times ON looks.task = bad_times.task AND looks.vantage_point = bad_times.vantage_point"
        f" AND looks.scheduled_us {DIVIDE[dialect]} {stretch_us} = bad_times.stretch"
    )


def beside_trouble_text(source: str, where: str) -> str:
    """Agent and number of looks that are not well, and of those next to them in their track.

    Few columns go through the window: it sorts whatever it is given.
    """
    inside = (
        "SELECT looks.agent, looks.seq, looks.vantage_point, looks.task, looks.scheduled_us,"  # noqa: S608
        f" {WELL} AS well FROM {source} WHERE {where}"
    )
    marked = (
        "SELECT agent, seq, task, scheduled_us, well, COALESCE(LAG(well) OVER track, TRUE) AS before,"  # noqa: S608
        f" COALESCE(LEAD(well) OVER track, TRUE) AS after FROM ({inside}) AS inside"
        " WINDOW track AS (PARTITION BY vantage_point, task ORDER BY scheduled_us, agent, seq)"
    )
    return f"SELECT agent, seq, task, scheduled_us FROM ({marked}) AS marked WHERE NOT (well AND before AND after)"  # noqa: S608


def named_text(names: Sequence[str], where: str) -> str:
    """Looks that the table `named` names, in order of due time."""
    told = ", ".join(f"looks.{name}" for name in names)
    same = " AND ".join(f"looks.{name} = named.{name}" for name in ("agent", "seq", "task", "scheduled_us"))
    return (
        f"SELECT {told} FROM looks SEMI JOIN named ON {same}"  # noqa: S608
        f" WHERE {where} ORDER BY looks.scheduled_us, looks.agent, looks.seq"
    )


def _words(words: Iterable[str]) -> str:
    """Of closed lists of ours: no quoting is needed, and none is done."""
    return ", ".join(f"'{word}'" for word in words) or "''"
