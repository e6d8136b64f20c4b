"""Each fault does what it says, where it says, and is gone once lifted."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable

import dns.exception
import pytest

from probe.core.records.verdict import Fault, Outcome
from probe.lab.faults import FAULTS, Expectation
from probe.lab.lab import Lab
from probe.lab.servers.origin import content_of
from probe.lab.servers.world import (
    ANCHORS,
    API,
    BEIJING,
    DOMAINS,
    EDGES,
    IMG,
    LIVE,
    OTHER_ADDRESS,
    SHANGHAI,
    SLOW_S,
    VANTAGES,
    VOD,
    WWW,
    Reach,
    all_keys,
)
from tests.lab.ask import addresses, get, lookup, over_http_2, over_udp, rcode, records
from tests.support.awake import Awake

HERO, APP = IMG.paths[0], WWW.paths[1]
Shows = Callable[[Lab], Awaitable[None]]


async def healthy(lab: Lab) -> None:
    """Every object from every vantage point by every node that it is given, compared with the origin."""
    for vantage in VANTAGES:
        for domain in DOMAINS:
            assert await addresses(lab, domain, vantage) == [EDGES[edge] for edge in vantage.edges]
            for path in domain.paths:
                origin = await get(lab, domain, path, address=domain.origin, source=vantage.source)
                assert origin.status == 200
                for edge in vantage.edges:
                    got = await get(lab, domain, path, edge=edge, source=vantage.source)
                    assert (got.status, got.whole) == (200, True)
                    assert domain is API or got.body == origin.body
        for anchor in ANCHORS:
            assert (await get(lab, API, "/ok", address=anchor, source=vantage.source)).status == 200


async def edge_down(lab: Lab) -> None:
    for domain in (WWW, IMG):
        with pytest.raises(ConnectionRefusedError):
            await get(lab, domain, edge="edge-1")
        assert (await get(lab, domain, edge="edge-2")).status == 200


async def captive_portal(lab: Lab) -> None:
    for address in (*EDGES.values(), *(domain.origin for domain in DOMAINS), *ANCHORS):
        led = await get(lab, API, address=address, source=SHANGHAI.source)
        assert (led.status, led.fields["location"]) == (302, "http://login.portal.example/login")
        assert (await get(lab, API, address=address, source=BEIJING.source)).status == 200
    for address in (*EDGES.values(), WWW.origin):
        with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
            await get(lab, WWW, address=address, source=SHANGHAI.source)
        assert (await get(lab, WWW, address=address, source=BEIJING.source)).status == 200


async def server_error(lab: Lab) -> None:
    assert (await get(lab, IMG, edge="edge-2")).status == 503
    assert (await get(lab, IMG, edge="edge-1")).status == 200
    assert (await get(lab, WWW, edge="edge-2")).status == 200


async def tampered_body(lab: Lab) -> None:
    for coding in ("identity", "gzip"):
        false = await get(lab, WWW, APP, edge="edge-3", accept_encoding=coding)
        true = await get(lab, WWW, APP, edge="edge-2", accept_encoding=coding)
        assert true.content == content_of(APP, 1)
        assert false.content != true.content, "and it decodes without an error"
        assert (false.status, false.whole) == (200, True)
        assert false.fields["etag"] == true.fields["etag"]
    assert (await get(lab, WWW, "/", edge="edge-3")).body == content_of("/", 1)


async def origin_down(lab: Lab) -> None:
    with pytest.raises(ConnectionRefusedError):
        await get(lab, IMG, address=IMG.origin)
    for edge in EDGES:
        assert (await get(lab, IMG, edge=edge)).status == 502, "also where it was stored before"
    assert (await get(lab, WWW)).status == 200


async def customer_name_gone(lab: Lab) -> None:
    for vantage in VANTAGES:
        for resolver in (0, 1):
            gone = await lookup(lab, WWW.name, vantage=vantage, resolver=resolver)
            assert (rcode(gone), gone.answer) == ("NXDOMAIN", [])
    assert await addresses(lab, IMG)


async def stale_version(lab: Lab) -> None:
    later_s = time.monotonic() + 60
    for edge in lab.edges.values():
        edge.now_s = lambda: later_s
    old = await get(lab, IMG, edge="edge-1")
    assert old.body == content_of(HERO, 1)
    assert old.fields["cache-status"] == "edge-1; hit"
    assert int(old.fields["age"]) >= 59, "it does not lie about its age"
    assert (await get(lab, IMG, edge="edge-2")).body == content_of(HERO, 2)
    assert (await get(lab, IMG, address=IMG.origin)).body == content_of(HERO, 2)


async def _seconds(asked: Awaitable[object]) -> float:
    began = time.monotonic()
    await asked
    return time.monotonic() - began


async def slow_first_byte(lab: Lab) -> None:
    assert await _seconds(get(lab, WWW, edge="edge-3")) >= SLOW_S
    await get(lab, WWW, edge="edge-2")
    async with Awake() as awake:
        await get(lab, WWW, edge="edge-2")
    assert awake.seconds < SLOW_S / 2, "the lab's servers wait on this loop"


async def truncated_body(lab: Lab) -> None:
    cut = await get(lab, VOD, edge="edge-1")
    assert (cut.status, cut.whole, len(cut.body)) == (200, False, 500_000)
    assert cut.fields["content-length"] == "1000000"
    assert (await get(lab, VOD, edge="edge-2")).whole


async def goaway(lab: Lab) -> None:
    received = await over_http_2(lab, VOD, edge="edge-3")
    assert received[-17:-8] == b"\0\0\x08\x07\0\0\0\0\0", "GOAWAY is the last frame"
    assert received[-8:] == (1).to_bytes(4, "big") + (2).to_bytes(4, "big"), "of stream 1, INTERNAL_ERROR"
    assert 500_000 < len(received) < 510_000
    assert (await get(lab, VOD, edge="edge-2")).whole


async def name_gone(lab: Lab) -> None:
    whole = await lookup(lab, VOD.name, vantage=BEIJING)
    assert (rcode(whole), records(whole)) == ("NXDOMAIN", {"CNAME": [VOD.cdn_name]})
    alias = await lookup(lab, VOD.name, vantage=SHANGHAI)
    assert rcode(alias) == "NOERROR", "the alias itself is well"
    assert rcode(await lookup(lab, VOD.cdn_name, vantage=SHANGHAI)) == "NXDOMAIN"


async def alias_changed(lab: Lab) -> None:
    for vantage in VANTAGES:
        assert await addresses(lab, API, vantage) == [OTHER_ADDRESS]
    assert b"another company" in (await get(lab, API, address=OTHER_ADDRESS)).body


async def resolver_down(lab: Lab) -> None:
    with pytest.raises(dns.exception.Timeout):
        await lookup(lab, WWW.name, vantage=SHANGHAI, timeout_s=0.05)
    assert lab.resolvers[SHANGHAI.resolvers[0]].log[-1].rcode is None, "it heard the question"
    assert rcode(await lookup(lab, WWW.name, vantage=SHANGHAI, resolver=1)) == "NOERROR"
    assert rcode(await lookup(lab, WWW.name, vantage=BEIJING)) == "NOERROR"


async def resolvers_fail(lab: Lab) -> None:
    for resolver in (0, 1):
        for name in (WWW.name, ".", "www.elsewhere.test"):
            failed = await lookup(lab, name, "NS", vantage=BEIJING, resolver=resolver)
            assert (rcode(failed), failed.answer) == ("SERVFAIL", [])
        assert rcode(await lookup(lab, WWW.name, vantage=SHANGHAI, resolver=resolver)) == "NOERROR"


async def origin_error(lab: Lab) -> None:
    assert (await get(lab, WWW, address=WWW.origin)).status == 500
    passed = await get(lab, WWW)
    assert (passed.status, passed.fields["cache-status"]) == (500, "edge-1; fwd=stale; fwd-status=500")


async def origin_slow(lab: Lab) -> None:
    assert await _seconds(get(lab, API, address=API.origin)) >= SLOW_S
    assert await _seconds(get(lab, API)) >= SLOW_S


async def vantage_offline(lab: Lab) -> None:
    targets = [*EDGES.values(), *(domain.origin for domain in DOMAINS), *ANCHORS]
    for address in targets:
        for domain in (API, *([VOD] if address not in ANCHORS else [])):
            with pytest.raises(OSError, match=r"reset|closed"):
                await get(lab, domain, address=address, source=BEIJING.source)
            assert (await get(lab, domain, address=address, source=SHANGHAI.source)).status == 200


async def tls_expired(lab: Lab) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="certificate has expired"):
        await get(lab, VOD, edge="edge-3")
    assert (await get(lab, VOD, edge="edge-2")).status == 200
    assert (await get(lab, WWW, edge="edge-3")).status == 200


async def http3_down(lab: Lab) -> None:
    assert not await asyncio.to_thread(over_udp, lab, LIVE, edge="edge-3")
    assert await asyncio.to_thread(over_udp, lab, LIVE, edge="edge-2")
    assert (await get(lab, LIVE, edge="edge-3")).status == 200, "over TCP it is well"


SHOWS: dict[str, Shows] = {
    shows.__name__: shows
    for shows in (
        edge_down, captive_portal, server_error, tampered_body, origin_down, customer_name_gone, stale_version,
        slow_first_byte, truncated_body, goaway, name_gone, alias_changed, resolver_down, resolvers_fail, origin_error,
        origin_slow, vantage_offline, tls_expired, http3_down,
    )
}  # fmt: skip


def test_every_fault_is_shown() -> None:
    assert set(SHOWS) == set(FAULTS)
    assert len(FAULTS) == 19, "18 without the extra http3"


@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_shows_and_goes_without_a_trace(lab: Lab, name: str) -> None:
    await healthy(lab)
    async with lab.fault(name) as fault:
        assert (fault.name, lab.active) == (name, {name})
        await SHOWS[name](lab)
    assert lab.active == set()
    for edge in lab.edges.values():
        edge.now_s = time.monotonic
    if name == "stale_version":  # the customer's new version stays, and honest copies of the old one may too
        lab.expire(IMG)
    await healthy(lab)


async def test_all_faults_at_once_are_lifted_too(lab: Lab) -> None:
    for name in FAULTS:
        await lab.apply(name)
    for name in reversed(FAULTS):
        await lab.lift(name)
    await healthy(lab)


async def test_a_fault_is_lifted_when_its_holder_is_cancelled(lab: Lab) -> None:
    applied = asyncio.Event()

    async def hold() -> None:
        async with lab.fault("edge_down"):
            applied.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(hold())
    await applied.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert lab.active == set()
    assert (await get(lab, IMG, edge="edge-1")).status == 200


async def test_faults_are_a_closed_list(lab: Lab) -> None:
    with pytest.raises(ValueError, match="there are edge_down, "):
        await lab.apply("edge_up")
    with pytest.raises(ValueError, match="not in force"):
        await lab.lift("edge_down")
    await lab.apply("edge_down")
    with pytest.raises(ValueError, match="in force already"):
        await lab.apply("edge_down")


@pytest.mark.parametrize(
    ("name", "outcome", "fault", "reason"),
    [
        ("http3_down", "failed", "cdn", "quic.refused"),
        ("slow_first_byte", "slow", "cdn", "timing.over_limit"),
        ("server_error", "failed", "cdn", "http.error"),
        ("truncated_body", "failed", "cdn", "body.truncated"),
        ("goaway", "failed", "cdn", "http.goaway"),
        ("tampered_body", "failed", "cdn", "content.mismatch"),
        ("stale_version", "stale", "cdn", "content.overlong_cache"),
        ("name_gone", "failed", "cdn", "dns.dangling_alias"),
        ("customer_name_gone", "failed", "customer", "dns.name_not_resolved"),
        ("alias_changed", "inconclusive", "customer", "dns.alias_changed"),
        ("origin_down", "failed", "origin", "origin.*"),
        ("origin_error", "failed", "origin", "origin.same_status"),
        ("origin_slow", "slow", "origin", "timing.origin_slow"),
        ("resolver_down", "inconclusive", "vantage", "dns.resolver_failed"),
        ("resolvers_fail", "inconclusive", "vantage", "dns.resolver_failed"),
        ("captive_portal", "inconclusive", "vantage", "vantage.captive_portal"),
        ("vantage_offline", "inconclusive", "vantage", "vantage.offline"),
        ("tls_expired", "failed", "cdn", "tls.cert.date_invalid"),
    ],
)
def test_what_the_agent_must_say(name: str, outcome: str, fault: str, reason: str) -> None:
    expected = Expectation(outcome=Outcome(outcome), fault=Fault(fault), reasons=(reason,))
    assert FAULTS[name].expected == expected


def test_a_dead_edge_is_dead_over_udp_too() -> None:
    assert FAULTS["edge_down"].expected == Expectation(
        outcome=Outcome.FAILED, fault=Fault.CDN, reasons=("tcp.refused", "quic.refused")
    )


def test_without_the_extra_the_lab_goes_without() -> None:
    """Another process, in which qh3 cannot be imported: what is asked over HTTP/3 is not there, the rest is."""
    script = """
import asyncio, sys
sys.modules["qh3"] = None
from probe.lab.faults import FAULTS
from probe.lab.lab import Lab
from probe.lab.servers.world import all_keys

async def main():
    async with Lab() as lab:
        return len(FAULTS), len(list(all_keys())), len(lab.http3), FAULTS["edge_down"].expected.reasons

print(asyncio.run(main()))
"""
    made = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert made.stdout.strip() == "(18, 10, 0, ('tcp.refused',))", made.stderr


def test_reach() -> None:
    everything = frozenset(all_keys())
    assert len(everything) == 12, "10 without the extra http3"
    assert Reach().keys() == everything
    assert FAULTS["edge_down"].reach.keys() == {key for key in everything if key[2] == "bj-ct"}
    assert FAULTS["tampered_body"].reach.keys() == {("www.shop.example", "/static/app.js", "sh-cu")}
    assert FAULTS["server_error"].reach.keys() == {key for key in everything if key[0] == "img.shop.example"}
    assert all(fault.reach.keys() for fault in FAULTS.values())
