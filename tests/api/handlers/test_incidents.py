"""GET /v1/incidents: what the stream's events tell, of one's own customer alone."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from probe.core.incidents.incident import Transition, detail_of, from_shown
from probe.core.incidents.rules import Rules
from probe.core.incidents.tracker import Tracker
from probe.core.results.rows import event_row
from tests.api.served import fill, served
from tests.core.incidents.looking import fed, look, minutes
from tests.support.rows import HOST, at


def story() -> list[Transition]:
    """One that is over, one that goes on, and a vantage point's."""
    tracker = Tracker(Rules())
    told = fed(tracker, minutes({"bj": ".XX.......", "sh": ".........."}))
    told += fed(tracker, [look("X", 20, domain="img.example.net"), look("X", 20, customer="other")])
    return told + fed(tracker, minutes({"gz": "vv"}))


@pytest.fixture
async def directory(tmp_path: Path) -> Path:
    records = [
        event_row(customer, at(number), each.event, detail_of(each.incident), HOST)
        for number, each in enumerate(story())
        for customer in each.customers
    ]
    await fill(tmp_path / "r", [*records, event_row("acme", at(99), "incident.opened", {"id": "?"}, HOST)])
    return tmp_path


def names(incidents: Iterable[dict[str, object]]) -> list[object]:
    return [one["domain"] or one["vantage_point"] for one in incidents]


async def test_open_ones_first_and_only_ones_own(directory: Path) -> None:
    async with served(directory) as host:
        answer = await host.ask("/v1/incidents?customer=acme")
        assert answer.status == 200
        assert names(answer.json["incidents"]) == ["gz", "img.example.net", "www.example.net"]
        assert answer.json["count"] == 3
        first = answer.json["incidents"][1]
        assert from_shown(first) == next(
            each.incident for each in story() if each.incident.domain == "img.example.net"
        )
        assert first["sentence"].startswith("img.example.net fails since")
        assert "other" not in json.dumps(answer.json)
        assert (await host.ask("/v1/incidents?customer=other")).status == 404
        assert (await host.ask("/v1/incidents?customer=nobody")).status == 404
        assert (await host.ask("/v1/incidents?customer=acme", token=None)).status == 401


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("state=open", ["gz", "img.example.net"]),
        ("state=closed", ["www.example.net"]),
        ("domain=img.example.net", ["img.example.net"]),
        ("limit=1", ["gz"]),
        ("since=2030-01-01T00:00:00Z", ["gz", "img.example.net"]),
        ("id=0123456789abcdef", []),
    ],
)
async def test_a_part_of_them(directory: Path, query: str, expected: list[str]) -> None:
    async with served(directory) as host:
        answer = await host.ask(f"/v1/incidents?customer=acme&{query}")
        assert names(answer.json["incidents"]) == expected


@pytest.mark.parametrize("query", ["state=half", "id=x", "limit=0", "since=never", "colour=blue"])
async def test_what_is_not_understood_is_refused(directory: Path, query: str) -> None:
    async with served(directory) as host:
        assert (await host.ask(f"/v1/incidents?customer=acme&{query}")).status == 400
