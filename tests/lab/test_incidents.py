"""Each fault of the lab opens the right incident, accuses nobody else, and closes; a running agent calls about it."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from probe.core.incidents.incident import Ending, Incident, Kind, Stage, Transition, from_shown
from probe.core.incidents.looks import look_of
from probe.core.incidents.rules import Rules
from probe.core.incidents.tracker import Tracker
from probe.core.model.times import utc_text_us
from probe.core.model.value import replace
from probe.core.records.rows import SlotRecord
from probe.core.records.verdict import Fault
from probe.lab.faults import FAULTS, LabFault
from probe.lab.lab import Lab
from tests.agent.test_agent import config_of
from tests.agent.test_live import running
from tests.calls.listening import Heard, listening
from tests.lab.test_agent import measuring, reached, settled, unstalled

SECRET = "correct horse battery staple"
START_US, MINUTE_US = 1_790_000_000_000_000, 60_000_000


class Fed:
    """Rows as they were measured, fed as if a round had taken place every minute."""

    def __init__(self) -> None:
        self.tracker, self.told = Tracker(Rules()), list[Transition]()
        self._minute = self._seq = 0

    def round(self, rows: Iterable[SlotRecord], minutes: int = 1) -> None:
        """One round of rows, the next so many minutes later."""
        at = utc_text_us(START_US + self._minute * MINUTE_US)
        for row in rows:
            self._seq += 1
            due = replace(row, scheduled_at=at, seq=self._seq)
            self.told += self.tracker.feed(look_of(due, self.tracker.rules.outcomes))
        self._minute += minutes


def is_of(one: Incident, fault: LabFault) -> bool:
    """Whether it is what this fault makes."""
    expected = fault.expected
    if not any(one.reason.startswith(reason.removesuffix("*")) for reason in expected.reasons):
        return False
    if expected.fault is Fault.VANTAGE:
        return one.kind is Kind.VANTAGE_POINT and one.vantage_point in fault.reach.vantage_points
    known = (one.kind, one.fault, one.outcome) == (Kind.DOMAIN, expected.fault, expected.outcome)
    return known and fault.reach.domain in (None, one.domain)


@pytest.mark.long
@pytest.mark.parametrize("name", list(FAULTS))
async def test_each_fault_opens_its_incident_and_it_closes(tmp_path: Path, name: str) -> None:
    fed = Fed()
    async with Lab(lifetime_s=1) as lab, measuring(lab, tmp_path) as agent:
        fed.round(await unstalled(agent.round))
        assert not fed.told
        async with lab.fault(name) as fault:
            for _ in range(2):
                affected = await unstalled(lambda: settled(agent, fault))
                others = await unstalled(lambda: agent.round(lambda task: not reached(fault, task)))
                fed.round([*affected, *others])
        opened = fed.tracker.open()
        assert opened
        assert [one for one in opened if not is_of(one, fault)] == []
        for _ in range(2):
            fed.round(await unstalled(agent.round), minutes=6)
    assert not fed.tracker.open()
    closed = [each.incident for each in fed.told if each.stage is Stage.CLOSED]
    assert {one.id for one in closed} == {one.id for one in opened}
    assert {one.ending for one in closed} == {Ending.WELL}


# --- a running agent ------------------------------------------------------------------------------------


def messages(heard: Heard) -> list[dict[str, Any]]:
    """What the webhook was sent, each verified by its signature."""
    found = []
    for fields, body in heard.requests:
        timed = fields["CDN-Probe-Timestamp"].encode() + b"." + body
        expected = hmac.new(SECRET.encode(), timed, "sha256").hexdigest()
        assert hmac.compare_digest(fields["CDN-Probe-Signature"], f"v1={expected}")
        found.append(json.loads(body))
    return found


async def told(heard: Heard, domain: str, event: str) -> dict[str, Any]:
    """The first such message, once it came."""
    async with asyncio.timeout(60):
        while True:
            for message in messages(heard):
                incident = from_shown(message["incident"])
                if message["event"] == event and incident.domain == domain and incident.fault is Fault.CDN:
                    assert isinstance(message, dict)
                    return message
            await asyncio.sleep(0.05)


@pytest.mark.long
async def test_a_running_agent_calls_when_an_edge_is_down_and_when_it_is_back(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    async with Lab() as lab, listening() as heard:
        await lab.warm()
        file = config_of(lab, tmp_path / "config", "1s")
        content = yaml.safe_load(file.read_text())
        calls = [{"name": "desk", "webhook": heard.url, "secret": f"file:{secret}"}]
        content |= {"incidents": {"calm": "1s", "outcomes": ["failed"]}, "calls": calls}
        file.write_text(yaml.safe_dump(content))
        async with running(file, 12):
            async with lab.fault("edge_down"):
                opened = await told(heard, "www.shop.example", "incident.opened")
            closed = await told(heard, "www.shop.example", "incident.closed")
    assert opened["incident"]["id"] == closed["incident"]["id"]
    assert opened["incident"]["reasons"][0][0] == "tcp.refused"
    assert opened["incident"]["evidence_ids"]
    assert SECRET not in (tmp_path / "config/results/_incidents.json").read_text()
    (tmp_path / "example.json").write_text(json.dumps(opened, indent=1) + "\n")
