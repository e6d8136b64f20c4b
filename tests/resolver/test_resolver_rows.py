"""Look-ups over every transport: hostile rows 10 to 13 and 19 to 21."""

from __future__ import annotations

import pytest

from probe.core.dns.fault_zone import failing_zone
from probe.core.records.failure import FailureType, Phase
from probe.resolver.resolver import Resolver
from tests.support.dns_server import Query, reply, zone
from tests.support.resolving import CLOCK, LOOPBACK, Asking, addresses, kind, long_chain, pairs, vantage

# --- row 10, 11, 12, 13 ---------------------------------------------------------------------------


@pytest.mark.parametrize("recursive", [True, False])
@pytest.mark.parametrize(
    ("records", "chain"),
    [
        ({"www.a CNAME": ["www.a"]}, [("www.a", "www.a")]),
        ({"www.a CNAME": ["x.b"], "x.b CNAME": ["www.a"]}, [("www.a", "x.b"), ("x.b", "www.a")]),
    ],
)
async def test_cname_loop(
    ask: Asking, records: dict[str, list[str]], chain: list[tuple[str, str]], recursive: bool
) -> None:
    found = await ask(zone(records, recursive=recursive))
    assert kind(found) is FailureType.DNS_CNAME_LOOP
    assert pairs(found) == chain
    assert found.failing_name == chain[-1][0]


@pytest.mark.parametrize("recursive", [True, False])
@pytest.mark.parametrize("links", [15, 16, 17, 30])
async def test_long_chain_resolves(ask: Asking, links: int, recursive: bool) -> None:
    found = await ask(zone(long_chain(links), recursive=recursive))
    assert (kind(found), len(found.cname_chain), addresses(found)) == (None, links, ["127.0.0.1"])


@pytest.mark.parametrize("recursive", [True, False])
async def test_too_long_chain(ask: Asking, recursive: bool) -> None:
    found = await ask(zone(long_chain(40), recursive=recursive))
    assert kind(found) is FailureType.DNS_CHAIN_TOO_LONG
    assert len(found.cname_chain) == 32
    assert found.failing_name == "n32.b"


@pytest.mark.parametrize("recursive", [True, False])
@pytest.mark.parametrize(
    ("target", "whose"), [("x.cdn.net", "cdn"), ("x.elsewhere", "customer"), ("nodata.cdn.net", "cdn")]
)
async def test_dangling_alias(ask: Asking, target: str, whose: str, recursive: bool) -> None:
    found = await ask(zone({"www.a CNAME": [target], "nodata.cdn.net TXT": ["x"]}, recursive=recursive))
    assert kind(found) is FailureType.DNS_DANGLING_ALIAS
    assert found.rcode == ("NOERROR" if target.startswith("nodata") else "NXDOMAIN")
    assert (found.failing_name, found.canonical_name) == (target, target)
    assert pairs(found) == [("www.a", target)]
    assert failing_zone(found, "www.a", ["cdn.net"]) == whose


async def test_name_itself_does_not_exist(ask: Asking) -> None:
    found = await ask(zone({}))
    assert (kind(found), found.failing_name, found.rcode) == (
        FailureType.DNS_NAME_NOT_RESOLVED,
        "www.a",
        "NXDOMAIN",
    )


async def test_name_itself_without_addresses(ask: Asking) -> None:
    found = await ask(zone({"www.a TXT": ["x"]}))
    assert (kind(found), found.failing_name, found.rcode) == (FailureType.DNS_NO_DATA, "www.a", "NOERROR")


async def test_two_cnames_at_one_owner(ask: Asking) -> None:
    def script(query: Query) -> object:
        lines = ("www.a. 60 CNAME x.b.", "www.a. 60 CNAME y.b.", "x.b. 60 A 127.0.0.1", "y.b. 60 A 127.0.0.2")
        return reply(query, *lines)

    found = await ask(script)
    assert [(link.target, link.doubled) for link in found.cname_chain] == [("x.b", False), ("y.b", True)]
    assert found.flags == ("doubled_cname",)
    assert addresses(found) == ["127.0.0.1"]


# --- row 19: TTL ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("ttl", "kept"), [(0, 0), (2**31 - 1, 2**31 - 1), (2**31, 0), (2**32 - 1, 0)])
async def test_ttl(ask: Asking, ttl: int, kept: int) -> None:
    def script(query: Query) -> bytes:
        wire = reply(query, "www.a. 1 A 127.0.0.1")
        wire.use_edns(False)
        data = wire.to_wire()
        return data[:-10] + ttl.to_bytes(4, "big") + data[-6:]

    found = await ask(script)
    assert (found.ttl_s, addresses(found), found.failure) == (kept, ["127.0.0.1"], None)


async def test_nothing_is_cached(ask: Asking) -> None:
    async with ask.server(zone({"www.a A": ["127.0.0.1"]})) as server:
        resolver, point = Resolver(CLOCK, LOOPBACK), vantage(ask.spec(server))
        for _ in range(3):
            await resolver.resolve("www.a", "A", point, slot_start_ns=CLOCK.monotonic_ns())
        assert len(server.queries) == 3


# --- row 20, 21: addresses ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("qtype", "address", "reason"),
    [
        ("A", "10.0.0.1", "private"),
        ("A", "169.254.169.254", "metadata"),
        ("A", "169.254.1.1", "link_local"),
        ("A", "0.0.0.0", "unspecified"),
        ("AAAA", "::1", "loopback"),
        ("AAAA", "::ffff:127.0.0.1", "mapped_loopback"),
        ("AAAA", "fe80::1", "link_local"),
        ("AAAA", "64:ff9b::7f00:1", "nat64_loopback"),
    ],
)
async def test_bogus_address(ask: Asking, qtype: str, address: str, reason: str) -> None:
    found = await ask(zone({"www.a CNAME": ["x.b"], f"x.b {qtype}": [address]}), qtype=qtype)
    assert found.failure is not None
    assert (found.failure.phase, found.failure.type) == (Phase.DNS, FailureType.DNS_BOGUS_ADDRESS)
    assert [(a.address, a.refused) for a in found.addresses] == [(address, reason)]
    assert found.failing_name == "x.b"


async def test_loopback_is_bogus_unless_allowed(ask: Asking) -> None:
    async with ask.server(zone({"www.a A": ["127.0.0.1"]})) as server:
        point = vantage(ask.spec(server))
        strict = await Resolver(CLOCK).resolve("www.a", "A", point, slot_start_ns=0)
        allowed = await Resolver(CLOCK, LOOPBACK).resolve("www.a", "A", point, slot_start_ns=0)
    assert kind(strict) is FailureType.DNS_BOGUS_ADDRESS
    assert (kind(allowed), allowed.addresses[0].refused) == (None, None)


async def test_one_bogus_address_among_good_ones_is_marked(ask: Asking) -> None:
    found = await ask(zone({"www.a A": ["127.0.0.1", "10.0.0.1"]}))
    assert [(a.address, a.refused) for a in found.addresses] == [("127.0.0.1", None), ("10.0.0.1", "private")]
    assert (found.failure, found.flags) == (None, ("bogus_address",))


async def test_address_twice_is_one(ask: Asking) -> None:
    found = await ask(lambda q: reply(q, "www.a. 60 A 127.0.0.1", "www.a. 60 A 127.0.0.1"))
    assert addresses(found) == ["127.0.0.1"]


async def test_rebinding_cannot_change_what_was_checked(ask: Asking) -> None:
    """The Resolution is a value: whoever connects takes the addresses checked, no second look-up comes between."""
    async with ask.server(
        lambda q: reply(q, f"www.a. 0 A {'127.0.0.1' if len(server.queries) == 1 else '10.0.0.1'}")
    ) as server:
        resolver, point = Resolver(CLOCK, LOOPBACK), vantage(ask.spec(server))
        first = await resolver.resolve("www.a", "A", point, slot_start_ns=0)
        assert len(server.queries) == 1, "one look-up, whose answer is both checked and returned"
        second = await resolver.resolve("www.a", "A", point, slot_start_ns=0)
    assert [(a.address, a.refused) for a in first.addresses] == [("127.0.0.1", None)]
    assert kind(second) is FailureType.DNS_BOGUS_ADDRESS
    with pytest.raises(AttributeError):
        first.addresses = second.addresses  # type: ignore[misc]
