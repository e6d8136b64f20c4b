"""Incidents of a running agent: on record in the streams, told to who is called, and gone on with after a restart."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from probe.agent.beside.incidents import FILE, Incidents
from probe.agent.events import EventWriter
from probe.calls.caller import Caller
from probe.calls.sender import CallError
from probe.core.calls.queue import DELIVERED, FAILED, Delivery
from probe.core.config.calls import CallConfig, IncidentsConfig
from probe.core.incidents.incident import EVENTS, Ending, from_detail
from probe.core.model.value import replace
from probe.core.records.rows import EventRecord, SlotRecord
from probe.core.records.verdict import Fault, Outcome
from probe.host.clock import rfc3339
from probe.store.read.reader import Reader
from probe.store.read.told import incidents_of
from probe.store.store import Store
from tests.support.build import task
from tests.support.rows import HOST, slot

START_S = 1_700_000_000
MINUTE_S = 60


@dataclass
class Clock:
    now_s: float = START_S
    ahead_s: float = 0.0  # the wall clock was set

    def time_ns(self) -> int:
        return round((self.now_s + self.ahead_s) * 1e9)

    def monotonic_ns(self) -> int:
        return round(self.now_s * 1e9)


@dataclass
class Called:
    """Who is called: what it heard, and whether it can be reached."""

    up: bool = True
    heard: list[str] = field(default_factory=list)

    async def __call__(self, delivery: Delivery, now_us: int) -> None:
        assert now_us
        if not self.up:
            raise CallError("it was not reached: Connection refused")
        stage = "repeated" if delivery.stage is None else delivery.stage.value
        about = delivery.incident.domain or delivery.incident.vantage_point
        self.heard.append(f"{delivery.target.name} {stage} {about}")


class World:
    """A store whose rows incidents are found in, minute by minute; an agent that may be begun anew at any time."""

    def __init__(self, directory: Path, calls: Iterable[str] = ("ops", "desk")) -> None:
        self.directory = directory
        self.clock = Clock()
        self.store = Store.open(directory, "a1", self.clock)
        self.called = Called()
        self.domains = ["www.acme.example", "img.acme.example"]
        self.customers = ["acme", "other"]
        self.exclusions: tuple[str, ...] = ()
        made = {
            "ops": CallConfig(name="ops", alertmanager="http://127.0.0.1:9093"),
            "desk": CallConfig(name="desk", webhook="http://127.0.0.1:1/hook"),
        }
        agent = SimpleNamespace(
            agent="a1", incidents=IncidentsConfig(), calls=tuple(made[name] for name in calls)
        )
        self.config: Any = SimpleNamespace(agent=agent, digest="c1")
        self.begin()

    def begin(self) -> None:
        """A start of the agent; what the last run knew only in memory is lost."""
        self.events = EventWriter(self.store, self.clock, lambda: HOST, lambda: ("acme",), lambda name: None)
        self.incidents = Incidents(
            self.directory, lambda: self.config, self.plan, self.clock, self.events.append
        )
        self.events.on_event.append(self.incidents.event)
        self.caller = Caller(self.incidents.queue, self.called, self.clock, self.incidents.record)

    def plan(self) -> Any:
        tasks = [
            task(id=f"{customer}-{domain}", customer=customer, domain=domain)
            for customer in self.customers
            for domain in self.domains
        ]
        return SimpleNamespace(tasks=tasks)

    def row(self, sign: str, domain: str, customer: str = "acme") -> SlotRecord:
        failed: dict[str, Any] = {
            "outcome": Outcome.FAILED,
            "fault": Fault.CDN,
            "reason": "http.error",
            "confirmed": True,
        }
        line: dict[str, Any] = {
            "outcome": Outcome.INCONCLUSIVE,
            "fault": Fault.VANTAGE,
            "reason": "vantage.offline",
        }
        row = slot(id=f"{customer}-{domain}", customer=customer, domain=domain)
        changes = {".": {}, "X": failed, "v": line}[sign]
        due = rfc3339(self.clock.time_ns())
        return replace(row, scheduled_at=due, exclusions=self.exclusions, **changes)

    async def minute(self, *signs: str, look: bool = True) -> None:
        """A row of each domain, and the jobs' rounds behind it. `look` False: the agent is killed before these."""
        rows = [self.row(sign, domain) for domain, sign in zip(self.domains, signs, strict=False)]
        for stored in await self.store.append(rows):
            assert isinstance(stored, SlotRecord)
            self.incidents.row(stored)
        if look:
            await self.round()
        self.clock.now_s += MINUTE_S

    async def round(self) -> None:
        assert await self.incidents.run() is None
        await self.caller.run()
        assert await self.incidents.run() is None

    def of(self, *names: str, customer: str = "acme") -> list[EventRecord]:
        with Reader.open(self.directory, "a1") as reader:
            records = reader.iterate(customer=customer, newest_first=False)
            return [each for each in records if isinstance(each, EventRecord) and each.event in names]

    def told(self, customer: str = "acme") -> list[str]:
        events = self.of(*EVENTS, customer=customer)
        return [f"{e.event} {e.detail.get('domain') or e.detail['vantage_point']}" for e in events]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path / "r")
    yield made
    await made.store.close()


WWW_STORY = ["incident.opened www.acme.example", "incident.closed www.acme.example"]


async def test_one_domain_of_two_fails_and_is_called_by_name(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await world.minute(".", ".")
    await world.minute("X", ".")
    assert world.told() == WWW_STORY[:1]
    assert world.called.heard == ["ops opened www.acme.example", "desk opened www.acme.example"]
    for _ in range(8):
        await world.minute(".", ".")
    assert world.told() == WWW_STORY
    assert [line for line in world.called.heard if "desk" in line] == [
        "desk opened www.acme.example",
        "desk closed www.acme.example",
    ]
    opened, closed = (from_detail(event.detail) for event in world.of(*EVENTS))
    assert opened.id == closed.id
    assert opened.keys == ("acme/3",)
    assert not world.incidents.open()
    delivered = [(e.detail["target"], e.detail["stage"]) for e in world.of(DELIVERED)]
    assert sorted(delivered) == [
        *(("desk", "closed"), ("desk", "opened")),
        *(("ops", "closed"), ("ops", "opened")),
    ]
    logged = [record for record in caplog.records if record.msg == "incident.opened"]
    assert [record.levelno for record in logged] == [logging.WARNING]
    assert "www.acme.example fails since" in logged[0].fields["sentence"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("restarted", [False, True], ids=["on", "restarted"])
@pytest.mark.parametrize("by_s", [-7200, -40, 40, 7200])
async def test_the_clock_is_set_while_a_domain_fails(world: World, by_s: int, restarted: bool) -> None:
    """It neither ends nor begins anew for it, and is over when it is well for the usual time."""
    await world.minute(".", ".")
    await world.minute("X", ".")
    await world.minute("X", ".")
    world.clock.ahead_s = by_s
    await world.round()  # before anything said so
    await world.events.append("clock.stepped", {"delta_us": str(by_s * 1_000_000)})
    if restarted:
        world.begin()
    for _ in range(3):
        await world.minute("X", ".")
    assert world.told()[-1] in (WWW_STORY[0], "incident.changed www.acme.example")
    assert [one.domain for one in world.incidents.open()] == ["www.acme.example"]
    if restarted:
        world.begin()
    waited = 0
    while world.told()[-1] != WWW_STORY[1] and waited < 9:
        await world.minute(".", ".")
        waited += 1
    assert waited in (5, 6)
    assert [told for told in world.told() if "changed" not in told] == WWW_STORY
    first, *_, last = (from_detail(event.detail) for event in world.of(*EVENTS))
    assert first.id == last.id
    assert last.rows == 5
    assert last.first_failing_us <= last.last_failing_us <= (last.well_after_us or 0) <= (last.closed_us or 0)
    assert [line for line in world.called.heard if "desk" in line] == [
        "desk opened www.acme.example",
        "desk closed www.acme.example",
    ]


@pytest.mark.parametrize("kept", ["file", "none", "damaged", "another agent's", "outdated"])
async def test_a_restart_opens_nothing_twice_and_forgets_nothing(
    world: World, kept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.minute(".", ".")
    await world.minute("X", ".")
    await world.minute("X", ".")
    file = world.directory / FILE
    if kept == "none":
        file.unlink()
    elif kept == "damaged":
        file.write_bytes(file.read_bytes()[:100])
    elif kept == "outdated":
        monkeypatch.setattr("probe.agent.beside.incidents.MOST_LINES", -1)
    elif kept != "file":
        file.write_bytes(file.read_bytes().replace(b'"agent":"a1"', b'"agent":"a2"', 1))
    world.begin()
    await world.minute("X", ".")
    (one,) = world.incidents.open()
    assert one.domain == "www.acme.example"
    for _ in range(8):
        await world.minute(".", ".")
    assert world.told() == WWW_STORY
    assert len([line for line in world.called.heard if line.startswith("desk")]) == 2
    assert not world.incidents.open()


LONG = ["XX......", "X......X......", ".XXXX.......", "X.X.X.X......"]


@pytest.mark.parametrize(
    "story", ["X", ".X", *(pytest.param(story, marks=pytest.mark.long) for story in LONG)]
)
async def test_killed_at_any_row_the_streams_say_the_same(tmp_path: Path, story: str) -> None:
    whole = World(tmp_path / "whole")
    for sign in story:
        await whole.minute(sign, ".")
    await whole.store.close()
    for cut in range(len(story)):
        world = World(tmp_path / f"cut-{cut}")
        for at, sign in enumerate(story):
            await world.minute(sign, ".", look=at != cut)
            if at == cut:
                world.begin()
        await world.round()
        assert world.told() == whole.told(), cut
        desk = [line for line in world.called.heard if line.startswith("desk")]
        assert desk == [line for line in whole.called.heard if line.startswith("desk")], cut
        await world.store.close()


async def test_killed_between_the_stream_and_the_file_it_is_told_once(world: World) -> None:
    await world.minute(".", ".")
    before = (world.directory / FILE).read_bytes()
    await world.minute("X", ".")
    (world.directory / FILE).write_bytes(before)
    world.begin()
    await world.minute("X", ".")
    assert world.told() == WWW_STORY[:1]
    assert [line for line in world.called.heard if line.startswith("desk")] == [
        "desk opened www.acme.example"
    ]


async def test_what_could_not_be_delivered_is_delivered_after_a_restart(world: World) -> None:
    world.called.up = False
    await world.minute("X", ".")
    assert world.told() == WWW_STORY[:1], "on record all the same"
    assert {e.detail["error"] for e in world.of(FAILED)} == {"it was not reached: Connection refused"}
    world.begin()
    world.called.up = True
    await world.minute("X", ".")
    assert world.called.heard == ["ops opened www.acme.example", "desk opened www.acme.example"]
    assert len(world.of(DELIVERED)) == 2


async def test_a_vantage_point_is_told_to_all_who_measure_there_and_accuses_nobody(world: World) -> None:
    await world.minute(".", ".")
    (other,) = await world.store.append([world.row(".", "www.acme.example", "other")])
    assert isinstance(other, SlotRecord)
    world.incidents.row(other)
    detail = {"vantage_point": "bj-ct", "ip_version": "4", "since": rfc3339(world.clock.time_ns())}
    await world.events.append("vantage.offline", detail, ("acme", "other"))
    await world.minute("v", "v")
    await world.minute("v", "v")
    assert world.told() == world.told("other") == ["incident.opened bj-ct"]
    detail["since"] = rfc3339(world.clock.time_ns())
    await world.events.append("vantage.online", detail, ("acme", "other"))
    for _ in range(8):
        await world.minute(".", ".")
    assert world.told() == world.told("other") == ["incident.opened bj-ct", "incident.closed bj-ct"]
    (first, second) = (world.of("incident.opened", customer=name)[0] for name in ("acme", "other"))
    assert first.detail == second.detail
    assert len([line for line in world.called.heard if line.startswith("desk")]) == 2


async def test_what_is_measured_no_longer_ends_its_incident(world: World) -> None:
    await world.minute("X", ".")
    world.domains.remove("www.acme.example")
    world.config.digest = "c2"
    await world.minute(".")
    closed = world.of("incident.closed")
    assert [(e.detail["domain"], e.detail["ending"]) for e in closed] == [("www.acme.example", "unknown")]


async def test_one_domain_of_fifty_is_called_by_its_name_within_an_interval(world: World) -> None:
    world.domains = [f"d{number}.acme.example" for number in range(50)]
    well, failing = ["."] * 50, ["."] * 50
    failing[17] = "X"
    await world.minute(*well)
    assert not world.called.heard
    await world.minute(*failing)
    assert world.called.heard == ["ops opened d17.acme.example", "desk opened d17.acme.example"]
    assert world.told() == ["incident.opened d17.acme.example"]


async def test_a_node_that_flaps_is_one_incident_and_two_calls(world: World) -> None:
    for sign in "X..X.X...X..X":
        await world.minute(sign, ".")
    for _ in range(8):
        await world.minute(".", ".")
    assert world.told() == WWW_STORY
    desk = [line for line in world.called.heard if line.startswith("desk")]
    assert desk == ["desk opened www.acme.example", "desk closed www.acme.example"]


async def test_rows_and_events_wait_for_no_call(world: World) -> None:
    """Somebody who is called hangs: what is found is on record all the same, and so is what follows."""
    hung = asyncio.Event()

    async def hangs(delivery: Delivery, now_us: int) -> None:
        await hung.wait()

    world.caller = Caller(world.incidents.queue, hangs, world.clock, world.incidents.record)
    await world.minute("X", ".", look=False)
    assert await world.incidents.run() is None
    calling = asyncio.create_task(world.caller.run())
    for _ in range(8):
        await world.minute(".", ".", look=False)
        assert await world.incidents.run() is None
    assert not calling.done()
    assert world.told() == WWW_STORY
    hung.set()
    assert await calling is None
    assert [event.detail["stage"] for event in world.of(DELIVERED)] == ["opened", "opened", "closed"]


async def test_within_a_declared_exclusion_it_is_told_with_its_reason(world: World) -> None:
    world.exclusions = ("maintenance",)
    await world.minute("X", ".")
    (opened,) = world.of("incident.opened")
    assert from_detail(opened.detail).exclusions == ("maintenance",)
    assert "within a declared exclusion (maintenance)" in opened.detail["sentence"]


async def test_after_a_customer_was_removed_its_stream_gets_nothing_more_and_its_incident_is_over(
    world: World,
) -> None:
    await world.minute("X", ".")
    world.customers.remove("acme")
    world.config.digest = "c2"
    await world.events.append("customer.removed", {}, ("acme",))
    world.clock.now_s += 120
    await world.round()
    with Reader.open(world.directory, "a1") as reader:
        (last,) = reader.list(customer="acme", limit=1)
        assert isinstance(last, EventRecord)
        assert last.event == "customer.removed"
        (one,) = incidents_of(reader, ["acme"])
    assert one.ending is Ending.UNKNOWN
    assert world.called.heard[-2:] == ["ops closed www.acme.example", "desk closed www.acme.example"]


async def test_a_defect_costs_no_slot(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.incidents.row(None)  # type: ignore[arg-type]
    assert [record.msg for record in caplog.records] == ["incidents.defect"]
