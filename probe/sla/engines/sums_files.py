"""Rule: sums are the same rows whatever kind of file they come in.

Files of the table `grains` -> a text that selects their rows, of the columns that figures are made of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from probe.core.tables.columns import GRAINS
from probe.sla.engines.duckdb_engine import listed, parquet, quoted

COLUMNS = (
    "agent", "customer", "domain", "path", "scheme", "protocol", "vantage_point", "region", "carrier", "address",
    "ip_version", "grain", "due", "measured", "n", "errors_cdn", "unknown", "excluded", "clock_unsure",
    "seq_first", "seq_last",
)  # fmt: skip
TEXTS = COLUMNS[:10]
KINDS = {".csv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson", ".json": "ndjson", ".parquet": "parquet"}
PACKED = (".zst", ".gz")
ROWS_AT_ONCE = 12_000_000  # of files that are next to each other in time


@dataclass(frozen=True, slots=True)
class SumsFile:
    """A file of sums, and what its manifest says of it: how many rows, and when the first was due. None: nothing."""

    path: Path
    rows: int | None = None
    first_us: int | None = None


def kind_of(file: Path) -> str | None:
    """`csv` or `ndjson`, plain or by zstd or gzip, or `parquet`; by the name. None: another one."""
    packed = file.suffix in PACKED
    kind = KINDS.get(Path(file.stem).suffix if packed else file.suffix)
    return None if packed and kind == "parquet" else kind


def names() -> str:
    """The endings of files of sums, in words."""
    lines = [name for name, kind in KINDS.items() if kind != "parquet"]
    return f"{', '.join(lines)}, each plain or {' or '.join(PACKED)}, or .parquet"


def neighbours(files: Iterable[SumsFile]) -> Iterator[list[str]]:
    """Names of files in order of time, so many at once that their rows are a few million."""
    some: list[str] = []
    rows = 0
    for file in sorted(files, key=lambda file: (file.first_us or 0, str(file.path))):
        more = file.rows or 0
        if some and rows + more > ROWS_AT_ONCE:
            yield some
            some, rows = [], 0
        some.append(str(file.path))
        rows += more
    if some:
        yield some


def of_parquet(files: Sequence[str]) -> str:
    """As hosts seal them."""
    numbers = ", ".join(f"CAST({name} AS BIGINT) AS {name}" for name in COLUMNS if name not in TEXTS)
    return f"SELECT {', '.join(TEXTS)}, {numbers} FROM {parquet(files)}"  # noqa: S608


def of_csv(files: Sequence[str]) -> str:
    """As text, without the apostrophe that keeps a sheet from calculating it."""
    texts = ", ".join(
        f"CASE WHEN starts_with({name}, '''') THEN {name}[2:] ELSE {name} END AS {name}" for name in TEXTS
    )
    numbers = ", ".join(f"CAST({name} AS BIGINT) AS {name}" for name in COLUMNS if name not in TEXTS)
    kinds = ", ".join(f"{quoted(name)}: 'VARCHAR'" for name in GRAINS.columns)
    return (
        f"SELECT {texts}, {numbers} FROM read_csv([{listed(files)}], header = true, columns = {{{kinds}}},"  # noqa: S608
        " quote = '\"', escape = '\"', allow_quoted_nulls = false)"
    )


def of_ndjson(files: Sequence[str]) -> str:
    """As `GET /v1/grains` answers, page after page; a page's last line, which is no row, is passed over."""
    kinds = ", ".join(f"{quoted(name)}: '{'VARCHAR' if name in TEXTS else 'BIGINT'}'" for name in COLUMNS)
    return (
        f"SELECT {', '.join(COLUMNS)} FROM read_json([{listed(files)}], format = 'newline_delimited',"  # noqa: S608
        f" columns = {{{kinds}}}) WHERE grain IS NOT NULL"
    )
