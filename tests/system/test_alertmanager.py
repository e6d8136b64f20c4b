"""Debian's Alertmanager on loopback: an incident is one alert that arrives, grows, repeats and resolves."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from probe.calls.caller import Caller
from probe.calls.sender import HttpSender
from probe.core.calls.queue import CallQueue, Told
from probe.core.calls.target import Target, Via
from probe.core.incidents.incident import Incident, Transition
from probe.core.model.value import replace
from probe.host.clock import SystemClock
from tests.calls.listening import Heard, listening
from tests.core.calls.made import story
from tests.system.programs import find, free_port, need, process, wait_for_tcp

HOST = "127.0.0.1"
MINUTE_S = 60


def started(directory: Path, port: int, notify: str) -> Any:
    """A context manager of one that sends what it groups, after a fifth of a second, to `notify`."""
    need("prometheus-alertmanager")
    directory.mkdir(parents=True, exist_ok=True)
    config = {
        "route": {
            "receiver": "test",
            "group_by": ["..."],
            "group_wait": "200ms",
            "group_interval": "200ms",
            "repeat_interval": "1h",
        },
        "receivers": [
            {"name": "test", "webhook_configs": [{"url": notify, "send_resolved": True, "max_alerts": 0}]}
        ],
    }
    (directory / "alertmanager.yml").write_text(yaml.safe_dump(config))
    arguments = [
        str(find("prometheus-alertmanager")),
        f"--config.file={directory / 'alertmanager.yml'}",
        f"--storage.path={directory / 'data'}",
        f"--web.listen-address={HOST}:{port}",
        "--cluster.listen-address=",
    ]
    return process(arguments, directory / "out.log")


@asynccontextmanager
async def alertmanager(directory: Path, port: int, notify: str) -> AsyncIterator[None]:
    with started(directory, port, notify) as child:
        await asyncio.to_thread(wait_for_tcp, HOST, port, child, directory / "out.log")
        await until(partial(ready, port))
        yield


async def ready(port: int) -> bool:
    def ask() -> bool:
        try:
            with urllib.request.urlopen(f"http://{HOST}:{port}/-/ready", timeout=5) as reply:
                return bool(reply.status == 200)
        except OSError:
            return False

    return await asyncio.to_thread(ask)


async def until(there: Any, within_s: float = 60.0) -> None:
    """Look again until it is so."""
    deadline = time.monotonic() + within_s
    while not await there():
        assert time.monotonic() < deadline, "it did not come"
        await asyncio.sleep(0.05)


async def alerts(port: int) -> list[dict[str, Any]]:
    """What it holds for open."""

    def ask() -> Any:
        with urllib.request.urlopen(f"http://{HOST}:{port}/api/v2/alerts", timeout=5) as reply:
            return json.load(reply)

    found = await asyncio.to_thread(ask)
    assert isinstance(found, list)
    return found


class Clock(SystemClock):
    """Wall time that the test moves on."""

    def __init__(self, wall_s: float) -> None:
        self.wall_s = wall_s

    def time_ns(self) -> int:
        return round(self.wall_s * 1e9)


class World:
    """A caller to one Alertmanager, and what is on record of it."""

    def __init__(self, port: int, clock: Clock, heard: Heard) -> None:
        self.clock, self.heard, self.told = clock, heard, list[Told]()
        self.queue = CallQueue([Target(name="ops", via=Via.ALERTMANAGER, url=f"http://{HOST}:{port}")])
        self.caller = Caller(self.queue, HttpSender("probe-1"), clock, self.record)

    async def record(self, told: Told) -> None:
        self.told.append(told)

    async def put(self, told: Transition) -> str | None:
        assert not self.queue.put(told, self.clock.time_ns() // 1000)
        return await self.caller.run()

    async def later(self, seconds: float) -> str | None:
        self.clock.wall_s += seconds
        return await self.caller.run()

    def notified(self) -> list[tuple[str, str]]:
        """Status and fingerprint of each alert that was sent on, in order."""
        return [
            (alert["status"], alert["fingerprint"])
            for _, body in self.heard.requests
            for alert in json.loads(body)["alerts"]
        ]


def at(told: Transition, start_s: float) -> Transition:
    """The same, as if it had begun then."""
    incident = told.incident
    by_us = round(start_s * 1e6) - story()[0].incident.first_failing_us
    times = [name for name in Incident.__struct_fields__ if name.endswith("_us")]
    moved = {name: value + by_us for name in times if (value := getattr(incident, name)) is not None}
    return Transition(told.stage, replace(incident, **moved), told.customers)


async def test_an_incident_is_one_alert_that_grows_repeats_and_resolves(tmp_path: Path) -> None:
    need("prometheus-alertmanager")
    port, begun_s = free_port(HOST), time.time() - 130  # less than what an alert is said to hold
    opened, changed, closed = (at(each, begun_s) for each in story())
    async with listening() as heard, alertmanager(tmp_path / "am", port, heard.url):
        world = World(port, Clock(begun_s + 5), heard)
        assert await world.put(opened) is None
        (first,) = await alerts(port)
        assert first["labels"] == {
            "alertname": "CdnProbeIncident",
            "agent": "probe-1",
            "customer": "acme",
            "domain": "www.example.net",
            "incident": opened.incident.id,
        }
        assert first["annotations"]["vantage_points"] == "bj"
        assert first["annotations"]["fault"] == "cdn"

        world.clock.wall_s += 60
        assert await world.put(changed) is None
        (grown,) = await alerts(port)
        assert grown["fingerprint"] == first["fingerprint"]
        assert grown["annotations"]["vantage_points"] == "bj, sh"
        assert grown["startsAt"] == first["startsAt"]

        world.clock.wall_s = time.time()
        assert await world.later(0) is None  # a repetition is due
        (repeated,) = await alerts(port)
        assert repeated["fingerprint"] == first["fingerprint"]
        assert repeated["updatedAt"] > grown["updatedAt"]
        assert repeated["endsAt"] > grown["endsAt"]

        async def notified_first() -> bool:
            return bool(world.notified())

        await until(notified_first)
        assert await world.put(closed) is None

        async def over() -> bool:
            return not await alerts(port) and world.notified()[-1:] == [("resolved", first["fingerprint"])]

        await until(over)
        assert {fingerprint for _, fingerprint in world.notified()} == {first["fingerprint"]}
        assert [status for status, _ in world.notified()].count("resolved") == 1
        assert [(t.event, t.detail["stage"]) for t in world.told] == [
            ("call.delivered", "opened"),
            ("call.delivered", "changed"),
            ("call.delivered", "closed"),
        ]


async def test_down_for_ten_minutes_it_arrives_afterwards_once_in_order(tmp_path: Path) -> None:
    need("prometheus-alertmanager")
    port, begun_s = free_port(HOST), time.time() - 12 * MINUTE_S
    opened, changed, closed = (at(each, begun_s) for each in story())
    async with listening() as heard:
        world = World(port, Clock(begun_s + 5), heard)
        assert "it was not reached" in (await world.put(opened) or "")
        for second in range(10 * MINUTE_S):
            if second == 120:
                await world.put(changed)
            if second == 480:
                await world.put(closed)
            await world.later(1)
        assert [t.event for t in world.told] == ["call.failed"]
        async with alertmanager(tmp_path / "am", port, heard.url):
            assert await world.later(60) is None
            (alert,) = await alerts(port)
            assert alert["annotations"]["vantage_points"] == "bj, sh", "its newest state"

            async def notified() -> bool:
                return [status for status, _ in world.notified()] == ["firing"]

            await until(notified)
            assert await world.later(60) is None

            async def over() -> bool:
                return [status for status, _ in world.notified()] == ["firing", "resolved"]

            await until(over)
            assert not await alerts(port)
        assert [(t.event, t.detail["stage"]) for t in world.told] == [
            ("call.failed", "opened"),
            ("call.delivered", "opened"),
            ("call.delivered", "closed"),
        ]
        assert await world.later(3600) is None
        assert len(world.notified()) == 2
