"""What dnspython really does, and why we do otherwise. One that fails after an upgrade calls for a second look."""

from __future__ import annotations

import itertools
import time

import dns.asyncquery
import dns.asyncresolver
import dns.edns
import dns.exception
import dns.message
import dns.name
import dns.resolver
import dns.rrset
import pytest

from probe.core.dns.chain import ChainWalk
from probe.core.dns.message import Question, build_question, read_reply
from tests.support.dns_server import DnsServer, Query, reply, zone


def response_wire(question: Question, *lines: str) -> bytes:
    query = Query(dns.message.from_wire(question.wire), "udp", question.wire)
    return reply(query, *lines).to_wire()


def chain_lines(links: int) -> list[str]:
    names = ["www.a.", *(f"n{i}.b." for i in range(1, links + 1))]
    lines = [f"{a} 60 CNAME {b}" for a, b in itertools.pairwise(names)]
    return [*lines, f"{names[-1]} 60 A 192.0.2.1"]


async def test_response_time_follows_the_wall_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time around the call instead, on the monotonic clock."""
    real = time.time
    async with DnsServer(zone({"www.a A": ["192.0.2.1"]})) as server:

        def after_a_step_back() -> float:
            return real() - (30.0 if server.queries else 0.0)

        monkeypatch.setattr(time, "time", after_a_step_back)
        query = dns.message.make_query("www.a", "A")
        response = await dns.asyncquery.udp(query, "127.0.0.1", port=server.port)
    assert response.time < -29


def test_resolve_chaining_stops_at_16_and_takes_loops_for_long_chains() -> None:
    question = build_question("www.a", "A")
    whole = dns.message.from_wire(response_wire(question, *chain_lines(15)))
    assert len(whole.resolve_chaining().cnames) == 15
    for lines in (chain_lines(16), chain_lines(17), ["www.a. 60 CNAME www.a."]):
        with pytest.raises(dns.message.ChainTooLong):
            dns.message.from_wire(response_wire(question, *lines)).resolve_chaining()


def test_doubled_cname_is_reduced_to_the_last_unless_asked_otherwise() -> None:
    question = build_question("www.a", "A")
    wire = response_wire(question, "www.a. 60 CNAME x.b.", "www.a. 60 CNAME y.b.")
    usual = dns.message.from_wire(wire)
    assert [rdata.target.to_text() for rrset in usual.answer for rdata in rrset] == ["y.b."]
    kept = dns.message.from_wire(wire, one_rr_per_rrset=True)
    assert [rdata.target.to_text() for rrset in kept.answer for rdata in rrset] == ["x.b.", "y.b."]
    ours = read_reply(wire, question)
    assert [record.rdata for record in ours.answer.answers] == ["x.b.", "y.b."]


def test_usual_reading_lowers_every_ttl_of_a_set_to_the_least() -> None:
    question = build_question("www.a", "A")
    wire = response_wire(question, "www.a. 60 A 192.0.2.1", "www.a. 7 A 192.0.2.2")
    assert [rrset.ttl for rrset in dns.message.from_wire(wire).answer] == [7]
    assert [record.ttl_s for record in read_reply(wire, question).answer.answers] == [60, 7]


def test_truncated_response_may_look_like_an_empty_answer() -> None:
    """No exception by default: whoever does not look at TC takes the cut-off answer for NODATA."""
    question = build_question("www.a", "A")
    query = Query(dns.message.from_wire(question.wire), "udp", question.wire)
    wire = reply(query, flags="RA TC").to_wire()
    assert dns.message.from_wire(wire).answer == []
    assert read_reply(wire, question).truncated


async def test_no_nameservers_mixes_servfail_with_a_closed_port() -> None:
    async with (
        DnsServer(lambda query: reply(query, rcode="SERVFAIL")) as failing,
        DnsServer(lambda query: None, udp=False, tcp=False) as closed,
    ):
        for server in (failing, closed):
            resolver = dns.asyncresolver.Resolver(configure=False)
            resolver.nameservers, resolver.port = ["127.0.0.1"], server.port
            with pytest.raises(dns.resolver.NoNameservers):
                await resolver.resolve("www.a", "A", tcp=True, lifetime=2.0)


def test_lifetime_starts_anew_when_the_wall_clock_steps_back_a_little(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So the lifetime can be overrun; ours is a time of the loop's clock."""
    resolver = dns.resolver.Resolver(configure=False)
    started = time.time()
    monkeypatch.setattr(time, "time", lambda: started - 0.9)
    assert resolver._compute_timeout(started, lifetime=1.0) == 1.0


async def test_cache_key_ignores_client_subnet() -> None:
    """Two vantage points would share one answer; we keep none."""

    def script(query: Query) -> object:
        assert query.ecs is not None
        return reply(query, f"www.a. 60 A {query.ecs.address}")

    async with DnsServer(script) as server:
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers, resolver.port = ["127.0.0.1"], server.port
        resolver.cache = dns.resolver.Cache()
        seen = []
        for subnet in ("192.0.2.0", "198.51.100.0"):
            resolver.use_edns(0, options=[dns.edns.ECSOption(subnet, 24)])
            answer = await resolver.resolve("www.a", "A")
            seen.append(answer[0].to_text())
        assert seen == ["192.0.2.0", "192.0.2.0"]
        assert len(server.queries) == 1


def test_one_bad_edns_option_makes_the_whole_message_unreadable() -> None:
    question = build_question("www.a", "A", "203.0.113.0/24")
    query = Query(dns.message.from_wire(question.wire), "udp", question.wire)
    response = reply(query, "www.a. 60 A 192.0.2.1")
    response.use_edns(0, options=[dns.edns.GenericOption(8, b"\0\0\0\0")])
    with pytest.raises(dns.exception.FormError, match="unsupported family"):
        dns.message.from_wire(response.to_wire())
    assert [record.rdata for record in read_reply(response.to_wire(), question).answer.answers] == [
        "192.0.2.1"
    ]


def test_our_walk_goes_where_the_library_stops() -> None:
    question = build_question("www.a", "A")
    walk = ChainWalk("www.a", "A")
    walk.feed(read_reply(response_wire(question, *chain_lines(30)), question).answer, "udp://192.0.2.53:53")
    assert (walk.ask, walk.end.failure, len(walk.end.links)) == (None, None, 30)
