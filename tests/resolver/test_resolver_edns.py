"""Rcodes, lameness, EDNS and Client Subnet over every transport: hostile row 17."""

from __future__ import annotations

import asyncio

import dns.edns
import pytest

from probe.core.model.task import ResolverSpec, VantagePoint
from probe.core.records.failure import FailureType
from probe.resolver.resolver import Resolver
from tests.support.dns_server import DnsServer, Query, Script, reply, zone
from tests.support.resolving import CLOCK, LOOPBACK, Asking, addresses, kind, look_up

# --- row 17: rcodes, lameness, EDNS and Client Subnet ---------------------------------------------


@pytest.mark.parametrize(
    ("rcode", "code"),
    [
        ("SERVFAIL", FailureType.DNS_SERVER_FAILURE),
        ("REFUSED", FailureType.DNS_REFUSED),
        ("FORMERR", FailureType.DNS_FORMAT_ERROR),
        ("NOTIMP", FailureType.DNS_ERROR_RCODE),
        ("NOTAUTH", FailureType.DNS_ERROR_RCODE),
    ],
)
async def test_rcodes(ask: Asking, rcode: str, code: FailureType) -> None:
    found = await ask(lambda query: reply(query, rcode=rcode))
    assert (kind(found), found.rcode, found.failing_name) == (code, rcode, "www.a")
    assert {query.failure and query.failure.type for query in found.queries} == {code}
    expected = [False] if rcode in ("SERVFAIL", "NOTAUTH") else [False, True]
    assert [query.ecs_dropped for query in found.queries] == expected


async def test_refusal_without_a_question_section(ask: Asking) -> None:
    found = await ask(lambda query: query.wire[:2] + b"\x80\5\0\0\0\0\0\0\0\0")
    assert kind(found) is FailureType.DNS_REFUSED


async def test_lame(ask: Asking) -> None:
    found = await ask(lambda query: reply(query, authority=[". 60 NS a.root."], flags=""))
    assert (kind(found), found.failing_name) == (FailureType.DNS_LAME, "www.a")


@pytest.mark.parametrize("rcode", ["FORMERR", "REFUSED", "NOTIMP", "BADVERS"])
@pytest.mark.parametrize("subnet", ["203.0.113.0/24", None])
async def test_asked_again_without_edns(ask: Asking, rcode: str, subnet: str | None) -> None:
    script = zone({"www.a CNAME": ["x.b"], "x.b A": ["127.0.0.1"]}, recursive=False)
    async with ask.server(lambda q: reply(q, rcode=rcode) if q.message.edns >= 0 else script(q)) as server:
        more = {"client_subnet": subnet} if subnet else {}
        found = await look_up(ask.spec(server), **more)
        assert [query.message.edns for query in server.queries] == [0, -1, -1], (
            "and not tried again in this walk"
        )
    assert addresses(found) == ["127.0.0.1"]
    assert found.flags == ("ecs_dropped" if subnet else "edns_dropped",)
    assert (found.ecs_source, found.ecs_scope) == (None, None)
    assert [(q.rcode, q.ecs_dropped, q.ecs_source) for q in found.queries] == [
        (rcode, False, subnet),
        ("NOERROR", True, None),
        ("NOERROR", True, None),
    ]


def with_scope(scope: int) -> Script:
    def script(query: Query) -> object:
        assert query.ecs is not None
        response = reply(query, "www.a. 60 A 127.0.0.1")
        response.use_edns(0, options=[dns.edns.ECSOption(query.ecs.address, query.ecs.srclen, scope)])
        return response

    return script


@pytest.mark.parametrize(
    ("subnet", "scope"),
    [
        ("203.0.113.0/24", 0),
        ("203.0.113.0/24", 24),
        ("203.0.113.0/24", 32),
        ("2001:db8::/56", 48),
        ("10.0.0.0/9", 9),
    ],
)
async def test_client_subnet(ask: Asking, subnet: str, scope: int) -> None:
    async with ask.server(with_scope(scope)) as server:
        found = await look_up(ask.spec(server), client_subnet=subnet)
        sent = server.queries[0].ecs
        assert sent is not None
        assert (f"{sent.address}/{sent.srclen}", sent.scopelen) == (subnet, 0)
        assert server.queries[0].message.payload == 1232
    assert (found.ecs_source, found.ecs_scope, found.flags) == (subnet, scope, ())
    assert (found.queries[0].ecs_source, found.queries[0].ecs_scope) == (subnet, scope)


async def test_client_subnet_ignored(ask: Asking) -> None:
    found = await ask(zone({"www.a A": ["127.0.0.1"]}), client_subnet="203.0.113.0/24")
    assert (found.ecs_source, found.ecs_scope, found.flags) == ("203.0.113.0/24", None, ("ecs_ignored",))


def with_subnet(address: str, source: int, scope: int) -> Script:
    def script(query: Query) -> object:
        response = reply(query, "www.a. 60 A 127.0.0.1")
        response.use_edns(0, options=[dns.edns.ECSOption(address, source, scope)])
        return response

    return script


@pytest.mark.parametrize(
    ("address", "source"),
    [("198.51.100.0", 24), ("203.0.113.0", 25), ("203.0.112.0", 23), ("2001:d00::", 24)],
)
async def test_answer_for_another_client_subnet_is_dropped(ask: Asking, address: str, source: int) -> None:
    """RFC 7871 section 7.3: it MUST be; it may be meant for somebody else, or forged."""
    script = with_subnet(address, source, 24)
    found = await ask(script, client_subnet="203.0.113.0/24", deadline_us=500_000)
    nothing_follows = ask.transport == "https"
    assert kind(found) is (FailureType.DNS_MALFORMED if nothing_follows else FailureType.DNS_TIMED_OUT)
    assert found.failure is not None
    assert f"{address}/{source} is not the one sent" in (found.failure.detail or "")


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_answer_for_another_client_subnet_then_the_right_one(transport: str) -> None:
    right, wrong = with_subnet("203.0.113.0", 24, 16), with_subnet("198.51.100.0", 24, 24)
    async with DnsServer(lambda q: [wrong(q), right(q)]) as server:
        spec = ResolverSpec(transport=transport, address="127.0.0.1", port=server.port)
        found = await look_up(spec, client_subnet="203.0.113.0/24")
    assert (addresses(found), found.ecs_scope, found.flags) == (["127.0.0.1"], 16, ())


async def test_scope_that_cannot_be_is_none(ask: Asking) -> None:
    def script(query: Query) -> object:
        response = reply(query, "www.a. 60 A 127.0.0.1")
        response.use_edns(0, options=[dns.edns.GenericOption(8, b"\0\1\x18\x21\xcb\0\x71")])
        return response

    found = await ask(script, client_subnet="203.0.113.0/24")
    assert (addresses(found), found.ecs_scope, found.flags) == (["127.0.0.1"], None, ("ecs_ignored",))


async def test_of_a_subnet_that_tells_nothing_the_resolver_makes_its_own(ask: Asking) -> None:
    found = await ask(with_subnet("198.51.100.0", 24, 24), client_subnet="0.0.0.0/0")
    assert (addresses(found), found.ecs_source, found.ecs_scope) == (["127.0.0.1"], "0.0.0.0/0", 24)


async def test_host_bits_of_the_subnet_are_not_told(ask: Asking) -> None:
    async with ask.server(with_subnet("203.0.113.0", 24, 24)) as server:
        found = await look_up(ask.spec(server), client_subnet="203.0.113.77/24")
        assert server.queries[0].ecs is not None
        assert server.queries[0].ecs.address == "203.0.113.0"
    assert found.ecs_scope == 24


async def test_without_client_subnet_none_is_sent(ask: Asking) -> None:
    async with ask.server(zone({"www.a A": ["127.0.0.1"]})) as server:
        found = await look_up(ask.spec(server))
        assert server.queries[0].ecs is None
    assert (found.ecs_source, found.flags) == (None, ())


# --- who answered, and what else it says ----------------------------------------------------------


def saying(*options: dns.edns.Option, rcode: str = "NOERROR") -> Script:
    def script(query: Query) -> object:
        asked = any(option.otype == dns.edns.OptionType.NSID for option in query.message.options)
        assert asked or query.message.edns < 0, "the server's identifier is asked for with each question"
        response = reply(query, *(["www.a. 60 A 127.0.0.1"] if rcode == "NOERROR" else []), rcode=rcode)
        response.use_edns(0, options=list(options))
        return response

    return script


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (b"bj-2", "bj-2"),
        (b"", None),
        (b"\x00\xff", "0x00ff"),
        (b"a\nb", "0x610a62"),
        (b"x" * 300, "x" * 128 + "..."),
    ],
)
async def test_server_identifier(ask: Asking, sent: bytes, kept: str | None) -> None:
    found = await ask(saying(dns.edns.NSIDOption(sent)))
    assert [query.nsid for query in found.queries] == [kept]


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ([(22, "at delegation a.")], ("22 No Reachable Authority: at delegation a.",)),
        ([(6, None), (9, None)], ("6 DNSSEC Bogus", "9 DNSKEY Missing")),
        ([(49152, "ours")], ("49152: ours",)),
        ([(15, "a\nb\x1b[31m")], ("15 Blocked: a?b?[31m",)),
        ([(0, "x" * 900)], ("0 Other Error: " + "x" * 200 + "...",)),
        ([(3, None)] * 3, ("3 Stale Answer",)),
        ([(1000 + i, None) for i in range(50)], tuple(str(1000 + i) for i in range(8))),
    ],
)
async def test_extended_errors(
    ask: Asking, options: list[tuple[int, str | None]], kept: tuple[str, ...]
) -> None:
    script = saying(*(dns.edns.EDEOption(code, text) for code, text in options), rcode="SERVFAIL")
    found = await ask(script)
    assert kind(found) is FailureType.DNS_SERVER_FAILURE
    assert [query.extended_errors for query in found.queries] == [kept]


async def test_text_that_is_no_utf_8_costs_nothing_but_itself() -> None:
    def script(query: Query) -> object:
        response = reply(query, "www.a. 60 A 127.0.0.1")
        response.use_edns(0, options=[dns.edns.GenericOption(15, b"\0\x16\xff\xfe")])
        return response

    async with DnsServer(script) as server:
        found = await look_up(ResolverSpec(transport="udp", address="127.0.0.1", port=server.port))
    assert (addresses(found), found.queries[0].extended_errors) == (["127.0.0.1"], ())


async def test_without_edns_nobody_is_named() -> None:
    plain = saying()

    def script(query: Query) -> object:
        return reply(query, rcode="FORMERR") if query.message.edns >= 0 else plain(query)

    async with DnsServer(script) as server:
        found = await look_up(ResolverSpec(transport="udp", address="127.0.0.1", port=server.port))
    assert [(query.ecs_dropped, query.nsid) for query in found.queries] == [(False, None), (True, None)]


async def test_two_vantage_points_with_different_subnets_get_their_own_answers_at_once() -> None:
    """Nothing is cached, so nothing can be taken over from one subnet to another."""
    edges = {"203.0.113.0": "127.0.0.1", "198.51.100.0": "127.0.0.2", "2001:db8:1::": "127.0.0.3"}

    def script(query: Query) -> object:
        assert query.ecs is not None
        response = reply(query, f"www.a. 300 A {edges[query.ecs.address]}")
        response.use_edns(0, options=[dns.edns.ECSOption(query.ecs.address, query.ecs.srclen, 24)])
        return response

    async with DnsServer(script) as server:
        spec = ResolverSpec(transport="udp", address="127.0.0.1", port=server.port)
        resolver, start_ns = Resolver(CLOCK, LOOPBACK), CLOCK.monotonic_ns()
        points = [
            VantagePoint(name=name, resolvers=(spec,), client_subnet=subnet)
            for name, subnet in [
                ("ct", "203.0.113.0/24"),
                ("cu", "198.51.100.0/24"),
                ("v6", "2001:db8:1::/48"),
            ]
        ]
        found = await asyncio.gather(
            *(resolver.resolve("www.a", "A", point, slot_start_ns=start_ns) for point in points for _ in "12")
        )
    assert [addresses(one) for one in found] == [[f"127.0.0.{i}"] for i in (1, 1, 2, 2, 3, 3)]
    assert [one.ecs_source for one in found[::2]] == ["203.0.113.0/24", "198.51.100.0/24", "2001:db8:1::/48"]
