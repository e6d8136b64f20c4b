"""Rule: sums that hosts sealed are added up further and judged; what they do not say is not made up.

Sums of five minutes (the table `grains`) in place of facts: of contracts that count in multiples of five minutes what
those sums count. Rows, incidents and times are not in them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from probe.core.sla.facts.grain_rows import RULE
from probe.core.sla.facts.histogram import Quantity
from probe.core.sla.facts.row import FactRow, SlotLook
from probe.core.sla.grains import CountingRule, Grain
from probe.core.sla.periods import Span
from probe.core.tables.columns import GRAINS
from probe.sla.engines import sql
from probe.sla.engines.duckdb_engine import DuckDbEngine, quoted
from probe.sla.engines.engine import Grains, Group, Parts, Question

COLUMNS = (
    "customer", "domain", "path", "protocol", "vantage_point", "region", "carrier", "address",
    "grain", "due", "measured", "n", "errors_cdn", "unknown", "excluded", "clock_unsure",
)  # fmt: skip
TEXTS = COLUMNS[:8]


class GrainEngine(DuckDbEngine):
    """DuckDB over files of sealed sums. Raises DuckDbMissing."""

    def __init__(self, threads: int | None = None) -> None:
        super().__init__(threads)
        self.version += ", sums that hosts sealed"

    def take_sums(self, files: Sequence[Path]) -> None:
        """Files of the table `grains`, CSV (zstd) or Parquet; once."""
        parts = []
        for ending, reads in ((".parquet", _of_parquet), (".csv.zst", _of_csv)):
            if some := [str(file) for file in files if file.name.endswith(ending)]:
                parts.append(reads(some))
        self._db.execute(f"CREATE VIEW sums AS {' UNION ALL '.join(parts)}")

    def extent(self, customer: str, domain: str) -> Span | None:
        """From the begin of the first grain until the end of the last."""
        text = "SELECT MIN(grain), MAX(grain) FROM sums WHERE customer = ? AND domain = ?"
        ((first, last),) = self.rows(text, [customer, domain])
        return None if first is None else Span(first * RULE.length_us, (last + 1) * RULE.length_us)

    def grains(self, asked: Question, rule: CountingRule, by: Sequence[str] = ()) -> Grains:
        """Sums of grains, for each group."""
        text, given = _added(asked, rule, by)
        return self.ask_grains(text, given, len(by))

    def parts(
        self, asked: Question, rule: CountingRule, by: Sequence[str], least: int, bounds: tuple[int, int]
    ) -> tuple[dict[int, Grain], Parts]:
        """Sums of grains of all together, and parts for each of these columns by itself."""
        whole = self.grains(asked, rule).get((), {})
        made: Parts = {}
        for name in by:
            self.keep("places", *_added(asked, rule, (name,)))
            made[name] = self.ask_parts("places", name, least, bounds)
            self.forget_table("places")
        return whole, made

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


def _added(asked: Question, rule: CountingRule, by: Sequence[str]) -> tuple[str, list[str]]:
    """As `sql.grains_text`, of sums: what was tagged when measured is unknown unless the contract excludes it."""
    step = RULE.length_us
    first, end = asked.span.from_us // step, -(-asked.span.to_us // step)
    out = " OR ".join(
        f"grain >= {span.from_us // step} AND grain < {span.to_us // step}" for span in asked.excluded
    )
    marks = ", ".join("?" for _ in asked.protocols)
    groups = "".join(f"{name}, " for name in by)
    sums = {
        "n": "CASE WHEN out THEN 0 ELSE n END",
        "errors": "CASE WHEN out THEN 0 ELSE errors_cdn END",
        "unknown": "CASE WHEN out THEN 0 ELSE unknown + excluded END",
        "excluded": "CASE WHEN out THEN n + unknown + excluded ELSE 0 END",
        "due": "due",
        "measured": "measured",
        "clock_unsure": "CASE WHEN out THEN 0 ELSE clock_unsure END",
    }
    told = ", ".join(f"CAST(SUM({sums[name]}) AS BIGINT) AS {name}" for name in sql.SUMS)
    return (
        f"SELECT {groups}grain // {rule.length_us // step} AS grain, {told}"  # noqa: S608
        f" FROM (SELECT *, ({out or 'FALSE'}) AS out FROM sums) AS marked"
        f" WHERE customer = ? AND domain = ? AND grain >= {first} AND grain < {end} AND protocol IN ({marks})"
        f" GROUP BY {groups}grain // {rule.length_us // step}"
    ), [asked.customer, asked.domain, *asked.protocols]


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
