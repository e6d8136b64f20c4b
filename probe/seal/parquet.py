"""Rule: without pyarrow everything works but Parquet, and that is said before anything is written.

Needs the extra `parquet`. The tables of `probe.core.tables`, typed; and the flat columns of
`probe.core.results.columns` with `record`: the line, byte for byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from probe.core.results.columns import COLUMNS, Row
from probe.core.tables.columns import Row as TableRow
from probe.core.tables.columns import Table, Type

ROW_GROUP = 5_000
BATCH_ROWS = 5_000  # turned into columns at once
TABLE_GROUP_ROWS = 250_000
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


class TableParquetWriter:
    """One file of a table; text of few values as dictionaries, instants as timestamps.

    For one thread. Raises ParquetMissing, OSError.
    """

    def __init__(self, table: Table, path: Path) -> None:
        self._pa, parquet = _pyarrow()
        kinds = self._types()
        self._schema = self._pa.schema([(name, kinds[kind]) for name, kind in table.columns.items()])
        self._rows: list[TableRow] = []
        self._batches: list[Any] = []
        self._held = 0
        self._writer = parquet.ParquetWriter(
            path, self._schema, compression="zstd", version="2.6", use_dictionary=_repeating(table)
        )

    def _types(self) -> dict[Type, Any]:
        pa = self._pa
        return {
            Type.TEXT: pa.string(),
            Type.ENUM: pa.dictionary(pa.int32(), pa.string()),
            Type.BOOL: pa.bool_(),
            Type.U8: pa.uint8(),
            Type.U16: pa.uint16(),
            Type.U32: pa.uint32(),
            Type.I64: pa.int64(),
            Type.F64: pa.float64(),
            Type.TIME: pa.timestamp("us", tz="UTC"),
            Type.SHA256: pa.binary(32),
            Type.TEXTS: pa.list_(pa.string()),
            Type.COUNTS: pa.list_(pa.uint32()),
            Type.MAP: pa.map_(pa.string(), pa.string()),
        }

    def put(self, rows: list[TableRow]) -> None:
        """Some more."""
        self._rows += rows
        if len(self._rows) >= BATCH_ROWS:
            self._batch()
            if self._held >= TABLE_GROUP_ROWS:
                self._flush()

    def close(self) -> None:
        """The file is whole then; not yet on the disk."""
        try:
            self._batch()
            self._flush()
        finally:
            self._writer.close()

    def _batch(self) -> None:
        columns = []
        for field in self._schema:
            values: list[Any] = [row[field.name] for row in self._rows]
            if self._pa.types.is_map(field.type):
                values = [None if value is None else list(value.items()) for value in values]
            columns.append(self._pa.array(values, type=field.type))
        if self._rows:
            self._batches.append(self._pa.RecordBatch.from_arrays(columns, schema=self._schema))
            self._held += len(self._rows)
        self._rows = []

    def _flush(self) -> None:
        if self._batches:
            whole = self._pa.Table.from_batches(self._batches, schema=self._schema)
            self._writer.write_table(whole, row_group_size=TABLE_GROUP_ROWS * 2)
            self._batches, self._held = [], 0


def _repeating(table: Table) -> list[str]:
    """The columns whose values come again and again, as paths within the file.

    Of durations and instants each is another: a dictionary of them is begun, grows too large and is given up in every
    group of rows, which costs a fifth of the file's size and a quarter of the time to write it.
    """
    found: list[str] = []
    for name, kind in table.columns.items():
        match kind:
            case Type.TEXTS | Type.COUNTS:
                found.append(f"{name}.list.element")
            case Type.MAP:
                found += [f"{name}.key_value.key", f"{name}.key_value.value"]
            case Type.TIME:
                pass
            case _ if name != "seq" and not name.endswith("_us"):
                found.append(name)
    return found
