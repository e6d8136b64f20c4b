"""`sla ingest`: verified results into tables, each record once; a report from them is that from the records."""

from __future__ import annotations

import asyncio
import json
import shutil
import stat
from pathlib import Path
from typing import Any

import duckdb
import pytest

from probe.host.clock import SystemClock
from probe.sla.ledger import LEDGER
from probe.store.store import Store
from tests.interface.command import cdn_probe
from tests.seal.made import AGENT, rows_of, sealed

AGREEMENT = """\
agreement: acme
profile: cloud-cdn-sla
customer: acme
domains: [www.acme.example]
service: {from: 2020-01-01T00:00:00+08:00}
overrides: {grain: {length: 60s}, run: {at_least: 120s}}
"""


async def more(results: Path, first: int, count: int) -> None:
    """Records of both customers, sealed and signed."""
    store = Store.open(results, AGENT, SystemClock())
    for customer in ("acme", "other"):
        await store.append(rows_of(customer, first, count), "2024-01-01T00:00:00Z")
    await store.close()
    await sealed(results, 10)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    asyncio.run(more(tmp_path / "results", 0, 40))
    return tmp_path / "results"


def reported(directory: Path, *inputs: Path) -> list[Any]:
    file = directory / "agreement.yaml"
    file.write_text(AGREEMENT, encoding="utf-8")
    done = cdn_probe("sla", "report", file, *inputs, "--format", "json")
    assert done.code == 3, done.err
    subjects: list[Any] = json.loads(done.out)["subjects"]
    return subjects


def test_a_report_from_tables_is_that_from_records_and_a_second_time_takes_nothing(
    results: Path, tmp_path: Path
) -> None:
    tables = tmp_path / "tables"
    done = cdn_probe("sla", "ingest", results, "--into", tables)
    assert (done.code, done.err) == (0, "")
    assert "acme of a1: 40 records, up to 40" in done.out
    assert reported(tmp_path, tables) == reported(tmp_path, results)
    assert list(tables.glob("facts/customer=acme/day=2023-11-1*/a1-000000000001-000000000040.parquet"))
    before = (tables / LEDGER).read_bytes()
    again = cdn_probe("sla", "ingest", results, "--into", tables)
    assert "acme of a1: 0 records, up to 40" in again.out
    assert (tables / LEDGER).read_bytes() == before


def test_what_is_new_is_added_and_no_more(results: Path, tmp_path: Path) -> None:
    tables = tmp_path / "tables"
    cdn_probe("sla", "ingest", results, "--into", tables)
    asyncio.run(more(results, 40, 15))
    done = cdn_probe("sla", "ingest", results, "--into", tables)
    assert "acme of a1: 15 records, up to 55" in done.out
    assert reported(tmp_path, tables) == reported(tmp_path, results)


def test_grains_of_two_ingestions_are_those_of_the_whole(results: Path, tmp_path: Path) -> None:
    """As the host sums them; and their errors and requests are those that the facts beside them have."""
    tables = tmp_path / "tables"
    for _ in range(2):
        assert cdn_probe("sla", "ingest", results, "--into", tables).code == 0
        asyncio.run(more(results, 40, 15))
    assert cdn_probe("sla", "ingest", results, "--into", tables).code == 0
    exported = tmp_path / "grains.csv"
    typed = ("--table", "grains", "--customer", "acme", "--format", "csv", "--output", exported)
    assert cdn_probe("results", "-d", results, "export", *typed).code == 0
    sums = "SUM(due)::INT, SUM(measured)::INT, SUM(n)::INT, SUM(errors_cdn)::INT, SUM(unknown)::INT"
    by = f"SELECT domain, path, address, grain, {sums} FROM {{}} GROUP BY ALL ORDER BY ALL"
    with duckdb.connect() as database:
        taken = database.execute(
            by.format(f"read_parquet('{tables}/grains/*/*/*.parquet') WHERE customer = 'acme'")
        )
        of_tables = taken.fetchall()
        assert of_tables == database.execute(by.format(f"read_csv('{exported}')")).fetchall()
        counted = f"read_parquet('{tables}/facts/customer=acme/*/*.parquet')"
        n, due = database.execute(
            f"SELECT SUM(weight) FILTER (state = 'measured')::INT, SUM(first::INT)::INT FROM {counted}"
        ).fetchone()
    assert sum(row[6] + row[8] for row in of_tables) >= n
    assert sum(row[4] for row in of_tables) == due


def test_files_that_the_list_does_not_name_do_not_count(results: Path, tmp_path: Path) -> None:
    """As a kill between writing and naming them leaves them."""
    tables = tmp_path / "tables"
    cdn_probe("sla", "ingest", results, "--into", tables)
    named = next(tables.glob("facts/customer=acme/*/*.parquet"))
    shutil.copy(named, named.with_name("a1-000000000041-000000000080.parquet"))
    assert reported(tmp_path, tables) == reported(tmp_path, results)


def test_an_altered_or_missing_table_is_refused_with_its_name(results: Path, tmp_path: Path) -> None:
    tables = tmp_path / "tables"
    cdn_probe("sla", "ingest", results, "--into", tables)
    file = tmp_path / "agreement.yaml"
    file.write_text(AGREEMENT, encoding="utf-8")
    named = next(tables.glob("facts/customer=acme/*/*.parquet"))
    whole = named.read_bytes()
    named.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    forged = cdn_probe("sla", "report", file, tables)
    assert forged.code == 2
    assert f"{named}: is not the file that was written" in forged.err
    assert "ingest the results again, into another directory" in forged.err
    named.unlink()
    gone = cdn_probe("sla", "report", file, tables)
    assert "is missing" in gone.err
    assert "ingest the results again, into another directory" in gone.err


def test_another_history_and_an_undeclared_gap_are_refused(results: Path, tmp_path: Path) -> None:
    tables = tmp_path / "tables"
    cdn_probe("sla", "ingest", results, "--into", tables)
    other = tmp_path / "other"
    asyncio.run(more(other, 1, 45))
    done = cdn_probe("sla", "ingest", other, "--into", tables)
    assert done.code == 2
    assert "record 40 of acme of agent a1 is not the one ingested before" in done.err
    asyncio.run(more(results, 40, 30))
    later = tmp_path / "later"
    shutil.copytree(results, later, ignore=shutil.ignore_patterns("*.db*", "_*"))
    for manifest in later.glob("acme/*/*"):
        if int(manifest.name.split("-")[1]) < 51:
            manifest.unlink()
    gap = cdn_probe("sla", "ingest", later, "--into", tables)
    assert gap.code == 2
    assert "records 41 to 50 of acme of agent a1 are missing" in gap.err


def test_what_nothing_proves_is_not_taken(results: Path, tmp_path: Path) -> None:
    altered = tmp_path / "altered"
    shutil.copytree(results, altered, ignore=shutil.ignore_patterns("*.db*", "_*"))
    sealed_file = next(altered.glob("acme/*/*.ndjson.zst"))
    sealed_file.chmod(0o600)
    data = sealed_file.read_bytes()
    sealed_file.write_bytes(data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
    done = cdn_probe("sla", "ingest", altered, "--into", tmp_path / "tables")
    assert done.code == 2
    assert sealed_file.name in done.err
    assert not (tmp_path / "tables" / LEDGER).exists()


def tables_of(results: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Tables, and an agreement to report on them by."""
    tables, file = tmp_path / "tables", tmp_path / "agreement.yaml"
    assert cdn_probe("sla", "ingest", results, "--into", tables).code == 0
    file.write_text(AGREEMENT, encoding="utf-8")
    return tables, file


def test_the_list_of_files_is_signed_with_a_key_that_no_copy_has(results: Path, tmp_path: Path) -> None:
    tables, file = tables_of(results, tmp_path)
    assert stat.S_IMODE((tmp_path / "tables.key").stat().st_mode) == 0o600
    assert sorted(path.name for path in tables.iterdir() if path.is_file()) == [LEDGER, "ingested.pub"]
    beside = cdn_probe("sla", "report", file, tables, "--format", "json")
    given = cdn_probe("sla", "report", file, tables, "--format", "json", "--key", tables / "ingested.pub")
    notes = [json.loads(done.out)["inputs"][0]["notes"][-1] for done in (beside, given)]
    key = json.loads((tables / LEDGER).read_text())["key"]
    words = f"from tables: proved when it was ingested; the list of their files is signed with the key {key}, which"
    assert notes == [f"{words} lies beside it", f"{words} was given"]
    (tables / "ingested.pub").unlink()
    assert "there is no ingested.pub beside it" in cdn_probe("sla", "report", file, tables).err


def test_an_altered_list_of_files_is_refused_unless_somebody_answers_for_it(
    results: Path, tmp_path: Path
) -> None:
    """A file and its digest replaced together: what the signature is there for."""
    tables, file = tables_of(results, tmp_path)
    listed = json.loads((tables / LEDGER).read_text())
    listed["streams"]["a1/acme"]["complete_up_to"] = "2030-01-01T00:00:00Z"
    (tables / LEDGER).write_text(json.dumps(listed))
    done = cdn_probe("sla", "report", file, tables)
    assert (done.code, done.out) == (2, "")
    assert f"{tables / LEDGER}: was changed after it was signed" in done.err
    again = cdn_probe("sla", "ingest", results, "--into", tables)
    assert again.code == 2
    assert "was changed after it was signed; nothing is added" in again.err
    excused = cdn_probe("sla", "report", file, tables, "--unverified", "the auditor wants it")
    assert excused.code == 3
    assert "the auditor wants it" in excused.out
    assert "was changed after it was signed" in " ".join(excused.out.split())


def test_a_list_that_nobody_or_another_signed_is_refused(results: Path, tmp_path: Path) -> None:
    tables, file = tables_of(results, tmp_path)
    other = cdn_probe("sla", "report", file, tables, "--key", results / "agent.pub")
    assert other.code == 2
    assert "not with one that is known here" in other.err
    assert "give --key the ingested.pub that you kept" in other.err
    more_by_another = cdn_probe("sla", "ingest", results, "--into", tables, "--signing-key", tmp_path / "k")
    assert more_by_another.code == 2
    assert "sign with its key (--signing-key)" in more_by_another.err
    listed = json.loads((tables / LEDGER).read_text())
    (tables / LEDGER).write_text(json.dumps({**listed, "key": "", "signature": ""}))
    assert "is signed by nobody" in cdn_probe("sla", "report", file, tables).err
