"""A server in the test's own event loop, over a store that the test fills, and a reader that asks it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import yaml
import yarl

from probe.api.request.ports import AgentView
from probe.api.request.settings import read_agent
from probe.api.server import Options, serving
from probe.core.config.results import VERBS
from probe.core.records.rows import Record
from probe.core.text.tokens import hash_token, make_token
from probe.host.clock import SystemClock
from probe.store.store import Store
from tests.support.rows import slot

TOKENS = {
    name: make_token(bytes([number]) * 32)
    for number, name in enumerate(
        ("acme", "both", "all", "other", "prometheus", "results-only", "everything"), 1
    )
}
SCOPES: dict[str, dict[str, Any]] = {
    "acme": {"customers": ["acme"]},
    "both": {"customers": ["acme", "zeta"]},
    "all": {"customers": ["*"]},
    "other": {"customers": ["zeta"]},
    "prometheus": {"may": ["metrics"]},
    "everything": {"customers": ["*"], "may": list(VERBS)},
    "results-only": {"customers": ["acme"], "may": ["results"]},
}


def token_entry(name: str, token: str | None = None, **scope: Any) -> dict[str, Any]:
    """One entry of api.tokens."""
    return {"name": name, "hash": hash_token(token or TOKENS[name]), **(scope or SCOPES[name])}


def write_agent(file: Path, tokens: Sequence[dict[str, Any]] | None = None, **api: Any) -> None:
    """agent.yaml with `api`; the results lie in `r` beside it."""
    data = {
        "agent": "a1",
        "results": "r",
        "customers": "customers/",
        "vantage_points": [{"name": "local"}],
        "api": {
            "listen": "127.0.0.1:8640",
            "tokens": [token_entry(name) for name in TOKENS] if tokens is None else list(tokens),
            "requests_per_minute": 1_000_000,
            **api,
        },
    }
    file.write_text(yaml.safe_dump(data, sort_keys=False))


async def fill(directory: Path, records: Sequence[Record]) -> None:
    """Store records as the agent does."""
    store = Store.open(directory, "a1", SystemClock())
    try:
        await store.append(records)
    finally:
        await store.close(within_s=10)


def rows(count: int, customer: str = "acme", first: int = 0) -> list[Record]:
    """So many measured slots, a second apart."""
    return [slot(first + number, customer=customer) for number in range(count)]


class FakeAgent:
    """An agent that answers what the test says."""

    def __init__(self) -> None:
        self.seen: AgentView | None = AgentView()
        self.text: str | None = "agent_rows_total 3\n"
        self.asked = 0

    async def view(self) -> AgentView | None:
        self.asked += 1
        return self.seen

    async def metrics(self) -> str | None:
        return self.text


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def lines(self) -> list[str]:
        return self.body.decode().removesuffix("\n").split("\n")

    @property
    def page(self) -> dict[str, Any]:
        """The last line."""
        made: dict[str, Any] = json.loads(self.lines[-1])
        return made


@dataclass
class Served:
    """A running server and a client."""

    port: int
    directory: Path
    file: Path
    agent: FakeAgent
    session: aiohttp.ClientSession
    options: Options = field(default_factory=Options)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def ask(
        self,
        path: str,
        token: str | None = "acme",
        *,
        method: str = "GET",
        raw_token: str | None = None,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> Answer:
        """One request; the path goes out as it stands."""
        sent = dict(headers or {})
        if raw_token is not None or token is not None:
            sent["Authorization"] = f"Bearer {raw_token if raw_token is not None else TOKENS[token or '']}"
        url = yarl.URL(self.url + path, encoded=True)
        async with self.session.request(method, url, headers=sent, **more) as response:
            return Answer(response.status, dict(response.headers), await response.read())


@asynccontextmanager
async def served(tmp_path: Path, *, options: Options | None = None, **api: Any) -> AsyncIterator[Served]:
    """Serve the store in `tmp_path / "r"`."""
    file = tmp_path / "agent.yaml"
    if not file.exists():
        write_agent(file, **api)
    agent = FakeAgent()
    options = options or Options()
    options.link = agent
    options.port = 0
    async with (
        serving(file, read_agent(file), options) as (_, port),
        aiohttp.ClientSession(auto_decompress=False, skip_auto_headers=["Accept-Encoding"]) as session,
    ):
        yield Served(port, tmp_path / "r", file, agent, session, options)
