"""What a fetch or a look-up made goes without the collector, where it went well and where it failed."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from probe.core.model.task import ResolverSpec
from probe.host import gc as garbage
from probe.resolver.resolver import Resolver
from tests.leaks.endpoints import PLAIN, answer
from tests.support.dns_server import DnsServer, zone
from tests.support.http_server import Pki, Script, make_fetcher, make_target, reply, response, serve
from tests.support.resolving import CLOCK, LOOPBACK, addresses, look_up

FETCHES, FAILURES = 20, 3
FAILING = ("silent", "silent-after-head", "cut", "reset", "reset-at-once", "closed-at-once", "broken-gzip",
           "broken-chunks", "no-http", "huge-head")  # fmt: skip
OK = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def by_hand() -> Iterator[None]:
    """The collector runs when it is told to, and walks only what comes: an earlier test may still let go of its own."""
    gc.collect()
    gc.freeze()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("by_hand")
@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize(
    "script",
    [
        response(b"x" * 70_000),
        response(b""),
        response(b"", status="204 No Content"),
        reply(OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
        reply(OK + b"\r\nuntil the end"),
    ],
)
async def test_a_fetch_leaves_no_cycle(pki: Pki, script: Script, secure: bool) -> None:
    async with serve(script, tls=pki.issued() if secure else None) as server:
        fetcher = make_fetcher()
        target = make_target(server.port, scheme="https" if secure else "http", tls=pki.policy())
        await fetcher.fetch(target)
        _found()
        for _ in range(FETCHES):
            seen = await fetcher.fetch(target)
            assert seen.failure is None
        await asyncio.sleep(0)
        found = _found()
    assert not {kind for kind, count in found.items() if count >= FETCHES}


@pytest.mark.usefixtures("by_hand")
@pytest.mark.parametrize("name", FAILING)
async def test_a_fetch_that_fails_leaves_no_cycle(name: str) -> None:
    """Its error was raised through frames that refer to all that was read."""
    async with serve(PLAIN[name], read=name != "reset-at-once") as server:
        fetcher = make_fetcher()
        target = make_target(server.port, total_us=400_000 if "silent" in name else 5_000_000)
        await fetcher.fetch(target)
        _found()
        for _ in range(FAILURES):
            seen = await fetcher.fetch(target)
            assert seen.failure is not None
        await asyncio.sleep(0)
        found = _found()
    assert not {kind for kind, count in found.items() if count >= FAILURES}


@pytest.mark.usefixtures("by_hand")
async def test_a_handshake_that_fails_leaves_no_cycle(pki: Pki) -> None:
    async with serve(response(b""), tls=pki.odd("expired")) as server:
        fetcher = make_fetcher()
        target = make_target(server.port, scheme="https", tls=pki.policy())
        await fetcher.fetch(target)
        _found()
        for _ in range(FAILURES):
            seen = await fetcher.fetch(target)
            assert seen.failure is not None
        await asyncio.sleep(0)
        found = _found()
    assert not {kind for kind, count in found.items() if count >= FAILURES}


@pytest.mark.usefixtures("by_hand")
@pytest.mark.parametrize("name", ["servfail", "refused", "nxdomain", "garbage", "silent-zone", "long-chain"])
async def test_a_look_up_that_fails_leaves_no_cycle(name: str) -> None:
    async with DnsServer(answer) as server:
        spec = ResolverSpec(transport="udp", address=server.host, port=server.port)
        resolver = Resolver(CLOCK, LOOPBACK)
        await look_up(spec, qname=f"{name}.leaks.example", resolver=resolver, deadline_us=300_000)
        _found()
        for _ in range(FAILURES):
            seen = await look_up(spec, qname=f"{name}.leaks.example", resolver=resolver, deadline_us=300_000)
            assert addresses(seen) == []
        found = _found()
    assert not {kind for kind, count in found.items() if count >= FAILURES}


@pytest.mark.usefixtures("by_hand")
async def test_a_look_up_over_udp_leaves_no_cycle() -> None:
    async with DnsServer(zone({"www.a A": ["127.0.0.1"]})) as server:
        spec = ResolverSpec(transport="udp", address=server.host, port=server.port)
        resolver = Resolver(CLOCK, LOOPBACK)  # one for the whole agent, as it is there
        await look_up(spec, resolver=resolver)
        _found()
        for _ in range(FETCHES):
            assert addresses(await look_up(spec, resolver=resolver)) == ["127.0.0.1"]
        found = _found()
    assert not {kind for kind, count in found.items() if count >= FETCHES}


def test_a_process_that_settled_looks_seldom(tmp_path: Path) -> None:
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    kept: list[list[object]] = [[] for _ in range(2000)]
    try:
        garbage.settle()
        assert gc.get_freeze_count() >= frozen + len(kept)
        assert gc.get_threshold()[0] > 5000
    finally:
        gc.set_threshold(*before)


def _found() -> dict[str, int]:
    """How many objects of each of our own kinds only the collector could find; what servers leave is theirs."""
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        gc.collect()
        kinds: dict[str, int] = {}
        for thing in gc.garbage:
            kind = type(thing)
            name = f"{kind.__module__}.{kind.__qualname__}"
            if name.startswith("probe."):
                kinds[name] = kinds.get(name, 0) + 1
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
    return kinds
