"""The examples of docs/tables.md: what they compute is what an independent computation makes of the lines."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from probe.cli.main import cli
from probe.core.records.rows import SlotRecord
from tests.cli.results.test_export_tables import wanted
from tests.core.tables import by_json
from tests.fixtures.frozen import unpacked
from tests.seal.made import COUNT, CUSTOMERS, made, rows_of

DOCUMENT = (Path(__file__).parents[1] / "docs" / "tables.md").read_text(encoding="utf-8")
Sums = dict[tuple[str, int], tuple[int, int]]


def example(name: str) -> str:
    found = re.search(rf"<!-- example: {name} -->\n```\w*\n(.*?)```", DOCUMENT, re.S)
    assert found, f"docs/tables.md has no example {name}"
    return found[1]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpacked("results", tmp_path_factory.mktemp("v0.1"))


@pytest.fixture(scope="module")
def sums(results: Path) -> Sums:
    """(domain, grain) -> requests, and those that failed by the CDN's fault."""
    found: Counter[tuple[str, int]] = Counter()
    failed: Counter[tuple[str, int]] = Counter()
    for row in wanted(results, "requests"):
        if row["counted"]:
            key = row["domain"], row["scheduled_at"] // 300_000_000
            found[key] += 1
            failed[key] += (row["outcome"], row["fault"]) == ("failed", "cdn")
    assert sum(failed.values())
    return {key: (count, failed[key]) for key, count in found.items()}


def exported(results: Path, path: Path, *options: str) -> None:
    arguments = (
        "results",
        "-d",
        str(results),
        "export",
        "--table",
        "requests",
        *options,
        "--output",
        str(path),
    )
    assert CliRunner().invoke(cli, arguments).exit_code == 0


@pytest.mark.long
@pytest.mark.parametrize("name", ["requests.parquet", "requests.csv", "requests.ndjson.zst"])
def test_duckdb(
    results: Path, sums: Sums, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    duckdb = pytest.importorskip("duckdb")
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    exported(results, tmp_path / name, "--format", name.split(".")[1])
    monkeypatch.chdir(tmp_path)
    with duckdb.connect(config={"autoinstall_known_extensions": "false"}) as engine:
        rows = engine.execute(example("duckdb").replace("requests.parquet", name)).fetchall()
    assert {(domain, grain): (requests, failed) for domain, grain, requests, failed in rows} == sums


@pytest.mark.long
def test_pandas(results: Path, sums: Sums, tmp_path: Path) -> None:
    """In a process of its own: a plain script, as somebody would run it."""
    pytest.importorskip("pandas")
    exported(results, tmp_path / "requests.csv", "--format", "csv")
    script = example("pandas") + "\nreport.to_csv('report.csv')\n"
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, timeout=60)
    with open(tmp_path / "report.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    found = {}
    for row in rows:
        grain = (datetime.fromisoformat(row["grain"]).astimezone(UTC) - by_json.EPOCH) // timedelta(minutes=5)
        found[row["domain"], grain] = int(row["size"]), int(row["sum"])
    assert found == sums


def test_a_spreadsheet(results: Path, tmp_path: Path) -> None:
    """The formula by its definition, a date of ten characters and a time of eight; in a spreadsheet if one is here."""
    path = tmp_path / "slots.csv"
    told = CliRunner().invoke(
        cli,
        [
            "results",
            "-d",
            str(results),
            "export",
            "--table",
            "slots",
            "--format",
            "csv",
            "--output",
            str(path),
        ],
    )
    assert told.exit_code == 0
    with open(path, encoding="utf-8", newline="") as file:
        head, *rows = list(csv.reader(file))
    [cell] = set(re.findall(r"([A-Z])2", example("spreadsheet")))
    at = ord(cell) - ord("A")
    assert head[at] == "scheduled_at"
    for row in rows:
        datetime.strptime(row[at][:10], "%Y-%m-%d").replace(tzinfo=UTC)
        datetime.strptime(row[at][11:19], "%H:%M:%S").replace(tzinfo=UTC)
    soffice = shutil.which("soffice")
    if soffice is None:
        return
    with_formula = tmp_path / "formula.csv"
    with open(with_formula, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([[*head, "date"], [*rows[0], example("spreadsheet").strip()]])
    subprocess.run(
        [soffice, "--headless", "--convert-to", "ods", with_formula], cwd=tmp_path, check=True, timeout=120
    )
    subprocess.run(
        [soffice, "--headless", "--convert-to", "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false",
         tmp_path / "formula.ods"], cwd=tmp_path, check=True, timeout=120,
    )  # fmt: skip
    with open(with_formula, encoding="utf-8", newline="") as file:
        value = list(csv.reader(file))[1][-1]
    assert "Err" not in value
    assert value


@pytest.mark.long
def test_duckdb_reads_all_sealed_segments_of_a_tree_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    duckdb = pytest.importorskip("duckdb")
    world = made(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert world.results.name == "results"
    [pattern] = re.findall(r"read_csv\('(results/[^']*)'\)", DOCUMENT)
    with duckdb.connect(config={"autoinstall_known_extensions": "false"}) as engine:
        query = f"SELECT customer, count(*), min(scheduled_at) FROM read_csv('{pattern}') GROUP BY ALL"
        found = engine.execute(query.replace(".requests.", ".slots.")).fetchall()
    assert sorted(row[0] for row in found) == sorted(CUSTOMERS)
    assert {row[1] for row in found} == {
        sum(isinstance(r, SlotRecord) for r in rows_of(CUSTOMERS[0], 0, COUNT))
    }
    assert all(isinstance(row[2], datetime) for row in found)
