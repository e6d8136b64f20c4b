"""A running agent tells of its vantage points in the streams of those who measure there, and nowhere else."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from probe.agent.daemon import run_until
from probe.checks import CHECKS
from probe.core.records.rows import EventRecord, SlotRecord
from probe.settings.config_files import load_config
from tests.support.agent_process import events, slots
from tests.support.dns_server import DnsServer, Query, reply, zone
from tests.support.http_server import response, serve

NAMES = {f"www.{name}.example A": ["127.0.0.11"] for name in ("acme", "shop")}


def write(directory: Path, points: list[dict[str, Any]], port: int, of: dict[str, list[str]]) -> Path:
    agent = {"agent": "a1", "results": "results", "customers": "c/", "vantage_points": points}
    (directory / "c").mkdir()
    for customer, names in of.items():
        domain = {
            "domain": f"www.{customer}.example",
            "scheme": "http",
            "port": port,
            "objects": [{"path": "/a"}],
        }
        defaults = {"interval": "400ms", "timeout": "2s", "connect_timeout": "500ms", "vantage_points": names}
        content = {"customer": customer, "defaults": defaults, "domains": [domain]}
        (directory / "c" / f"{customer}.yaml").write_text(yaml.safe_dump(content))
    file = directory / "agent.yaml"
    file.write_text(yaml.safe_dump({**agent, "allow_addresses": ["127.0.0.0/8"]}))
    return file


def told(directory: Path, *names: str) -> list[EventRecord]:
    return [e for e in events(directory / "results") if e.event in names]


def states(directory: Path) -> set[tuple[str, str]]:
    """(vantage point, state of its line) of the rows so far."""
    rows: list[SlotRecord] = slots(directory / "results")
    return {(row.vantage_point, row.vantage_health.state.value) for row in rows if row.vantage_health}


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, logger="probe.agent")
    return caplog


async def test_a_line_that_goes_offline_and_comes_back(
    tmp_path: Path, warnings: pytest.LogCaptureFixture
) -> None:
    answering = True

    def anchor(query: Query) -> object:
        return reply(query) if answering else None

    async with AsyncExitStack() as stack:
        dns = await stack.enter_async_context(DnsServer(zone(NAMES)))
        watched = await stack.enter_async_context(DnsServer(anchor))
        web = await stack.enter_async_context(serve(response(), host="127.0.0.11"))
        resolvers = [f"udp://127.0.0.1:{dns.port}"]
        points: list[dict[str, Any]] = [
            {
                "name": "ct",
                "resolvers": resolvers,
                "anchors": [f"dns://127.0.0.1:{watched.port}"],
                "anchor_interval": "300ms",
            },
            {"name": "cu", "resolvers": resolvers, "anchors": [f"dns://127.0.0.1:{dns.port}"]},
        ]
        file = write(tmp_path, points, web.port, {"acme": ["ct", "cu"], "shop": ["cu"]})
        stop = asyncio.Event()
        running = asyncio.create_task(run_until(load_config(file, CHECKS), CHECKS, stop))
        try:
            async with asyncio.timeout(60):
                await _until(lambda: len(slots(tmp_path / "results")) >= 6)
                answering = False
                await _until(lambda: bool(told(tmp_path, "vantage.offline")))
                await _until(lambda: ("ct", "offline") in states(tmp_path))
                answering = True
                await _until(lambda: bool(told(tmp_path, "vantage.online")))
        finally:
            stop.set()
            await running
    offline, online = told(tmp_path, "vantage.offline"), told(tmp_path, "vantage.online")
    assert {(e.customer, e.detail["vantage_point"], e.detail["ip_version"]) for e in offline + online} == {
        ("acme", "ct", "4")
    }
    assert (len(offline), len(online)) == (1, 1)
    assert (offline[0].detail["asked"], offline[0].detail["reached"]) == ("1", "0")
    assert (online[0].detail["asked"], online[0].detail["reached"]) == ("1", "1")
    assert offline[0].detail["since"] < online[0].detail["since"]
    rows: list[SlotRecord] = slots(tmp_path / "results")
    assert states(tmp_path) >= {("ct", "online"), ("ct", "offline")}
    assert ("cu", "offline") not in states(tmp_path)
    assert {row.outcome for row in rows if row.state == "measured"} == {"ok"}, "a healthy edge stays ok"
    levels = {r.message: r.levelno for r in warnings.records if r.message.startswith("vantage.")}
    assert levels == {"vantage.offline": logging.WARNING, "vantage.online": logging.INFO}


async def test_a_line_that_is_not_there_at_the_start_is_told_and_the_agent_runs(
    tmp_path: Path, warnings: pytest.LogCaptureFixture
) -> None:
    async with DnsServer(zone(NAMES)) as dns, serve(response(), host="127.0.0.11") as web:
        resolvers = [f"udp://127.0.0.1:{dns.port}"]
        points: list[dict[str, Any]] = [
            {"name": "gone", "resolvers": resolvers, "interface": "none0"},
            {"name": "here", "resolvers": resolvers},
        ]
        file = write(tmp_path, points, web.port, {"acme": ["gone", "here"], "shop": ["here"]})
        stop = asyncio.Event()
        running = asyncio.create_task(run_until(load_config(file, CHECKS), CHECKS, stop))
        try:
            async with asyncio.timeout(60):
                await _until(lambda: len(slots(tmp_path / "results")) >= 6)
        finally:
            stop.set()
            await running
    (down,) = told(tmp_path, "vantage.line_down", "vantage.line_up", "vantage.offline")
    assert (down.event, down.customer, down.detail["vantage_point"]) == ("vantage.line_down", "acme", "gone")
    assert "none0" in down.detail["problem"]
    assert next(e.event for e in events(tmp_path / "results") if e.customer == "acme") == "agent.started"
    assert events(tmp_path / "results")[-1].event == "agent.stopped"
    rows = [row for row in slots(tmp_path / "results") if row.state == "measured"]
    found = {(row.vantage_point, row.outcome, row.fault) for row in rows}
    assert found == {("gone", "inconclusive", "vantage"), ("here", "ok", None)}
    assert [r.levelno for r in warnings.records if r.message == "vantage.line_down"] == [logging.WARNING]


async def _until(true: Any) -> None:
    while not true():
        await asyncio.sleep(0.05)
