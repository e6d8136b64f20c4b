"""Look-ups over real loopback sockets: hostile rows 14, 15 and 18, and our own host. The other rows: test_resolve_*."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
from unittest.mock import patch

import dns.edns
import dns.message
import dns.rrset
import pytest

from probe.core.dns.message import build_question
from probe.core.model.task import ResolverSpec
from probe.core.records.dns import Resolution
from probe.core.records.failure import FailureType, Phase
from probe.resolver.exchange import Inbox
from probe.resolver.failures import SilenceError
from probe.resolver.resolver import Resolver
from tests.codes.provoking import provokes
from tests.support.awake import Awake
from tests.support.dns_server import CLOSE, DnsServer, Query, Script, reply, zone
from tests.support.resolving import LOOPBACK, Asking, addresses, kind, long_chain, look_up, pairs, vantage


def spec(server: DnsServer | int, transport: str = "udp", **more: str) -> ResolverSpec:
    host, port = ("127.0.0.1", server) if isinstance(server, int) else (server.host, server.port)
    return ResolverSpec(transport=transport, address=host, port=port, **more)


TIRING = 256
"""So many messages that are no answer end a look-up, however much of its deadline is left."""


def crowd(lines: list[str]) -> bytes:
    """A response with these records, all but its id: made beforehand, so that no deadline pays for the making of it."""
    question = dns.message.make_query("www.a", "A")
    query = Query(question, "tcp", question.to_wire(), "127.0.0.1", 1)
    return reply(query, *lines).to_wire(max_size=65535)[2:]


async def look_up_at(script: Script, qname: str = "www.a", qtype: str = "A", **more: str) -> Resolution:
    async with DnsServer(script) as server:
        return await look_up(spec(server), qname=qname, qtype=qtype, **more)


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
    assert 0 <= query.start_us < query.end_us


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


# Of silence; on a machine with much else to do, too, the second try begins before it is over.
TWO_TRIES_US = 1_500_000
STRAYS = {
    "wrong_id": wrong_id,
    "wrong_question": wrong_question,
    "wrong_type": wrong_type,
    "not_a_response": lambda query: query.wire,
    "rubbish": lambda query: b"rubbish that is long enough to hold a header",
    "one_byte": lambda query: b"\0",
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
        found = await look_up(spec(server), deadline_us=TWO_TRIES_US)
    assert kind(found) is code
    assert [query.failure and query.failure.type for query in found.queries] == [code, code]


@pytest.mark.parametrize(
    ("stray", "on_a_stream", "over_https"),
    [
        ("wrong_id", FailureType.DNS_TIMED_OUT, FailureType.DNS_MALFORMED),
        ("wrong_question", FailureType.DNS_TIMED_OUT, FailureType.DNS_MALFORMED),
        ("wrong_type", FailureType.DNS_TIMED_OUT, FailureType.DNS_MALFORMED),
        ("not_a_response", FailureType.DNS_TIMED_OUT, FailureType.DNS_MALFORMED),
        ("rubbish", FailureType.DNS_TIMED_OUT, FailureType.DNS_MALFORMED),
        ("one_byte", FailureType.DNS_MALFORMED, FailureType.DNS_MALFORMED),
        ("right_id_then_rubbish", FailureType.DNS_MALFORMED, FailureType.DNS_MALFORMED),
    ],
)
async def test_only_strays_over_every_stream(
    ask: Asking, stray: str, on_a_stream: FailureType, over_https: FailureType
) -> None:
    """What is not ours is waited out, but over HTTPS, where one request has one response."""
    if on_a_stream is FailureType.DNS_TIMED_OUT and ask.transport != "https":
        found = await ask(STRAYS[stray], deadline_us=TWO_TRIES_US if ask.transport == "udp" else 500_000)
    else:
        found = await ask(lambda query: [STRAYS[stray](query)] * TIRING, deadline_us=10_000_000)
    expected = over_https if ask.transport == "https" else on_a_stream
    assert {query.failure and query.failure.type for query in found.queries} == {expected}
    assert len(found.queries) == (2 if ask.transport == "udp" else 1)


async def test_silence_over_every_transport(ask: Asking) -> None:
    found = await ask(lambda query: None, deadline_us=200_000)
    assert (kind(found), found.failing_name) == (FailureType.DNS_TIMED_OUT, "www.a")


async def test_closed_over_every_stream(ask: Asking) -> None:
    if ask.transport == "udp":
        return
    assert kind(await ask(lambda query: CLOSE)) is FailureType.DNS_UNREACHABLE


async def test_truncated_over_every_stream(ask: Asking) -> None:
    if ask.transport == "udp":
        return
    found = await ask(lambda query: reply(query, flags="RA TC"))
    assert kind(found) is FailureType.DNS_MALFORMED


MANY_ADDRESSES = [f"www.a. 60 A 127.0.{i // 250}.{i % 250}" for i in range(600)]
MORE_THAN_WE_READ = [f"www.a. 60 TXT t{i}" for i in range(600)]


async def test_many_records_over_every_stream(ask: Asking) -> None:
    """As many addresses as there are; of unusual messages a part is our limit, and no damage of theirs."""
    if ask.transport == "udp":
        return
    many, more = crowd(MANY_ADDRESSES), crowd(MORE_THAN_WE_READ)
    found = await ask(lambda query: query.wire[:2] + many)
    assert len(addresses(found)) == 600
    found = await ask(lambda query: query.wire[:2] + more)
    assert kind(found) is FailureType.AGENT_LIMIT_DNS_RECORDS


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


# --- row 18: silence ------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_silence_is_bounded_by_the_deadline(transport: str) -> None:
    async with DnsServer(lambda query: None) as server:
        async with Awake() as awake:
            found = await look_up(spec(server, transport), deadline_us=300_000)
        tries = len(server.queries)
    assert (kind(found), found.failing_name, found.rcode) == (FailureType.DNS_TIMED_OUT, "www.a", None)
    assert awake.seconds < 0.45
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
        async with Awake() as awake:
            found = await look_up(spec(server), deadline_us=300_000)
        assert awake.seconds < 0.6
    assert kind(found) is FailureType.DNS_MALFORMED


async def test_rubbish_at_hand_lets_the_deadline_pass() -> None:
    """Datagrams already received are read without waiting; the loop must get its turn between them."""

    async def at_hand() -> bytes:
        return b"rubbish"

    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(0):
            await Inbox(build_question("www.a", "A")).first_response(at_hand)
    assert not isinstance(caught.value, SilenceError), "the deadline came first, not the cap"


@provokes("agent.limit.dns_records")
async def test_too_many_records_are_refused_before_they_are_read() -> None:
    """The same answer would come again: no deadline is waited for."""
    crowded = crowd(MORE_THAN_WE_READ)
    with patch("probe.core.dns.message._parse", side_effect=AssertionError("its records were read")):
        async with DnsServer(lambda query: query.wire[:2] + crowded) as server:
            found = await look_up(spec(server, "tcp"))
            assert len(server.queries) == 1
    assert kind(found) is FailureType.AGENT_LIMIT_DNS_RECORDS


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
        async with Awake() as awake:
            found = await look_up(spec(server), deadline_us=400_000)
        assert awake.seconds < 0.55
        await asyncio.sleep(0.08)  # what is still to be sent
    assert kind(found) is FailureType.DNS_TIMED_OUT
    asked = list(dict.fromkeys(query.name for query in server.queries))
    kept = [link.owner for link in found.cname_chain]
    assert kept in (asked[:-1], asked), "the chain so far is kept: whatever was answered"
    assert found.failing_name == (["www.a"] + [link.target for link in found.cname_chain])[-1]


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


@provokes("vantage.network_down")
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
