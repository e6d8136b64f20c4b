"""The wall clock set back, while the agent runs and between two runs: measuring goes on, and the first row counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from probe.agent import daemon
from probe.agent.daemon import run_until
from probe.checks import CHECKS
from probe.core.model.times import epoch_s
from probe.core.records.rows import EventRecord, Record, SlotRecord
from probe.host.clock import SystemClock
from probe.lab.lab import Lab
from probe.settings.config_files import load_config
from tests.agent.test_agent import config_of
from tests.support.agent_process import records

S_NS = 10**9
BACK_S = 4


class MovedClock(SystemClock):
    """The host's clock, set by whoever tests."""

    by_ns = 0

    def time_ns(self) -> int:
        return super().time_ns() + MovedClock.by_ns


@pytest.fixture(autouse=True)
def moved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon, "SystemClock", MovedClock)
    monkeypatch.setattr(MovedClock, "by_ns", 0)


async def run_for(file: Path, slots: int, on_row: Callable[[int], None] = lambda count: None) -> None:
    """The agent in this process, until so many slots are stored; `on_row` is told how many are."""
    stop, seen = asyncio.Event(), list[SlotRecord]()

    def stored(row: SlotRecord) -> None:
        seen.append(row)
        on_row(len(seen))
        if len(seen) >= slots:
            stop.set()

    await asyncio.wait_for(run_until(load_config(file, CHECKS), CHECKS, stop, on_row=stored), 60)


def assert_first_rows_count(rows: list[Record]) -> int:
    """Each due time has one first row, the others say so, after the event, and no watermark falls; how many others."""
    seen: set[tuple[str, str]] = set()
    stepped: set[str] = set()
    complete: dict[str, str] = {}
    again = 0
    for row in rows:
        if row.complete_up_to is not None:
            assert row.complete_up_to >= complete.get(row.customer, "")
            complete[row.customer] = row.complete_up_to
        if isinstance(row, EventRecord):
            stepped |= {row.customer} if row.event == "clock.stepped" else set()
            continue
        due = row.task, row.scheduled_at
        assert row.due_again == (due in seen), due
        assert not row.due_again or row.customer in stepped, "the event comes before"
        again += row.due_again
        seen.add(due)
    return again


def steps(rows: list[Record]) -> set[tuple[str, bool, int]]:
    """Customer, whether over a restart, and by how many seconds the clock went back."""
    return {
        (row.customer, row.detail.get("over") == "restart", round(int(row.detail["delta_us"]) / 1e6))
        for row in rows
        if isinstance(row, EventRecord) and row.event == "clock.stepped"
    }


async def test_set_back_between_two_runs(tmp_path: Path) -> None:
    async with Lab() as lab:
        await lab.warm()
        file = config_of(lab, tmp_path)
        await run_for(file, 30)
        first = records(tmp_path / "results")
        MovedClock.by_ns = -60 * S_NS
        await run_for(file, 30)  # a minute ago: measuring goes on at once
        MovedClock.by_ns = -62 * S_NS
        await run_for(file, 30)
    rows = records(tmp_path / "results")
    assert assert_first_rows_count(rows) > 0
    new = [row for row in rows[len(first) :] if isinstance(row, SlotRecord)]
    until = max(epoch_s(row.scheduled_at) for row in first if isinstance(row, SlotRecord))
    assert min(epoch_s(row.scheduled_at) for row in new) < until - 50, "not waited for"
    backs = sorted(delta for customer, over, delta in steps(rows) if customer == "shop" and over)
    assert len(backs) == 2
    assert -61 <= backs[0] <= -55


async def test_set_back_while_it_runs(tmp_path: Path) -> None:
    def set_back(count: int) -> None:
        if count == 30:
            MovedClock.by_ns = -BACK_S * S_NS

    async with Lab() as lab:
        await lab.warm()
        file = config_of(lab, tmp_path)
        await run_for(file, 80, set_back)
    rows = records(tmp_path / "results")
    assert assert_first_rows_count(rows) > 0
    assert {(customer, over) for customer, over, _ in steps(rows)} == {("shop", False), ("media", False)}


async def test_a_start_without_a_step_says_nothing(tmp_path: Path) -> None:
    async with Lab() as lab:
        await lab.warm()
        file = config_of(lab, tmp_path)
        for _ in range(2):
            await run_for(file, 6)
    rows = records(tmp_path / "results")
    assert assert_first_rows_count(rows) == 0
    assert steps(rows) == set()
