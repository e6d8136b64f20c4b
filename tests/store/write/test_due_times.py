"""Of one due time the first row is the row; a further one says so, wherever the first is kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from probe.core.records.rows import EventRecord, Record, SlotRecord
from probe.host.clock import SystemClock
from probe.store.base.part_query import PartQuery
from probe.store.base.parts import parts_of, remove
from probe.store.base.schema import StoreDamaged, StoreError
from probe.store.read.reader import Reader
from probe.store.store import Store
from probe.store.write import writer
from probe.store.write.due_times import PATIENCE
from probe.store.write.files import Limits
from tests.support.rows import at, event, missed, slot


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "r"


async def stored(directory: Path, *batches: Sequence[Record], limits: Limits | None = None) -> list[bool]:
    """Append one batch after another; whether each slot was due again."""
    store = Store.open(directory, "a1", SystemClock(), limits=limits)
    found = []
    for batch in batches:
        found += [row.due_again for row in await store.append(batch) if isinstance(row, SlotRecord)]
    await store.close()
    return found


@pytest.mark.parametrize(
    ("batches", "again"),
    [
        ([[slot(0), slot(1)]], [False, False]),
        ([[slot(0)], [slot(0)]], [False, True]),
        ([[slot(0), slot(0)]], [False, True]),
        ([[slot(5)], [slot(3)], [slot(3)], [slot(5)]], [False, False, True, True]),
        ([[slot(0)], [slot(0, id="another")]], [False, False]),
        ([[slot(0)], [missed(0)], [slot(0)]], [False, True, True]),
        ([[missed(0)], [slot(0)]], [False, True]),
        ([[event("agent.started")], [slot(0)]], [False]),
    ],
)
async def test_a_due_time_that_has_a_row_keeps_it(
    directory: Path, batches: list[list[Record]], again: list[bool]
) -> None:
    assert await stored(directory, *batches) == again


async def test_also_over_a_restart_and_in_parts_that_are_closed(directory: Path) -> None:
    small = Limits(size_bytes=12_000)
    rows = [slot(i) for i in range(200)]
    for first in range(0, 200, 10):
        assert not any(await stored(directory, rows[first : first + 10], limits=small))
    assert len(parts_of(directory)) > 3
    assert await stored(directory, [slot(3)], [slot(120)], [slot(199)], [slot(200)]) == [
        True,
        True,
        True,
        False,
    ]


async def test_what_retention_took_is_no_row_any_more_and_nothing_fails(directory: Path) -> None:
    small = Limits(size_bytes=12_000)
    store = Store.open(directory, "a1", SystemClock(), limits=small)
    for first in range(0, 200, 10):
        await store.append([slot(first + i) for i in range(10)])
    (old,) = await store.append([slot(120)])
    assert isinstance(old, SlotRecord)
    assert old.due_again
    for part in parts_of(directory)[:-1]:
        remove(part)
    (row,) = await store.append([slot(3)])
    assert isinstance(row, SlotRecord)
    assert not row.due_again
    await store.close()


async def test_the_watermark_never_falls(directory: Path) -> None:
    for until in (10, 20, 5, 19, 21):
        store = Store.open(directory, "a1", SystemClock())
        await store.append([slot(until)], at(until))
        await store.append([event("clock.stepped")])
        await store.close()
    with Reader.open(directory) as reader:
        assert reader.head("acme").complete_up_to == at(21)
        told = [row.complete_up_to for row in reader.follow({}) if not isinstance(row, EventRecord)]
        assert told == [at(10), at(20), at(20), at(20), at(21)]
        assert all(row.complete_up_to is None for row in reader.follow({}) if isinstance(row, EventRecord))
        assert reader.heads() == {"acme": 10}


@pytest.mark.parametrize(
    ("errors", "damaged", "again"), [(3, False, True), (100, False, False), (1, True, False)]
)
async def test_a_part_that_cannot_be_read_at_present_is_waited_for(
    directory: Path, monkeypatch: pytest.MonkeyPatch, errors: int, damaged: bool, again: bool
) -> None:
    """The row of a due time may be in it; where it stays unreadable, or is damaged, nothing waits for it."""
    monkeypatch.setattr(writer, "FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(writer, "LONGEST_PAUSE_S", 0.002)
    rows = [slot(number) for number in range(60)]
    for first in range(0, 60, 10):
        await stored(directory, rows[first : first + 10], limits=Limits(size_bytes=12_000))
    assert len(parts_of(directory)) > 1
    real, met = PartQuery.value, [0]

    def failing(self: PartQuery, sql: str, *values: object) -> Any:
        if sql.startswith("SELECT 1 FROM record") and met[0] < errors:
            met[0] += 1
            kind = StoreDamaged if damaged else StoreError
            raise kind(f"{self.path}: cannot be read: disk I/O error")
        return real(self, sql, *values)

    monkeypatch.setattr(PartQuery, "value", failing)
    assert await stored(directory, [slot(3)]) == [again]
    assert met[0] == min(errors, PATIENCE + 1)
