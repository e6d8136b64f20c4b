"""Look-ups over real loopback sockets: hostile rows 10 to 15 and 17 to 21."""

from __future__ import annotations

import asyncio
import itertools
import os
import resource
import socket
import time

import dns.edns
import dns.message
import dns.rrset
import pytest

from probe.core.chain import failing_zone
from probe.core.records import FailureType, Phase, Resolution
from probe.core.task import ResolverSpec, VantagePoint
from probe.io.clock import SystemClock
from probe.io.dns_exchange import _Inbox
from probe.io.dns_failures import SilenceError
from probe.io.dns_message import build_question
from probe.io.resolve import Resolver
from tests.io.dns_server import CLOSE, DnsServer, Query, Script, reply, zone

LOOPBACK = ("127.0.0.0/8",)
CLOCK = SystemClock()


def spec(server: DnsServer | int, transport: str = "udp", **more: str) -> ResolverSpec:
    host, port = ("127.0.0.1", server) if isinstance(server, int) else (server.host, server.port)
    return ResolverSpec(transport=transport, address=host, port=port, **more)


def vantage(*specs: ResolverSpec, **more: str) -> VantagePoint:
    return VantagePoint(name="v", resolvers=specs, **more)


async def look_up(
    *specs: ResolverSpec, qname: str = "www.a", qtype: str = "A", deadline_us: int = 3_000_000, **more: str
) -> Resolution:
    resolver = Resolver(CLOCK, LOOPBACK)
    start_ns = CLOCK.monotonic_ns()
    return await resolver.resolve(
        qname, qtype, vantage(*specs, **more), slot_start_ns=start_ns, deadline_us=deadline_us
    )


async def look_up_at(script: Script, qname: str = "www.a", qtype: str = "A", **more: str) -> Resolution:
    async with DnsServer(script) as server:
        return await look_up(spec(server), qname=qname, qtype=qtype, **more)


def kind(resolution: Resolution) -> FailureType | None:
    return resolution.failure.type if resolution.failure else None


def addresses(resolution: Resolution) -> list[str]:
    return [record.address for record in resolution.addresses]


def pairs(resolution: Resolution) -> list[tuple[str, str]]:
    return [(link.owner, link.target) for link in resolution.cname_chain]


async def test_healthy_chain_whole() -> None:
    script = zone({"www.a CNAME": ["x.cdn"], "x.cdn A": ["127.0.0.1", "127.0.0.2"]})
    async with DnsServer(script) as server:
        found = await look_up(spec(server), qname="WWW.A.")
        name = f"udp://127.0.0.1:{server.port}"
    assert (found.qname, found.qtype, found.rcode, found.canonical_name) == ("www.a", "A", "NOERROR", "x.cdn")
    assert pairs(found) == [("www.a", "x.cdn")]
    assert addresses(found) == ["127.0.0.1", "127.0.0.2"]
    assert (found.ttl_s, found.resolver, found.transport, found.failure) == (60, name, "udp", None)
    assert found.flags == ()
    (query,) = found.queries
    assert (query.qname, query.purpose, query.rcode, query.flags) == (
        "www.a",
        "chain",
        "NOERROR",
        ("RD", "RA"),
    )
    assert query.start_us is not None
    assert query.end_us is not None
    assert 0 <= query.start_us < query.end_us < 3_000_000


async def test_aaaa() -> None:
    found = await look_up_at(zone({"www.a AAAA": ["2400:3200::1"]}), qtype="AAAA")
    assert addresses(found) == ["2400:3200::1"]


async def test_one_query_a_link_at_an_authoritative_server() -> None:
    script = zone(
        {"www.a CNAME": ["x.cdn"], "x.cdn CNAME": ["y.cdn"], "y.cdn A": ["127.0.0.1"]}, recursive=False
    )
    async with DnsServer(script) as server:
        found = await look_up(spec(server))
        assert [query.name for query in server.queries] == ["www.a", "x.cdn", "y.cdn"]
    assert [query.qname for query in found.queries] == ["www.a", "x.cdn", "y.cdn"]
    assert addresses(found) == ["127.0.0.1"]


async def test_resolver_over_ipv6() -> None:
    async with DnsServer(zone({"www.a A": ["127.0.0.1"]}), host="::1") as server:
        found = await look_up(spec(server))
    assert found.resolver == f"udp://[::1]:{server.port}"
    assert addresses(found) == ["127.0.0.1"]


async def test_international_name_is_asked_for_in_its_ascii_form() -> None:
    found = await look_up_at(zone({"xn--fiqs8s.a A": ["127.0.0.1"]}), qname="中国.a")
    assert (found.qname, addresses(found)) == ("xn--fiqs8s.a", ["127.0.0.1"])


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
    records: dict[str, list[str]], chain: list[tuple[str, str]], recursive: bool
) -> None:
    found = await look_up_at(zone(records, recursive=recursive))
    assert kind(found) is FailureType.DNS_CNAME_LOOP
    assert pairs(found) == chain
    assert found.failing_name == chain[-1][0]


def long_chain(links: int) -> dict[str, list[str]]:
    names = ["www.a", *(f"n{i}.b" for i in range(1, links + 1))]
    return {f"{a} CNAME": [b] for a, b in itertools.pairwise(names)} | {f"{names[-1]} A": ["127.0.0.1"]}


@pytest.mark.parametrize("recursive", [True, False])
@pytest.mark.parametrize("links", [15, 16, 17, 30])
async def test_long_chain_resolves(links: int, recursive: bool) -> None:
    found = await look_up_at(zone(long_chain(links), recursive=recursive))
    assert (kind(found), len(found.cname_chain), addresses(found)) == (None, links, ["127.0.0.1"])


@pytest.mark.parametrize("recursive", [True, False])
async def test_too_long_chain(recursive: bool) -> None:
    found = await look_up_at(zone(long_chain(40), recursive=recursive))
    assert kind(found) is FailureType.DNS_CHAIN_TOO_LONG
    assert len(found.cname_chain) == 32
    assert found.failing_name == "n32.b"


@pytest.mark.parametrize("recursive", [True, False])
@pytest.mark.parametrize(
    ("target", "whose"), [("x.cdn.net", "cdn"), ("x.elsewhere", "customer"), ("nodata.cdn.net", "cdn")]
)
async def test_dangling_alias(target: str, whose: str, recursive: bool) -> None:
    found = await look_up_at(
        zone({"www.a CNAME": [target], "nodata.cdn.net TXT": ["x"]}, recursive=recursive)
    )
    assert kind(found) is FailureType.DNS_DANGLING_ALIAS
    assert found.rcode == ("NOERROR" if target.startswith("nodata") else "NXDOMAIN")
    assert (found.failing_name, found.canonical_name) == (target, target)
    assert pairs(found) == [("www.a", target)]
    assert failing_zone(found, "www.a", ["cdn.net"]) == whose


async def test_name_itself_does_not_exist() -> None:
    found = await look_up_at(zone({}))
    assert (kind(found), found.failing_name, found.rcode) == (
        FailureType.DNS_NAME_NOT_RESOLVED,
        "www.a",
        "NXDOMAIN",
    )


async def test_name_itself_without_addresses() -> None:
    found = await look_up_at(zone({"www.a TXT": ["x"]}))
    assert (kind(found), found.failing_name, found.rcode) == (FailureType.DNS_NO_DATA, "www.a", "NOERROR")


async def test_two_cnames_at_one_owner() -> None:
    def script(query: Query) -> object:
        lines = ("www.a. 60 CNAME x.b.", "www.a. 60 CNAME y.b.", "x.b. 60 A 127.0.0.1", "y.b. 60 A 127.0.0.2")
        return reply(query, *lines)

    found = await look_up_at(script)
    assert [(link.target, link.doubled) for link in found.cname_chain] == [("x.b", False), ("y.b", True)]
    assert found.flags == ("doubled_cname",)
    assert addresses(found) == ["127.0.0.1"]


# --- row 14: truncation ---------------------------------------------------------------------------


def truncated(query: Query, over_tcp: object = None) -> object:
    if query.transport == "udp":
        return reply(query, flags="RA TC")
    return over_tcp if over_tcp is not None else reply(query, "www.a. 60 A 127.0.0.1")


async def test_truncated_answer_is_asked_for_over_tcp() -> None:
    found = await look_up_at(truncated)
    assert (addresses(found), found.transport) == (["127.0.0.1"], "tcp")
    assert [(q.transport, "TC" in q.flags) for q in found.queries] == [("udp", True), ("tcp", False)]


async def test_truncated_in_the_middle_of_a_record() -> None:
    def script(query: Query) -> object:
        if query.transport == "tcp":
            return reply(query, "www.a. 60 A 127.0.0.1")
        return reply(query, "www.a. 60 A 127.0.0.1", flags="RA TC").to_wire()[:-15]

    assert addresses(await look_up_at(script)) == ["127.0.0.1"]


async def test_truncated_and_tcp_refused() -> None:
    async with DnsServer(truncated, tcp=False) as server:
        found = await look_up(spec(server))
    assert kind(found) is FailureType.DNS_TRUNCATED_TCP_FAILED
    assert found.failing_name == "www.a"
    last = found.queries[-1]
    assert (last.transport, last.failure and last.failure.type) == ("tcp", FailureType.DNS_UNREACHABLE)


@pytest.mark.parametrize("over_tcp", [[], CLOSE, b"\0", "again"])
async def test_truncated_and_tcp_without_an_answer(over_tcp: object) -> None:
    def script(query: Query) -> object:
        return truncated(query, reply(query, flags="RA TC") if over_tcp == "again" else over_tcp)

    async with DnsServer(script) as server:
        found = await look_up(spec(server), deadline_us=300_000)
    assert kind(found) is FailureType.DNS_TRUNCATED_TCP_FAILED


# --- row 15: what is not ours ---------------------------------------------------------------------


def wrong_id(query: Query) -> bytes:
    wire = reply(query, "www.a. 60 A 127.6.6.6").to_wire()
    return bytes([wire[0] ^ 0xFF]) + wire[1:]


def wrong_question(query: Query) -> dns.message.Message:
    other = dns.message.make_query("evil.a", "A", id=query.message.id)
    return reply(Query(other, "udp", b""), "www.a. 60 A 127.6.6.6")


def wrong_type(query: Query) -> dns.message.Message:
    other = dns.message.make_query("www.a", "TXT", id=query.message.id)
    return reply(Query(other, "udp", b""), "www.a. 60 A 127.6.6.6")


STRAYS = {
    "wrong_id": wrong_id,
    "wrong_question": wrong_question,
    "wrong_type": wrong_type,
    "not_a_response": lambda query: query.wire,
    "rubbish": lambda query: b"rubbish that is long enough to hold a header",
    "empty": lambda query: b"",
    "right_id_then_rubbish": lambda query: query.wire[:2] + b"\x84\0\0\1\0\5\0\0\0\0" + b"\xff" * 20,
    "no_question": lambda query: query.wire[:2] + b"\x84\0\0\0\0\0\0\0\0\0",
}


@pytest.mark.parametrize("stray", STRAYS)
async def test_stray_message_then_the_right_one(stray: str) -> None:
    async with DnsServer(
        lambda query: [STRAYS[stray](query), reply(query, "www.a. 60 A 127.0.0.1")]
    ) as server:
        found = await look_up(spec(server))
        assert len(server.queries) == 1, "ignored, not asked again"
    assert addresses(found) == ["127.0.0.1"]
    assert kind(found) is None


async def test_message_from_another_port_is_never_seen() -> None:
    spoofed: list[bool] = []

    def script(query: Query) -> object:
        wire = reply(query, "www.a. 60 A 127.6.6.6").to_wire()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.1", 0))
            other.sendto(wire, ("127.0.0.1", query.port))
        spoofed.append(True)
        return reply(query, "www.a. 60 A 127.0.0.1")

    async with DnsServer(script) as server:
        found = await look_up(spec(server))
    assert spoofed
    assert addresses(found) == ["127.0.0.1"]


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (wrong_id, FailureType.DNS_TIMED_OUT),
        (wrong_question, FailureType.DNS_TIMED_OUT),
        (lambda query: b"rubbish", FailureType.DNS_MALFORMED),
        (STRAYS["right_id_then_rubbish"], FailureType.DNS_MALFORMED),
    ],
)
async def test_only_strays(script: Script, code: FailureType) -> None:
    async with DnsServer(script) as server:
        found = await look_up(spec(server), deadline_us=200_000)
    assert kind(found) is code
    assert [query.failure and query.failure.type for query in found.queries] == [code, code]


async def test_ids_and_ports_differ_from_query_to_query() -> None:
    async with DnsServer(zone(long_chain(8), recursive=False)) as server:
        await look_up(spec(server))
        assert len({query.message.id for query in server.queries}) > 6
        assert len({query.port for query in server.queries}) > 6


async def test_bad_option_beside_a_good_answer_is_forgiven() -> None:
    """A resolver's odd Client Subnet option (family 0) must not cost the answer."""

    def script(query: Query) -> object:
        response = reply(query, "www.a. 60 A 127.0.0.1")
        response.use_edns(0, options=[dns.edns.GenericOption(8, b"\0\0\0\0")])
        return response

    found = await look_up_at(script, client_subnet="203.0.113.0/24")
    assert addresses(found) == ["127.0.0.1"]
    assert found.flags == ("ecs_ignored",)


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
async def test_rcodes(rcode: str, code: FailureType) -> None:
    found = await look_up_at(lambda query: reply(query, rcode=rcode))
    assert (kind(found), found.rcode, found.failing_name) == (code, rcode, "www.a")
    assert {query.failure and query.failure.type for query in found.queries} == {code}
    expected = [False] if rcode in ("SERVFAIL", "NOTAUTH") else [False, True]
    assert [query.ecs_dropped for query in found.queries] == expected


async def test_refusal_without_a_question_section() -> None:
    found = await look_up_at(lambda query: query.wire[:2] + b"\x80\5\0\0\0\0\0\0\0\0")
    assert kind(found) is FailureType.DNS_REFUSED


async def test_lame() -> None:
    found = await look_up_at(lambda query: reply(query, authority=[". 60 NS a.root."], flags=""))
    assert (kind(found), found.failing_name) == (FailureType.DNS_LAME, "www.a")


@pytest.mark.parametrize("rcode", ["FORMERR", "REFUSED", "NOTIMP", "BADVERS"])
@pytest.mark.parametrize("subnet", ["203.0.113.0/24", None])
async def test_asked_again_without_edns(rcode: str, subnet: str | None) -> None:
    script = zone({"www.a CNAME": ["x.b"], "x.b A": ["127.0.0.1"]}, recursive=False)
    async with DnsServer(lambda q: reply(q, rcode=rcode) if q.message.edns >= 0 else script(q)) as server:
        more = {"client_subnet": subnet} if subnet else {}
        found = await look_up(spec(server), **more)
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
async def test_client_subnet(subnet: str, scope: int) -> None:
    async with DnsServer(with_scope(scope)) as server:
        found = await look_up(spec(server), client_subnet=subnet)
        sent = server.queries[0].ecs
        assert sent is not None
        assert (f"{sent.address}/{sent.srclen}", sent.scopelen) == (subnet, 0)
        assert server.queries[0].message.payload == 1232
    assert (found.ecs_source, found.ecs_scope, found.flags) == (subnet, scope, ())
    assert (found.queries[0].ecs_source, found.queries[0].ecs_scope) == (subnet, scope)


async def test_client_subnet_ignored() -> None:
    found = await look_up_at(zone({"www.a A": ["127.0.0.1"]}), client_subnet="203.0.113.0/24")
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
async def test_answer_for_another_client_subnet_is_dropped(address: str, source: int) -> None:
    """RFC 7871 section 7.3: it MUST be; it may be meant for somebody else, or forged."""
    script = with_subnet(address, source, 24)
    async with DnsServer(script) as server:
        found = await look_up(spec(server), client_subnet="203.0.113.0/24", deadline_us=200_000)
    assert kind(found) is FailureType.DNS_TIMED_OUT
    assert found.failure is not None
    assert f"{address}/{source} is not the one sent" in (found.failure.detail or "")


async def test_answer_for_another_client_subnet_then_the_right_one() -> None:
    right, wrong = with_subnet("203.0.113.0", 24, 16), with_subnet("198.51.100.0", 24, 24)
    found = await look_up_at(lambda q: [wrong(q), right(q)], client_subnet="203.0.113.0/24")
    assert (addresses(found), found.ecs_scope, found.flags) == (["127.0.0.1"], 16, ())


async def test_scope_that_cannot_be_is_none() -> None:
    def script(query: Query) -> object:
        response = reply(query, "www.a. 60 A 127.0.0.1")
        response.use_edns(0, options=[dns.edns.GenericOption(8, b"\0\1\x18\x21\xcb\0\x71")])
        return response

    found = await look_up_at(script, client_subnet="203.0.113.0/24")
    assert (addresses(found), found.ecs_scope, found.flags) == (["127.0.0.1"], None, ("ecs_ignored",))


async def test_of_a_subnet_that_tells_nothing_the_resolver_makes_its_own() -> None:
    found = await look_up_at(with_subnet("198.51.100.0", 24, 24), client_subnet="0.0.0.0/0")
    assert (addresses(found), found.ecs_source, found.ecs_scope) == (["127.0.0.1"], "0.0.0.0/0", 24)


async def test_host_bits_of_the_subnet_are_not_told() -> None:
    async with DnsServer(with_subnet("203.0.113.0", 24, 24)) as server:
        found = await look_up(spec(server), client_subnet="203.0.113.77/24")
        assert server.queries[0].ecs is not None
        assert server.queries[0].ecs.address == "203.0.113.0"
    assert found.ecs_scope == 24


async def test_without_client_subnet_none_is_sent() -> None:
    async with DnsServer(zone({"www.a A": ["127.0.0.1"]})) as server:
        found = await look_up(spec(server))
        assert server.queries[0].ecs is None
    assert (found.ecs_source, found.flags) == (None, ())


# --- row 18: silence ------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_silence_is_bounded_by_the_deadline(transport: str) -> None:
    async with DnsServer(lambda query: None) as server:
        started = time.monotonic()
        found = await look_up(spec(server, transport), deadline_us=300_000)
        elapsed_s = time.monotonic() - started
        tries = len(server.queries)
    assert (kind(found), found.failing_name, found.rcode) == (FailureType.DNS_TIMED_OUT, "www.a", None)
    assert elapsed_s < 0.45
    assert tries == len(found.queries) == (2 if transport == "udp" else 1)


async def test_lost_packet_is_asked_for_again_and_stays_on_record() -> None:
    def script(query: Query) -> object:
        return reply(query, "www.a. 60 A 127.0.0.1") if len(server.queries) > 1 else None

    async with DnsServer(script) as server:
        found = await look_up(spec(server), deadline_us=600_000)
    assert addresses(found) == ["127.0.0.1"]
    first, second = found.queries
    assert first.failure is not None
    assert first.failure.type is FailureType.DNS_TIMED_OUT
    assert (second.failure, second.rcode) == (None, "NOERROR")
    assert found.flags == (), "the same resolver answered"


async def test_flood_of_strays_does_not_outlast_the_deadline() -> None:
    async with DnsServer(lambda query: [b"x"] * 3000) as server:
        started = time.monotonic()
        found = await look_up(spec(server), deadline_us=300_000)
        assert time.monotonic() - started < 0.6
    assert kind(found) is FailureType.DNS_MALFORMED


async def test_rubbish_at_hand_lets_the_deadline_pass() -> None:
    """Datagrams already received are read without waiting; the loop must get its turn between them."""

    async def at_hand() -> bytes:
        return b"rubbish"

    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(0):
            await _Inbox(build_question("www.a", "A")).first_response(at_hand)
    assert not isinstance(caught.value, SilenceError), "the deadline came first, not the cap"


async def test_too_many_records_are_refused_before_they_are_read() -> None:
    def script(query: Query) -> object:
        return reply(query, *(f"www.a. 60 A 127.0.{i // 250}.{i % 250}" for i in range(600)))

    async with DnsServer(script) as server:
        found = await look_up(spec(server, "tcp"), deadline_us=300_000)
    assert kind(found) is FailureType.DNS_MALFORMED


async def test_question_repeated_in_other_case_is_ours() -> None:
    def script(query: Query) -> bytes:
        return reply(query, "www.a. 60 A 127.0.0.1").to_wire().replace(b"\3www\1a", b"\3wWW\1A")

    assert addresses(await look_up_at(script)) == ["127.0.0.1"]


async def test_closed_port() -> None:
    async with DnsServer(lambda query: None, udp=False) as server:
        found = await look_up(spec(server))
    assert kind(found) is FailureType.DNS_UNREACHABLE
    assert len(found.queries) == 1


async def test_tcp_closed_without_an_answer() -> None:
    async with DnsServer(lambda query: CLOSE) as server:
        found = await look_up(spec(server, "tcp"))
    assert kind(found) is FailureType.DNS_UNREACHABLE


async def test_the_deadline_holds_within_a_walk_that_answers_slowly() -> None:
    class Slow(DnsServer):
        def answer(self, wire: bytes, transport: str, peer: tuple[str, int]) -> list[object]:
            said = super().answer(wire, transport, peer)
            assert self._transport is not None
            for message in said:
                data = message.to_wire()  # type: ignore[attr-defined]
                asyncio.get_running_loop().call_later(0.06, self._transport.sendto, data, peer)
            return []

    async with Slow(zone(long_chain(20), recursive=False)) as server:
        started = time.monotonic()
        found = await look_up(spec(server), deadline_us=400_000)
        assert time.monotonic() - started < 0.55
        await asyncio.sleep(0.08)  # what is still to be sent
    assert kind(found) is FailureType.DNS_TIMED_OUT
    assert len(found.cname_chain) >= 3, "the chain so far is kept"
    assert found.failing_name == found.cname_chain[-1].target


# --- row 19: TTL ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("ttl", "kept"), [(0, 0), (2**31 - 1, 2**31 - 1), (2**31, 0), (2**32 - 1, 0)])
async def test_ttl(ttl: int, kept: int) -> None:
    def script(query: Query) -> bytes:
        wire = reply(query, "www.a. 1 A 127.0.0.1")
        wire.use_edns(False)
        data = wire.to_wire()
        return data[:-10] + ttl.to_bytes(4, "big") + data[-6:]

    found = await look_up_at(script)
    assert (found.ttl_s, addresses(found), found.failure) == (kept, ["127.0.0.1"], None)


async def test_nothing_is_cached() -> None:
    async with DnsServer(zone({"www.a A": ["127.0.0.1"]})) as server:
        resolver, point = Resolver(CLOCK, LOOPBACK), vantage(spec(server))
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
async def test_bogus_address(qtype: str, address: str, reason: str) -> None:
    found = await look_up_at(zone({"www.a CNAME": ["x.b"], f"x.b {qtype}": [address]}), qtype=qtype)
    assert found.failure is not None
    assert (found.failure.phase, found.failure.type) == (Phase.DNS, FailureType.DNS_BOGUS_ADDRESS)
    assert [(a.address, a.refused) for a in found.addresses] == [(address, reason)]
    assert found.failing_name == "x.b"


async def test_loopback_is_bogus_unless_allowed() -> None:
    async with DnsServer(zone({"www.a A": ["127.0.0.1"]})) as server:
        point = vantage(spec(server))
        strict = await Resolver(CLOCK).resolve("www.a", "A", point, slot_start_ns=0)
        allowed = await Resolver(CLOCK, LOOPBACK).resolve("www.a", "A", point, slot_start_ns=0)
    assert kind(strict) is FailureType.DNS_BOGUS_ADDRESS
    assert (kind(allowed), allowed.addresses[0].refused) == (None, None)


async def test_one_bogus_address_among_good_ones_is_marked() -> None:
    found = await look_up_at(zone({"www.a A": ["127.0.0.1", "10.0.0.1"]}))
    assert [(a.address, a.refused) for a in found.addresses] == [("127.0.0.1", None), ("10.0.0.1", "private")]
    assert (found.failure, found.flags) == (None, ("bogus_address",))


async def test_address_twice_is_one() -> None:
    found = await look_up_at(lambda q: reply(q, "www.a. 60 A 127.0.0.1", "www.a. 60 A 127.0.0.1"))
    assert addresses(found) == ["127.0.0.1"]


async def test_rebinding_cannot_change_what_was_checked() -> None:
    """The Resolution is a value: whoever connects takes the addresses checked, no second look-up comes between."""
    async with DnsServer(
        lambda q: reply(q, f"www.a. 0 A {'127.0.0.1' if len(server.queries) == 1 else '10.0.0.1'}")
    ) as server:
        resolver, point = Resolver(CLOCK, LOOPBACK), vantage(spec(server))
        first = await resolver.resolve("www.a", "A", point, slot_start_ns=0)
        assert len(server.queries) == 1, "one look-up, whose answer is both checked and returned"
        second = await resolver.resolve("www.a", "A", point, slot_start_ns=0)
    assert [(a.address, a.refused) for a in first.addresses] == [("127.0.0.1", None)]
    assert kind(second) is FailureType.DNS_BOGUS_ADDRESS
    with pytest.raises(AttributeError):
        first.addresses = second.addresses  # type: ignore[misc]


# --- our own host ---------------------------------------------------------------------------------


async def test_query_leaves_from_the_source_address() -> None:
    async with DnsServer(zone({"www.a A": ["127.0.0.1"]})) as server:
        for transport in ("udp", "tcp"):
            await look_up(spec(server, transport), source_v4="127.0.0.9", source_v6="::1")
        assert [query.peer for query in server.queries] == ["127.0.0.9", "127.0.0.9"]


async def test_query_leaves_by_the_interface() -> None:
    async with DnsServer(zone({"www.a A": ["127.0.0.1"]})) as server:
        found = await look_up(spec(server), interface="lo")
    assert addresses(found) == ["127.0.0.1"]


@pytest.mark.parametrize(
    "more", [{"source_v4": "203.0.113.77"}, {"interface": "no-such-if0"}, {"source_v4": "::1"}]
)
async def test_source_that_is_gone_is_the_vantage_points(more: dict[str, str]) -> None:
    async with DnsServer(zone({"www.a A": ["127.0.0.1"]})) as server:
        found = await look_up(spec(server), **more)
        assert server.queries == []
    assert found.failure is not None
    assert (found.failure.phase, found.failure.type) == (Phase.HOST, FailureType.VANTAGE_SOURCE_UNAVAILABLE)


async def test_no_route_is_the_vantage_points() -> None:
    """A loopback source cannot reach another network; the kernel says so and nothing is sent."""
    away = ResolverSpec(transport="udp", address="198.51.100.53", port=53)
    found = await look_up(away, source_v4="127.0.0.1")
    assert found.failure is not None
    assert (found.failure.phase, found.failure.type) == (Phase.HOST, FailureType.VANTAGE_NETWORK_DOWN)


async def test_exhausted_descriptors_are_the_agents() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with DnsServer(zone({"www.a A": ["127.0.0.1"]})) as server:
        lowest = os.dup(0)
        os.close(lowest)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
        try:
            found = await look_up(spec(server), spec(server, "tcp"))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert found.failure is not None
    assert (found.failure.phase, found.failure.type) == (Phase.HOST, FailureType.AGENT_DESCRIPTORS_EXHAUSTED)
    assert {query.resolver for query in found.queries} == {str(spec(server))}, "no other resolver is blamed"


@pytest.mark.parametrize("qname", ["a..b", "x" * 64 + ".a", ".".join(["abcdefg"] * 40), ""])
async def test_what_is_no_name_is_a_failure_of_ours(qname: str) -> None:
    found = await look_up(spec(1), qname=qname)
    assert found.failure is not None
    assert (found.failure.phase, found.failure.type) == (Phase.HOST, FailureType.AGENT_INTERNAL_ERROR)
    assert (found.failing_name, found.queries) == (qname, ())


async def test_cancelled_look_up_leaves_nothing_behind() -> None:
    async with DnsServer(lambda query: None) as server:
        for transport in ("udp", "tcp"):
            task = asyncio.create_task(look_up(spec(server, transport)))
            while not any(query.transport == transport for query in server.queries):
                await asyncio.sleep(0.001)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task


async def test_times_come_from_the_clock_given() -> None:
    class Steps:
        now_ns = 5_000_000_000

        def monotonic_ns(self) -> int:
            self.now_ns += 7_000_000
            return self.now_ns

        def time_ns(self) -> int:
            raise AssertionError("no wall clock in a look-up")

    async with DnsServer(zone({"www.a A": ["127.0.0.1"]})) as server:
        found = await Resolver(Steps(), LOOPBACK).resolve(
            "www.a", "A", vantage(spec(server)), slot_start_ns=5_000_000_000
        )
    assert (found.queries[0].start_us, found.queries[0].end_us) == (7_000, 14_000)
