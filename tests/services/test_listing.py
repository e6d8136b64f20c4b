"""`results list` by what people look for, of whatever holds the lines; against a filter over all lines."""

from __future__ import annotations

import json
import shutil
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from probe.cli.main import cli
from probe.core.nodes.propagation import propagation_report
from probe.core.records.codec import decode, dropped_span, encode_any
from probe.core.records.rows import SlotRecord
from probe.services.line_sources import open_lines
from probe.services.listing import Follower
from tests.fixtures.frozen import unpacked

HOLDERS = ("results", "copy", "segments")
FILTERS: tuple[dict[str, str], ...] = (
    {},
    {"customer": "shop"},
    {"outcome": "failed"},
    {"fault": "cdn"},
    {"vantage_point": "-"},
    {"path": "-"},
    {"outcome": "failed", "fault": "origin", "customer": "shop"},
)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [*map(str, arguments)], standalone_mode=False)


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: unpacked(name, tmp_path_factory.mktemp("v0.1")) for name in HOLDERS}


def records(place: Path) -> list[dict[str, Any]]:
    source = open_lines(place)
    lines = [json.loads(line.text) for s in source.streams() for line in source.lines(s.agent, s.customer)]
    source.close()
    if (place / "_parts").is_dir():  # a store lists the streams of its agent's present name
        lines = [
            line for line in lines if line.get("agent", line.get("host", {}).get("agent")) == "lab-agent"
        ]
    return [line for line in lines if line["kind"] != "dropped"]


def key(record: dict[str, Any]) -> tuple[str, str, int]:
    return record.get("agent") or record["host"]["agent"], record["customer"], record["seq"]


@pytest.mark.parametrize("holder", HOLDERS)
@pytest.mark.parametrize("wanted", FILTERS, ids=lambda f: "+".join(f) or "all")
def test_all_that_match_are_listed_and_no_others(
    held: dict[str, Path], holder: str, wanted: dict[str, str]
) -> None:
    every = records(held[holder])
    some = next(record for record in every if record["kind"] == "slot")
    wanted = {name: some[name] if value == "-" else value for name, value in wanted.items()}
    options = [
        text
        for name, value in wanted.items()
        for text in ("--vantage" if name == "vantage_point" else f"--{name}", value)
    ]
    listed = run("results", "list", "-d", held[holder], "--json", "--limit", "10000", *options)
    assert listed.exception is None
    expected = [r for r in every if all(r.get(name) == value for name, value in wanted.items())]
    assert sorted(key(json.loads(line)) for line in listed.output.splitlines()) == sorted(map(key, expected))
    assert expected


@pytest.mark.parametrize("holder", HOLDERS)
def test_a_span_is_half_open_and_the_limit_takes_the_newest(held: dict[str, Path], holder: str) -> None:
    every = [r for r in records(held[holder]) if r["customer"] == "shop"]
    times = sorted(r.get("scheduled_at") or r["at"] for r in every)
    since, until = times[len(times) // 4], times[3 * len(times) // 4]
    typed = (
        "results",
        "-d",
        held[holder],
        "list",
        "--customer",
        "shop",
        "--json",
        "--since",
        since,
        "--until",
        until,
    )
    listed = [json.loads(line) for line in run(*typed, "--limit", "10000").output.splitlines()]
    inside = [r for r in every if since <= (r.get("scheduled_at") or r["at"]) < until]
    assert sorted(map(key, listed)) == sorted(map(key, inside))
    few = [json.loads(line) for line in run(*typed, "--limit", "3").output.splitlines()]
    assert list(map(key, few)) == list(map(key, listed[:3]))


@pytest.mark.parametrize(
    ("command", "holder"),
    list(product(["list", "export", "propagation"], HOLDERS)),
)
def test_an_unknown_customer_is_an_error_with_the_known_ones(
    held: dict[str, Path], holder: str, command: str, tmp_path: Path
) -> None:
    more = ("--output", tmp_path / "x") if command == "export" else ()
    told = run("results", "-d", held[holder], command, "--customer", "shpo", *more)
    assert str(told.exception).startswith("no results of customer shpo; there are: ")
    assert "shop" in str(told.exception)


def test_the_configuration_is_taken_where_people_type_it(held: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "customers").mkdir()
    (tmp_path / "customers" / "shop.yaml").write_text(
        "customer: shop\ndomains: [{domain: www.shop.example, objects: [{path: /}]}]\n"
    )
    file = tmp_path / "agent.yaml"
    file.write_text(
        f"agent: lab-agent\nresults: {held['results']}\ncustomers: customers/\nvantage_points: [{{name: local}}]\n"
    )
    options = ("--limit", "5", "--json")
    wanted = run("results", "-d", held["results"], "list", *options).output
    assert len(wanted.splitlines()) == 5
    for typed in (
        ("results", "-c", file, "list"),
        ("results", "list", "-c", file),
        ("results", "list", "-d", held["results"]),
        ("results", "-d", tmp_path, "list", "-c", file),
        ("results", "-c", tmp_path / "none.yaml", "list", "-d", held["results"]),
    ):
        assert run(*typed, *options).output == wanted, typed


def test_show_reads_a_copy_too(held: dict[str, Path]) -> None:
    [row, *_] = [r for r in records(held["copy"]) if r["kind"] == "slot" and r["outcome"] == "failed"]
    agent, customer, seq = key(row)
    shown = run("results", "show", "-d", held["copy"], f"{agent}/{customer}/{seq}", "--json")
    told = json.loads(shown.output)
    assert (key(told), told["summary"], told["scheduled_at"]) == (
        key(row),
        row["summary"],
        row["scheduled_at"],
    )


def test_a_list_of_several_agents_names_the_agent(held: dict[str, Path]) -> None:
    several = len({key(r)[0] for r in records(held["copy"])}) > 1
    told = run("results", "list", "-d", held["copy"], "--limit", "10000").output
    assert ("lab-agent/shop/" in told) == several


@pytest.mark.parametrize("holder", HOLDERS)
def test_propagation_is_that_of_the_rows_whatever_holds_them(held: dict[str, Path], holder: str) -> None:
    source = open_lines(held[holder])
    lines = [line.text for end in source.streams() for line in source.lines(end.agent, end.customer)]
    source.close()
    records = [decode(line) for line in lines if dropped_span(line.encode()) is None]
    expected = propagation_report(record for record in records if isinstance(record, SlotRecord))
    told = run("results", "-d", held[holder], "propagation", "--json").output.splitlines()
    assert told == [encode_any(node).decode() for node in expected]
    assert told


@pytest.mark.parametrize("holder", ["copy", "segments"])
def test_what_comes_to_a_copy_or_is_sealed_is_followed(
    held: dict[str, Path], tmp_path: Path, holder: str
) -> None:
    place = tmp_path / "held"
    shutil.copytree(held[holder], place)
    if holder == "copy":
        file = max(place.glob("*/shop/*.ndjson"), key=lambda path: (path.name != "heads.ndjson", path.name))
        lines = file.read_bytes().splitlines(keepends=True)
        file.write_bytes(b"".join(lines[:-3]))
        wanted = [json.loads(line)["seq"] for line in lines[-3:]]
    else:
        file = max(place.glob("shop/*/*.manifest.json"))
        manifest = json.loads(file.read_text())
        wanted = list(range(manifest["first_seq"], manifest["last_seq"] + 1))
        file.rename(tmp_path / "later")
    follower = Follower(place)
    assert follower.take() == []
    if holder == "copy":
        with open(file, "ab") as out:
            out.writelines(lines[-3:])
    else:
        (tmp_path / "later").rename(file)
    assert [row.seq for row in follower.take()] == wanted
    assert follower.take() == []
