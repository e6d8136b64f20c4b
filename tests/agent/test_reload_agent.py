"""A running agent, started as its users start it, takes changed files over and leaves bad ones alone."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from probe.core.model.times import epoch_s
from probe.core.records.rows import EventRecord, SlotRecord
from probe.lab.lab import Lab
from probe.lab.servers.edge import Misdeed
from probe.store.read.reader import Reader
from tests.agent.test_agent import assert_streams_are_gapless, config_of, due_us
from tests.codes.provoking import provokes
from tests.support.agent_process import (
    BUSY,
    cdn_probe,
    edit,
    ended,
    events,
    slots,
    start,
    until,
    until_measuring,
)
from tests.support.sums import assert_those_of_all_rows

CUSTOMERS = ("media", "shop")


@asynccontextmanager
async def running(file: Path, *, watch: bool = False) -> AsyncIterator[asyncio.subprocess.Process]:
    """An agent that measures; ended in good order."""
    edit(file, lambda content: content.update(watch_files=watch))
    agent = await start("run", "-c", file)
    try:
        await until_measuring(file.parent / "results", 2)
        yield agent
    finally:
        if agent.returncode is None:
            agent.send_signal(signal.SIGTERM)
        made = await ended(agent, 30)
    assert made.code == 0, made.err
    assert_those_of_all_rows(file.parent / "results")


async def told(results: Path, name: str, count: int = 1) -> list[EventRecord]:
    """Wait for so many events of a name."""

    async def there() -> bool:
        return sum(event.event == name for event in events(results)) >= count

    await until(there)
    return [event for event in events(results) if event.event == name]


def assert_no_slot_is_lost_or_doubled(results: Path, customer: str, period_us: int) -> None:
    rows = [row for row in slots(results) if row.customer == customer]
    assert rows
    for task in {row.task for row in rows}:
        times = sorted(due_us(row) for row in rows if row.task == task)
        assert times == list(range(times[0], times[-1] + 1, period_us))


def assert_all_measured(results: Path) -> None:
    """But for what a machine with too much to do explains: that it stood still, or that the slot before still ran.

    The latter is held against that slot's own times, so that a reload which overlaps two slots without need is noticed.
    """
    rows = slots(results)
    assert {row.missed_reason for row in rows} <= {None} | BUSY
    for row in rows:
        if row.missed_reason == "agent.overlap":
            assert any(one.task == row.task and runs_at(one, epoch_s(row.scheduled_at)) for one in rows), row


def runs_at(row: SlotRecord, at_s: float) -> bool:
    """Whether this slot was due before that moment and had not ended by then."""
    return epoch_s(row.scheduled_at) < at_s <= epoch_s(row.finished_at or row.scheduled_at)


async def test_a_bad_file_is_refused_told_and_leaves_the_others_alone(lab: Lab, tmp_path: Path) -> None:
    file, results = config_of(lab, tmp_path, "500ms"), tmp_path / "results"
    shop = tmp_path / "customers" / "shop.yaml"
    good = shop.read_text()
    async with running(file) as agent:
        edit(tmp_path / "customers" / "media.yaml", lambda c: c["defaults"].update(timeout="7s"))
        shop.write_text(f"{good}\nnonsense: 1\n")
        line = len(shop.read_text().splitlines())
        agent.send_signal(signal.SIGHUP)
        (rejected,) = await told(results, "config.rejected")
        assert rejected.customer == "shop"
        assert rejected.detail["file"] == "customers/shop.yaml"
        assert f"customers/shop.yaml:{line}:1: unknown key 'nonsense'" in rejected.detail["problems"]
        assert str(tmp_path) not in rejected.detail["problems"]
        (changed,) = await told(results, "config.changed")
        assert changed.customer == "media"
        with Reader.open(results) as reader:
            text = reader.config(changed.detail["to"])
        assert text is not None
        assert "timeout: 7s" in text
        assert "nonsense" not in text
        agent.send_signal(signal.SIGHUP)  # the same again is no news
        shop.with_name("shop.new").write_text(good.replace("500ms", "400ms"))
        shop.with_name("shop.new").replace(shop)
        agent.send_signal(signal.SIGHUP)
        changes = await told(results, "config.changed", 2)
        assert [event.customer for event in changes] == ["media", "shop"]
        assert changes[0].detail["to"] == changes[1].detail["from"]
        count = len(slots(results))
        await until_measuring(results, count + 6)
    assert len(await told(results, "config.rejected")) == 1
    assert_no_slot_is_lost_or_doubled(results, "media", 500_000)
    assert_all_measured(results)
    assert slots(results)[-1].host.config_digest == changes[1].detail["to"]
    assert_streams_are_gapless(results)


@pytest.mark.long
async def test_customers_come_and_go_by_themselves(lab: Lab, tmp_path: Path) -> None:
    """File watching: no signal is sent. A customer that comes owes nothing; one that goes is told so last."""
    file, results = config_of(lab, tmp_path, "500ms"), tmp_path / "results"
    media = tmp_path / "customers" / "media.yaml"
    kept = media.read_text()
    async with running(file, watch=True):
        media.unlink()
        (removed,) = await told(results, "customer.removed")
        assert removed.customer == "media"
        with Reader.open(results) as reader:
            assert reader.head("media").seq == removed.seq, "its last row"
        media.write_text(kept)
        (added,) = await told(results, "customer.added")
        assert (added.customer, added.seq) == ("media", (removed.seq or 0) + 1)
        count = len(slots(results))
        await until_measuring(results, count + 6)
    assert_all_measured(results)
    assert_no_slot_is_lost_or_doubled(results, "shop", 500_000)
    back = [row for row in slots(results) if row.customer == "media" and (row.seq or 0) > (added.seq or 0)]
    assert back
    assert all(row.scheduled_at > added.at for row in back)
    assert_streams_are_gapless(results)
    # And a start after that knows that nothing was owed while it was gone.
    made = await cdn_probe("run", "-c", file, "--seconds", "1")
    assert made.code == 0, made.err
    assert (
        min(row.scheduled_at for row in slots(results) if row.customer == "media" and row.state == "missed")
        > removed.at
    )


async def test_what_needs_a_restart_refuses_everything_and_says_so(lab: Lab, tmp_path: Path) -> None:
    file, results = config_of(lab, tmp_path, "500ms"), tmp_path / "results"
    async with running(file) as agent:
        before = file.read_text()
        edit(file, lambda content: content.update(agent="other", results="elsewhere", watch_files=False))
        edit(tmp_path / "customers" / "media.yaml", lambda c: c["defaults"].update(timeout="7s"))
        agent.send_signal(signal.SIGHUP)
        rejected = await told(results, "config.rejected", 2)
        assert {event.customer for event in rejected} == set(CUSTOMERS)
        lines = file.read_text().splitlines()
        places = [f"agent.yaml:{lines.index(text) + 1}:1" for text in ("agent: other", "results: elsewhere")]
        assert {tuple(event.detail["at"].split(", ")) for event in rejected} == {tuple(places)}
        file.write_text(before)
        agent.send_signal(signal.SIGHUP)
        assert [event.customer for event in await told(results, "config.changed")] == ["media"]
    assert not (tmp_path / "elsewhere").exists()
    assert_no_slot_is_lost_or_doubled(results, "shop", 500_000)


async def test_twenty_reloads_in_a_row_lose_and_double_nothing(lab: Lab, tmp_path: Path) -> None:
    file, results = config_of(lab, tmp_path, "300ms"), tmp_path / "results"
    async with running(file) as agent:
        for number in range(20):
            edit(
                tmp_path / "customers" / "shop.yaml",
                lambda c, n=number: c["defaults"].update(timeout=f"{2001 + n}ms"),  # well below the draining
            )
            agent.send_signal(signal.SIGHUP)
            await asyncio.sleep(0.1)
        await told(results, "config.changed", 2)
        measured = sum(row.state == "measured" for row in slots(results))
        await until_measuring(results, measured + 6)
    changes = [event for event in events(results) if event.event == "config.changed"]
    assert {event.customer for event in changes} == {"shop"}
    assert all(one.detail["to"] == two.detail["from"] for one, two in pairwise(changes))
    for customer in CUSTOMERS:
        assert_no_slot_is_lost_or_doubled(results, customer, 300_000)
    assert_all_measured(results)


@pytest.mark.long
async def test_a_second_sigterm_ends_the_draining(lab: Lab, tmp_path: Path) -> None:
    file, results = config_of(lab, tmp_path, "500ms"), tmp_path / "results"
    edit(file, lambda content: content.update(limits={"drain": "2m"}))
    for customer in CUSTOMERS:
        edit(tmp_path / "customers" / f"{customer}.yaml", lambda c: c["defaults"].update(timeout="60s"))
    async with running(file) as agent:
        for edge in lab.edges.values():
            for domain in ("api.media.example", "vod.media.example"):
                edge.misdeeds.append(Misdeed(host=domain, delay_s=90))
        await asyncio.sleep(1.5)  # so that slots hang
        agent.send_signal(signal.SIGTERM)
        await asyncio.sleep(1)
        assert agent.returncode is None, "it drains"
        agent.send_signal(signal.SIGTERM)
    # Drained to their end they would have timed out, after a minute, and none would be aborted.
    assert {row.missed_reason for row in slots(results) if row.state == "aborted"} == {"agent.aborted"}
    for customer in CUSTOMERS:
        assert_no_slot_is_lost_or_doubled(results, customer, 500_000)
    assert events(results)[-1].event == "agent.stopped"


@pytest.mark.parametrize(
    ("forged", "reason"),
    [
        pytest.param({"boot_id": "of another boot"}, "host.rebooted", marks=provokes("host.rebooted")),
        pytest.param({"slept_us": -60_000_000}, "host.suspended", marks=provokes("host.suspended")),
    ],
)
@pytest.mark.long
async def test_the_next_start_tells_why_nobody_measured(
    lab: Lab, tmp_path: Path, forged: dict[str, object], reason: str
) -> None:
    file, results = config_of(lab, tmp_path, "500ms"), tmp_path / "results"
    killed = await start("run", "-c", file)
    await until_measuring(results, 4)
    killed.kill()
    await killed.communicate()
    known = json.loads((results / "_boot.json").read_text())
    (results / "_boot.json").write_text(json.dumps({**known, **forged}))
    await asyncio.sleep(0.6)
    made = await cdn_probe("run", "-c", file, "--seconds", "1")
    assert made.code == 0, made.err
    assert {row.missed_reason for row in slots(results) if row.state == "missed"} == {reason}
    assert_those_of_all_rows(results)
    started = [event.detail.get("after") for event in events(results) if event.event == "agent.started"]
    assert started[-1] == reason
