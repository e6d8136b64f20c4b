"""Endpoints that fail, each in its own way, and names that do not resolve: what an agent may meet for months."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.dns_server import DnsServer, Query, zone
from tests.support.dns_server import reply as dns_reply
from tests.support.http_server import (
    HOST,
    Pki,
    Script,
    closed_port,
    hang,
    reply,
    reset,
    response,
    serve,
    then_hang,
    then_reset,
)

GOOD = b"x" * 20_000
HEAD = b"HTTP/1.1 200 OK\r\n"
SUFFIX = "leaks.example"


async def _reset_at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    reset(writer)


async def _drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"Content-Length: 100000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.2)


async def _endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
        await writer.drain()


PLAIN: Mapping[str, Script] = {
    "well": response(GOOD),
    "other-content": response(b"y" * 20_000),
    "error": response(b"no", status="503 Service Unavailable"),
    "missing": response(b"no", status="404 Not Found"),
    "loop": response(b"", "Location: /", status="302 Found"),
    "silent": hang,
    "silent-after-head": then_hang(HEAD + b"Content-Length: 5\r\n\r\n"),
    "cut": reply(HEAD + b"Content-Length: 99999\r\n\r\n" + GOOD),
    "reset": then_reset(HEAD + b"Content-Length: 99999\r\n\r\n" + GOOD),
    "reset-at-once": _reset_at_once,
    "closed-at-once": reply(),
    "drip": _drip,
    "endless": _endless,
    "bomb": response(gzip.compress(b"\0" * (8 << 20)), "Content-Encoding: gzip"),
    "broken-gzip": response(b"\x1f\x8b\x08\x00 nonsense", "Content-Encoding: gzip"),
    "broken-chunks": reply(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
    "no-http": reply(b"\x00\xff nonsense\r\n\r\n"),
    "huge-head": reply(HEAD + b"X-Large: " + b"a" * 400_000 + b"\r\n\r\n"),
    "many-fields": response(GOOD, *(f"X-{i}: {i}" for i in range(2_000))),
    "bad-date": response(GOOD, "Date: yesterday", "Expires: never", "Age: x"),
    "large": response(b"z" * (2 << 20)),
}
OVER_TLS = ("expired", "not_yet", "wrong_host", "self_signed", "untrusted", "incomplete")
UNRESOLVED = ("servfail", "nxdomain", "nothing", "garbage", "refused", "silent-zone", "long-chain")


@dataclass
class Endpoints:
    """`ports`: of each name, plain or over TLS. `resolver`: port of what looks all of them up."""

    good: int
    resolver: int
    ca: str
    plain: dict[str, int] = field(default_factory=dict)
    tls: dict[str, int] = field(default_factory=dict)
    unresolved: tuple[str, ...] = UNRESOLVED
    asked: int = 0


def answer(query: Query) -> object:
    """Every name resolves to us, but those that fail."""
    name = query.name.split(".")[0]
    records = {f"{query.name} A": ["127.0.0.1"]}
    match name:
        case "servfail" | "refused" | "nxdomain":
            return dns_reply(query, rcode=name.upper())
        case "nothing":
            return dns_reply(query)
        case "silent-zone":
            return None
        case "garbage":
            return b"\x00" * 40
        case "long-chain":
            records = {
                f"{query.name if i == 0 else f'c{i}.{SUFFIX}'} CNAME": [f"c{i + 1}.{SUFFIX}"]
                for i in range(30)
            }
    return zone(records)(query)


@contextlib.asynccontextmanager
async def endpoints(directory: Path) -> AsyncIterator[Endpoints]:
    """Serve them all, for one process that asks."""
    pki = Pki(directory)
    async with contextlib.AsyncExitStack() as stack:
        resolver = await stack.enter_async_context(DnsServer(answer))
        good = await stack.enter_async_context(serve(response(GOOD)))
        made = Endpoints(good.port, resolver.port, pki.ca)
        servers = [good]
        for name, script in PLAIN.items():
            server = await stack.enter_async_context(serve(script, read=script is not _reset_at_once))
            made.plain[name] = server.port
            servers.append(server)
        made.plain["closed"] = closed_port()
        contexts: dict[str, ssl.SSLContext] = {name: pki.odd(name) for name in OVER_TLS}
        for name, context in {"tls-well": pki.issued(f"tls-well.{SUFFIX}", HOST), **contexts}.items():
            server = await stack.enter_async_context(serve(response(GOOD), tls=context))
            made.tls[name.replace("_", "-")] = server.port
            servers.append(server)
        forgetting = asyncio.create_task(_forget(made, servers, resolver))
        try:
            yield made
        finally:
            forgetting.cancel()
            await asyncio.gather(forgetting, return_exceptions=True)


async def _forget(made: Endpoints, servers: list[object], resolver: DnsServer) -> None:
    """The servers keep what they were asked; here nobody looks at it."""
    while True:
        await asyncio.sleep(5)
        for server in servers:
            made.asked += len(server.requests)  # type: ignore[attr-defined]
            server.requests.clear()  # type: ignore[attr-defined]
        resolver.queries.clear()
