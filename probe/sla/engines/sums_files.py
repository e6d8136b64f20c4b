"""Rule: sums are the same rows whatever kind of file they come in.

Files of the table `grains` -> a text that selects their rows, of the columns that figures are made of.
"""

from __future__ import annotations

from collections.abc import Sequence

from probe.core.tables.columns import GRAINS
from probe.sla.engines.duckdb_engine import quoted

COLUMNS = (
    "agent", "customer", "domain", "path", "scheme", "protocol", "vantage_point", "region", "carrier", "address",
    "ip_version", "grain", "due", "measured", "n", "errors_cdn", "unknown", "excluded", "clock_unsure",
    "seq_first", "seq_last",
)  # fmt: skip
TEXTS = COLUMNS[:10]


def of_parquet(files: Sequence[str]) -> str:
    """As hosts seal them."""
    listed = ", ".join(quoted(file) for file in files)
    numbers = ", ".join(f"CAST({name} AS BIGINT) AS {name}" for name in COLUMNS if name not in TEXTS)
    return (
        f"SELECT {', '.join(TEXTS)}, {numbers}"  # noqa: S608
        f" FROM read_parquet([{listed}], hive_partitioning = false)"
    )


def of_csv(files: Sequence[str]) -> str:
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


def of_ndjson(files: Sequence[str]) -> str:
    """As `GET /v1/grains` answers, page after page; a page's last line, which is no row, is passed over."""
    listed = ", ".join(quoted(file) for file in files)
    kinds = ", ".join(f"{quoted(name)}: '{'VARCHAR' if name in TEXTS else 'BIGINT'}'" for name in COLUMNS)
    return (
        f"SELECT {', '.join(COLUMNS)} FROM read_json([{listed}], format = 'newline_delimited',"  # noqa: S608
        f" columns = {{{kinds}}}) WHERE grain IS NOT NULL"
    )
