"""What goes is on record before it goes, the chain holds across it, and failures outlive successes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from probe.agent.housekeeping import Housekeeping, limits_of
from probe.core.config.results import DAY_US, EvidenceKeepConfig, KeepConfig
from probe.core.records.verdict import Outcome
from probe.host.clock import SystemClock
from probe.store.base.parts import EVIDENCE_PARTS, begin, parts_of
from probe.store.read.reader import Reader
from probe.store.store import Store
from probe.store.upkeep.check import check_part
from probe.store.write.files import Limits
from tests.store.base.test_parts import chained, change_a_body, lines_of
from tests.support.rows import event, missed, slot


class SetClock(SystemClock):
    """A wall clock that a test sets, in days."""

    day = 0.0

    def time_ns(self) -> int:
        return 1_700_000_000 * 10**9 + round(self.day * 86_400 * 1e9)


@dataclass
class World:
    """A store with parts of a day, and its housekeeper."""

    directory: Path
    store: Store
    clock: SetClock
    confirmed: dict[tuple[str, str], int] = field(default_factory=dict)
    told: list[tuple[str, dict[str, str], tuple[str, ...] | None]] = field(default_factory=list)

    async def day(self, number: int) -> None:
        """Ten rows a day: one failure, one missed, one event, the others well."""
        self.clock.day = number
        rows = [slot(number * 86_400 + i) for i in range(7)]
        failed = slot(number * 86_400 + 8, outcome=Outcome.FAILED)
        await self.store.append([*rows[:3], failed, *rows[3:], missed(number * 86_400 + 9), event("x")])

    def housekeeping(self, **keep: object) -> Housekeeping:
        async def tell(
            event: str,
            detail: dict[str, str],
            customers: tuple[str, ...] | None = None,
            *,
            agent: str | None = None,
        ) -> None:
            self.told.append((event, detail, customers))

        config = KeepConfig.model_validate(keep)
        return Housekeeping(self.directory, self.store, config, self.clock, tell, lambda: self.confirmed)

    @property
    def seqs(self) -> list[int]:
        with Reader.open(self.directory) as reader:
            return [row.seq or 0 for row in reader.follow({})]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    clock = SetClock()
    store = Store.open(tmp_path / "r", "a1", clock, limits=Limits(span_us=DAY_US))
    made = World(tmp_path / "r", store, clock)
    yield made
    await store.close()


async def test_healthy_rows_go_and_the_others_stay(world: World) -> None:
    for day in range(5):
        await world.day(day)
    housekeeping = world.housekeeping(healthy="3d", failures="30d")
    world.clock.day = 4.5
    await housekeeping.round()
    assert [(e, d["what"], d["rows"], d["first_seq"], d["last_seq"], d["confirmed"], c) for e, d, c in world.told] == [
        ("retention.dropped", "healthy", "8", "1", "10", "yes", ("acme",))
    ]  # fmt: skip
    assert world.seqs == [4, 10, *range(11, 51)]
    lines = lines_of(world.directory)
    assert chained(lines)
    spans = [json.loads(line) for line in lines if '"dropped"' in line]
    assert [(s["first_seq"], s["last_seq"]) for s in spans] == [(1, 3), (5, 9)]
    assert [check_part(part.path) for part in parts_of(world.directory)] == [None] * 5
    await housekeeping.round()
    assert len(world.told) == 1, "once"


async def test_a_round_ends_with_its_step_when_the_agent_does(world: World) -> None:
    for day in range(6):
        await world.day(day)
    housekeeping = world.housekeeping(healthy="2d", failures="4d")
    world.clock.day = 6.5
    take = housekeeping._carry_out

    async def one(*args: Any, **kinds: Any) -> None:
        await take(*args, **kinds)
        housekeeping.end_run()

    housekeeping._carry_out = one  # type: ignore[method-assign]
    assert await housekeeping.run() is None
    assert [d["first_seq"] for _, d, _ in world.told] == ["1"]
    assert world.seqs == list(range(11, 61))


async def test_trouble_with_the_disk_is_said(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError("no room")

    monkeypatch.setattr("probe.store.upkeep.retention.facts_of", full)
    assert await world.housekeeping().run() == "no room"


async def test_failures_go_at_their_age_and_the_stream_says_from_where_on_it_is(world: World) -> None:
    for day in range(6):
        await world.day(day)
    housekeeping = world.housekeeping(healthy="2d", failures="4d")
    world.clock.day = 6.5
    await housekeeping.round()
    what = [(d["what"], d["first_seq"]) for _, d, _ in world.told]
    assert what == [("all", "1"), ("all", "11"), ("healthy", "21"), ("healthy", "31")]
    assert world.seqs == [24, 30, 34, 40, *range(41, 61)]
    assert chained(lines_of(world.directory))
    (row,) = await world.store.append([slot(0)])
    assert row.seq == 61


async def test_nothing_unconfirmed_goes_below_the_hard_limit(world: World) -> None:
    for day in range(4):
        await world.day(day)
    world.clock.day = 900
    world.confirmed = {("a1", "acme"): 15}
    housekeeping = world.housekeeping(healthy="1d", failures="1d")
    await housekeeping.round()
    assert [(d["what"], d["last_seq"], d["reason"]) for _, d, _ in world.told] == [("all", "10", "age")]
    assert world.seqs == list(range(11, 41))
    small = world.housekeeping(size="1MiB", hard_size="1MiB", healthy="1d", failures="1d")
    for day in range(900, 908):
        await world.day(day)
        await world.store.append([slot(day * 86_400 + 20 + i, summary="x" * 5000) for i in range(60)])
    world.told.clear()
    await small.round()
    reasons = [(d["reason"], d["confirmed"], d["first_seq"]) for _, d, _ in world.told]
    assert reasons[:2] == [("hard_size", "no", "11"), ("hard_size", "no", "21")]
    assert {reason for reason, _, _ in reasons} == {"hard_size"}
    assert chained(lines_of(world.directory))


async def test_damage_in_a_closed_part_is_found_and_mended(world: World) -> None:
    for day in range(3):
        await world.day(day)
    housekeeping = world.housekeeping()
    change_a_body(parts_of(world.directory)[1], 15, lambda body: body.replace('"well"', '"WELL"'))
    numbers = [part.number for _ in range(3) if (part := await housekeeping.check_next()) is not None]
    assert numbers == [1, 2, 1], "one after another, the newest never"
    assert [(e, d["first_seq"], d["last_seq"], c) for e, d, c in world.told] == [
        ("store.damaged", "15", "15", ("acme",))
    ]
    assert world.seqs == [*range(1, 15), *range(16, 31)]
    assert chained(lines_of(world.directory))


async def test_what_the_store_found_at_its_start_is_told(tmp_path: Path) -> None:
    clock = SetClock()
    store = Store.open(tmp_path, "a1", clock)
    await store.append([slot(i) for i in range(9)])
    await store.close()
    change_a_body(parts_of(tmp_path)[0], 4, lambda body: body.replace('"well"', '"WELL"'))
    store = Store.open(tmp_path, "a1", clock)
    world = World(tmp_path, store, clock)
    await world.housekeeping().round()
    assert [(e, d["first_seq"]) for e, d, _ in world.told] == [("store.damaged", "4")]
    await world.housekeeping().round()
    assert len(world.told) == 1
    await store.close()


async def test_evidence_has_its_own_budget(world: World) -> None:
    await world.day(0)
    for number in (2, 3):
        world.clock.day = number
        begin(world.directory, EVIDENCE_PARTS, number, f"2023-11-{14 + number}T00:00:00.000000Z", ())
    housekeeping = world.housekeeping(evidence=EvidenceKeepConfig.model_validate({"age": "2d"}))
    world.clock.day = 3.5
    await housekeeping.round()
    assert [part.number for part in parts_of(world.directory, EVIDENCE_PARTS)] == [2, 3]
    assert world.seqs == list(range(1, 11))


def test_limits_come_from_the_configuration() -> None:
    keep = KeepConfig.model_validate({"part_span": "7d", "part_size": "2MiB"})
    assert limits_of(keep) == Limits(span_us=7 * DAY_US, size_bytes=2 << 20)


async def test_rows_of_an_earlier_name_wait_for_confirmations_of_their_own_stream(world: World) -> None:
    await world.store.append([slot(i) for i in range(10)], agent="old")
    await world.day(1)
    housekeeping = world.housekeeping(healthy="2d", failures="4d")
    world.clock.day = 20
    world.confirmed = {("a1", "acme"): 10**6, ("old", "acme"): 9}
    await housekeeping.round()
    assert world.told == []
    world.confirmed["old", "acme"] = 10
    await housekeeping.round()
    assert {event for event, *_ in world.told} == {"retention.dropped"}
