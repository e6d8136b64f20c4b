"""A traffic file as it comes: CSV and Parquet give the same, and what is wrong is told with its line."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from probe.core.sla.contract.agreement import Traffic
from probe.sla.traffic import TrafficError, read_traffic

COLUMNS = {"domain": "host", "node": "edge", "time": "ts", "requests": "hits", "errors_5xx": "e5xx"}
TEXT = """\
host,edge,ts,hits,e5xx
www.acme.example,192.0.2.1,2026-11-11T10:00:00+08:00,600,1
www.acme.example,192.0.2.1,2026-11-11T10:04:59+08:00,400,0
www.acme.example,192.0.2.1,2026-11-11T10:05:00+08:00,7,
img.acme.example,192.0.2.2,2026-11-11T02:00:00Z,5,5
"""
LENGTH_US = 300_000_000
GRAIN = 5_981_208  # 2026-11-11T02:00:00Z


def terms(file: str, **columns: str) -> Traffic:
    return Traffic.model_validate({"file": file, "columns": {**COLUMNS, **columns}, "from": "provider"})


def test_rows_of_one_grain_are_added_up_and_parquet_gives_the_same(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(TEXT, encoding="utf-8")
    found, digest = read_traffic(terms("t.csv"), tmp_path / "a.yaml", LENGTH_US)
    assert found == {
        "www.acme.example": {"192.0.2.1": {GRAIN: (1_000, 1), GRAIN + 1: (7, 0)}},
        "img.acme.example": {"192.0.2.2": {GRAIN: (5, 5)}},
    }
    assert len(digest) == 64
    duckdb.execute(
        f"COPY (SELECT host, edge, CAST(ts AS VARCHAR) AS ts, hits, e5xx FROM read_csv('{tmp_path}/t.csv',"
        f" types={{'ts': 'VARCHAR'}})) TO '{tmp_path}/t.parquet' (FORMAT parquet)"
    )
    assert read_traffic(terms("t.parquet"), tmp_path / "a.yaml", LENGTH_US)[0] == found


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (",600,1", ",600,601", "t.csv:2: 601 errors of 600 requests"),
        ("2026-11-11T10:04:59+08:00", "yesterday", "t.csv:3: "),
        (",400,0", ",many,0", "t.csv:3: "),
        ("host,edge,ts,hits", "host,edge,ts,requests", "there is no column 'hits'; there are host, edge"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, old: str, new: str, words: str) -> None:
    (tmp_path / "t.csv").write_text(TEXT.replace(old, new), encoding="utf-8")
    with pytest.raises(TrafficError) as error:
        read_traffic(terms("t.csv"), tmp_path / "a.yaml", LENGTH_US)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("t.csv", TEXT.encode() + b"\xff\xfe,x\n", "t.csv: cannot be read as CSV in UTF-8 to its end: "),
        (
            "t.csv",
            TEXT.encode() + b'"' + b"x" * 200_000 + b'"\n',
            "t.csv: cannot be read as CSV in UTF-8 to its end: ",
        ),
        ("t.parquet", TEXT.encode(), "t.parquet: cannot be read as Parquet to its end: "),
    ],
)
def test_what_is_no_such_file_is_told_with_its_name(
    tmp_path: Path, name: str, data: bytes, words: str
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(TrafficError) as error:
        read_traffic(terms(name), tmp_path / "a.yaml", LENGTH_US)
    assert words in str(error.value)
