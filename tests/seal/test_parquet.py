"""How tables are laid out in Parquet: what repeats has a dictionary, what does not has none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from probe.core.tables.columns import EVENTS, GRAINS, REQUESTS, SLOTS, Table, Type
from probe.seal.parquet import TableParquetWriter

ROWS = 200


def cell(kind: Type, number: int) -> Any:
    match kind:
        case Type.TEXT | Type.ENUM:
            return f"word {number % 3}"
        case Type.BOOL:
            return bool(number % 2)
        case Type.SHA256:
            return bytes([number % 3]) * 32
        case Type.TEXTS:
            return ("maintenance", "other")
        case Type.COUNTS:
            return (number % 3, 1)
        case Type.MAP:
            return {"key": f"value {number % 3}"}
        case Type.F64:
            return number / 8
        case Type.TIME:
            return 1_790_000_000_000_000 + number
        case _:
            return number % 200


@pytest.mark.long
@pytest.mark.parametrize("table", [SLOTS, REQUESTS, EVENTS, GRAINS], ids=lambda table: table.name)
def test_only_what_repeats_has_a_dictionary(table: Table, tmp_path: Path) -> None:
    from pyarrow import parquet

    path = tmp_path / "t.parquet"
    rows = [{name: cell(kind, n) for name, kind in table.columns.items()} for n in range(ROWS)]
    writer = TableParquetWriter(table, path)
    writer.put(rows)
    writer.close()
    group = parquet.ParquetFile(path).metadata.row_group(0)
    columns = [group.column(number) for number in range(group.num_columns)]
    without = {c.path_in_schema for c in columns if "RLE_DICTIONARY" not in c.encodings}
    assert without == {
        name
        for name, kind in table.columns.items()
        if kind in (Type.TIME, Type.BOOL) or name == "seq" or name.endswith("_us")
    }
    assert parquet.read_table(path).num_rows == ROWS
    assert parquet.read_table(path).column(0).to_pylist() == [row[next(iter(table.columns))] for row in rows]
