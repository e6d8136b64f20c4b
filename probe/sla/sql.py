"""Rule: one text adds facts up to grains, in whole numbers, for whoever runs SQL: DuckDB, Spark.

Names and literals are ours alone: numbers, and words of closed lists. What users wrote is given as parameters.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from probe.core.records.verdict import Fault
from probe.core.sla.facts.histogram import bucket_sql
from probe.core.sla.grains import CountingRule, Error
from probe.core.sla.periods import Span

DIVIDE = {"duckdb": "//", "spark": "DIV"}
SUMS = ("n", "errors", "unknown", "excluded", "due", "measured", "clock_unsure")
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
    dialect: str, source: str, where: str, rule: CountingRule, excluded: Sequence[Span], by: Sequence[str]
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
        f" GROUP BY {groups}grain ORDER BY {groups}grain"
    )


def sums_text(source: str, by: Sequence[str]) -> str:
    """Sums of sums: grains that were made for more columns, for fewer."""
    groups = "".join(f"{name}, " for name in by)
    told = ", ".join(f"CAST(SUM({name}) AS BIGINT) AS {name}" for name in SUMS)
    return f"SELECT {groups}grain, {told} FROM {source} GROUP BY {groups}grain ORDER BY {groups}grain"  # noqa: S608


def times_text(source: str, where: str, by: Sequence[str]) -> str:
    """The columns `by`, `bucket`, and how many served requests had their first byte within it."""
    groups = "".join(f"{name}, " for name in by)
    served = f"{where} AND ttfb_us IS NOT NULL AND state = 'measured' AND {_SERVED}"
    counted = f"SELECT {groups}weight, {bucket_sql('ttfb_us')} AS bucket FROM {source} WHERE {served}"  # noqa: S608
    return (
        f"SELECT {groups}bucket, CAST(SUM(weight) AS BIGINT) AS count FROM ({counted}) AS counted"  # noqa: S608
        f" GROUP BY {groups}bucket ORDER BY {groups}bucket"
    )


def _words(words: Iterable[str]) -> str:
    """Of closed lists of ours: no quoting is needed, and none is done."""
    return ", ".join(f"'{word}'" for word in words) or "''"
