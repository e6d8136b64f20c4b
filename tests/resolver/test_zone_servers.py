"""The zone's own servers as witnesses, on real sockets: asked after a failure, directly, each message on record."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest

from probe.core.model.task import ResolverSpec, VantagePoint
from probe.core.records.dns import Resolution
from probe.host.clock import SystemClock
from probe.resolver import resolver as resolver_module
from probe.resolver.resolver import Resolver
from tests.support import build
from tests.support.dns_server import DnsServer, Query, Script, reply
from tests.support.dns_server import zone as recursive
from tests.support.zone_servers import SERVER, records, resolver_script, server_script, servfail

CLOCK = SystemClock()
HOST = "www.acme.example"
INTO_CDN = "www.acme.cdn.example.net"


IN_TIME_US = 8_000_000  # also on a machine with much else to do; nobody waits it out who is answered
SILENCE_US = 6_000_000  # enough for what is answered beside a silence


@pytest.fixture(autouse=True)
def time_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """The zone's servers have as much time as the deadline gives, so that a busy machine does not use it up."""
    monkeypatch.setattr(resolver_module, "_SERVERS_AT_MOST_US", IN_TIME_US)


def silent(query: Query) -> object:
    return None


async def failed(resolver: Script, server: Script, *, lost: bool = False) -> Resolution:
    deadline_us = SILENCE_US if server is silent else IN_TIME_US
    async with AsyncExitStack() as stack:
        asked = await stack.enter_async_context(DnsServer(resolver_script(resolver, lost=lost)))
        own = await stack.enter_async_context(DnsServer(server_script(server), host=SERVER))
        point = VantagePoint(
            name="v", resolvers=(ResolverSpec(transport="udp", address=asked.host, port=asked.port),)
        )
        looks = Resolver(CLOCK, ("127.0.0.0/8",), authority_port=own.port)
        start_ns = CLOCK.monotonic_ns()
        found = await looks.resolve(HOST, "A", point, slot_start_ns=start_ns, deadline_us=deadline_us)
        return await looks.diagnose(found, point, slot_start_ns=start_ns, deadline_us=deadline_us)


def judged(resolution: Resolution) -> tuple[str, str | None, str | None]:
    anchor = build.seen(build.Role.ANCHOR, digest=None)
    return build.triple(build.evidence(anchor, resolution=resolution))


RESOLVER_FAILED = "inconclusive", "vantage", "dns.resolver_failed"


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize(
    ("server", "flag", "expected"),
    [
        (records(f"{HOST}. 60 A 127.0.0.11"), "authority_answers", RESOLVER_FAILED),
        (records(rcode="NXDOMAIN"), "authority_denies", RESOLVER_FAILED),
        (
            records(rcode="SERVFAIL", flags=""),
            "authority_fails",
            ("failed", "customer", "dns.server_failure"),
        ),
        (silent, "authority_fails", ("failed", "customer", "dns.server_failure")),
        (records(f"{HOST}. 60 A 127.0.0.11", flags="RA"), "authority_unproven", RESOLVER_FAILED),
        (records(f"{HOST}. 60 A 127.0.0.11", flags=""), "authority_unproven", RESOLVER_FAILED),
        (records(rcode="SERVFAIL", flags="RA"), "authority_unproven", RESOLVER_FAILED),
    ],
)
async def test_what_the_zones_own_server_says_decides(
    server: Script, flag: str, expected: tuple[str, str, str], lost: bool
) -> None:
    """Also where the resolver has lost the whole zone, so that only the zone above tells its servers."""
    found = await failed(servfail, server, lost=lost)
    assert flag in found.flags, found.flags
    assert judged(found) == expected
    direct = [query for query in found.queries if query.purpose == "authority"]
    assert direct
    assert {query.resolver.rpartition(":")[0] for query in direct} == {f"udp://{SERVER}"}


async def test_a_line_that_reaches_no_zones_server_is_no_witness() -> None:
    async with AsyncExitStack() as stack:
        asked = await stack.enter_async_context(DnsServer(resolver_script(servfail)))
        own = await stack.enter_async_context(DnsServer(silent, host=SERVER))
        spec = ResolverSpec(transport="udp", address=asked.host, port=asked.port)
        point = VantagePoint(name="v", resolvers=(spec,))
        looks = Resolver(CLOCK, ("127.0.0.0/8",), authority_port=own.port)
        found = await looks.resolve(HOST, "A", point, slot_start_ns=0, deadline_us=SILENCE_US)
        found = await looks.diagnose(found, point, slot_start_ns=0, deadline_us=SILENCE_US)
    assert "authority_unproven" in found.flags
    assert judged(found) == RESOLVER_FAILED


async def test_a_healthy_look_up_asks_no_server() -> None:
    found = await failed(recursive({f"{HOST} A": ["127.0.0.11"]}), records())
    assert found.failure is None
    assert {query.purpose for query in found.queries} == {"chain"}


# --- a customer's change that one resolver has not seen yet -------------------------------------------


async def examined(own: Script, other: Script, server: Script) -> Resolution:
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(DnsServer(resolver_script(s))) for s in (own, other)]
        zone = await stack.enter_async_context(DnsServer(server_script(server), host=SERVER))
        specs = tuple(ResolverSpec(transport="udp", address=s.host, port=s.port) for s in servers)
        point = VantagePoint(name="v", resolvers=specs)
        looks = Resolver(CLOCK, ("127.0.0.0/8",), authority_port=zone.port)
        deadline_us = SILENCE_US if server is silent else IN_TIME_US
        found = await looks.resolve(HOST, "A", point, slot_start_ns=0, deadline_us=deadline_us)
        return await looks.examine_resolver(found, point, slot_start_ns=0, deadline_us=deadline_us)


OLD = recursive({f"{HOST} A": ["127.0.0.99"]})
NEW = recursive({f"{HOST} CNAME": [INTO_CDN], f"{INTO_CDN} A": ["127.0.0.11"]})


def alias_verdict(resolution: Resolution) -> tuple[str, str | None, str | None]:
    return build.triple(build.evidence(build.seen(), build.seen(build.Role.ORIGIN), resolution=resolution))


async def test_a_change_that_this_resolver_has_not_seen_is_no_hijack() -> None:
    found = await examined(OLD, NEW, records(f"{HOST}. 60 CNAME {INTO_CDN}."))
    assert found.authority_aliases == (INTO_CDN,)
    assert alias_verdict(found) == ("inconclusive", "vantage", "dns.resolver_outdated")


async def test_a_change_that_only_this_resolver_has_seen_is_the_customers() -> None:
    found = await examined(OLD, NEW, records(f"{HOST}. 60 A 127.0.0.99"))
    assert alias_verdict(found) == ("inconclusive", "customer", "dns.alias_changed")


async def test_without_the_zones_word_the_old_rule_holds() -> None:
    found = await examined(OLD, NEW, silent)
    assert alias_verdict(found)[1:] == ("path", "dns.hijacked")


async def test_a_resolver_caught_inventing_is_not_late() -> None:
    def invents(query: Query) -> object:
        return reply(query, f"{query.name}. 60 A 127.0.0.99") if query.qtype == "A" else OLD(query)

    found = await examined(invents, NEW, records(f"{HOST}. 60 CNAME {INTO_CDN}."))
    assert "nxdomain_rewritten" in found.flags
    assert alias_verdict(found)[1:] == ("path", "dns.hijacked")


async def test_a_root_from_the_cache_makes_no_witness() -> None:
    """A forwarder died: the resolver still has the root's servers in its cache, and fails for all names below it."""
    async with AsyncExitStack() as stack:
        asked = await stack.enter_async_context(
            DnsServer(
                lambda query: resolver_script(servfail)(query) if query.name == "." else servfail(query)
            )
        )
        point = VantagePoint(
            name="v", resolvers=(ResolverSpec(transport="udp", address=asked.host, port=asked.port),)
        )
        looks = Resolver(CLOCK, ("127.0.0.0/8",))
        found = await looks.resolve(HOST, "A", point, slot_start_ns=0)
        found = await looks.diagnose(found, point, slot_start_ns=0)
    assert {"resolver_alive", "authority_unproven"} <= set(found.flags)
    assert judged(found) == RESOLVER_FAILED


async def test_a_single_resolver_that_leads_elsewhere_is_held_against_the_zone() -> None:
    """There is no other resolver to contradict it, and the customer did not change anything."""
    async with AsyncExitStack() as stack:
        asked = await stack.enter_async_context(DnsServer(resolver_script(OLD)))
        zone = await stack.enter_async_context(
            DnsServer(server_script(records(f"{HOST}. 60 CNAME {INTO_CDN}.")), host=SERVER)
        )
        point = VantagePoint(
            name="v", resolvers=(ResolverSpec(transport="udp", address=asked.host, port=asked.port),)
        )
        looks = Resolver(CLOCK, ("127.0.0.0/8",), authority_port=zone.port)
        found = await looks.resolve(HOST, "A", point, slot_start_ns=0)
        found = await looks.examine_resolver(found, point, slot_start_ns=0)
    assert alias_verdict(found) == ("inconclusive", "vantage", "dns.resolver_outdated")
