"""The page served over frozen rows of the lab: incidents of all faults, evidence, aliases; with a clock of then."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from probe.api.request.ports import AgentView
from probe.api.request.settings import read_agent
from probe.api.server import Options, serving
from probe.core.scheduling.grid import to_us
from probe.host.clock import SystemClock
from tests.api.served import FakeAgent, token_entry
from tests.fixtures.frozen import unpacked

AGENT = "lab-agent"
THEN_US = to_us("2026-11-29T06:17:40Z")


class Then(SystemClock):
    """It is always a moment after the last row."""

    def time_ns(self) -> int:
        return THEN_US * 1000


@dataclass(frozen=True, slots=True)
class PageServed:
    """Where it is."""

    url: str
    agent: FakeAgent
    file: Path


def write(file: Path, results: Path, agent: str = AGENT, **page: Any) -> None:
    """agent.yaml."""
    data = {
        "agent": agent,
        "results": str(results),
        "customers": "customers/",
        "vantage_points": [{"name": "local"}],
        "api": {
            "tokens": [token_entry("all"), token_entry("acme", customers=["shop"])],
            "requests_per_minute": 1_000_000,
            "page": page,
        },
    }
    file.write_text(yaml.safe_dump(data, sort_keys=False))


def _dispute(agent: str, customer: str, seq: int, into: Path) -> None:
    into.write_bytes(f"{agent}/{customer}/{seq}".encode())


@asynccontextmanager
async def page_served(
    tmp_path: Path, results: Path | None = None, agent: str = AGENT, port: int = 0, **page: Any
) -> AsyncIterator[PageServed]:
    """`results`: other ones, of `agent`, of now. It refreshes itself seldom: what a hand does is not to be undone."""
    tmp_path.mkdir(exist_ok=True)
    file = tmp_path / "agent.yaml"
    write(file, results or unpacked("results", tmp_path), agent, **{"refresh": "10m", **page})
    link = FakeAgent()
    link.seen = AgentView(complete_up_to={"shop": "2026-11-29T06:17:30Z", "media": "2026-11-29T06:17:30Z"})
    clock = SystemClock() if results is not None else Then()
    options = Options(link=link, port=port, clock=clock, dispute=_dispute)
    async with serving(file, read_agent(file), options) as (host, at):
        yield PageServed(f"http://{host}:{at}", link, file)
