"""What retention and damage take from a store is a declared gap; what somebody else takes is a fault."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from probe.agent.events import EventWriter
from probe.agent.housekeeping import Housekeeping
from probe.core.config.results import DAY_US, KeepConfig
from probe.core.model.value import replace
from probe.core.records.rows import EventRecord
from probe.core.records.surroundings import HostFacts
from probe.core.records.verdict import Outcome
from probe.services.verification import Verification, verify
from probe.store.base.parts import parts_of
from probe.store.read.reader import Reader
from probe.store.store import Store
from probe.store.write.files import Limits
from tests.seal.made import SetClock, pulled, sealed
from tests.store.base.test_parts import change_a_body
from tests.support.parts import by_sql
from tests.support.rows import HOST, START_S, missed, slot


@dataclass
class World:
    """A store with a part a day, its housekeeper, and its events really written."""

    directory: Path
    store: Store
    clock: SetClock
    agent: str = "a1"
    told: list[dict[str, str]] = field(default_factory=list)

    async def day(self, number: float) -> None:
        """Ten rows of each customer: two that stay, eight that go when they are old."""
        self.clock.wall_ns = round((START_S + number * 86_400) * 1e9)
        first = round(number * 86_400)
        for name in ("acme", "other"):
            rows = [slot(first + i, customer=name) for i in range(7)]
            failed = slot(first + 8, customer=name, outcome=Outcome.FAILED)
            stale = slot(first + 9, customer=name, outcome=Outcome.STALE)
            made = [*rows[:3], failed, *rows[3:], stale, missed(first + 9, customer=name)]
            await self.store.append([replace(row, host=self.host) for row in made])

    @property
    def host(self) -> HostFacts:
        """Of the agent by its name of today."""
        return replace(HOST, agent=self.agent)

    async def rename(self, name: str) -> None:
        """The agent ends, and begins anew under another name on the same results."""
        await self.store.close()
        self.agent = name
        self.store = Store.open(self.directory, name, self.clock, limits=Limits(span_us=DAY_US))

    async def event(
        self,
        event: str,
        detail: dict[str, str],
        customers: tuple[str, ...] | None = None,
        *,
        agent: str | None = None,
    ) -> None:
        """As the agent tells it."""
        self.told.append(detail)
        events = EventWriter(
            self.store, self.clock, lambda: self.host, lambda: ("acme", "other"), lambda name: None
        )
        await events.append(event, detail, customers, agent=agent)

    def housekeeping(self, **keep: object) -> Housekeeping:
        config = KeepConfig.model_validate(keep)
        return Housekeeping(self.directory, self.store, config, self.clock, self.event)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    clock = SetClock()
    store = Store.open(tmp_path / "r", "a1", clock, limits=Limits(span_us=DAY_US))
    made = World(tmp_path / "r", store, clock)
    yield made
    await made.store.close()


def problems(found: Verification, customer: str = "acme") -> list[tuple[str, int | None]]:
    assert all(not r.problems for r in found.streams if r.customer != customer), found
    return [(p.kind.value, p.seq) for r in found.streams for p in r.problems]


async def test_what_retention_took_is_told_and_nobody_is_accused_for_it(world: World, tmp_path: Path) -> None:
    """Day by day for a month, verified at every step, as a store, and as copies begun early and late."""
    await sealed(world.directory)
    for day in range(14):
        await world.day(day)
        await world.housekeeping(healthy="3d", failures="6d").round()
        found = verify(world.directory)
        assert found.good, (day, found)
    gaps = {r.customer: r.gaps for r in verify(world.directory).streams}
    assert gaps["acme"][0].first_seq == 1
    assert len(gaps["acme"]) > 3
    assert gaps["acme"] == gaps["other"]
    pulled(world.directory, tmp_path / "copy", noted=True)
    assert verify(tmp_path / "copy").good
    await sealed(world.directory)
    assert verify(world.directory).good
    segments = [r for r in verify(world.directory).streams if r.source == "segments"]
    assert [r.last_seq for r in segments] == [r.last_seq for r in verify(world.directory).streams[:2]]


async def test_what_goes_from_the_streams_of_an_earlier_name_is_told_in_them(world: World) -> None:
    """The agent was given another name: retention and damage still reach the rows of the old one."""
    for day in range(4):
        await world.day(day)
    await world.rename("a2")
    for day in range(4, 9):
        await world.day(day)
        await world.housekeeping(healthy="2d", failures="30d").round()
        assert verify(world.directory).good, day
    change_a_body(parts_of(world.directory)[1], 14, lambda body: body.replace('"failed"', '"FAILED"'))
    housekeeping = world.housekeeping(healthy="2d", failures="30d")
    for _ in range(2):
        await housekeeping.check_next()
    found = verify(world.directory)
    assert found.good, [(r.agent, r.customer, r.problems) for r in found.streams]
    gaps = {(report.agent, report.customer): report.gaps for report in found.streams}
    assert gaps["a1", "acme"], "rows of the old name are gone"
    assert {gap.reason for gap in gaps["a1", "acme"]} == {"retention", "store.damaged"}
    assert gaps["a2", "acme"], "and so are old ones of the new name"
    with Reader.open(world.directory, "a1") as reader:
        told = [row for row in reader.follow({}) if isinstance(row, EventRecord)]
    assert {(row.agent, row.event) for row in told} == {
        ("a1", "retention.dropped"), ("a1", "store.damaged"),
    }  # fmt: skip


async def test_damage_beside_what_retention_took_is_mended(world: World) -> None:
    for day in range(7):
        await world.day(day)
        await world.housekeeping(healthy="2d", failures="30d").round()
    (part,) = [part for part in parts_of(world.directory) if part.number == 2]
    change_a_body(part, 14, lambda body: body.replace('"failed"', '"FAILED"'))
    housekeeping = world.housekeeping()
    for _ in range(2):
        await housekeeping.check_next()
    found = verify(world.directory)
    assert found.good, [(report.customer, report.problems) for report in found.streams]
    assert (14, 14, "store.damaged") in [
        (gap.first_seq, gap.last_seq, gap.reason) for report in found.streams for gap in report.gaps
    ]


async def test_a_failure_taken_among_what_retention_took_is_found(world: World) -> None:
    for day in range(5):
        await world.day(day)
    await world.housekeeping(healthy="2d", failures="30d").round()
    assert verify(world.directory).good
    with by_sql(parts_of(world.directory)[0].path) as conn:
        (stream,) = conn.execute("SELECT id FROM stream WHERE customer = 'acme'").fetchone()
        sql = "SELECT line(body) FROM record WHERE stream = ? AND seq = 4"
        (body,) = conn.execute(sql, (stream,)).fetchone()
        spans = conn.execute(
            "SELECT first_seq, last_seq, digest FROM dropped WHERE stream = ? ORDER BY first_seq", (stream,)
        )
        (first, _, _), (_, last, digest), *_ = spans.fetchall()
        conn.execute("DELETE FROM record WHERE stream = ? AND seq = 4", (stream,))
        conn.execute("DELETE FROM dropped WHERE stream = ? AND first_seq = 5", (stream,))
        sql = "UPDATE dropped SET last_seq = ?, digest = ? WHERE stream = ? AND first_seq = 1"
        conn.execute(sql, (last, digest, stream))
    assert json.loads(body)["outcome"] == "failed"
    assert problems(verify(world.directory)) == [("undeclared_gap", 1)]
    assert first == 1


@pytest.mark.parametrize("which", [0, 1, 3])
async def test_a_part_that_somebody_took_away_is_found(world: World, which: int) -> None:
    for day in range(5):
        await world.day(day)
    await world.store.close()
    parts_of(world.directory)[which].path.unlink()
    found = verify(world.directory)
    told = [(p.kind.value, p.seq, p.last_seq) for r in found.streams for p in r.problems]
    assert told == [("undeclared_gap", which * 10 + 1, which * 10 + 10)] * 2
    assert not found.good


async def test_what_damage_took_is_told(world: World) -> None:
    for day in range(3):
        await world.day(day)
    change_a_body(parts_of(world.directory)[1], 15, lambda body: body.replace('"well"', '"WELL"'))
    assert problems(verify(world.directory)) == [("changed", 15)]
    housekeeping = world.housekeeping()
    for _ in range(2):
        await housekeeping.check_next()
    found = verify(world.directory)
    assert found.good
    assert [[(g.first_seq, g.last_seq, g.reason) for g in r.gaps] for r in found.streams] == [
        [(15, 15, "store.damaged")],
        [],
    ]


async def test_the_event_that_declares_a_gap_is_needed(world: World) -> None:
    for day in range(5):
        await world.day(day)
    await world.housekeeping(healthy="2d", failures="30d").round()
    await world.day(4.5)
    newest = parts_of(world.directory)[-1]

    def another(body: str) -> str:
        return body.replace("retention.dropped", "retention.nothing")

    for seq in range(51, 54):
        with by_sql(newest.path) as conn:
            sql = (
                "SELECT line(body) FROM record JOIN stream s ON s.id = stream"
                " WHERE customer = 'acme' AND seq = ?"
            )
            found = conn.execute(sql, (seq,)).fetchone()
            if found is not None:
                sql = (
                    "UPDATE record SET body = packed(?) WHERE seq = ? AND stream ="
                    " (SELECT id FROM stream WHERE customer = 'acme')"
                )
                conn.execute(sql, (another(found[0]), seq))
    kinds = {kind for kind, _ in problems(verify(world.directory))}
    assert kinds == {"changed", "undeclared_gap"}
