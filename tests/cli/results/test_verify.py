"""`results export` and `results verify` as they are typed: files, words and exit codes."""

from __future__ import annotations

import asyncio
import csv
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from probe.cli.main import cli
from probe.core.records.observation import Observation, Role
from probe.core.records.response import Response
from probe.core.records.transport import ResourceTiming, TimingUncertainty
from probe.core.results.columns import COLUMNS, flat_row
from probe.host.clock import SystemClock
from probe.seal import export_files
from probe.seal.segment_files import Read
from probe.store.store import Store
from tests.seal.attacks import InCopy
from tests.seal.made import AGENT, COUNT, CUSTOMERS, Made, lines_of, made
from tests.support.rows import at, missed, slot

DOCUMENT = Path(__file__).parents[3] / "docs" / "results.md"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made(tmp_path_factory.mktemp("proof"))


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["results", *map(str, arguments)], standalone_mode=False)


def code(made: Result) -> int:
    return made.return_value or 0


# --- verify -----------------------------------------------------------------------------------------


def test_verify_says_what_is_good_and_by_whose_key(world: Made) -> None:
    told = run("verify", world.copy)
    assert (code(told), told.exception) == (0, None)
    assert told.output.startswith("nothing altered was found\n")
    assert "this is not independent" in told.output
    assert "this is not independent" not in run("verify", world.copy, "--key", world.key).output
    assert code(run("-d", world.results, "verify")) == 0


def test_verify_names_the_record_and_exits_with_1(world: Made, tmp_path: Path) -> None:
    mine = world.cloned(tmp_path)
    held = InCopy(mine, "acme")
    lines = list(held.whole)
    lines[41] = lines[41].replace('"well, ', '"not well, ')
    held.write(lines)
    told = run("verify", mine.copy, "--key", world.key)
    assert code(told) == 1
    assert "a1/acme/000000000035.ndjson:8: record 42 was changed" in told.output
    report = json.loads(run("verify", mine.copy, "--key", world.key, "--json").output)
    assert report["good"] is False
    (problem,) = [problem for stream in report["streams"] for problem in stream["problems"]]
    assert (problem["kind"], problem["seq"], problem["line"]) == ("changed", 42, 8)
    assert report["independent"] is True


def test_verify_without_anything_to_verify_cannot_run(tmp_path: Path) -> None:
    for arguments in ((tmp_path,), (tmp_path, "--key", tmp_path / "none")):
        told = run("verify", *arguments)
        assert told.exception is not None
        assert isinstance(told.exception, OSError) or "none" in str(told.exception)


# --- export -----------------------------------------------------------------------------------------


def test_a_file_a_customer_named_as_segments_are(world: Made, tmp_path: Path) -> None:
    assert code(run("-d", world.results, "export", "--into", tmp_path)) == 0
    for customer in CUSTOMERS:
        (file,) = (tmp_path / customer).iterdir()
        assert file.name == f"a1-{1:012}-{COUNT:012}.ndjson.zst"
        assert [line.decode() for line in Read(file).lines()] == lines_of(world.results, customer)


@pytest.mark.parametrize("name", ["x.ndjson", "x.ndjson.gz", "x.ndjson.zst"])
def test_one_file_in_the_coding_of_its_name(world: Made, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    assert code(run("-d", world.results, "export", "--customer", "acme", "--output", path)) == 0
    lines = [line.decode() for line in Read(path).lines()]
    assert lines == lines_of(world.results, "acme")
    assert code(run("verify", path)) == 0


def test_a_span_holds_what_was_due_in_it(world: Made, tmp_path: Path) -> None:
    path = tmp_path / "x.ndjson"
    since, until = at(600), at(1200)
    told = run(
        "-d",
        world.results,
        "export",
        "--customer",
        "acme",
        "--since",
        since,
        "--until",
        until,
        "--output",
        path,
    )
    assert code(told) == 0
    due = [json.loads(line).get("scheduled_at") for line in path.read_text().splitlines()]
    wanted = [json.loads(line).get("scheduled_at") for line in lines_of(world.results, "acme")]
    assert due == [when for when in wanted if when is not None and since <= when < until]
    assert len(due) == 9
    bad = run("-d", world.results, "export", "--since", until, "--until", since, "--output", path)
    assert "is not before" in str(bad.exception)


def test_csv_has_the_fixed_columns_and_no_formula(tmp_path: Path) -> None:
    """What others sent is no formula in a spreadsheet."""
    timing = ResourceTiming(
        connect_start_us=0, connect_end_us=10, request_start_us=12, response_start_us=30, response_end_us=50,
        uncertainty=TimingUncertainty(connect_us=1, tls_us=2, response_start_us=4, response_end_us=8),
    )  # fmt: skip
    seen = Observation(
        role=Role.EDGE,
        address="192.0.2.1",
        port=443,
        url="x",
        timing=timing,
        response=Response(status_code=503),
    )
    row = slot(5, observations=(seen,), summary='=HYPERLINK("http://evil")', exclusions=("@a", "b"))

    async def fill() -> None:
        store = Store.open(tmp_path / "r", AGENT, SystemClock())
        await store.append([row, missed(6), slot(7, domain="-1.example")])
        await store.close()

    asyncio.run(fill())
    path = tmp_path / "x.csv"
    assert code(run("-d", tmp_path / "r", "export", "--format", "csv", "--output", path)) == 0
    text = path.read_bytes().decode()
    assert text.splitlines()[0] == ",".join(COLUMNS)
    rows = list(csv.DictReader(text.splitlines()))
    assert [r["seq"] for r in rows] == ["1", "2", "3"]
    assert (rows[0]["status_code"], rows[0]["ttfb_us"], rows[0]["total_us"], rows[0]["address"]) == (
        "503", "30", "50", "192.0.2.1",
    )  # fmt: skip
    assert (rows[0]["ttfb_unsure_us"], rows[0]["total_unsure_us"]) == ("7", "11")
    assert (rows[0]["summary"], rows[0]["exclusions"]) == ('\'=HYPERLINK("http://evil")', "'@a; b")
    assert rows[2]["domain"] == "'-1.example"
    assert (rows[1]["state"], rows[1]["missed_reason"], rows[1]["status_code"]) == (
        "missed",
        "agent.stalled",
        "",
    )
    assert rows[0]["clock_synchronised"] == ""


@pytest.mark.long
def test_parquet_has_the_same_columns_and_the_line(world: Made, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "x.parquet"
    assert code(run("-d", world.results, "export", "--format", "parquet", "--output", path)) == 0
    table = parquet.read_table(path)
    assert table.column_names == [*COLUMNS, "record"]
    assert table["record"].to_pylist() == [
        line for name in CUSTOMERS for line in lines_of(world.results, name)
    ]
    types = {str: "string", int: "int64", bool: "bool"}
    assert [str(table.schema.field(name).type) for name in COLUMNS] == [
        types[kind] for kind in COLUMNS.values()
    ]


def test_an_export_that_fails_leaves_nothing(
    world: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.ndjson"
    path.write_text("old\n")
    real, seen = export_files.NdjsonSink.put, []

    def put(self: export_files.NdjsonSink, agent: str, customer: str, line: str) -> int:
        seen.append(sorted(p.name for p in tmp_path.iterdir()))
        if len(seen) == 30:
            raise OSError(28, "No space left on device")
        return real(self, agent, customer, line)

    monkeypatch.setattr(export_files.NdjsonSink, "put", put)
    told = run("-d", world.results, "export", "--output", path)
    assert isinstance(told.exception, OSError)
    assert [p.name for p in tmp_path.iterdir()] == ["x.ndjson"]
    assert path.read_text() == "old\n"
    assert all(names[0].startswith(".x.ndjson.") and names[1:] == ["x.ndjson"] for names in seen)


def test_what_was_typed_wrong_is_said(world: Made, tmp_path: Path) -> None:
    for arguments, words in (
        (("--customer", "acne", "--into", tmp_path), "there are: acme, other"),
        ((), "--into DIRECTORY"),
        (("--into", tmp_path, "--output", tmp_path / "x"), "--into DIRECTORY"),
        (("--since", "yesterday", "--into", tmp_path), "yesterday"),
    ):
        assert words in str(run("-d", world.results, "export", *arguments).exception)
    assert list(tmp_path.iterdir()) == []


def test_a_dropped_span_is_a_row_of_its_own() -> None:
    line = b'{"kind":"dropped","first_seq":3,"last_seq":9,"previous":"","digest":"d","reason":"retention"}'
    row = flat_row("a1", "acme", line)
    assert (row["kind"], row["seq"], row["last_seq"], row["reason"]) == ("dropped", 3, 9, "retention")
    assert list(row) == list(COLUMNS)


def test_every_column_is_documented() -> None:
    told = re.findall(r"^\| `([a-z0-9_]+)` \|", DOCUMENT.read_text(encoding="utf-8"), re.M)
    assert told[: len(COLUMNS)] == list(COLUMNS)
