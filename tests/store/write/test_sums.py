"""Sums that are kept as rows come: equal to what the committed rows add up to, whatever ends or fails meanwhile."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probe.core.model.value import replace
from probe.core.records.codec import encode
from probe.core.records.rows import Record, SlotRecord, State
from probe.core.records.surroundings import ClockStanding
from probe.core.records.verdict import Fault, Finding, Outcome, Severity
from probe.core.sla.facts.grain_rows import SUMS, GrainTable
from probe.core.tables.rows import rows_of
from probe.host.clock import SystemClock
from probe.store.base.parts import parts_of
from probe.store.read.reader import Reader
from probe.store.store import Store
from probe.store.upkeep.check import check_part
from probe.store.upkeep.retention import closed_parts, thin
from probe.store.write import sums
from probe.store.write.files import Limits
from tests.core.tables.test_rows import measured
from tests.support.build import refused, seen
from tests.support.rows import START_S, at, event, missed
from tests.support.sums import expected, kept, lines_of

KERNEL = ClockStanding(vouched_by="kernel", bound_us=10)
MINUTE_S = 60
NOTE = Finding(
    check="certificate", reason="tls.expires_soon", severity=Severity.WARNING, outcome=Outcome.OK, fault=None
)


class SetClock(SystemClock):
    def __init__(self, at_s: int = START_S) -> None:
        self.at_s = at_s

    def time_ns(self) -> int:
        return self.at_s * 10**9


def at_second(record: SlotRecord, second: int, **changes: Any) -> SlotRecord:
    named = {"clock": KERNEL, "scheme": "https", **changes}
    return replace(record, scheduled_at=at(second), **named)


EDGES = seen(address="192.0.2.1"), seen(address="192.0.2.2")
KINDS: dict[str, Any] = {
    "well": lambda s: at_second(measured(*EDGES), s),
    "one edge": lambda s: at_second(measured(EDGES[0]), s),
    "tainted": lambda s: at_second(measured(replace(EDGES[0], tainted=True), EDGES[1]), s),
    "a note": lambda s: at_second(measured(*EDGES), s, findings=(replace(NOTE, observation=0),)),
    "refused": lambda s: at_second(measured(EDGES[0], refused(address="192.0.2.2")), s),
    "slow": lambda s: at_second(measured(*EDGES), s, outcome=Outcome.SLOW, fault=Fault.CDN, reason="slow.ttfb"),
    "stale": lambda s: at_second(measured(*EDGES), s, outcome=Outcome.STALE, fault=Fault.CDN),
    "missed": missed,
    "aborted": lambda s: at_second(measured(), s, state=State.ABORTED, outcome=None),
    "unsure clock": lambda s: at_second(measured(*EDGES), s, clock=ClockStanding()),
    "far clock": lambda s: at_second(
        measured(*EDGES), s, clock=ClockStanding(vouched_by="kernel", bound_us=60_000_001)
    ),
    "kernel's word": lambda s: at_second(measured(*EDGES), s, clock=None),
    "version 0.1": lambda s: at_second(measured(*EDGES), s, clock=None, scheme=None),
    "http": lambda s: at_second(measured(*EDGES), s, scheme="http"),
    "excluded": lambda s: at_second(measured(*EDGES), s, exclusions=("maintenance",)),
    "again": lambda s: at_second(measured(*EDGES), s, due_again=True),
    "event": lambda s: event("agent.started"),
    "gap": lambda s: replace(event("ledger.gap"), detail={"task": missed().task, "slots": f"{at(s)} {at(s + 60)}"}),
}  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from(sorted(KINDS)), st.integers(0, 1200)), min_size=1, max_size=12))
@settings(max_examples=60)
def test_a_record_at_hand_counts_as_its_line_does(chosen: list[tuple[str, int]]) -> None:
    by_line, by_record = GrainTable("a1"), GrainTable("a1")
    for seq, (kind, second) in enumerate(chosen, 1):
        record = replace(KINDS[kind](second), seq=seq)
        by_line.feed(rows_of("a1", "acme", encode(record)))
        by_record.see(record)
    assert list(by_record.rows()) == list(by_line.rows())
    assert by_record.carried == by_line.carried


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "r"


def of_kinds(chance: random.Random, second: int, count: int = 4) -> list[Record]:
    return [KINDS[chance.choice(sorted(KINDS))](second + n) for n in range(count)]


def compared(directory: Path, customer: str = "acme") -> list[tuple[int, int]]:
    """The spans of seq that sums are kept of, after holding them against the rows."""
    with Reader.open(directory, "a1") as reader:
        grains = reader.grains(customer)
        spans = list(grains.summed().spans)
        rows = kept(grains)
        assert rows == expected("a1", customer, lines_of(reader, customer), spans)
        totals = {name: sum(int(str(row[name])) for row in rows) for name in SUMS}
        by_domain = grains.by_domain(0, 2**32)
        assert {name: sum(getattr(row, name) for row in by_domain) for name in SUMS} == totals
    return spans


async def test_after_a_proper_end_they_are_those_of_all_rows(directory: Path) -> None:
    chance, clock = random.Random(1), SetClock()
    for run in range(3):
        store = Store.open(directory, "a1", clock)
        for turn in range(12):
            second = (run * 12 + turn) * MINUTE_S
            clock.at_s = START_S + second
            await store.append(of_kinds(chance, second), at(second))
        await store.close()
        assert compared(directory) == [(1, 48 * (run + 1))]
    with Reader.open(directory) as reader:
        summed = reader.grains("acme").summed()
        assert summed.complete_up_to == at(35 * MINUTE_S)


async def test_they_are_written_when_a_grain_is_over_and_hold_up_to_there(directory: Path) -> None:
    clock = SetClock(START_S - START_S % 300 + 30)
    store = Store.open(directory, "a1", clock)
    await store.append([KINDS["well"](0)])
    clock.at_s += 280
    await store.append([KINDS["well"](300)])
    assert not compared(directory), "the rows of a grain come some seconds after its end too"
    clock.at_s += 15
    await store.append([KINDS["well"](330)])
    assert compared(directory) == [(1, 2)], "what was committed before"
    await store.close()
    assert compared(directory) == [(1, 3)]


async def test_a_part_keeps_the_sums_of_what_was_written_to_it(directory: Path) -> None:
    chance, clock = random.Random(2), SetClock()
    store = Store.open(directory, "a1", clock, limits=Limits(span_us=150_000_000))
    for turn in range(40):
        clock.at_s += 20
        await store.append(of_kinds(chance, 20 * turn))
    await store.close()
    assert len(parts_of(directory)) > 2
    assert compared(directory) == [(1, 160)]
    before = _kept(directory)
    for part in closed_parts(directory):
        assert check_part(part.path) is None
        thin(part, at(0))
        assert check_part(part.path) is None
    assert _kept(directory) == before, "the sums of healthy rows outlive them"


def _kept(directory: Path) -> list[Any]:
    with Reader.open(directory, "a1") as reader:
        return kept(reader.grains("acme"))


async def test_what_was_not_summed_before_a_kill_is_read_again(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of an earlier version, without any sums, are caught up with in the same way."""
    chance, clock = random.Random(3), SetClock()
    monkeypatch.setattr(sums.Sums, "save", lambda *args, **options: None)
    store = Store.open(directory, "a1", clock, limits=Limits(span_us=150_000_000))
    for turn in range(40):
        clock.at_s += 20
        await store.append(of_kinds(chance, 20 * turn))
    await store.close()
    monkeypatch.undo()
    assert len(parts_of(directory)) > 2
    assert not compared(directory)

    monkeypatch.setattr(sums, "CATCH_UP_ROWS", 50)
    monkeypatch.setattr(sums, "CATCH_UP_S", 0.0)
    store = Store.open(directory, "a1", clock)
    for turn in range(6):
        await store.append(of_kinds(chance, 1000 + turn, 1))
    await store.close()
    assert compared(directory) == [(1, 166)]


async def test_rows_that_retention_took_before_they_were_added_up_are_named_as_in_no_sum(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of an earlier version, which kept no sums: whoever pulled them finds the sums of the others right."""
    clock = SetClock()
    monkeypatch.setattr(sums.Sums, "save", lambda *args, **options: None)
    store = Store.open(directory, "a1", clock, limits=Limits(span_us=150_000_000))
    for turn in range(20):
        clock.at_s += 20
        await store.append(
            [KINDS["well"](20 * turn), KINDS["refused"](20 * turn + 1), KINDS["well"](20 * turn + 2)]
        )
    await store.close()
    monkeypatch.undo()
    with Reader.open(directory, "a1") as reader:
        pulled = lines_of(reader, "acme")
    taken = closed_parts(directory)
    assert len(taken) > 1
    for part in taken:
        thin(part, at(0))
    monkeypatch.setattr(sums, "CATCH_UP_ROWS", 7)
    monkeypatch.setattr(sums, "CATCH_UP_S", 0.0)
    for turn in range(12):  # each start writes what it has caught up with
        store = Store.open(directory, "a1", clock)
        await store.append([KINDS["well"](1000 + turn)])
        await store.close()
    with Reader.open(directory, "a1") as reader:
        whole = lines_of(reader, "acme")
        grains = reader.grains("acme")
        spans = grains.summed().spans
        both = [*pulled, *(line for line in whole if line[0] > pulled[-1][0])]
        assert kept(grains) == expected("a1", "acme", both, spans)
    held = {seq for first, last in spans for seq in range(first, last + 1)}
    assert held == {seq for seq, text in whole if not text.startswith('{"kind":"dropped"')}
    assert len(spans) > 1


async def test_they_are_caught_up_with_a_little_at_a_time(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sums, "CATCH_UP_ROWS", 50)
    monkeypatch.setattr(sums.Sums, "save", lambda *args, **options: None)
    store = Store.open(directory, "a1", SetClock())
    await store.append([KINDS["well"](second) for second in range(80)])
    await store.close()
    monkeypatch.undo()
    monkeypatch.setattr(sums, "CATCH_UP_ROWS", 50)
    store = Store.open(directory, "a1", SetClock())
    await store.append([KINDS["well"](100)])
    await store.append([KINDS["well"](101)])
    await store.close()
    assert compared(directory) == [(1, 50)], "within a second no more is read again"


async def test_damage_to_the_sums_is_found_and_they_are_made_again_of_the_rows(directory: Path) -> None:
    clock = SetClock()
    store = Store.open(directory, "a1", clock)
    await store.append([KINDS["well"](second) for second in range(20)])
    await store.close()
    part = parts_of(directory)[-1].path
    with closing(sqlite3.connect(part)) as conn, conn:
        conn.execute("UPDATE grain SET n = n + 1")
    assert "sums" in (check_part(part) or "")
    store = Store.open(directory, "a1", clock)
    await store.append([KINDS["well"](30)])
    await store.close()
    assert compared(directory) == [(1, 21)]


async def test_no_row_is_held_up_by_an_error_in_adding_up(
    directory: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(GrainTable, "see", lambda table, record: 1 / 0)
    store = Store.open(directory, "a1", SetClock())
    written = await store.append([KINDS["well"](1), KINDS["well"](2)])
    assert [row.seq for row in written] == [1, 2]
    assert "store.sums_failed" in caplog.messages
    monkeypatch.undo()
    written = await store.append([KINDS["well"](3)])
    await store.close()
    assert [row.seq for row in written] == [3]
    assert compared(directory) == [(1, 3)]


async def test_each_customer_and_each_name_of_the_agent_has_its_own(directory: Path) -> None:
    store = Store.open(directory, "a1", SetClock())
    for customer in ("acme", "other"):
        rows: Sequence[Record] = [replace(KINDS["well"](n), customer=customer) for n in range(3)]
        await store.append(rows)
    await store.append([KINDS["missed"](5)], agent="earlier")
    await store.close()
    assert compared(directory, "acme") == compared(directory, "other") == [(1, 3)]
    with Reader.open(directory, "earlier") as reader:
        [row] = kept(reader.grains("acme"))
        assert (row["due"], row["measured"], row["agent"]) == (1, 0, "earlier")
