"""The commands as they are typed: what they print, where, and their exit codes."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path

import jsonschema
import pytest
import yaml

from probe.core.records.codec import decode
from probe.core.records.rows import SlotRecord
from probe.lab.lab import Lab
from tests.sla.by_csv import by_node
from tests.support.agent_process import WITHIN_S, cdn_probe, ended, slots, start, until, until_measuring

WWW = "www.shop.example"
ROOT = Path(__file__).parents[2]


@pytest.fixture
async def config(lab: Lab, tmp_path: Path) -> Path:
    return lab.write_config(tmp_path)


# --- configuration --------------------------------------------------------------------------------


async def test_good_configuration_is_said_to_be_good(config: Path) -> None:
    content = yaml.safe_load(
        config.read_text()
    )  # a lab asks often: what it would store in 100 days is warned of
    config.write_text(yaml.safe_dump({**content, "keep": {"healthy": "1h"}}))
    made = await cdn_probe("check-config", "-c", config)
    assert (made.code, made.err) == (0, "")
    assert made.out.startswith(f"{config}: good. 2 customers, 2 vantage points, ")


async def test_every_problem_is_told_with_its_place(config: Path) -> None:
    shop = config.parent / "customers" / "shop.yaml"
    text = shop.read_text().replace("timeout: 2s", "timeout: soon").replace("edges: all", "edgs: all", 1)
    shop.write_text(text)
    places = [
        f"{shop}:{number}:"
        for number, line in enumerate(text.splitlines(), 1)
        if "timeout: soon" in line or "edgs: all" in line
    ]
    assert len(places) == 2
    made = await cdn_probe("check-config", "-c", config)
    assert (made.code, made.out) == (2, "")
    *problems, last = made.err.splitlines()
    for place in places:
        assert any(re.match(re.escape(place) + r"\d+: ", problem) for problem in problems), made.err
    assert re.fullmatch(r"cdn-probe: \d+ problems in the configuration; nothing was started", last)


@pytest.mark.parametrize("command", ["check-config", "once", "run"])
async def test_broken_yaml_is_told_by_every_command_alike(config: Path, command: str) -> None:
    config.write_text("agent: [\n")
    made = await cdn_probe(command, "-c", config)
    assert (made.code, made.out) == (2, "")
    assert re.match(re.escape(str(config)) + r":\d+:\d+: ", made.err)


@pytest.mark.parametrize("command", [["check-config"], ["once"], ["run"], ["replay"], ["results", "list"]])
async def test_missing_configuration_is_told_in_words(tmp_path: Path, command: list[str]) -> None:
    file = tmp_path / "agent.yaml"
    first, *rest = command
    made = await cdn_probe(first, "-c", file, *rest)
    assert (made.code, made.out) == (2, "")
    assert str(file) in made.err


async def test_schema_is_json_that_accepts_the_labs_files(config: Path) -> None:
    for which, file in (("agent", config), ("customer", config.parent / "customers" / "shop.yaml")):
        made = await cdn_probe("schema", which)
        assert (made.code, made.err) == (0, "")
        schema = json.loads(made.out)
        jsonschema.Draft202012Validator.check_schema(schema)
        jsonschema.validate(yaml.safe_load(file.read_text()), schema)
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({"nonsense": 1}, schema)


# --- what cannot be ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [["fly"], ["once", "--fast"], ["schema"], ["schema", "fleet"], ["demo", "--seconds", "0"]],
    ids=" ".join,
)
async def test_what_is_no_command_is_told(arguments: list[str]) -> None:
    made = await cdn_probe(*arguments)
    assert (made.code, made.out) == (2, "")
    assert "Error: " in made.err


async def test_help_and_version() -> None:
    made = await cdn_probe("--help")
    assert made.code == 0
    for command in ("run", "once", "trace", "results", "nodes", "replay", "demo", "check-config", "schema"):
        assert re.search(rf"^  {command}\s", made.out, re.MULTILINE)
    assert (await cdn_probe("--version")).code == 0


# --- once -------------------------------------------------------------------------------------------


async def test_once_of_a_healthy_lab_is_a_table_and_zero(config: Path) -> None:
    made = await cdn_probe("once", "-c", config)
    assert made.code == 0, made.out
    assert WWW in made.out
    assert not (config.parent / "results").exists()


async def test_once_as_json_is_one_record_a_line(config: Path) -> None:
    made = await cdn_probe("once", "-c", config, "--customer", "shop", "--vantage", "bj-ct", "--json")
    assert made.code == 0, made.out
    rows = [decode(line) for line in made.out.splitlines()]
    assert rows
    for row in rows:
        assert isinstance(row, SlotRecord)
        assert (row.customer, row.vantage_point, row.state, row.outcome) == (
            "shop",
            "bj-ct",
            "measured",
            "ok",
        )
        assert row.seq is None


async def test_once_with_an_edge_down_is_one_and_says_why(lab: Lab, config: Path) -> None:
    async with lab.fault("edge_down"):
        made = await cdn_probe("once", "-c", config, "--domain", WWW, "--vantage", "bj-ct")
        as_json = await cdn_probe("once", "-c", config, "--domain", WWW, "--vantage", "bj-ct", "--json")
    assert made.code == as_json.code == 1
    assert "tcp.refused" in made.out
    for line in as_json.out.splitlines():
        row = decode(line)
        assert isinstance(row, SlotRecord)
        assert (row.outcome, row.fault, row.reason, row.confirmed) == ("failed", "cdn", "tcp.refused", True)


async def test_once_with_nothing_selected_could_not_run(config: Path) -> None:
    made = await cdn_probe("once", "-c", config, "--domain", "nobody.example")
    assert (made.code, made.out) == (2, "")
    assert "nothing selected" in made.err


# --- results and replay -----------------------------------------------------------------------------


@pytest.mark.long
async def test_results_of_a_run_can_be_listed_shown_and_judged_again(lab: Lab, config: Path) -> None:
    results = config.parent / "results"
    async with lab.fault("edge_down"):
        made = await cdn_probe("run", "-c", config, "--seconds", "2.5")
    assert made.code == 0, made.err
    stored = slots(results)
    failed = next(row for row in stored if row.outcome == "failed")

    listed = await cdn_probe("results", "-c", config, "list", "--json", "--limit", "1000")
    rows = [row for line in listed.out.splitlines() if isinstance(row := decode(line), SlotRecord)]
    assert listed.code == 0
    assert {(row.customer, row.seq) for row in rows} == {(row.customer, row.seq) for row in stored}
    for customer in ("shop", "media"):
        seqs = [row.seq or 0 for row in rows if row.customer == customer]
        assert seqs == sorted(seqs, reverse=True)

    some = await cdn_probe("results", "-d", results, "list", "--outcome", "failed", "--json", "--limit", "3")
    found = [json.loads(line) for line in some.out.splitlines()]
    assert 0 < len(found) <= 3
    assert {row["outcome"] for row in found} == {"failed"}

    table = await cdn_probe("results", "-d", results, "list", "--outcome", "failed")
    assert table.code == 0
    assert "tcp.refused" in table.out

    which = f"{failed.customer}/{failed.seq}"
    shown = await cdn_probe("results", "-d", results, "show", which)
    assert shown.code == 0
    assert failed.summary is not None
    assert "tcp.refused" in shown.out
    as_json = await cdn_probe("results", "-d", results, "show", which, "--json")
    assert decode(as_json.out) == failed

    judged = sum(row.state == "measured" for row in stored)
    replayed = await cdn_probe("replay", "-d", results)
    assert replayed.code == 0, replayed.out
    assert f"{judged} judged again, 0 changed" in replayed.out

    for wrong, word in (
        ("shop/999999", "shop/999999"),
        ("nonsense", "CUSTOMER/SEQ"),
        ("shop/", "CUSTOMER/SEQ"),
    ):
        told = await cdn_probe("results", "-d", results, "show", wrong)
        assert (told.code, told.out) == (2, "")
        assert word in told.err
    for option, value in (("--since", "yesterday"), ("--outcome", "fine"), ("--limit", "-1")):
        told = await cdn_probe("results", "-d", results, "list", option, value)
        assert (told.code, told.out) == (2, ""), option
        assert value in told.err


async def test_results_follow_shows_what_comes_beside_a_running_agent(config: Path) -> None:
    results = config.parent / "results"
    agent = await start("run", "-c", config)
    try:
        await until_measuring(results)
        made = await cdn_probe("results", "-d", results, "follow", "--seconds", "3", "--json")
    finally:
        agent.send_signal(signal.SIGINT)
        assert (await ended(agent)).code == 0
    assert (made.code, made.err) == (0, "")
    rows = [decode(line) for line in made.out.splitlines()]
    assert rows
    for customer in {row.customer for row in rows}:
        seqs = [row.seq for row in rows if row.customer == customer]
        assert seqs == list(range(seqs[0] or 0, (seqs[0] or 0) + len(seqs)))


@pytest.mark.parametrize("command", [["results", "-d", "{}", "list"], ["replay", "-d", "{}"]])
async def test_a_directory_without_results_is_told(tmp_path: Path, command: list[str]) -> None:
    made = await cdn_probe(*(word.format(tmp_path) for word in command))
    assert (made.code, made.out) == (2, "")
    assert str(tmp_path) in made.err


# --- demo -------------------------------------------------------------------------------------------


async def _reports_on(said: str) -> None:
    """The command that the demo names works, in both forms, and shows a breach whose overrides are listed."""
    ((agreement, where),) = re.findall(r"sla report (\S+) \\\s+(\S+)", said)
    named = f"sla report {agreement} {where}"
    report = await cdn_probe(*named.split())
    assert report.code == 1, report.err
    assert "breach shown" in report.out
    for key in ("period.unit", "grain.length", "run.at_least", "coverage.at_least"):
        assert f"agreed: {key}" in report.out
    plain = await cdn_probe(*named.split(), "--engine", "python", "--format", "html")
    assert plain.code == 1, plain.err
    assert "<svg" in plain.out
    value = json.loads((await cdn_probe(*named.split(), "--format", "json")).out)
    (incident, *_) = (one for subject in value["subjects"] for one in subject["incidents"])
    file = Path(named.split()[2]).with_name("incident.dispute")
    await cdn_probe(*named.split(), "--dispute", incident["name"], "--into", file)
    proved = await cdn_probe("results", "verify", file)
    assert proved.code == 0, proved.out + proved.err
    results = Path(named.split()[3])
    files = {table: results.with_name(f"{table}.csv") for table in ("slots", "requests")}
    for table, csv in files.items():
        typed = ("--customer", "shop", "--table", table, "--format", "csv", "--output", csv)
        assert (await cdn_probe("results", "-d", results, "export", *typed)).code == 0
    for subject in value["subjects"]:
        nodes = {
            s["name"]: (s["requests"], s["errors"]) for s in subject["slices"] if s["dimension"] == "address"
        }
        assert nodes == by_node(files["slots"], files["requests"], subject["domain"])
    for example in sorted((ROOT / "config" / "agreements").glob("*.yaml")):
        seen = await cdn_probe("sla", "report", example, results, "--format", "json")
        assert seen.code in (1, 3), seen.err
        subjects = json.loads(seen.out)["subjects"]
        assert any(one["incidents"] for one in subjects), example.name
        assert "throughput" in {told["quantity"] for one in subjects for told in one["quantiles"]}


@pytest.mark.long
async def test_demo_finds_its_faults_and_leaves_what_can_be_read(tmp_path: Path) -> None:
    directory = tmp_path / "demo"
    made = await cdn_probe("demo", "--seconds", "12", "--dir", directory)
    assert made.code == 0, made.out + made.err
    assert "nobody wrongly accused" in made.out
    listed = await cdn_probe("results", "-c", directory / "agent.yaml", "list")
    assert listed.code == 0
    assert WWW in listed.out
    await _reports_on(made.out)
    again = await cdn_probe("demo", "--seconds", "12", "--dir", directory)
    assert again.code == 2
    assert "name another --dir" in again.err


async def test_demo_ends_cleanly_by_ctrl_c(tmp_path: Path) -> None:
    directory = tmp_path / "demo"
    demo = await start("demo", "--dir", directory)
    try:
        await until_measuring(directory / "results", 8)
        assert agents_of(directory) != []
    finally:
        os.killpg(demo.pid, signal.SIGINT)
        made = await ended(demo, WITHIN_S)
    assert made.code == 0, made.out + made.err
    assert agents_of(directory) == []
    assert "Traceback" not in (directory / "agent.log").read_text()
    assert "agent.stopped" in (directory / "agent.log").read_text()


@pytest.mark.long
async def test_demo_ends_its_agent_when_it_is_stopped_at_once(tmp_path: Path) -> None:
    directory = tmp_path / "demo"
    demo = await start("demo", "--dir", directory)

    async def started() -> bool:
        return agents_of(directory) != []

    try:
        await until(started)
    finally:
        demo.send_signal(signal.SIGTERM)
        made = await ended(demo)
    assert made.code == 0, made.out + made.err
    assert agents_of(directory) == []


def agents_of(directory: Path) -> list[int]:
    """Processes that run with this directory's agent.yaml."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if str(directory / "agent.yaml").encode() in words:
            found.append(int(process.name))
    return found
