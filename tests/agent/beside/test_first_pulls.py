"""What a reader received, and by when, becomes an event in the stream; the events themselves make no further ones."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from probe.agent.beside.first_pulls import EVERY_S, FILE, FirstPulls
from probe.agent.events import EventWriter
from probe.core.results.witnessing import FIRST_PULLED
from probe.store.acks import MOST_SPANS, ApiDb
from probe.store.confirmations import FILE as API_DB
from probe.store.confirmations import Confirmations, Pulled, Received
from probe.store.read.reader import Reader
from probe.store.store import Store
from tests.api.served import fill, rows, served
from tests.seal.made import SetClock, rows_of
from tests.support.rows import HOST, at


@dataclass
class World:
    """A store, the API's notes of who pulled, and the job that puts them on record."""

    directory: Path
    store: Store
    db: ApiDb
    clock: SetClock = field(default_factory=SetClock)

    def job(self) -> FirstPulls:
        return FirstPulls(self.directory, "a1", self.clock, self.event)

    async def event(
        self,
        event: str,
        detail: dict[str, str],
        customers: tuple[str, ...] | None = None,
        *,
        agent: str | None = None,
    ) -> None:
        events = EventWriter(self.store, self.clock, lambda: HOST, lambda: ("acme",), lambda name: None)
        await events.append(event, detail, customers, agent=agent)

    async def rows(self, count: int, customer: str = "acme") -> None:
        await self.store.append(rows_of(customer, 0, count))

    async def pulled(
        self, first: int, last: int, when: int, reader: str = "evaluator", customer: str = "acme"
    ) -> None:
        await self.db.pulled(
            Pulled(reader=reader, agent="a1", customer=customer, first=first, last=last, at=at(when))
        )

    def told(self, customer: str = "acme") -> list[tuple[str, int, int, str]]:
        with Reader.open(self.directory, "a1") as reader:
            lines = [json.loads(line.text) for line in reader.lines(customer, 0, 10_000)]
        details = [line["detail"] for line in lines if line.get("event") == FIRST_PULLED]
        return [(d["reader"], int(d["first_seq"]), int(d["last_seq"]), d["pulled_at"]) for d in details]

    def later(self, seconds: float) -> None:
        self.clock.wall_ns += round(seconds * 1e9)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    store = Store.open(tmp_path / "r", "a1", SetClock())
    db = await ApiDb.open(tmp_path / "r", at(0))
    yield World(tmp_path / "r", store, db)
    await db.close()
    await store.close()


async def test_the_first_pull_of_each_reader_is_told_at_once(world: World) -> None:
    await world.rows(10)
    await world.pulled(1, 6, 100)
    await world.pulled(7, 10, 101)
    await world.pulled(1, 10, 105, "auditor")
    job = world.job()
    assert await job.run() is None
    assert world.told() == [("auditor", 1, 10, at(105)), ("evaluator", 1, 10, at(101))]
    assert await job.run() is None
    assert len(world.told()) == 2


async def test_later_ones_are_told_once_an_hour_together(world: World) -> None:
    await world.rows(5)
    await world.pulled(1, 5, 100)
    job = world.job()
    await job.run()
    await world.rows(10)
    for last in range(6, 17):
        await world.pulled(last, last, 100 + last)
        world.later(60)
        await job.run()
    assert len(world.told()) == 1
    world.later(EVERY_S)
    await job.run()
    assert world.told()[1:] == [("evaluator", 6, 16, at(116))]


async def test_a_reader_that_follows_an_idle_stream_makes_no_events_for_ever(world: World) -> None:
    await world.rows(5)
    await world.pulled(1, 5, 100)
    job = world.job()
    for _ in range(10):
        await job.run()
        world.later(EVERY_S)
        await world.pulled(6, 6, 200)  # the event of the first pull
    assert len(world.told()) == 1


async def test_a_restart_forgets_nothing_and_a_lost_note_is_told_again(world: World) -> None:
    await world.rows(5)
    await world.pulled(1, 5, 100)
    await world.job().run()
    await world.job().run()
    assert len(world.told()) == 1
    for damage in (b"", b"[]", b'{"a": 1}'):
        (world.directory / FILE).write_bytes(damage)
    await world.job().run()
    assert world.told() == [("evaluator", 1, 5, at(100))] * 2, "which contradicts nothing"


async def test_lines_with_a_gap_between_are_told_apart(world: World) -> None:
    await world.rows(30)
    await world.pulled(1, 5, 100)
    await world.pulled(20, 25, 101)
    await world.job().run()
    assert world.told() == [("evaluator", 1, 5, at(100)), ("evaluator", 20, 25, at(101))]


async def test_each_customers_readers_are_told_in_its_own_stream(world: World) -> None:
    await world.rows(3)
    await world.rows(3, "other")
    await world.pulled(1, 3, 100, "a", "acme")
    await world.pulled(1, 3, 100, "b", "other")
    await world.job().run()
    assert [each[0] for each in world.told()] == ["a"]
    assert [each[0] for each in world.told("other")] == ["b"]


async def test_who_asks_at_random_is_not_followed_without_end(world: World) -> None:
    for number in range(MOST_SPANS + 5):
        await world.pulled(3 * number + 1, 3 * number + 1, 100)
    assert len(Confirmations(world.directory, "a1").received()) == MOST_SPANS


async def test_what_cannot_be_read_is_told_and_tried_again(world: World) -> None:
    await world.rows(3)
    await world.pulled(1, 3, 100)
    await world.db.close()
    whole = (world.directory / API_DB).read_bytes()
    (world.directory / API_DB).write_bytes(b"no database" * 1000)
    job = world.job()
    assert "cannot be read" in str(await job.run())
    (world.directory / API_DB).write_bytes(whole)
    assert await job.run() is None
    assert len(world.told()) == 1


async def test_it_is_what_the_api_handed_out(tmp_path: Path) -> None:
    await fill(tmp_path / "r", rows(7))
    async with served(tmp_path) as api:
        await api.ask("/v1/results?customer=acme&limit=3", "acme")
        await api.ask("/v1/results?customer=acme&after=3", "acme")
        await api.ask("/v1/results?customer=acme&after=7", "acme")
        await api.ask("/v1/results?customer=acme&limit=2", "all")
    assert list(spans(tmp_path / "r")) == [("acme", 1, 7), ("all", 1, 2)]


def spans(directory: Path) -> Iterator[tuple[str, int, int]]:
    for each in Confirmations(directory, "a1").received():
        assert isinstance(each, Received)
        yield each.reader, each.first, each.last


def test_before_anybody_pulled_there_is_nothing(tmp_path: Path) -> None:
    assert Confirmations(tmp_path, "a1").received() == []
