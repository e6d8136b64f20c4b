"""Tables beside the lines of a segment: the rows of all its lines, sealed with it; and verified without the lines."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard

from probe.core.model.value import replace
from probe.core.proof.manifest import parse_manifest
from probe.core.records.rows import Record
from probe.core.records.surroundings import ClockStanding
from probe.core.sla.facts.grain_rows import GrainTable, added
from probe.core.tables.columns import EXPORTED, GRAINS, WHOLE_NUMBERS, Cell, Row, Type
from probe.core.tables.rows import rows_of
from probe.host.clock import SystemClock
from probe.seal.tables import files, spool
from probe.services.verification import Verification, verify
from probe.store.store import Store
from tests.core.tables.by_json import us
from tests.core.tables.test_rows import measured
from tests.seal.made import AGENT, COUNT, CUSTOMERS, Made, lines_of, made, sealed
from tests.support.build import seen
from tests.support.history import NotInHistoryError, taken
from tests.support.rows import HOST, at, missed

KERNEL = ClockStanding(vouched_by="kernel", bound_us=10)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made(tmp_path_factory.mktemp("tables"))


def rows(path: Path) -> list[dict[str, str]]:
    text = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(path.read_bytes())).read().decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


def tables_alone(world: Made, into: Path) -> Path:
    """What somebody has who took the tables and what signs them."""
    names = ("*.csv.zst", "*.manifest.json", "HEAD.json", "agent.pub")
    for path in [path for name in names for path in world.results.rglob(name)]:
        place = into / path.relative_to(world.results)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
        place.chmod(0o640)
    return into


def words(found: Verification) -> list[str]:
    return [p.words for r in found.streams for p in r.problems] + [p.words for p in found.problems]


@pytest.mark.parametrize("customer", CUSTOMERS)
def test_the_tables_of_all_segments_hold_the_rows_of_all_lines(world: Made, customer: str) -> None:
    lines = [json.loads(line) for line in lines_of(world.results, customer)]
    found = {
        name: [
            row for path in sorted(world.results.glob(f"{customer}/*/*.{name}.csv.zst")) for row in rows(path)
        ]
        for name in EXPORTED
    }
    slots = [line for line in lines if line["kind"] == "slot"]
    assert [int(row["seq"]) for row in found["slots"]] == [line["seq"] for line in slots]
    assert [us(row["scheduled_at"]) for row in found["slots"]] == [us(line["scheduled_at"]) for line in slots]
    events = [line for line in lines if line["kind"] == "event"]
    assert [(int(row["seq"]), row["event"]) for row in found["events"]] == [
        (e["seq"], e["event"]) for e in events
    ]
    assert sum(len(line["observations"]) for line in slots) == len(found["requests"])
    for path in world.results.glob(f"{customer}/*/*.manifest.json"):
        manifest = parse_manifest(path.read_bytes())
        for entry in manifest.files[1:]:
            assert len(rows(path.parent / entry.name)) == entry.rows


def sums(directory: Path, customer: str) -> list[Row]:
    """The sums of all segments, added up; of one segment no key stands there twice."""
    found: list[Row] = []
    for path in sorted(directory.glob(f"{customer}/*/*.grains.csv.zst")):
        read = [typed(row) for row in rows(path)]
        assert len({tuple(row[name] for name in GRAINS.key) for row in read}) == len(read)
        found += read
    return list(added(found))


def typed(row: dict[str, str]) -> Row:
    made: Row = {}
    for name, kind in GRAINS.columns.items():
        text = row[name]
        value: Cell = int(text) if kind in WHOLE_NUMBERS and text else text or None
        made[name] = tuple(json.loads(text)) if kind is Type.COUNTS else value
    return made


def of_all_lines(directory: Path, customer: str) -> list[Row]:
    table = GrainTable(AGENT)
    for line in lines_of(directory, customer):
        table.feed(rows_of(AGENT, customer, line.encode()))
    return list(table.rows())


@pytest.mark.parametrize("customer", CUSTOMERS)
def test_the_sums_of_all_segments_are_those_of_all_lines(world: Made, customer: str) -> None:
    assert sums(world.results, customer) == of_all_lines(world.results, customer)


@pytest.mark.parametrize("lost", ["nothing", "what was kept", "an earlier state came back"])
async def test_a_slot_without_requests_weighs_what_its_task_made_in_an_earlier_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    """Also after a restart, and where what the sealer keeps of it is gone; laid aside and merged in between."""
    monkeypatch.setattr(files, "MOST_KEYS", 3)
    monkeypatch.setattr(spool, "RUN_ROWS", 4)
    monkeypatch.setattr(spool, "RUNS", 2)
    store = Store.open(tmp_path, AGENT, SystemClock())
    three = measured(*(seen(address=f"192.0.2.{n}") for n in range(1, 4)))
    kept = tmp_path / "_carried" / f"{AGENT}.acme.json"
    earlier = b""
    for turn in range(4):
        records: list[Record] = [replace(three, scheduled_at=at(turn * 900), host=HOST, clock=KERNEL)]
        records += [missed(turn * 900 + n * 200) for n in range(1, 4)]
        await store.append(records if turn % 2 == 0 else records[1:])
        await sealed(tmp_path, 3)
        earlier = earlier or kept.read_bytes()
        if lost == "what was kept":
            kept.unlink()
        elif lost != "nothing":
            kept.write_bytes(earlier)
    await store.close()
    found = sums(tmp_path, "acme")
    assert found == of_all_lines(tmp_path, "acme")
    assert sum(int(str(row["unknown"])) for row in found) == 12 * 3
    assert verify(tmp_path).good


def test_a_tree_of_tables_alone_is_verified_and_says_what_that_proves(world: Made, tmp_path: Path) -> None:
    found = verify(tables_alone(world, tmp_path), [world.key])
    assert found.good, words(found)
    for report in found.streams:
        assert (report.source, report.records, report.first_seq, report.last_seq) == (
            "tables",
            COUNT,
            1,
            COUNT,
        )
        assert report.signed_up_to == COUNT
        assert report.last_digest == report.signed_head.digest if report.signed_head else False
        [note] = report.notes
        assert note.startswith("tables alone (")
        assert "is its word, which the lines would prove" in note


def test_a_table_that_was_altered_or_taken_away_is_found(world: Made, tmp_path: Path) -> None:
    place = tables_alone(world, tmp_path)
    for path in sorted(place.glob("acme/*/*.csv.zst")):
        data = path.read_bytes()
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        assert words(verify(place, [world.key])) == [f"{path.name} is not the file that was sealed"]
        path.unlink()
        assert words(verify(place, [world.key])) == [f"{path.name} cannot be read: No such file or directory"]
        path.write_bytes(data)
    assert verify(place, [world.key]).good


def test_manifests_that_are_missing_altered_or_cut_off_are_found(world: Made, tmp_path: Path) -> None:
    place = tables_alone(world, tmp_path)
    manifests = sorted(place.glob("acme/*/*.manifest.json"))
    data = manifests[1].read_bytes()
    manifests[1].unlink()
    assert {p.kind.value for r in verify(place, [world.key]).streams for p in r.problems} == {
        "missing_segment"
    }
    manifests[1].write_bytes(data.replace(b'"rows": 1', b'"rows": 2', 1))
    assert not verify(place, [world.key]).good
    manifests[1].write_bytes(data)
    last = manifests[-1].read_bytes()
    manifests[-1].unlink()
    assert {p.kind.value for r in verify(place, [world.key]).streams for p in r.problems} == {"truncated"}
    manifests[-1].write_bytes(last)
    assert verify(place, [world.key]).good


def test_lines_that_are_gone_from_some_segments_are_missed(world: Made, tmp_path: Path) -> None:
    """Only a tree without any lines is one of tables: else somebody took them away."""
    place = tables_alone(world, tmp_path)
    one = next(world.results.glob("acme/*/*.ndjson.zst"))
    shutil.copy(one, place / one.relative_to(world.results))
    assert not verify(place, [world.key]).good


@pytest.mark.parametrize("named", ["../x", "a\0b", ".", "", "x"])
def test_names_that_a_manifest_made_by_others_gives_do_no_harm(
    world: Made, tmp_path: Path, named: str
) -> None:
    place = tables_alone(world, tmp_path)
    path = next(place.glob("acme/*/*.manifest.json"))
    value = json.loads(path.read_text())
    value["files"][1]["name"] = named
    path.write_text(json.dumps(value))
    assert not verify(place, [world.key]).good


@pytest.mark.long
def test_the_version_before_verifies_segments_with_tables(world: Made, tmp_path: Path) -> None:
    """By its own code, taken from the history: the manifest's members are as they were. Of what is sealed alone."""
    try:
        earlier = taken("4ddf4b8", tmp_path / "earlier")
    except NotInHistoryError:
        pytest.skip("a checkout without its history")
    sealed_ = tmp_path / "sealed"
    shutil.copytree(world.results, sealed_, ignore=shutil.ignore_patterns("_*", ".*", "results.db*"))
    done = subprocess.run(
        [sys.executable, "-m", "probe", "results", "verify", sealed_, "--key", world.key, "--json"],
        cwd=earlier, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["good"]
    assert sorted((s["source"], s["customer"], s["records"]) for s in report["streams"]) == sorted(
        ("segments", customer, COUNT) for customer in CUSTOMERS
    )
