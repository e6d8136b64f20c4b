"""What results show of what a slot costs."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from probe.checks import CHECKS
from probe.core.records.rows import Record
from probe.core.records.verdict import Outcome
from probe.host.clock import SystemClock
from probe.services.forecast import forecast
from probe.services.learned import learned_from
from probe.store.store import Store
from tests.services.test_forecast import agent
from tests.support.rows import event, missed, slot


async def kept(directory: Path, records: list[Record]) -> None:
    store = Store.open(directory, "a1", SystemClock())
    await store.append(records)
    await store.close()


def said(chance: random.Random, size: int) -> str:
    """What no dictionary makes smaller than half."""
    return chance.randbytes(size).hex()


async def test_a_row_is_as_large_as_the_later_ones_that_are_well(tmp_path: Path) -> None:
    """Others, and the first ones, take another number of bytes, as each kind does of a real agent."""
    chance = random.Random(1)
    early = [slot(n, summary=said(chance, 400)) for n in range(100)]
    late = [slot(100 + n, summary=said(chance, 1_000)) for n in range(100)]
    others: list[Record] = [
        record
        for n in range(60)
        for record in (
            missed(300 + n),
            event("agent.started"),
            slot(400 + n, outcome=Outcome.FAILED, summary=said(chance, 9_000)),
        )
    ]
    await kept(tmp_path / "alone", [*early, *late])
    await kept(tmp_path / "beside", [*early, *others, *late])
    alone, beside = learned_from(tmp_path / "alone"), learned_from(tmp_path / "beside")
    assert beside.row_bytes == pytest.approx(alone.row_bytes, rel=0.02)
    assert alone.row_bytes is not None
    assert 1_000 < alone.row_bytes < 1_600


async def test_rows_of_a_young_agent_are_said_to_become_smaller(tmp_path: Path) -> None:
    await kept(tmp_path / "young", [slot(n) for n in range(100)])
    found = learned_from(tmp_path / "young")
    assert found.row_bytes is not None
    assert not found.own_dictionary
    [words] = [told for told in forecast(agent(), [], CHECKS, found).assumptions if "dictionary" in told]
    assert words.startswith("a row takes what it took so far")


async def test_rows_of_an_older_agent_are_packed_by_its_own_dictionary(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "older", "a1", SystemClock())
    chance = random.Random(2)
    for first in range(0, 1_600, 100):  # a part ends between two batches
        await store.append([slot(first + n, summary=said(chance, 50)) for n in range(100)])
    await store.close()
    found = learned_from(tmp_path / "older")
    assert found.row_bytes is not None
    assert found.own_dictionary


async def test_too_few_rows_say_nothing_of_bytes(tmp_path: Path) -> None:
    await kept(tmp_path / "few", [slot(n) for n in range(99)])
    assert learned_from(tmp_path / "few").row_bytes is None
    assert learned_from(tmp_path / "none").row_bytes is None
