"""The whole agent against an edge that limits how often it is asked: nobody is accused, and the limiter is not fed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from probe.agent.daemon import run_until
from probe.checks import CHECKS
from probe.core.records.rows import SlotRecord
from probe.core.records.verdict import Fault
from probe.lab.assessment import accuses
from probe.settings.config_files import load_config
from tests.support.dns_server import DnsServer, zone
from tests.support.http_server import Script, by_request, reply, response, serve

HOST = "www.acme.example"
AT_ONCE = 3  # so many requests are answered, then one is refused: it counts, and looks at no clock
RETRY_AFTER_S = 300  # longer than this takes, and no longer than is kept to
ETAG = 'ETag: "v1"'
BODY = b"the customer's own content\n" * 40
ROWS = 8


@dataclass
class Limiter:
    """An edge that answers rightly, HEAD, ranges and conditions too, and refuses what comes too often.

    `asked`: of each request, in order, whether it was the object's own, and whether it was refused.
    """

    asked: list[tuple[bool, bool]] = field(default_factory=list)

    def choose(self, request: bytes) -> Script:
        low = request.lower()
        own = low.startswith(b"get /a.js ") and b"\r\nrange:" not in low and b"\r\nif-none-match:" not in low
        refused = len(self.asked) % (AT_ONCE + 1) == AT_ONCE
        self.asked.append((own, refused))
        if refused:
            return response(b"", f"Retry-After: {RETRY_AFTER_S}", status="429 Too Many Requests")
        return rightly(request)

    def in_spite(self) -> int:
        """Further requests that came though the edge had asked to be left alone before them."""
        first = next(at for at, (_, refused) in enumerate(self.asked) if refused)
        return sum(not own for own, _ in self.asked[first + 1 :])


def rightly(request: bytes) -> Script:
    low = request.lower()
    if b'if-none-match: "v1"' in low:
        return response(b"", ETAG, status="304 Not Modified")
    if low.startswith(b"head "):
        return reply(f"HTTP/1.1 200 OK\r\n{ETAG}\r\nContent-Length: {len(BODY)}\r\n\r\n".encode())
    return response(BODY, ETAG)


@asynccontextmanager
async def world(limiter: Limiter, directory: Path) -> AsyncIterator[Path]:
    """Edge, origin, two anchors and a resolver on loopback, and the agent's configuration."""
    async with AsyncExitStack() as stack:
        edge = await stack.enter_async_context(serve(by_request(limiter.choose), host="127.0.0.11"))
        origin = await stack.enter_async_context(serve(by_request(rightly), host="127.0.0.21"))
        anchors = [
            await stack.enter_async_context(serve(response(b"ok"), host=f"127.0.0.3{n}")) for n in (1, 2)
        ]
        names = {f"{HOST} CNAME": ["acme.cdn.example.net"], "acme.cdn.example.net A": ["127.0.0.11"]}
        dns = await stack.enter_async_context(DnsServer(zone(names)))
        vantage = {
            "name": "bj-ct",
            "resolvers": [f"udp://127.0.0.1:{dns.port}"],
            "anchors": [f"http://127.0.0.3{n}:{anchor.port}/" for n, anchor in enumerate(anchors, 1)],
        }
        agent = {
            "agent": "bench",
            "results": "results",
            "customers": "customers/",
            "allow_addresses": ["127.0.0.0/8"],
            "vantage_points": [vantage],
        }
        domain = {
            "domain": HOST,
            "scheme": "http",
            "port": edge.port,
            "cdn": {"suffixes": ["cdn.example.net"]},
            "origin": {"address": "127.0.0.21", "port": origin.port},
            "objects": [{"path": "/a.js", "checks": {"availability": {}, "negotiation": {}}}],
        }
        customer = {"customer": "acme", "defaults": {"interval": "1s", "timeout": "30s"}, "domains": [domain]}
        (directory / "customers").mkdir()
        (directory / "customers" / "acme.yaml").write_text(yaml.safe_dump(customer))
        (directory / "agent.yaml").write_text(yaml.safe_dump(agent))
        yield directory / "agent.yaml"


async def test_an_edge_that_limits_us_is_not_accused_and_its_limiter_not_fed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A reply that is long in coming is not waited for before the next question: here the edge's word is.
    monkeypatch.setattr("probe.measure.stagger.STAGGER_S", 60.0)
    limiter, stop, rows = Limiter(), asyncio.Event(), list[SlotRecord]()

    def take(row: SlotRecord) -> None:
        if row.state == "measured":
            rows.append(row)
        if len(rows) >= ROWS:
            stop.set()

    async with world(limiter, tmp_path) as file, asyncio.timeout(60):
        await run_until(load_config(file, CHECKS), CHECKS, stop, on_row=take)
    assert [row.summary for row in rows if accuses(row)] == []
    found = {(row.outcome, row.reason) for row in rows if row.fault is not Fault.AGENT}
    assert found <= {("ok", None), ("inconclusive", "http.rate_limited")}
    assert any(refused for _, refused in limiter.asked), "the limiter was never reached"
    assert limiter.in_spite() == 0
    left_out = [row for row in rows if "check_requests" in row.left_out]
    assert left_out, "what was not asked for the edge's sake is on the row"
