"""Rows on their way into the store: told when they are on the disk, replaced where they cannot be kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from probe.agent.row_sink import RowSink
from probe.core.model.task import Task
from probe.core.model.value import replace
from probe.core.nodes.values import Changes
from probe.core.records.rows import SlotRecord, State
from probe.host.clock import SystemClock
from probe.store.read.reader import Reader
from probe.store.store import Store, StoreError
from probe.store.write import writer as store_writer
from tests.support import build
from tests.support.rows import slot


class Bench:
    def __init__(self, directory: Path) -> None:
        self.store = Store.open(directory, "a1", SystemClock())
        self.told: list[SlotRecord] = []
        self.task = build.task()
        self.up_to = 0
        self.rows = RowSink(
            self.store,
            changes=Changes,
            complete_up_to=lambda customer: f"{customer} {self.up_to}",
            missed=self.missed,
            on_row=[self.told.append],
        )

    def missed(self, task: Task, scheduled_at: str, reason: str) -> SlotRecord:
        assert task is self.task
        return replace(
            slot(0), scheduled_at=scheduled_at, state=State.MISSED, missed_reason=reason, outcome=None
        )


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path / "r")
    yield made
    await made.store.close()


def stored(tmp_path: Path) -> list[Any]:
    with Reader.open(tmp_path / "r", "a1") as reader:
        return list(reader.follow({}))


async def test_a_row_is_told_when_it_is_on_the_disk_and_its_definition_with_it(
    bench: Bench, tmp_path: Path
) -> None:
    kept = [bench.rows.put(slot(n), bench.task) for n in range(3)]
    assert (bench.told, stored(tmp_path)) == ([], [])
    await asyncio.gather(*kept)
    assert [row.seq for row in bench.told] == [1, 2, 3]
    assert bench.told == stored(tmp_path)
    with Reader.open(tmp_path / "r", "a1") as reader:
        assert reader.definition(bench.task.definition) is not None


async def test_what_is_complete_on_the_disk_stands_at_the_first_row_that_waits(bench: Bench) -> None:
    assert bench.rows.stored_up_to("acme") == "acme 0"
    kept = []
    for number in (3, 5, 7):
        bench.up_to = number
        kept.append(bench.rows.put(slot(number), bench.task))
    bench.up_to = 9
    assert bench.rows.stored_up_to("acme") == "acme 3", "nothing is on the disk of what was due from then on"
    assert bench.rows.stored_up_to("other") == "other 9"
    await asyncio.gather(*kept)
    assert bench.rows.stored_up_to("acme") == "acme 9"
    assert [row.complete_up_to for row in bench.told] == ["acme 3", "acme 5", "acme 7"]


async def test_a_row_that_nobody_waits_for_any_more_is_stored_all_the_same(
    bench: Bench, tmp_path: Path
) -> None:
    bench.rows.put(slot(0), bench.task).cancel()
    await bench.rows.put(slot(1), bench.task)
    assert [row.seq for row in stored(tmp_path)] == [1, 2]


async def test_in_place_of_a_row_that_cannot_be_kept_the_slot_has_another(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    commit = store_writer.commit

    def picky(files: Any, agent: str, batch: Any) -> None:
        if any(getattr(record, "summary", "") == "poison" for item in batch for record in item.records):
            raise OverflowError("int too large")
        commit(files, agent, batch)

    monkeypatch.setattr(store_writer, "commit", picky)
    bad = replace(slot(7), summary="poison")
    kept = bench.rows.put(bad, bench.task)
    with pytest.raises(StoreError, match="int too large"):
        await kept
    await bench.store.append([slot(8)])
    (row,) = [row for row in stored(tmp_path) if row.kind == "slot" and row.scheduled_at == bad.scheduled_at]
    assert (row.state, row.missed_reason) == ("missed", "agent.internal_error")
    assert "ledger.gap" in {row.event for row in stored(tmp_path) if row.kind == "event"}
    assert "row.not_stored" in caplog.text


async def test_what_the_closed_store_did_not_write_is_no_error_of_ours(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(files: Any, agent: str, batch: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store_writer, "commit", full)
    kept = bench.rows.put(slot(0), bench.task)
    await bench.store.close(within_s=0.1)
    with pytest.raises(StoreError, match="closed before"):
        await kept
    assert "row.not_stored" not in caplog.text, "said once for all"
    assert "store.not_written" in caplog.text
    assert bench.told == []
    with pytest.raises(StoreError, match="the store is closed"):
        bench.rows.put(slot(1), bench.task)
