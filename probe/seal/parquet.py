"""Rule: without pyarrow everything works but Parquet, and that is said before anything is written.

Needs the extra `parquet`. The flat columns of `probe.core.results.columns`, and `record`: the line, byte for byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from probe.core.results.columns import COLUMNS, Row

ROW_GROUP = 5_000
_HOW = "Parquet needs pyarrow: install cdn-probe[parquet], or leave Parquet out"


class ParquetMissing(RuntimeError):  # noqa: N818 - it is not there; nothing went wrong
    """pyarrow is not installed."""


def _pyarrow() -> tuple[Any, Any]:
    """Loaded when it is needed first: it takes tens of megabytes. Raises ParquetMissing."""
    try:
        pyarrow = import_module("pyarrow")
        parquet = import_module("pyarrow.parquet")
    except ImportError as error:
        raise ParquetMissing(f"{_HOW} ({error})") from None
    return pyarrow, parquet


def require() -> None:
    """Raises ParquetMissing."""
    _pyarrow()


class ParquetWriter:
    """Writes one file, a group of rows at a time; for one thread. Raises ParquetMissing, OSError."""

    def __init__(self, path: Path) -> None:
        self._pa, parquet = _pyarrow()
        types = {str: self._pa.string(), int: self._pa.int64(), bool: self._pa.bool_()}
        names = [(name, types[kind]) for name, kind in COLUMNS.items()]
        self._schema = self._pa.schema([*names, ("record", self._pa.string())])
        self._rows: list[Mapping[str, Any]] = []
        self._writer = parquet.ParquetWriter(path, self._schema, compression="zstd", version="2.6")

    def put(self, row: Row, line: str) -> None:
        """One row and the line that it is made of."""
        self._rows.append({**row, "record": line})
        if len(self._rows) >= ROW_GROUP:
            self._flush()

    def close(self) -> None:
        """The file is whole then; not yet on the disk."""
        try:
            self._flush()
        finally:
            self._writer.close()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(self._pa.Table.from_pylist(self._rows, schema=self._schema))
            self._rows = []
