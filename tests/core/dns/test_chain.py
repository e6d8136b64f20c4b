"""The walk along the aliases as pure decisions: hostile rows 10 to 13, 17 and 19 without a network."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.core.dns.chain import (
    AnswerRecord,
    ChainWalk,
    DnsAnswer,
    WalkEnd,
)
from probe.core.dns.fault_zone import failing_zone, passes_suffix
from probe.core.records.dns import CnameLink, Resolution
from probe.core.records.failure import Failure, FailureType, Phase
from probe.core.text.dns_names import normal_name, under_suffix

R = "udp://192.0.2.53:53"


def record(line: str) -> AnswerRecord:
    owner, ttl, rdtype, rdata = line.split(maxsplit=3)
    return AnswerRecord(owner=owner, rdtype=rdtype, ttl_s=int(ttl), rdata=rdata)


def answer(*lines: str, rcode: str = "NOERROR", flags: tuple[str, ...] = ("RA",), ns: str = "") -> DnsAnswer:
    answers = tuple(map(record, lines))
    return DnsAnswer(rcode=rcode, flags=flags, answers=answers, authority_types=tuple(ns.split()))


def walk(answers: dict[str, DnsAnswer], qname: str = "www.a", qtype: str = "A", limit: int = 32) -> WalkEnd:
    """Run to the end; a name that is asked for without an answer prepared is a KeyError."""
    chain = ChainWalk(qname, qtype, limit)
    left = dict(answers)
    while (name := chain.ask) is not None:
        chain.feed(left.pop(name), R)
    return chain.end


def pairs(end: WalkEnd) -> list[tuple[str, str]]:
    return [(link.owner, link.target) for link in end.links]


def failed(end: WalkEnd) -> tuple[FailureType | None, str | None, bool]:
    return (end.failure.type if end.failure else None), end.failing_name, end.final


def test_addresses_at_once() -> None:
    end = walk({"www.a": answer("www.a 60 A 192.0.2.1", "www.a 30 A 192.0.2.2")})
    assert [a.address for a in end.addresses] == ["192.0.2.1", "192.0.2.2"]
    assert (end.ttl_s, end.name, end.failure, end.final, end.rcode) == (30, "www.a", None, True, "NOERROR")


def test_chain_within_one_answer_in_any_order() -> None:
    end = walk({"www.a": answer("y.c 5 A 192.0.2.1", "x.b 20 CNAME y.c.", "www.a 10 CNAME x.b.")})
    assert pairs(end) == [("www.a", "x.b"), ("x.b", "y.c")]
    assert (end.ttl_s, end.name) == (5, "y.c")
    assert [link.ttl_s for link in end.links] == [10, 20]
    assert {link.resolver for link in end.links} == {R}


def test_chain_across_answers() -> None:
    end = walk({"www.a": answer("www.a 10 CNAME x.b.", flags=("AA",)), "x.b": answer("x.b 20 A 192.0.2.1")})
    assert pairs(end) == [("www.a", "x.b")]
    assert [a.address for a in end.addresses] == ["192.0.2.1"]


def test_names_are_compared_without_case() -> None:
    end = walk({"www.a": answer("WWW.A. 10 CNAME X.b.", "x.B. 9 A 192.0.2.1")}, qname="Www.A.")
    assert pairs(end) == [("www.a", "x.b")]
    assert end.addresses


def test_records_of_other_names_and_types_are_not_taken() -> None:
    lines = ("evil.b 1 A 192.0.2.9", "www.a 60 A 192.0.2.1", "www.a 60 AAAA 2001:db8::1")
    end = walk({"www.a": answer(*lines)})
    assert [a.address for a in end.addresses] == ["192.0.2.1"]
    assert end.ttl_s == 60


def test_a_record_twice_is_one() -> None:
    end = walk({"www.a": answer("www.a 60 A 192.0.2.1", "www.a 7 A 192.0.2.1")})
    assert [(a.address, a.ttl_s) for a in end.addresses] == [("192.0.2.1", 7)]


@pytest.mark.parametrize(
    ("answers", "failing"),
    [
        ({"www.a": answer("www.a 60 CNAME www.a.")}, "www.a"),
        ({"www.a": answer("www.a 60 CNAME x.b.", "x.b 60 CNAME www.a.")}, "x.b"),
        ({"www.a": answer("www.a 60 CNAME x.b."), "x.b": answer("x.b 60 CNAME WWW.A.")}, "x.b"),
        ({"www.a": answer("www.a 9 CNAME x.b.", "x.b 9 CNAME y.b.", "y.b 9 CNAME x.b.")}, "y.b"),
    ],
)
def test_loop(answers: dict[str, DnsAnswer], failing: str) -> None:
    end = walk(answers)
    assert failed(end) == (FailureType.DNS_CNAME_LOOP, failing, True)
    assert end.links[-1].owner == failing
    assert end.links[-1].target in {link.owner for link in end.links}


def chain_lines(count: int) -> list[str]:
    names = ["www.a", *(f"n{i}.b" for i in range(1, count + 1))]
    return [f"{a} 60 CNAME {b}." for a, b in itertools.pairwise(names)] + [f"{names[-1]} 60 A 192.0.2.1"]


@pytest.mark.parametrize("count", [1, 15, 16, 17, 30, 32])
@pytest.mark.parametrize("at_once", [True, False])
def test_long_chains_resolve(count: int, at_once: bool) -> None:
    lines = chain_lines(count)
    answers = {"www.a": answer(*lines)} if at_once else {line.split()[0]: answer(line) for line in lines}
    end = walk(answers)
    assert end.failure is None
    assert len(end.links) == count
    assert end.addresses


@pytest.mark.parametrize("at_once", [True, False])
def test_too_long_a_chain_is_kept_up_to_the_limit(at_once: bool) -> None:
    lines = chain_lines(40)
    answers = {"www.a": answer(*lines)} if at_once else {line.split()[0]: answer(line) for line in lines}
    end = walk(answers)
    assert failed(end) == (FailureType.DNS_CHAIN_TOO_LONG, "n32.b", True)
    assert len(end.links) == 32
    assert not end.addresses


def test_the_limit_is_the_callers() -> None:
    end = walk({"www.a": answer(*chain_lines(5))}, limit=4)
    assert failed(end)[0] is FailureType.DNS_CHAIN_TOO_LONG
    assert len(end.links) == 4


@pytest.mark.parametrize(
    ("answers", "kind", "failing"),
    [
        ({"www.a": answer(rcode="NXDOMAIN")}, FailureType.DNS_NAME_NOT_RESOLVED, "www.a"),
        ({"www.a": answer(ns="SOA")}, FailureType.DNS_NO_DATA, "www.a"),
        ({"www.a": answer()}, FailureType.DNS_NO_DATA, "www.a"),
        ({"www.a": answer("www.a 9 CNAME x.b.", rcode="NXDOMAIN")}, FailureType.DNS_DANGLING_ALIAS, "x.b"),
        ({"www.a": answer("www.a 9 CNAME x.b.", ns="SOA")}, FailureType.DNS_DANGLING_ALIAS, "x.b"),
        ({"www.a": answer("www.a 9 CNAME x.b."), "x.b": answer()}, FailureType.DNS_DANGLING_ALIAS, "x.b"),
        (
            {"www.a": answer("www.a 9 CNAME x.b."), "x.b": answer(rcode="NXDOMAIN")},
            FailureType.DNS_DANGLING_ALIAS,
            "x.b",
        ),
    ],
)
def test_answers_that_end_the_walk(answers: dict[str, DnsAnswer], kind: FailureType, failing: str) -> None:
    end = walk(answers)
    assert failed(end) == (kind, failing, True)
    assert end.name == failing


@pytest.mark.parametrize(
    ("rcode", "kind"),
    [
        ("SERVFAIL", FailureType.DNS_SERVER_FAILURE),
        ("REFUSED", FailureType.DNS_REFUSED),
        ("FORMERR", FailureType.DNS_FORMAT_ERROR),
        ("NOTIMP", FailureType.DNS_ERROR_RCODE),
        ("NOTAUTH", FailureType.DNS_ERROR_RCODE),
        ("BADVERS", FailureType.DNS_ERROR_RCODE),
    ],
)
def test_rcodes_that_are_no_answer(rcode: str, kind: FailureType) -> None:
    assert failed(walk({"www.a": answer(rcode=rcode)})) == (kind, "www.a", False)


def test_servfail_with_a_part_of_the_chain_names_the_end_of_it() -> None:
    end = walk({"www.a": answer("www.a 60 CNAME x.cdn.", rcode="SERVFAIL")})
    assert failed(end) == (FailureType.DNS_SERVER_FAILURE, "x.cdn", False)
    assert pairs(end) == [("www.a", "x.cdn")]


@pytest.mark.parametrize(
    ("flags", "kind"),
    [
        ((), FailureType.DNS_LAME),
        (("RD",), FailureType.DNS_LAME),
        (("RA",), FailureType.DNS_NO_DATA),
        (("AA",), FailureType.DNS_NO_DATA),
    ],
)
def test_a_referral_is_lame_unless_the_server_stands_for_its_answer(
    flags: tuple[str, ...], kind: FailureType
) -> None:
    end = walk({"www.a": answer(flags=flags, ns="NS")})
    assert failed(end)[:2] == (kind, "www.a")
    assert end.final is (kind is FailureType.DNS_NO_DATA)


def test_doubled_cname_both_kept_the_first_followed() -> None:
    lines = ("www.a 60 CNAME x.b.", "www.a 3 CNAME y.b.", "y.b 60 A 192.0.2.2", "x.b 60 A 192.0.2.1")
    end = walk({"www.a": answer(*lines)})
    assert [(link.target, link.doubled) for link in end.links] == [("x.b", False), ("y.b", True)]
    assert end.flags == ("doubled_cname",)
    assert [a.address for a in end.addresses] == ["192.0.2.1"]
    assert end.ttl_s == 60, "the link that was not followed has no part in the TTL"


def test_the_same_cname_twice_is_not_doubled() -> None:
    end = walk({"www.a": answer("www.a 60 CNAME x.b.", "www.a 60 CNAME X.B.", "x.b 60 A 192.0.2.1")})
    assert (len(end.links), end.flags) == (1, ())


def test_cname_beside_addresses_is_flagged() -> None:
    end = walk({"www.a": answer("www.a 60 CNAME x.b.", "www.a 60 A 192.0.2.1")})
    assert (end.links, end.flags) == ((), ("cname_and_other_data",))
    assert end.addresses


def test_addresses_beside_nxdomain_are_not_believed() -> None:
    end = walk({"www.a": answer("www.a 60 A 192.0.2.1", rcode="NXDOMAIN")})
    assert failed(end)[0] is FailureType.DNS_NAME_NOT_RESOLVED
    assert (end.addresses, end.flags) == ((), ("contradictory_answer",))


@pytest.mark.parametrize(("sent", "kept"), [(0, 0), (2**31 - 1, 2**31 - 1), (2**31, 0), (2**32 - 1, 0)])
def test_ttl(sent: int, kept: int) -> None:
    end = walk({"www.a": answer(f"www.a {sent} A 192.0.2.1")})
    assert (end.ttl_s, end.addresses[0].ttl_s) == (kept, kept)


def test_give_up_keeps_the_chain_so_far() -> None:
    chain = ChainWalk("www.a", "A")
    chain.feed(answer("www.a 60 CNAME x.b."), R)
    assert chain.ask == "x.b"
    failure = Failure(phase=Phase.DNS, type=FailureType.DNS_TIMED_OUT)
    chain.give_up(failure)
    assert chain.ask is None
    assert (chain.end.failure, chain.end.failing_name, chain.end.final) == (failure, "x.b", False)
    assert pairs(chain.end) == [("www.a", "x.b")]


def test_aliases_alone() -> None:
    answers = {
        "www.a": answer("www.a 60 CNAME x.cdn."),
        "x.cdn": answer(rcode="SERVFAIL"),
    }
    end = walk(answers, qtype="CNAME")
    assert (pairs(end), end.failing_name) == ([("www.a", "x.cdn")], "x.cdn")


NAMES = [f"n{i}" for i in range(6)]


@given(
    st.dictionaries(st.sampled_from(NAMES), st.lists(st.sampled_from(NAMES), min_size=1, max_size=3)),
    st.sets(st.sampled_from(NAMES)),
    st.booleans(),
)
def test_every_walk_ends_and_asks_no_name_twice(
    aliases: dict[str, list[str]], addressed: set[str], at_once: bool
) -> None:
    lines = [f"{owner} 60 CNAME {target}." for owner, targets in aliases.items() for target in targets]
    lines += [f"{name} 60 A 192.0.2.1" for name in addressed]
    answers = {
        name: answer(*(lines if at_once else [line for line in lines if line.split()[0] == name]))
        for name in NAMES
    }
    end = walk(answers, qname="n0", limit=4)
    assert (end.failure is None) == bool(end.addresses)
    assert (end.failing_name is None) == (end.failure is None)
    followed = [link for link in end.links if not link.doubled]
    assert all(a.target == b.owner for a, b in itertools.pairwise(followed))
    assert len(followed) <= 4


# --- names and zones ------------------------------------------------------------------------------


def test_normal_name() -> None:
    assert normal_name("WWW.Example.") == "www.example"
    assert normal_name(".") == "."
    assert normal_name("İ.example") == "İ.example", "only ASCII letters have a case in the DNS"


@pytest.mark.parametrize(
    ("name", "suffix", "under"),
    [
        ("cdn.example", "cdn.example", True),
        ("a.CDN.example.", "cdn.example", True),
        ("a.cdn.example", "CDN.EXAMPLE.", True),
        ("evilcdn.example", "cdn.example", False),
        ("cdn.example.evil", "cdn.example", False),
        ("example", "cdn.example", False),
        (r"evil\.cdn.example", "cdn.example", False),
        ("a.example", "", False),
        ("a.example", ".", False),
    ],
)
def test_under_suffix(name: str, suffix: str, under: bool) -> None:
    assert under_suffix(name, suffix) is under


def resolution(*chain: str, failing: str | None = None) -> Resolution:
    links = tuple(CnameLink(owner=a, target=b, ttl_s=60, resolver=R) for a, b in itertools.pairwise(chain))
    return Resolution(
        qname=chain[0],
        qtype="A",
        rcode="NOERROR",
        cname_chain=links,
        canonical_name=chain[-1],
        addresses=(),
        ttl_s=60,
        resolver=R,
        transport="udp",
        failing_name=failing,
    )


@pytest.mark.parametrize(
    ("made", "zone"),
    [
        (resolution("www.a", failing="www.a"), "customer"),
        (resolution("www.a", "x.cdn.net", failing="x.cdn.net"), "cdn"),
        (resolution("www.a", "cdn.net", failing="cdn.net"), "cdn"),
        (resolution("www.a", "other.org", failing="other.org"), "customer"),
        (resolution("www.a", "x.cdn.net", "third.org", failing="third.org"), "cdn"),
        (resolution("www.a", "x.cdn.net", "www.a", failing="www.a"), "customer"),
        (resolution("www.a", "x.notcdn.net", failing="x.notcdn.net"), "customer"),
        (resolution("www.a", "x.cdn.net"), "unknown"),
    ],
)
def test_failing_zone(made: Resolution, zone: str) -> None:
    assert failing_zone(made, "WWW.a.", ["CDN.net"]) == zone


def test_passes_suffix() -> None:
    assert passes_suffix(resolution("www.a", "x.cdn.net", "y.other"), ["cdn.net"])
    assert passes_suffix(resolution("x.cdn.net"), ["cdn.net"])
    assert not passes_suffix(resolution("www.a", "x.mycdn.net"), ["cdn.net"])
    assert not passes_suffix(resolution("www.a", "x.cdn.net"), [])


def test_a_doubled_link_is_not_passed() -> None:
    link = CnameLink(owner="www.a", target="x.cdn.net", ttl_s=60, resolver=R, doubled=True)
    made = resolution("www.a", "x.other")
    both = Resolution(
        **{f: getattr(made, f) for f in made.__slots__} | {"cname_chain": (*made.cname_chain, link)}
    )
    assert not passes_suffix(both, ["cdn.net"])
