"""Told to end while the disk refuses: it ends, and loses nothing that the disk takes in time."""

from __future__ import annotations

import asyncio
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from probe.agent import shutdown as ending
from probe.agent.daemon import run_until
from probe.agent.shutdown import drain_or_abandon
from probe.checks import CHECKS
from probe.core.model.times import epoch_s
from probe.lab.lab import Lab
from probe.settings.config_files import load_config
from probe.store.store import Health
from tests.agent.test_agent import assert_every_due_slot_is_one_row, assert_streams_are_gapless, config_of
from tests.support.agent_process import (
    BUSY,
    WITHIN_S,
    edit,
    ended,
    events,
    records,
    slots,
    start,
    until_measuring,
)
from tests.support.rows import locked

WELL = Health(trouble=None, queued=0, written=1, shed=0, lost=0)
REFUSED = replace(WELL, trouble="cannot write results: database or disk is full", queued=7)


class Disk:
    def __init__(self, *, refuses: bool) -> None:
        self.refuses = refuses

    def health(self) -> Health:
        return REFUSED if self.refuses else WELL


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "REFUSED_S", 0.3)
    monkeypatch.setattr(ending, "LOOK_S", 0.01)


async def test_what_can_be_written_is_waited_for_however_long() -> None:
    done = []

    async def work() -> None:
        await asyncio.sleep(0.6)
        done.append(1)

    await drain_or_abandon(work(), Disk(refuses=False).health)
    assert done == [1]


async def test_an_error_of_the_work_is_raised() -> None:
    async def work() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await drain_or_abandon(work(), Disk(refuses=True).health)


async def test_a_disk_that_refuses_is_left_off_after_a_while(caplog: pytest.LogCaptureFixture) -> None:
    loop, never = asyncio.get_running_loop(), asyncio.Event()
    began_s = loop.time()
    await drain_or_abandon(never.wait(), Disk(refuses=True).health)  # type: ignore[arg-type]
    assert loop.time() - began_s >= 0.3
    await drain_or_abandon(never.wait(), Disk(refuses=True).health, after_s=0.4)  # type: ignore[arg-type]
    assert loop.time() - began_s >= 0.3 + 0.7
    assert [record.getMessage() for record in caplog.records] == ["agent.ends_unwritten"] * 2


async def test_a_disk_that_works_again_has_its_time_anew() -> None:
    disk, done = Disk(refuses=True), list[int]()

    async def work() -> None:
        for _ in range(3):
            await asyncio.sleep(0.15)
            disk.refuses = not disk.refuses
        done.append(1)

    await drain_or_abandon(work(), disk.health)
    assert done == [1]


async def test_whoever_is_in_a_hurry_waits_for_no_disk_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "REFUSED_S", 60.0)
    immediate = asyncio.Event()
    immediate.set()
    async with asyncio.timeout(60):
        await drain_or_abandon(asyncio.Event().wait(), Disk(refuses=True).health, immediate=immediate)  # type: ignore[arg-type]


async def test_the_stores_last_try_takes_what_waits(
    lab: Lab, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config, stop = load_config(config_of(lab, tmp_path, "500ms"), CHECKS), asyncio.Event()
    running = asyncio.ensure_future(run_until(config, CHECKS, stop))
    async with asyncio.timeout(2 * WITHIN_S):
        await until_measuring(tmp_path / "results", 4)
        with locked(tmp_path / "results"):
            stored, locked_s = len(records(tmp_path / "results")), time.time()
            await asyncio.sleep(1.2)  # two due times of each task
            stop.set()
            while not (told := [r for r in caplog.records if r.message == "agent.ends_unwritten"]):
                await asyncio.sleep(0.02)
            assert not running.done()
        await running
    waited = told[0].fields["records"]  # type: ignore[attr-defined]
    assert len(records(tmp_path / "results")) >= stored + waited > stored
    rows = slots(tmp_path / "results")
    assert [row for row in rows if epoch_s(row.scheduled_at) > locked_s], "they fell due while it was locked"
    assert {row.missed_reason for row in rows} <= {None, "agent.stopped", "agent.aborted"} | BUSY
    assert "the store is closed" not in caplog.text, "nothing goes on measuring for nobody"
    assert_every_due_slot_is_one_row(config, rows)
    assert_streams_are_gapless(tmp_path / "results")
    assert events(tmp_path / "results")[-1].event == "agent.stopped"


@pytest.mark.long
async def test_told_twice_it_ends_at_once_and_the_next_start_accounts_for_the_slots(
    lab: Lab, tmp_path: Path
) -> None:
    """Told once it would try for the ten minutes of `limits.drain`."""
    file = config_of(lab, tmp_path, "500ms")
    edit(file, lambda content: content.update(limits={"drain": "10m"}))
    agent = await start("run", "-c", file)
    try:
        await until_measuring(tmp_path / "results", 4)
        with locked(tmp_path / "results"):
            await asyncio.sleep(1.2)
            agent.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.3)
            agent.send_signal(signal.SIGTERM)
            made = await ended(agent)
    finally:
        if agent.returncode is None:
            agent.kill()
    assert made.code == 0, made.err
    assert "store.not_written" in made.err
    assert "Traceback" not in made.err
    before = slots(tmp_path / "results")
    again = await start("run", "-c", file)
    await until_measuring(tmp_path / "results", len(before) + 12)
    again.send_signal(signal.SIGTERM)
    assert (await ended(again)).code == 0
    rows = slots(tmp_path / "results")
    assert rows[: len(before)] == before
    # It ended in order, but the store could not be told so: that is all that the next start knows.
    assert {None, "agent.crashed"} <= {row.missed_reason for row in rows} <= {None, "agent.crashed"} | BUSY
    assert_every_due_slot_is_one_row(load_config(file, CHECKS), rows)
    assert_streams_are_gapless(tmp_path / "results")
