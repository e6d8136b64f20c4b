"""One slot measured against real servers that do exactly what a test says: DNS, edge, origin and anchor on loopback."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from dataclasses import replace as with_changes
from pathlib import Path
from typing import Any

from probe.checks import CHECKS
from probe.core.model.task import (
    AnchorSpec,
    CheckSpec,
    Deadlines,
    OriginSpec,
    Request,
    ResolverSpec,
    Task,
    TlsPolicy,
    VantagePoint,
)
from probe.core.model.value import replace
from probe.core.nodes.values import Learning, Sighting
from probe.core.records.rows import SlotRecord
from probe.fetch.fetcher import HttpFetcher
from probe.host.clock import SystemClock, rfc3339
from probe.host.loop_lag import LoopLag
from probe.measure.oneshot import host_probe
from probe.measure.pipeline import Pipeline
from probe.resolver.resolver import Resolver
from tests.codes.provoking import saw
from tests.support import build
from tests.support.dns_server import DnsServer, zone
from tests.support.dns_server import Script as DnsScript
from tests.support.http_server import HOST, Pki, Script, openssl_server, response, serve

LOOPBACK = ("127.0.0.0/8",)
EDGE_2 = "127.0.0.12"
EDGE, ORIGIN, ANCHOR, ZONE_SERVER = "127.0.0.11", "127.0.0.21", "127.0.0.31", "127.0.0.53"
CANONICAL = "acme.cdn.example.net"
GOOD = b"the customer's own content\n" * 40
ETAG = 'ETag: "v1"'
FRESH = "Cache-Control: max-age=60"
NAMES = {f"{HOST} CNAME": [CANONICAL], f"{CANONICAL} A": [EDGE]}
TWO_NODES = {**NAMES, f"{CANONICAL} A": [EDGE, EDGE_2]}


def right(*fields: str, body: bytes = GOOD) -> Script:
    """What a healthy server sends."""
    return response(body, *(fields or (ETAG, FRESH)))


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What each part of the world does. `edge` None: nothing listens there; `second_resolver`: one more, asked second.

    `origin_tls`: the origin is asked over TLS too, with the edge's certificate. `anchor_says`: what an anchor does.
    `zone_servers`: what the zones' own servers say, at `ZONE_SERVER`; None: nobody is asked there.

    `second_edge`: what another node does, at `EDGE_2` and the edge's port; the name has to lead there, too.
    `edge_address`: where the edge is. `openssl`: it is a blocking server, which sends alerts where asyncio's is mute.
    `warm`: the origin was seen before this slot. `changes` go to the task, `deadlines` to its deadlines, `line` to its
    vantage point. `lines`: further vantage points of the agent. `slots_before`: so many slots are measured before
    the one that counts. `trusted_us`: for how long a version of the origin is taken to be its present one.
    `known_nodes`: nodes that were learned long enough that any other is a stranger.
    """

    edge: Script | None = field(default_factory=right)
    origin: Script | None = field(default_factory=right)
    dns: DnsScript = field(default_factory=lambda: zone(NAMES))
    second_resolver: DnsScript | None = None
    dns_tcp: bool = True
    tls: Callable[[Pki], ssl.SSLContext] | None = None
    policy: dict[str, Any] = field(default_factory=dict)
    second_edge: Script | None = None
    edge_address: str = EDGE
    openssl: bool = False
    anchor: bool = True
    anchor_says: Script = field(default_factory=right)
    origin_tls: bool = False
    zone_servers: DnsScript | None = None
    warm: bool = True
    checks: tuple[CheckSpec, ...] = field(
        default_factory=lambda: build.checks(availability={}, integrity={}, alias={})
    )
    deadlines: dict[str, int] = field(default_factory=dict)
    changes: dict[str, Any] = field(default_factory=dict)
    request: dict[str, Any] = field(default_factory=dict)
    line: dict[str, Any] = field(default_factory=dict)
    lines: tuple[VantagePoint, ...] = ()
    slots_before: int = 0
    trusted_us: int = 60_000_000
    known_nodes: tuple[str, ...] = ()


QUICK = {"total_us": 1_500_000, "connect_us": 700_000, "tls_us": 700_000, "first_byte_us": 700_000}


async def measure(
    setting: Setting, directory: Path, before: Callable[[], None] = lambda: None
) -> tuple[Task, SlotRecord]:
    """Build the world, measure one slot of one task in it, take the world down.

    `before` is called when all is up and the origin was seen, if it is to be, just before the slot.
    """
    async with AsyncExitStack() as stack:
        task = await _world(setting, directory, stack)
        authority_port = 53
        if setting.zone_servers is not None:
            served = await stack.enter_async_context(DnsServer(setting.zone_servers, host=ZONE_SERVER))
            authority_port = served.port
        clock = SystemClock()
        lag = LoopLag(clock)
        await lag.start()
        stack.push_async_callback(lag.stop)
        fetcher = HttpFetcher(clock, str, LOOPBACK)
        stack.push_async_callback(fetcher.close)
        pipeline = Pipeline(
            kinds=CHECKS,
            resolver=Resolver(clock, LOOPBACK, authority_port=authority_port),
            fetcher=fetcher,
            clock=clock,
            host=with_changes(host_probe("test", "0" * 64, lag), clock_state=lambda: (True, 10)),
            lines=setting.lines,
        )
        if setting.known_nodes:
            pipeline.nodes.restore(*_learned(task, setting.known_nodes, clock.time_ns()))
        if setting.warm:
            await pipeline.references.look(task, clock.monotonic_ns())
        await asyncio.to_thread(before)
        for _ in range(setting.slots_before):
            await pipeline.measure(task, rfc3339(clock.time_ns()))
        return task, saw(await pipeline.measure(task, rfc3339(clock.time_ns())))


def _learned(task: Task, addresses: tuple[str, ...], now_ns: int) -> tuple[list[Sighting], list[Learning]]:
    """What the store has of these nodes: seen for a day, often enough."""
    since, last = rfc3339(now_ns - 86_400 * 10**9), rfc3339(now_ns)
    whose = {"customer": task.customer, "domain": task.domain, "ip_version": task.ip_version}
    whose["vantage_point"] = task.vantage_point.name
    nodes = [
        Sighting(**whose, address=address, suffix=task.cdn_suffixes[0], first_seen=since, last_seen=last)
        for address in addresses
    ]
    return nodes, [Learning(**whose, since=since, last=last, resolutions=1000)]


async def _world(setting: Setting, directory: Path, stack: AsyncExitStack) -> Task:
    pki = Pki(directory)
    context = setting.tls(pki) if setting.tls is not None else None
    first = await stack.enter_async_context(DnsServer(setting.dns, tcp=setting.dns_tcp))
    servers = [first]
    if setting.second_resolver is not None:
        servers.append(await stack.enter_async_context(DnsServer(setting.second_resolver)))
    if setting.openssl:
        assert context is not None
        edge_port = await stack.enter_async_context(openssl_server(context))
    elif setting.second_edge is not None:
        edge_port = await two_servers(stack, setting.edge, setting.second_edge, context)
    else:
        edge_port = await _server(stack, setting.edge, setting.edge_address, context)
    origin_port = await _server(stack, setting.origin, ORIGIN, context if setting.origin_tls else None)
    anchors = ()
    if setting.anchor:
        port = await _server(stack, setting.anchor_says, ANCHOR, None)
        anchors = (AnchorSpec(scheme="http", host=ANCHOR, port=port),)
    scheme = "https" if context is not None else "http"
    request = Request(scheme=scheme, host=HOST, port=edge_port, path="/a.js", **setting.request)
    return replace(
        build.task(
            domain=HOST,
            request=request,
            vantage_point=VantagePoint(
                name="bj-ct",
                region="CN-BJ",
                resolvers=tuple(ResolverSpec(transport="udp", address=s.host, port=s.port) for s in servers),
                anchors=anchors,
                **setting.line,
            ),
            deadlines=Deadlines(**{**QUICK, **setting.deadlines}),
            tls=pki.policy(**setting.policy) if context is not None else TlsPolicy(),
            origin=OriginSpec(
                address=ORIGIN,
                interval_us=setting.trusted_us,
                request=Request(
                    scheme="https" if setting.origin_tls else "http",
                    host=HOST,
                    port=origin_port,
                    path="/a.js",
                    **setting.request,
                ),
                **({"tls": pki.policy(**setting.policy)} if setting.origin_tls else {}),
            ),
            checks=setting.checks,
        ),
        **setting.changes,
    )


async def _server(stack: AsyncExitStack, script: Script | None, host: str, tls: ssl.SSLContext | None) -> int:
    if script is None:
        return _closed_port(host)
    return (await stack.enter_async_context(serve(script, host=host, tls=tls))).port


async def two_servers(
    stack: AsyncExitStack, first: Script | None, second: Script, tls: ssl.SSLContext | None = None
) -> int:
    """Two nodes, at `EDGE` and `EDGE_2`, at one port: it is free at both addresses at the latest in the last try."""
    for left in reversed(range(20)):
        async with AsyncExitStack() as tried:
            port = await _server(tried, first, EDGE, tls)
            try:
                await tried.enter_async_context(serve(second, host=EDGE_2, tls=tls, port=port))
            except OSError:
                if not left:
                    raise
                continue
            stack.push_async_callback(tried.pop_all().aclose)
            return port
    raise AssertionError("unreachable")


def _closed_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port
