"""A report from sealed sums alone: the figures are those from the lines, and what the sums do not have is said."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pytest

from probe.core.model.times import utc_text_us
from probe.core.model.value import replace
from probe.core.records.rows import SlotRecord, State
from probe.core.tables.columns import GRAINS
from probe.host.clock import SystemClock
from probe.services.verification import verify
from probe.store.store import Store
from tests.interface.command import cdn_probe
from tests.seal.made import AGENT, sealed
from tests.sla.golden_rows import KINDS

FROM_US = 1_730_390_400_000_000  # 2024-11-01T00:00:00+08:00
MINUTE_US, HOURS = 60_000_000, 8
AGREEMENT = """\
agreement: acme
profile: cloud-cdn-sla
customer: acme
domains: [www.acme.example]
service: {from: 2020-01-01T00:00:00+08:00}
exclusions:
  - {from: 2024-11-01T04:00:00+08:00, to: 2024-11-01T04:25:00+08:00, reason: attack, source: their letter,
     declared_at: 2024-11-01T05:00:00+08:00}
"""
NOT_IN_SUMS = ("incidents", "deadlines", "times", "quantiles", "not_measured")


def records() -> Iterator[SlotRecord]:
    """A slot a minute of every kind, more of them well; an outage of half an hour, and one in what is excluded."""
    draw = Random(7)
    kinds = [KINDS["ok"]] * 60 + list(KINDS.values())
    for minute in range(HOURS * 60):
        down = 90 <= minute < 120 or 245 <= minute < 260
        kind = KINDS["failed_cdn"] if down else draw.choice(kinds)
        at = utc_text_us(FROM_US + minute * MINUTE_US)
        edges = tuple(replace(seen, address=f"192.0.2.{minute % 3}") for seen in kind.observations)
        started = None if kind.state is State.MISSED else at
        yield replace(kind, scheduled_at=at, started_at=started, observations=edges)


async def filled(directory: Path, rows: list[SlotRecord], *, parquet: bool) -> None:
    store = Store.open(directory, AGENT, SystemClock())
    for begin in range(0, len(rows), 100):
        await store.append(rows[begin : begin + 100], "2024-12-02T00:00:00Z")
    await store.close()
    await sealed(directory, most_rows=77, parquet=parquet)


def tables_alone(results: Path, into: Path) -> Path:
    for name in ("*.grains.*", "*.manifest.json", "HEAD.json", "agent.pub"):
        for path in results.rglob(name):
            place = into / path.relative_to(results)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place)
    return into


def report(directory: Path, *typed: object, text: str = AGREEMENT) -> Any:
    file = directory / "agreement.yaml"
    file.write_text(text, encoding="utf-8")
    done = cdn_probe("sla", "report", file, *typed, "--format", "json")
    assert done.code in (0, 1, 3), done.err
    return json.loads(done.out)


def figures(of: Any) -> Any:
    """What sums say of a subject."""
    subject = {name: value for name, value in of["subjects"][0].items() if name not in NOT_IN_SUMS}
    return {
        **subject,
        "runs": [{**run, "rows": [], "more_rows": 0, "evidence": []} for run in subject["runs"]],
    }


@pytest.fixture(params=[False, pytest.param(True, marks=pytest.mark.long)], ids=["csv", "parquet"])
def trees(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path]:
    """The results of an agent, and what somebody has who took the sums alone."""
    if request.param:
        pytest.importorskip("pyarrow")
    results = tmp_path / "results"
    asyncio.run(filled(results, list(records()), parquet=request.param))
    return results, tables_alone(results, tmp_path / "sums")


def test_figures_from_sealed_sums_are_those_from_the_lines(trees: tuple[Path, Path], tmp_path: Path) -> None:
    results, sums = trees
    told = tables_told(sums, tmp_path)
    of_lines, of_sums = report(tmp_path, results), report(tmp_path, sums)
    assert figures(of_sums) == figures(of_lines)
    subject = of_sums["subjects"][0]
    assert [figure["bad_grains"] > 0 for figure in subject["figures"]] == [True] * 4
    assert subject["grains"]["excluded"] == 5
    assert {part["dimension"] for part in subject["slices"]} == {"address", "path"}
    assert subject["incidents"] == []
    assert "give the lines" in subject["not_measured"][-1]["en"]
    assert told in of_sums["inputs"][0]["notes"]


def tables_told(sums: Path, tmp_path: Path) -> str:
    """What `results verify` says that the tables prove."""
    (stream,) = verify(sums).streams
    note = next(note for note in stream.notes if note.startswith("tables alone"))
    shown = cdn_probe("results", "-d", sums, "verify", sums)
    assert shown.code == 0, shown.err
    assert "they are the files that the agent sealed and signed" in " ".join(shown.out.split())
    return note


def test_what_was_tagged_when_measured_and_no_contract_excludes_is_unknown(tmp_path: Path) -> None:
    """Sums do not say what it was: neither a breach nor kept time is made of it."""
    rows = [replace(row, exclusions=("attack",)) if 90 <= n < 120 else row for n, row in enumerate(records())]
    results = tmp_path / "results"
    asyncio.run(filled(results, rows, parquet=False))
    (subject,) = report(tmp_path, tables_alone(results, tmp_path / "sums"))["subjects"]
    by_view = {figure["view"]: figure["unavailable_us"] for figure in subject["figures"]}
    (of_lines,) = report(tmp_path, results)["subjects"]
    exact = {figure["view"]: figure["unavailable_us"] for figure in of_lines["figures"]}
    assert by_view["shown"] < exact["shown"]
    assert by_view["best"] <= exact["best"] <= exact["worst"] <= by_view["worst"]


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("04:25:00", "04:26:00", "an exclusion (attack) begins or ends within five minutes"),
        ("overrides: {}", "overrides: {grain: {length: 60s}}", "its grain is no multiple of five minutes"),
        ("overrides: {}", "overrides: {grain: {clock_max_error: 1s}}", "counts otherwise than the sums do"),
    ],
)
def test_a_contract_that_needs_more_than_sums_is_refused_in_words(
    tmp_path: Path, before: str, after: str, why: str
) -> None:
    results = tmp_path / "results"
    asyncio.run(filled(results, list(records())[:90], parquet=False))
    file = tmp_path / "agreement.yaml"
    file.write_text((AGREEMENT + "overrides: {}\n").replace(before, after), encoding="utf-8")
    done = cdn_probe("sla", "report", file, tables_alone(results, tmp_path / "sums"))
    assert done.code == 2
    assert "only tables of segments are here, without the lines" in done.err
    assert why in done.err


def test_an_altered_or_missing_file_of_sums_is_refused_with_its_place(tmp_path: Path) -> None:
    results = tmp_path / "results"
    asyncio.run(filled(results, list(records())[:200], parquet=False))
    sums = tables_alone(results, tmp_path / "sums")
    file = tmp_path / "agreement.yaml"
    file.write_text(AGREEMENT, encoding="utf-8")
    both = cdn_probe("sla", "report", file, sums, results)
    assert "report on them apart" in both.err
    named = sorted(sums.rglob("*.grains.csv.zst"))[1]
    whole = named.read_bytes()
    named.chmod(0o640)
    named.write_bytes(whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:])
    forged = cdn_probe("sla", "report", file, sums)
    assert (forged.code, forged.out) == (2, "")
    assert f"{named.name} is not the file that was sealed" in forged.err
    excused = cdn_probe("sla", "report", file, sums, "--unverified", "a disk that fails")
    assert (excused.code, excused.out) == (2, "")
    assert f"{sums}: not to be read as sums to its end" in excused.err
    named.unlink()
    assert named.name in cdn_probe("sla", "report", file, sums).err
    excused = cdn_probe("sla", "report", file, sums, "--unverified", "a disk that fails")
    assert (excused.code, excused.out) == (2, "")
    assert f"{sums}: not to be read as sums to its end" in excused.err
    assert named.name in excused.err


def test_a_file_that_is_not_packed_as_its_name_says_is_told_with_its_name(tmp_path: Path) -> None:
    file, agreement = tmp_path / "g.ndjson.zst", tmp_path / "agreement.yaml"
    file.write_bytes(b"not packed at all")
    agreement.write_text(AGREEMENT, encoding="utf-8")
    done = cdn_probe("sla", "report", agreement, file, "--unverified", "why")
    assert done.code == 2
    assert f"Error: {file}: cannot be decompressed" in done.err


def test_a_byte_that_flipped_in_a_file_of_parquet_is_told_in_words(tmp_path: Path) -> None:
    """Wherever it is: the file is read again and again, and the first reading need not meet it."""
    whole, file = tmp_path / "g.parquet", tmp_path / "agreement.yaml"
    lines = tmp_path / "g.ndjson"
    lines.write_text(lines_exported(tmp_path), encoding="utf-8")
    duckdb.sql(f"COPY (FROM '{lines}') TO '{whole}' (FORMAT parquet)")
    file.write_text(AGREEMENT, encoding="utf-8")
    content = whole.read_bytes()
    codes = set()
    for place in range(4, len(content) - 8, len(content) // 25):
        whole.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
        done = cdn_probe("sla", "report", file, whole, "--unverified", "why")  # whatever it is, no traceback
        codes.add(done.code)
    assert 2 in codes


@pytest.mark.parametrize("kind", ["csv", "ndjson"])
def test_sums_that_nobody_signed_need_words_and_never_say_kept(tmp_path: Path, kind: str) -> None:
    """A file of `results export`, which has the rows of `GET /v1/grains`; whose pages end in a line with `next`."""
    results, sums = tmp_path / "results", tmp_path / f"sums.{kind}"
    asyncio.run(filled(results, list(records()), parquet=False))
    export = ("results", "-d", results, "export", "--table", "grains", "--format", kind, "--output", sums)
    assert cdn_probe(*export).code == 0
    if kind == "ndjson":
        sums.write_text(sums.read_text("utf-8") + '{"next": null}\n', encoding="utf-8")
    of_lines, of_sums = report(tmp_path, results), report(tmp_path, sums, "--unverified", "asked of the API")
    ours, theirs = figures(of_sums), figures(of_lines)
    said = ("word", "why", "final", "complete_up_to")
    assert {**ours, **dict.fromkeys(said)} == {**theirs, **dict.fromkeys(said)}
    assert (ours["final"], ours["complete_up_to"]) == (False, None)
    assert "sums that nobody signed" in of_sums["inputs"][0]["notes"][0]
    file = tmp_path / "agreement.yaml"
    refused = cdn_probe("sla", "report", file, sums)
    assert (refused.code, refused.out) == (2, "")
    assert "sums that nobody signed" in " ".join(refused.err.split())
    again = cdn_probe("sla", "report", file, sums, tmp_path / "results", "--unverified", "both")
    assert "report on them apart" in again.err
    copy = sums.with_name(f"again.{kind}")
    shutil.copy(sums, copy)
    twice = cdn_probe("sla", "report", file, sums, copy, "--unverified", "both")
    assert twice.code == 2
    assert "give each page once" in twice.err


@pytest.mark.parametrize(
    "others",
    [("ndjson.zst", "ndjson.gz", "csv.gz"), pytest.param(("parquet",), marks=pytest.mark.long)],
    ids=lambda endings: endings[0],
)
def test_sums_are_taken_as_the_export_packs_them(tmp_path: Path, others: tuple[str, ...]) -> None:
    """Each ending that `results export` takes is one that a report reads, and they tell the same."""
    if others == ("parquet",):
        pytest.importorskip("pyarrow")
    results, told = tmp_path / "results", []
    asyncio.run(filled(results, list(records())[:60], parquet=False))
    for ending in ("ndjson", *others):
        sums, kind = tmp_path / f"sums.{ending}", ending.partition(".")[0]
        export = ("results", "-d", results, "export", "--table", "grains", "--format", kind, "--output", sums)
        assert cdn_probe(*export).code == 0
        told.append(report(tmp_path, sums, "--unverified", "handed to us")["subjects"])
    assert all(one == told[0] for one in told)
    assert told[0][0]["grains"]["requests"] > 0


PAGE = '{"kind": "page", "agent": "a1", "customer": "acme", "after": null, "next": null, "rows": %d, "summed": []}\n'


def lines_exported(tmp_path: Path) -> str:
    """Sums as lines, each a row."""
    results, sums = tmp_path / "results", tmp_path / "sums.ndjson"
    asyncio.run(filled(results, list(records())[:60], parquet=False))
    export = ("results", "-d", results, "export", "--table", "grains", "--format", "ndjson", "--output", sums)
    assert cdn_probe(*export).code == 0
    return sums.read_text("utf-8")


@pytest.mark.parametrize("name", ["page.json", "page.jsonl", "page.ndjson"])
def test_an_answer_of_the_api_is_taken_by_whatever_name_of_json_it_was_saved(
    tmp_path: Path, name: str
) -> None:
    """An empty page before the others, as of an agent that summed nothing yet, is no reason to refuse them."""
    lines, page = lines_exported(tmp_path), tmp_path / name
    page.write_text(PAGE % 0 + lines + PAGE % lines.count("\n"), encoding="utf-8")
    (subject,) = report(tmp_path, page, "--unverified", "asked of the API")["subjects"]
    (exported,) = report(tmp_path, tmp_path / "sums.ndjson", "--unverified", "handed to us")["subjects"]
    assert subject == exported
    assert subject["grains"]["requests"] > 0


def refused(directory: Path, name: str, text: str) -> str:
    file, given = directory / "agreement.yaml", directory / name
    file.write_text(AGREEMENT, encoding="utf-8")
    given.write_text(text, encoding="utf-8")
    done = cdn_probe("sla", "report", file, given, "--unverified", "asked of the API")
    assert (done.code, done.out) == (2, "")
    return " ".join(done.err.split())


@pytest.mark.parametrize(
    ("name", "text"),
    [("page.json", PAGE % 0), ("page.ndjson", PAGE % 0), ("sums.csv", ",".join(GRAINS.columns) + "\r\n")],
)
def test_an_answer_without_rows_is_no_sums(tmp_path: Path, name: str, text: str) -> None:
    assert f"{name}: no sums in it" in refused(tmp_path, name, text)


def test_a_page_that_was_cut_off_is_told_as_such(tmp_path: Path) -> None:
    lines = lines_exported(tmp_path)
    told = refused(tmp_path, "page.json", lines[: len(lines) - 100])
    assert told.startswith("Error: ")
    assert "page.json: not to be read as sums to its end, cut off perhaps: " in told


def test_a_file_that_is_neither_is_told_what_is_wanted_and_by_which_names(tmp_path: Path) -> None:
    """Sums by another name, as one text of JSON, of the other kind; the API's refusal; nothing at all."""
    lines = lines_exported(tmp_path)
    rows = lines.splitlines()
    kinds = {
        "page": lines, "page.txt": lines, "sums.csv": lines, "list.json": f"[{','.join(rows)}]",
        "spread.json": json.dumps(json.loads(rows[0]), indent=1), "refusal.json": '{"status": 401}',
        "table.json": ",".join(GRAINS.columns) + "\r\n",
    }  # fmt: skip
    for name, text in kinds.items():
        told = refused(tmp_path, name, text)
        assert f"{name}: the first line is no record; wanted are .ndjson files of records" in told
        assert "or sums (GET /v1/grains, results export --table grains), one row a line or as Parquet" in told
        assert ".csv, .ndjson, .jsonl, .json, each plain or .zst or .gz, or .parquet" in told
    for name in ("page.ndjson", "page.json", "sums.csv"):
        assert f"{name}: it is empty; wanted are" in refused(tmp_path, name, "")
