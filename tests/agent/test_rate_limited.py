"""The whole agent against an edge that limits how often it is asked: nobody is accused, and the limiter is not fed."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from probe.agent.daemon import run_until
from probe.checks import CHECKS
from probe.core.records.rows import SlotRecord
from probe.settings.config_files import load_config
from tests.support.dns_server import DnsServer, zone
from tests.support.http_server import Script, by_request, reply, response, serve

HOST = "www.acme.example"
AT_ONCE, WITHIN_S = 3, 1.0  # so many requests in so long are answered
RETRY_AFTER_S = 2
ETAG = 'ETag: "v1"'
BODY = b"the customer's own content\n" * 40
ROWS = 8


@dataclass
class Limiter:
    """An edge that answers rightly, HEAD, ranges and conditions too, and refuses what comes too often.

    `asked`: when each request came (monotonic), whether it was the object's own, and whether it was refused.
    """

    asked: list[tuple[float, bool, bool]] = field(default_factory=list)

    def choose(self, request: bytes) -> Script:
        now_s, low = time.monotonic(), request.lower()
        own = low.startswith(b"get /a.js ") and b"\r\nrange:" not in low and b"\r\nif-none-match:" not in low
        lately = sum(now_s - came_s < WITHIN_S for came_s, _, _ in self.asked)
        refused = lately >= AT_ONCE
        self.asked.append((now_s, own, refused))
        if refused:
            return response(b"", f"Retry-After: {RETRY_AFTER_S}", status="429 Too Many Requests")
        return rightly(request)

    def in_spite(self) -> int:
        """Further requests that came though the edge had asked to be left alone before them."""
        until_s, number = 0.0, 0
        for came_s, own, refused in self.asked:
            number += not own and came_s < until_s
            if refused:
                until_s = max(until_s, came_s + RETRY_AFTER_S)
        return number


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
        customer = {"customer": "acme", "defaults": {"interval": "1s", "timeout": "1s"}, "domains": [domain]}
        (directory / "customers").mkdir()
        (directory / "customers" / "acme.yaml").write_text(yaml.safe_dump(customer))
        (directory / "agent.yaml").write_text(yaml.safe_dump(agent))
        yield directory / "agent.yaml"


async def test_an_edge_that_limits_us_is_not_accused_and_its_limiter_not_fed(tmp_path: Path) -> None:
    limiter, stop, rows = Limiter(), asyncio.Event(), list[SlotRecord]()

    def take(row: SlotRecord) -> None:
        rows.append(row)
        if len(rows) >= ROWS:
            stop.set()

    async with world(limiter, tmp_path) as file, asyncio.timeout(60):
        await run_until(load_config(file, CHECKS), CHECKS, stop, on_row=take)
    found = Counter((row.outcome, row.fault, row.reason) for row in rows if row.state == "measured")
    wrong = set(found) - {("ok", None, None), ("inconclusive", "unknown", "http.rate_limited")}
    assert not wrong, [row.summary for row in rows]
    assert any(refused for _, _, refused in limiter.asked), "the limiter was never reached"
    assert limiter.in_spite() == 0
    left_out = [row for row in rows if "check_requests" in row.left_out]
    assert left_out, "what was not asked for the edge's sake is on the row"
