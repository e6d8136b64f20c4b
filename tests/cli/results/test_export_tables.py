"""`results export --table`: from whatever holds the lines, in every format, and read back without our code."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard
from click.testing import CliRunner, Result

from probe.cli.main import cli
from probe.core.tables.columns import TABLES, Table, Type
from probe.core.tables.text import csv_head, csv_line, json_line
from probe.services.line_sources import open_lines
from tests.core.tables import by_json
from tests.fixtures.frozen import unpacked

HOLDERS = ("results", "copy", "segments")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["results", *map(str, arguments)], standalone_mode=False)


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What version 0.1 stored, as a pull copied it, as it was sealed."""
    return {name: unpacked(name, tmp_path_factory.mktemp("v0.1")) for name in HOLDERS}


SORTED_BY = {
    "slots": ("customer", "domain", "task", "scheduled_at", "agent", "seq"),
    "requests": ("customer", "domain", "task", "scheduled_at", "agent", "seq", "number"),
    "events": ("customer", "agent", "seq", "slot_at"),
}


def wanted(place: Path, table: str) -> list[dict[str, Any]]:
    """The rows by an independent computation, in the order that the document promises."""

    def order(row: dict[str, Any]) -> list[tuple[bool, Any]]:
        return [(row[name] is not None, row[name]) for name in SORTED_BY[table]]

    return sorted(made(place, table), key=order)


def made(place: Path, table: str) -> Iterator[dict[str, Any]]:
    """The rows as the lines come."""
    source = open_lines(place)
    for stream in source.streams():
        for line in source.lines(stream.agent, stream.customer):
            kind = json.loads(line.text)["kind"]
            rows: list[dict[str, Any]] = []
            if table == "events" and kind != "slot":
                rows = by_json.events(stream.agent, stream.customer, line.text)
            elif kind == "slot" and table != "events":
                rows = (
                    [by_json.slot(stream.agent, line.text)]
                    if table == "slots"
                    else by_json.requests(stream.agent, line.text)
                )
            yield from rows
    source.close()


def back(table: Table, row: dict[str, str | None]) -> dict[str, Any]:
    """A row of CSV with the types that the document gives."""
    return {name: _value(kind, row[name]) for name, kind in table.columns.items()}


def _value(kind: Type, text: str | None) -> Any:
    if text is None or text == "":
        return None
    reads: dict[Type, Callable[[str], Any]] = {
        Type.BOOL: {"true": True, "false": False}.__getitem__,
        Type.U8: int, Type.U16: int, Type.I64: int, Type.F64: float, Type.TIME: by_json.us,
        Type.SHA256: bytes.fromhex, Type.TEXTS: lambda t: tuple(json.loads(t)), Type.MAP: json.loads,
    }  # fmt: skip
    return reads.get(kind, lambda t: t.removeprefix("'"))(text)


@pytest.mark.parametrize("holder", HOLDERS)
@pytest.mark.parametrize("table", TABLES)
def test_csv_of_whatever_holds_lines_reads_back_as_the_rows(
    held: dict[str, Path], tmp_path: Path, holder: str, table: str
) -> None:
    path = tmp_path / f"{table}.csv"
    told = run("-d", held[holder], "export", "--table", table, "--format", "csv", "--output", path)
    assert (told.exception, told.return_value) == (None, None)
    with open(path, encoding="utf-8", newline="") as file:
        rows = [back(TABLES[table], row) for row in csv.DictReader(file)]
    expected = list(wanted(held[holder], table))
    assert len(rows) == len(expected) > 0
    for row, other in zip(rows, expected, strict=True):
        assert row == {name: None if value == "" else value for name, value in other.items()}


@pytest.mark.parametrize("table", TABLES)
def test_ndjson_reads_back_as_the_rows_compressed_or_not(
    held: dict[str, Path], tmp_path: Path, table: str
) -> None:
    texts = []
    for name in ("x.ndjson", "x.ndjson.zst", "x.ndjson.gz")[: 3 if table == "events" else 1]:
        path = tmp_path / name
        assert run("-d", held["results"], "export", "--table", table, "--output", path).exception is None
        data = path.read_bytes()
        if name.endswith(".zst"):
            data = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data)).read()
        texts.append(gzip.decompress(data) if name.endswith(".gz") else data)
    assert len(set(texts)) == 1
    rows = [json.loads(line) for line in texts[0].splitlines()]
    types = TABLES[table].columns
    assert all(list(row) == list(types) for row in rows)
    read: dict[Type, Callable[[Any], Any]] = {
        Type.TIME: by_json.us, Type.SHA256: bytes.fromhex, Type.TEXTS: tuple,
    }  # fmt: skip
    for row, other in zip(rows, wanted(held["results"], table), strict=True):
        assert {n: None if v is None else read.get(types[n], lambda x: x)(v) for n, v in row.items()} == other


def test_a_file_a_customer_names_stream_span_and_table(held: dict[str, Path], tmp_path: Path) -> None:
    told = run("-d", held["copy"], "export", "--table", "requests", "--format", "csv", "--into", tmp_path)
    assert told.exception is None
    source = open_lines(held["copy"])
    names = {(s.customer, s.agent, s.seq) for s in source.streams()}
    files = {path.name for path in tmp_path.glob("*/*")}
    assert files == {f"{agent}-{1:012}-{seq:012}.requests.csv" for _, agent, seq in names}


def test_a_span_of_a_table_holds_the_slots_due_in_it(held: dict[str, Path], tmp_path: Path) -> None:
    rows = list(wanted(held["results"], "slots"))
    times = sorted({row["scheduled_at"] for row in rows})
    since_us, until_us = times[len(times) // 3], times[2 * len(times) // 3]
    since, until = (
        (by_json.EPOCH + by_json.timedelta(microseconds=us)).isoformat() for us in (since_us, until_us)
    )
    path = tmp_path / "x.ndjson"
    told = run(
        "-d", held["results"], "export", "--table", "slots", "--since", since, "--until", until, "--output", path,
    )  # fmt: skip
    assert told.exception is None
    due = [by_json.us(json.loads(line)["scheduled_at"]) for line in path.read_text().splitlines()]
    assert due == [row["scheduled_at"] for row in rows if since_us <= row["scheduled_at"] < until_us]
    assert due


def test_hours_ago_are_taken_from_now(held: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "x.ndjson"
    args = ("-d", held["results"], "export", "--table", "slots", "--output", path)
    assert run(*args, "--until", "2h").exception is None
    assert len(path.read_text().splitlines()) == len(list(wanted(held["results"], "slots")))
    assert run(*args, "--since", "2h").exception is None
    assert path.read_text() == ""
    for typed in ("yesterday", "2 weeks", "1x"):
        assert "how long ago: 90m" in str(run(*args, "--since", typed).exception) or "duration" in str(
            run(*args, "--since", typed).exception
        )


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "\nx", "'x", 'a"b', "a,b", "a\nb", "", "x"]
)
def test_what_others_sent_is_no_formula_in_csv_and_comes_back(text: str) -> None:
    table = Table("t", ("a",), {"a": Type.TEXT, "b": Type.ENUM, "c": Type.I64}, {})
    row = {"a": text, "b": None, "c": -5}
    [read] = csv.DictReader(io.StringIO(csv_head(table) + csv_line(table, row), newline=""))
    assert not read["a"].startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert read["a"].removeprefix("'") == text
    assert (read["b"], read["c"]) == ("", "-5")
    assert json.loads(json_line(table, row)) == row


def test_null_and_an_empty_text_are_told_apart_in_csv() -> None:
    table = Table("t", ("a",), {"a": Type.TEXT, "b": Type.TEXT}, {})
    assert csv_line(table, {"a": None, "b": ""}) == ',""\r\n'


def test_errors_are_for_people(
    held: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = ("--output", tmp_path / "x")
    told = str(run("-d", tmp_path, "export", "--table", "slots", *out).exception)
    assert "neither a results directory, nor a copy" in told
    told = str(run("-d", held["copy"], "export", "--customer", "acne", *out).exception)
    assert "no results of customer acne; there are: " in told
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    told = str(run("-d", held["copy"], "export", "--table", "slots", "--format", "parquet", *out).exception)
    assert "install cdn-probe[parquet]" in told
    assert list(tmp_path.iterdir()) == []


def test_a_segment_whose_lines_are_gone_is_named(tmp_path: Path) -> None:
    place = unpacked("segments", tmp_path)
    lost = next(place.rglob("*.ndjson.zst"))
    lost.unlink()
    told = run("-d", place, "export", "--table", "slots", "--output", tmp_path / "x.csv", "--format", "csv")
    assert str(lost) in str(told.exception)
    assert not (tmp_path / "x.csv").exists()


def test_between_segments_what_is_missing_is_an_event(tmp_path: Path) -> None:
    place = unpacked("segments", tmp_path)
    streams: dict[str, list[Path]] = {}
    for path in sorted(place.rglob("*.manifest.json")):
        manifest = json.loads(path.read_text())
        streams.setdefault(manifest["customer"], []).append(path)
    customer, paths = max(streams.items(), key=lambda pair: len(pair[1]))
    assert len(paths) >= 3
    gone = json.loads(paths[1].read_text())
    paths[1].unlink()
    path = tmp_path / "x.ndjson"
    told = run("-d", place, "export", "--table", "events", "--customer", customer, "--output", path)
    assert told.exception is None
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    [row] = [row for row in rows if row["detail"].get("reason") == "segment.missing"]
    assert row["detail"] == {
        "first_seq": str(gone["first_seq"]),
        "last_seq": str(gone["last_seq"]),
        "reason": "segment.missing",
    }


@pytest.mark.long
@pytest.mark.parametrize("table", TABLES)
def test_parquet_reads_back_as_the_rows_with_types(held: dict[str, Path], tmp_path: Path, table: str) -> None:
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path = tmp_path / f"{table}.parquet"
    told = run("-d", held["results"], "export", "--table", table, "--format", "parquet", "--output", path)
    assert told.exception is None
    read = parquet.read_table(path)
    kinds = {
        Type.TIME: pyarrow.timestamp("us", tz="UTC"), Type.U8: pyarrow.uint8(), Type.I64: pyarrow.int64(),
        Type.SHA256: pyarrow.binary(32), Type.ENUM: pyarrow.dictionary(pyarrow.int32(), pyarrow.string()),
    }  # fmt: skip
    for name, kind in TABLES[table].columns.items():
        assert kind not in kinds or read.schema.field(name).type == kinds[kind], name
    plain = read.cast(
        pyarrow.schema(
            pyarrow.field(f.name, pyarrow.int64() if pyarrow.types.is_timestamp(f.type) else f.type)
            for f in read.schema
        )
    )
    rows = plain.to_pylist(maps_as_pydicts="strict")
    for row, other in zip(rows, wanted(held["results"], table), strict=True):
        assert {n: tuple(v) if isinstance(v, list) else v for n, v in row.items()} == other
