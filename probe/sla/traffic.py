"""A traffic file, as CSV or Parquet: requests and errors of a domain by node and grain."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from probe.core.scheduling.grid import to_us
from probe.core.sla.contract.agreement import Traffic
from probe.sla.engines.duckdb_engine import DuckDbMissing, loaded

Told = dict[str, dict[str, dict[int, tuple[int, int]]]]


class TrafficError(Exception):
    """The traffic file cannot be used; the message names the file and what is wrong."""


def read_traffic(terms: Traffic, agreement_file: Path, length_us: int) -> tuple[Told, str]:
    """(domain -> node -> grain -> (requests, errors), SHA-256 of the file). Rows of one grain are added up.

    The file's name is relative to the agreement. Raises TrafficError, OSError.
    """
    file = agreement_file.parent / terms.file
    made: Told = {}
    for number, row in enumerate(_rows(file), 2):
        try:
            grain = _time_us(row[terms.columns.time]) // length_us
            requests = int(row[terms.columns.requests])
            errors = int(row[terms.columns.errors_5xx] or 0) if terms.columns.errors_5xx else 0
            domain, node = str(row[terms.columns.domain]), str(row[terms.columns.node])
        except KeyError as error:
            raise TrafficError(f"{file}: there is no column {error}; there are {', '.join(row)}") from None
        except (TypeError, ValueError) as error:
            raise TrafficError(f"{file}:{number}: {error}") from None
        if requests < 0 or errors < 0 or errors > requests:
            raise TrafficError(f"{file}:{number}: {errors} errors of {requests} requests")
        grains = made.setdefault(domain, {}).setdefault(node, {})
        before = grains.get(grain, (0, 0))
        grains[grain] = before[0] + requests, before[1] + errors
    with open(file, "rb") as opened:
        return made, hashlib.file_digest(opened, "sha256").hexdigest()


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    """Raises TrafficError: it cannot be read to its end; OSError."""
    if file.suffix == ".parquet":
        yield from _of_parquet(file)
        return
    with open(file, encoding="utf-8-sig", newline="") as opened:
        try:
            yield from csv.DictReader(opened)
        except (csv.Error, UnicodeDecodeError) as error:
            raise TrafficError(f"{file}: cannot be read as CSV in UTF-8 to its end: {error}") from None


def _of_parquet(file: Path) -> Iterator[dict[str, Any]]:
    try:
        duckdb = loaded()
    except DuckDbMissing as missing:
        raise TrafficError(f"{file}: Parquet is read by DuckDB, CSV without it. {missing}") from None
    if not file.is_file():
        raise FileNotFoundError(2, "No such file", str(file))
    with duckdb.connect(config={"autoinstall_known_extensions": "false"}) as database:
        try:
            answer = database.execute("SELECT * FROM read_parquet(?)", [str(file)])
            names = [column[0] for column in answer.description]
            while rows := answer.fetchmany(10_000):
                for row in rows:
                    yield dict(zip(names, row, strict=True))
        except duckdb.Error as error:
            words = str(error).partition("\n")[0]
            raise TrafficError(f"{file}: cannot be read as Parquet to its end: {words}") from None


def _time_us(value: object) -> int:
    """RFC 3339, or what Parquet has as an instant."""
    return to_us(value.isoformat() if hasattr(value, "isoformat") else str(value))
