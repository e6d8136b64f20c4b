"""The whole agent beside the lab: every due slot one row, whatever ends the agent and however often."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
from collections import Counter
from pathlib import Path

import pytest
import yaml

from probe.agent.daemon import run_until
from probe.checks import CHECKS
from probe.core.config.load import Config
from probe.core.config.plan import make_plan
from probe.core.config.snapshot import together
from probe.core.model.times import epoch_s
from probe.core.records.rows import SlotRecord
from probe.lab.lab import Lab
from probe.lab.servers.edge import Misdeed
from probe.services.replay import cases_of_store, rejudge
from probe.settings.config_files import load_config
from probe.store.read.reader import Reader
from tests.codes.provoking import provokes
from tests.support.agent_process import (
    BUSY,
    cdn_probe,
    ended,
    events,
    missed_reasons,
    records,
    slots,
    start,
    until_measuring,
)
from tests.support.rows import locked

SECRET = "s3cret-of-the-customer"
ENV = {"PROBE_TEST_TOKEN": SECRET}
INTERVAL = "1s"


def few(file: Path) -> Path:
    """Only the first domain of each customer and its first object: a test of the agent, not of the host."""
    for customer in (file.parent / "customers").glob("*.yaml"):
        content = yaml.safe_load(customer.read_text())
        content["domains"] = content["domains"][:1]
        content["domains"][0]["objects"] = content["domains"][0]["objects"][:1]
        customer.write_text(yaml.safe_dump(content))
    return file


def config_of(lab: Lab, directory: Path, interval: str = INTERVAL) -> Path:
    return few(lab.write_config(directory, interval=interval))


def due_us(row: SlotRecord) -> int:
    return round(epoch_s(row.scheduled_at) * 1e6)


def assert_every_due_slot_is_one_row(config: Config, rows: list[SlotRecord]) -> None:
    """From each task's first row to its last: each due time once, none beside."""
    for task in make_plan(config).tasks:
        times = sorted(due_us(row) for row in rows if row.task == task.id)
        assert times, f"no row of {task.domain} from {task.vantage_point.name}"
        assert times == list(range(times[0], times[-1] + 1, task.period_us))
        assert times[0] % task.period_us == task.phase_us


def assert_streams_are_gapless(directory: Path) -> None:
    seqs: dict[str, list[int | None]] = {}
    for record in records(directory):
        seqs.setdefault(record.customer, []).append(record.seq)
    assert all(found == list(range(1, len(found) + 1)) for found in seqs.values())


async def run_for(config: Config, rows: int) -> list[SlotRecord]:
    """The agent in this process, until so many rows are stored."""
    stop, seen = asyncio.Event(), list[SlotRecord]()

    def take(row: SlotRecord) -> None:
        seen.append(row)
        if len(seen) >= rows:
            stop.set()

    async with asyncio.timeout(60):
        await run_until(config, CHECKS, stop, on_row=take)
    return seen


async def test_every_due_slot_is_exactly_one_row_and_shown_once(lab: Lab, tmp_path: Path) -> None:
    config = load_config(config_of(lab, tmp_path, "500ms"), CHECKS)
    shown = await run_for(config, 24)
    rows = slots(tmp_path / "results")
    assert {row.state for row in rows} == {"measured"}
    assert {row.outcome for row in rows} == {"ok"}, [row.summary for row in rows if row.outcome != "ok"]
    assert_every_due_slot_is_one_row(config, rows)
    assert_streams_are_gapless(tmp_path / "results")
    key = [(row.customer, row.seq) for row in shown]
    assert sorted(key) == sorted((row.customer, row.seq) for row in rows)


async def test_start_and_stop_are_told_in_every_customers_stream(lab: Lab, tmp_path: Path) -> None:
    config = load_config(config_of(lab, tmp_path), CHECKS)
    await run_for(config, 4)
    told = {(event.customer, event.event) for event in events(tmp_path / "results")}
    assert told == {(c, e) for c in ("shop", "media") for e in ("agent.started", "agent.stopped")}
    for customer in ("shop", "media"):
        mine = [record for record in records(tmp_path / "results") if record.customer == customer]
        assert (mine[0].kind, mine[-1].kind) == ("event", "event")
    assert {e.detail.get("tasks") for e in events(tmp_path / "results")} == {"4", None}
    assert {event.config_digest for event in events(tmp_path / "results")} == {config.digest}


@provokes("agent.stopped")
async def test_a_pause_is_missed_rows_of_what_was_due_in_between(lab: Lab, tmp_path: Path) -> None:
    config = load_config(config_of(lab, tmp_path, "500ms"), CHECKS)
    before = await run_for(config, 8)
    await asyncio.sleep(1.6)
    await run_for(config, len(before) + 4 * 3)
    rows = slots(tmp_path / "results")
    assert_every_due_slot_is_one_row(config, rows)
    assert_streams_are_gapless(tmp_path / "results")
    absent = [row for row in rows if row.state == "missed"]
    assert {row.missed_reason for row in absent} == {"agent.stopped"}
    assert min(Counter(row.task for row in absent).values()) >= 3
    for task in {row.task for row in absent}:
        states = [row.state for row in sorted(rows, key=due_us) if row.task == task]
        assert [state for state, _ in itertools.groupby(states)].count("missed") == 1, (
            "of one time without an agent"
        )
    assert all(row.outcome is None and row.started_at is None for row in absent)


async def test_a_locked_store_does_not_keep_it_from_measuring(lab: Lab, tmp_path: Path) -> None:
    """Ten slots of each task wait for the disk at a time: their rows wait, the network does not."""
    config = load_config(config_of(lab, tmp_path, "400ms"), CHECKS)
    locked_s, seen = 4.0, list[SlotRecord]()
    stop = asyncio.Event()
    running = asyncio.ensure_future(run_until(config, CHECKS, stop, on_row=seen.append))
    async with asyncio.timeout(60):
        while len(seen) < 8:
            await asyncio.sleep(0.01)
        with locked(tmp_path / "results"):
            await asyncio.sleep(0.5)  # a transaction that had begun is through
            before = len(seen)
            await asyncio.sleep(locked_s)
            assert len(seen) == before, "nothing is told as stored that is not"
        while len(seen) < before + 4 * round(locked_s / 0.4):
            await asyncio.sleep(0.01)
        stop.set()
        await running
    rows = slots(tmp_path / "results")
    assert missed_reasons(rows) <= {None} | BUSY
    well = [row for row in rows if row.outcome == "ok" and (row.host.lateness_us or 0) < 300_000]
    assert len(well) > 0.9 * len(rows), (
        "all but what a busy machine may cost: begun when due, not when there was room"
    )
    assert_every_due_slot_is_one_row(config, rows)
    assert_streams_are_gapless(tmp_path / "results")
    assert [row.seq for row in seen if row.customer == "shop"] == sorted(
        row.seq or 0 for row in seen if row.customer == "shop"
    )


@provokes("agent.crashed")
async def test_after_sigkill_the_next_start_tells_of_the_crash(lab: Lab, tmp_path: Path) -> None:
    file = config_of(lab, tmp_path, "500ms")
    killed = await start("run", "-c", file)
    await until_measuring(tmp_path / "results", 4)
    killed.kill()
    await killed.communicate()
    before = slots(tmp_path / "results")
    await asyncio.sleep(1.1)
    made = await cdn_probe("run", "-c", file, "--seconds", "1.5")
    assert made.code == 0, made.err
    rows = slots(tmp_path / "results")
    assert rows[: len(before)] == before or {(r.customer, r.seq) for r in before} <= {
        (r.customer, r.seq) for r in rows
    }
    assert {row.missed_reason for row in rows if row.state == "missed"} == {"agent.crashed"}
    assert_every_due_slot_is_one_row(load_config(file, CHECKS), rows)
    assert_streams_are_gapless(tmp_path / "results")
    told = [event.event for event in events(tmp_path / "results") if event.customer == "shop"]
    assert told == ["agent.started", "agent.started", "agent.stopped"]


async def test_second_agent_on_the_same_results_refuses_in_words(lab: Lab, tmp_path: Path) -> None:
    file = config_of(lab, tmp_path)
    first = await start("run", "-c", file)
    try:
        await until_measuring(tmp_path / "results")
        second = await cdn_probe("run", "-c", file)
        assert second.code == 2
        assert str(tmp_path / "results") in second.err
        assert len(second.err.strip().splitlines()) == 1
        assert first.returncode is None
    finally:
        first.send_signal(signal.SIGTERM)
        assert (await ended(first)).code == 0
    starts = [e for e in events(tmp_path / "results") if e.event == "agent.started"]
    assert len(starts) == 2


@provokes("agent.aborted")
@pytest.mark.long
async def test_a_signal_in_flight_ends_within_the_drain_and_leaves_one_row_a_slot(
    lab: Lab, tmp_path: Path
) -> None:
    """One customer's edges accept the request and do not answer; the agent is told to end meanwhile."""
    file = few(lab.write_config(tmp_path, interval="500ms", timeout="30s"))
    for edge in lab.edges.values():
        for domain in ("api.media.example", "vod.media.example"):
            edge.misdeeds.append(Misdeed(host=domain, delay_s=60))
    agent = await start("run", "-c", file)
    try:
        await until_measuring(tmp_path / "results", 6)
    finally:
        began = asyncio.get_running_loop().time()
        agent.send_signal(signal.SIGTERM)
        made = await ended(agent)
    took_s = asyncio.get_running_loop().time() - began
    assert made.code == 0, made.err
    # Given more than their time-out of 30 s, they would have failed, and none would be aborted.
    assert took_s > 9, "ten seconds are what slots in flight are given"
    rows = slots(tmp_path / "results")
    assert_every_due_slot_is_one_row(load_config(file, CHECKS), rows)
    silent = [row for row in rows if row.customer == "media"]
    assert {row.missed_reason for row in silent if row.state == "aborted"} == {"agent.aborted"}
    assert {row.state for row in silent} <= {"aborted", "missed"}
    assert all((row.outcome is None) == (row.state != "measured") for row in rows)
    assert [event.event for event in events(tmp_path / "results")][-1] == "agent.stopped"


async def test_a_slot_that_ends_within_the_drain_is_measured(lab: Lab, tmp_path: Path) -> None:
    file = config_of(lab, tmp_path)
    for edge in lab.edges.values():
        edge.misdeeds.append(Misdeed(host="www.shop.example", delay_s=0.9))
    agent = await start("run", "-c", file)
    try:
        await until_measuring(tmp_path / "results", 6)
    finally:
        agent.send_signal(signal.SIGINT)
        made = await ended(agent, 20)
    assert made.code == 0, made.err
    rows = slots(tmp_path / "results")
    assert_every_due_slot_is_one_row(load_config(file, CHECKS), rows)
    assert "aborted" not in {row.state for row in rows}
    assert {row.outcome for row in rows if row.domain == "www.shop.example" and row.state == "measured"} == {
        "slow"
    }


async def test_a_secret_is_sent_and_appears_nowhere(lab: Lab, tmp_path: Path) -> None:
    file = config_of(lab, tmp_path)
    customer = tmp_path / "customers" / "shop.yaml"
    content = yaml.safe_load(customer.read_text())
    content["domains"][0]["headers"] = {"Authorization": "env:PROBE_TEST_TOKEN"}
    customer.write_text(yaml.safe_dump(content))
    made = await cdn_probe("run", "-c", file, "--seconds", "2.5", env=ENV)
    assert made.code == 0, made.err
    rows = [row for row in slots(tmp_path / "results") if row.customer == "shop"]
    assert {row.outcome for row in rows if row.state == "measured"} == {"ok"}
    stored = [path for path in (tmp_path / "results").rglob("*") if path.is_file()]
    assert {"results.db", "000001.db"} <= {path.name for path in stored}
    for path in stored:
        assert SECRET.encode() not in path.read_bytes(), path.name
    assert SECRET not in made.out + made.err
    once = await cdn_probe("once", "-c", file, "--customer", "shop", "--json", env=ENV)
    assert once.code == 0, once.err
    assert SECRET not in once.out + once.err


@provokes("agent.secret_missing")
@pytest.mark.long
async def test_a_secret_that_is_not_there_is_our_own_fault_and_only_of_those_who_need_it(
    lab: Lab, tmp_path: Path
) -> None:
    file = config_of(lab, tmp_path)
    customer = tmp_path / "customers" / "shop.yaml"
    content = yaml.safe_load(customer.read_text())
    content["domains"][0]["headers"] = {"Authorization": "env:PROBE_TEST_NOT_SET"}
    customer.write_text(yaml.safe_dump(content))
    assert "PROBE_TEST_NOT_SET" not in os.environ
    made = await cdn_probe("run", "-c", file, "--seconds", "2.5")
    assert made.code == 0, made.err
    assert "config.missing" in made.err
    assert "PROBE_TEST_NOT_SET" in made.err
    told = {
        name: {(r.outcome, r.fault, r.reason) for r in slots(tmp_path / "results") if r.customer == name}
        for name in ("shop", "media")
    }
    assert told == {
        "shop": {("inconclusive", "agent", "agent.secret_missing")},
        "media": {("ok", None, None)},
    }
    once = await cdn_probe("once", "-c", file)
    assert once.code == 2
    assert "PROBE_TEST_NOT_SET" in once.err


async def test_what_replay_needs_is_stored_with_the_rows(lab: Lab, tmp_path: Path) -> None:
    config = load_config(config_of(lab, tmp_path), CHECKS)
    await run_for(config, 6)
    with Reader.open(tmp_path / "results") as reader:
        for task in make_plan(config).tasks:
            assert reader.definition(task.definition) is not None
        assert reader.config(config.digest) == together(config.texts, config.sources)
        cases = list(cases_of_store(reader, CHECKS))
    assert len(cases) == sum(row.state == "measured" for row in slots(tmp_path / "results"))
    assert [change for case in cases if (change := rejudge(case, CHECKS))] == []


async def test_another_configuration_is_an_event_in_every_stream(lab: Lab, tmp_path: Path) -> None:
    first = load_config(config_of(lab, tmp_path, "500ms"), CHECKS)
    await run_for(first, 4)
    second = load_config(config_of(lab, tmp_path, "400ms"), CHECKS)
    await run_for(second, 4)
    changed = [event for event in events(tmp_path / "results") if event.event == "config.changed"]
    assert sorted(event.customer for event in changed) == ["media", "shop"]
    assert {(e.detail["from"], e.detail["to"]) for e in changed} == {(first.digest, second.digest)}
