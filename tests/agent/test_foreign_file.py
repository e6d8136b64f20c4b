"""Another customer's file, as large, at one edge: the running agent names the CDN within one interval, whatever the
reply claims of itself, and never calls it an old version; `once`, which saw nothing before, never says "as agreed".
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from probe.agent.daemon import run_until
from probe.checks import CHECKS
from probe.core.model.times import epoch_s
from probe.core.records.rows import SlotRecord, State
from probe.settings.config_files import load_config
from tests.codes.provoking import provokes
from tests.support.agent_process import cdn_probe
from tests.support.dns_server import DnsServer, zone
from tests.support.http_server import HOST, Script, by_request, response, serve
from tests.support.http_server import reply as raw
from tests.support.slots import CANONICAL, EDGE, ORIGIN, TWO_NODES, two_servers

OWN = b"the customer's own content\n" * 40
FOREIGN = b"a wholly different content\n" * 40
assert len(OWN) == len(FOREIGN)
INTERVAL_S = 1.0
# What the foreign reply claims of itself, by the path at which it stands.
CLAIMS: dict[str, tuple[str, ...]] = {
    "plain": (),
    "tagged": ('ETag: "theirs"',),
    "weak": ('ETag: W/"theirs"', "Cache-Control: max-age=60"),
    "old": ('ETag: "theirs"', "Age: 86400", "Cache-Control: max-age=1"),
    "fresh_for_a_year": ('ETag: "theirs"', "Age: 86400", "Cache-Control: max-age=31536000"),
    "modified_long_ago": ("Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT", "Cache-Control: max-age=3600"),
    "hit": ('ETag: "theirs"', "Age: 3600", "X-Cache: HIT", "Via: 1.1 cache"),
    "cache_status": ('ETag: "theirs"', "Age: 3600", "Cache-Status: edge; hit; ttl=-10"),
    "expired": ('ETag: "theirs"', "Expires: 0", "Date: Mon, 01 Jan 2024 00:00:00 GMT"),
    "never_stored": ('ETag: "theirs"', "Cache-Control: no-store"),
}
MINE = 'ETag: "mine"', "Cache-Control: max-age=60"


@dataclass
class World:
    """Two edges and an origin. `foreign`: paths at which the first edge serves another's file from now on."""

    foreign: set[str] = field(default_factory=set)
    ports: dict[str, int] = field(default_factory=dict)

    def edge(self, head: bytes) -> Script:
        name = _name(head)
        return response(FOREIGN, *CLAIMS[name]) if name in self.foreign else response(OWN, *MINE)

    def write(self, directory: Path) -> Path:
        """The configuration of an agent that measures every path."""
        (directory / "customers").mkdir()
        checks = {"availability": {}, "integrity": {}}
        domain = {
            "domain": HOST,
            "scheme": "http",
            "port": self.ports["edge"],
            "cdn": {"suffixes": [CANONICAL.partition(".")[2]]},
            "origin": {"address": ORIGIN, "scheme": "http", "port": self.ports["origin"]},
            "objects": [{"path": f"/{name}", "checks": checks} for name in CLAIMS],
        }
        defaults = {"interval": f"{INTERVAL_S:g}s", "timeout": "5s"}
        customer = {"customer": "acme", "defaults": defaults, "domains": [domain]}
        (directory / "customers" / "acme.yaml").write_text(yaml.safe_dump(customer))
        point = {
            "name": "vp",
            "resolvers": [f"udp://127.0.0.1:{self.ports['dns']}"],
            "anchors": [f"tcp://{ORIGIN}:{self.ports['origin']}"],
        }
        agent = {"agent": "t", "results": "results", "customers": "customers/", "vantage_points": [point]}
        agent |= {"allow_addresses": ["127.0.0.0/8"], "limits": {"further_per_minute": 100_000}}
        (directory / "agent.yaml").write_text(yaml.safe_dump(agent))
        return directory / "agent.yaml"


def _name(head: bytes) -> str:
    return head.split(b" ")[1].decode().strip("/")


def origin(head: bytes) -> Script:
    """Answers 304 where its tag is named, as the running agent asks it."""
    if b"if-none-match" in head.lower():
        return raw(b'HTTP/1.1 304 Not Modified\r\nETag: "mine"\r\n\r\n')
    return response(OWN, *MINE)


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    made = World()
    async with (
        DnsServer(zone(TWO_NODES)) as dns,
        serve(by_request(origin), host=ORIGIN) as at_origin,
        AsyncExitStack() as stack,
    ):
        edges = await two_servers(stack, by_request(made.edge), response(OWN, *MINE))
        made.ports = {"dns": dns.port, "edge": edges, "origin": at_origin.port}
        yield made


@provokes("content.mismatch")
async def test_the_running_agent_finds_it_within_one_interval(tmp_path: Path) -> None:
    rows: dict[str, list[SlotRecord]] = defaultdict(list)
    since_s: dict[str, float] = {}  # when the file at a path was replaced
    stop = asyncio.Event()

    async with world() as made:

        def take(row: SlotRecord) -> None:
            name = row.path.strip("/")
            if row.state is State.MEASURED:  # a busy machine misses some
                rows[name].append(row)
            if len(rows[name]) == 2 and name not in since_s:
                made.foreign.add(name)
                since_s[name] = time.time()
            if all(len(rows[name]) >= 6 for name in CLAIMS):
                stop.set()

        async with asyncio.timeout(60):
            await run_until(load_config(made.write(tmp_path), CHECKS), CHECKS, stop, on_row=take)

    for name in CLAIMS:
        well = rows[name][:2]
        found = [row for row in rows[name] if epoch_s(row.started_at or "") > since_s[name]]
        assert len(found) >= 2, name
        assert [row.outcome for row in well] == ["ok", "ok"], (name, [row.summary for row in well])
        for row in found:
            told = row.outcome, row.fault, row.reason
            assert told == ("failed", "cdn", "content.mismatch"), (name, row.summary)
            assert {f.address for f in row.findings if f.outcome == "failed"} == {EDGE}, name
            assert not [f.reason for f in row.findings if f.reason.startswith(("stale", "content.over"))], (
                name
            )


async def test_once_never_calls_it_as_agreed_and_never_an_old_version(tmp_path: Path) -> None:
    """The first look of all cannot tell it from an earlier version; nor can a second one that remembers the first."""
    async with world() as made:
        made.foreign |= set(CLAIMS)
        file = made.write(tmp_path)
        for _ in range(2):
            ended = await cdn_probe("once", "-c", file, "--json")
            assert ended.code in (1, 3), ended.err
            rows = [json.loads(line) for line in ended.out.splitlines()]
            assert {row["path"].strip("/") for row in rows} == CLAIMS.keys()
            for row in rows:
                assert_not_passed_over(row)


def assert_not_passed_over(row: dict[str, Any]) -> None:
    assert "as agreed" not in row["summary"], row["path"]
    assert row["outcome"] in ("ok", "failed"), (row["path"], row["summary"])
    reasons = {f["reason"] for f in row["findings"] if f["address"] == EDGE}
    assert reasons & {"content.mismatch", "integrity.version_unseen"}, (row["path"], row["summary"])
    assert not {r for r in reasons if r.startswith(("stale", "content.over"))}, row["path"]
    assert row["fault"] in (None, "cdn"), row["path"]
