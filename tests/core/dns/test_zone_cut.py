"""Where zones begin, read from SOA records and from who does not answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.core.dns.chain import AnswerRecord, DnsAnswer
from probe.core.dns.zone_cut import MOST_NAMES, Cut, apex_from, find_cut, first_name, names_above, settled
from probe.core.records.dns import Resolution
from probe.core.records.failure import Failure, FailureType, Phase
from probe.core.text.dns_names import labels, normal_name, parent, under_suffix

SERVFAIL, REFUSED = DnsAnswer(rcode="SERVFAIL"), DnsAnswer(rcode="REFUSED")


def negative(apex: str, rcode: str = "NOERROR") -> DnsAnswer:
    return DnsAnswer(rcode=rcode, authority_types=("SOA",), authority_soas=(apex,))


def positive(owner: str, rdtype: str = "SOA") -> DnsAnswer:
    return DnsAnswer(
        rcode="NOERROR", answers=(AnswerRecord(owner=owner, rdtype=rdtype, ttl_s=60, rdata="x"),)
    )


@pytest.mark.parametrize(
    ("name", "answer", "apex"),
    [
        ("cdn.net", positive("CDN.net."), "cdn.net"),
        ("www.cdn.net", negative("cdn.net"), "cdn.net"),
        ("www.cdn.net", negative("cdn.net", "NXDOMAIN"), "cdn.net"),
        ("www.cdn.net", negative("."), "."),
        ("www.a.example", negative("cdn.net"), None),  # of an alias' target: not of this name's zone
        ("www.cdn.net", positive("www.cdn.net", "CNAME"), None),
        ("www.cdn.net", DnsAnswer(rcode="NOERROR"), None),
        ("www.evilcdn.net", negative("cdn.net"), None),
    ],
)
def test_apex(name: str, answer: DnsAnswer, apex: str | None) -> None:
    assert apex_from(name, answer) == apex


@pytest.mark.parametrize(
    ("replies", "cut"),
    [
        ([("x.cdn.net", negative("cdn.net"))], Cut(zone="cdn.net")),
        ([("x.cdn.net", SERVFAIL), ("cdn.net", SERVFAIL), ("net", negative("net"))],
         Cut(zone="cdn.net", doubtful=True)),
        ([("x.cdn.net", None), ("cdn.net", None), ("net", negative("."))], Cut(zone="cdn.net", doubtful=True)),
        ([("x.cdn.net", REFUSED), ("cdn.net", negative("cdn.net"))], Cut(zone="x.cdn.net", doubtful=True)),
        ([("y.x.cdn.net", SERVFAIL), ("x.cdn.net", SERVFAIL), ("cdn.net", positive("cdn.net")), ("net", SERVFAIL)],
         Cut(zone="x.cdn.net", doubtful=True)),
        # No word of any SOA, but answered: its child is broken all the same.
        ([("x.cdn.net", SERVFAIL), ("cdn.net", DnsAnswer(rcode="NOERROR")), ("net", negative("net"))],
         Cut(zone="x.cdn.net", doubtful=True)),
        ([("x.cdn.net", DnsAnswer(rcode="NOERROR")), ("cdn.net", negative("net"))], Cut(zone="net")),
        # Nobody answers anything: the resolver, not a zone.
        ([("x.cdn.net", SERVFAIL), ("cdn.net", SERVFAIL), ("net", SERVFAIL)], None),
        ([("x.cdn.net", None)], None),
        ([], None),
    ],
)  # fmt: skip
def test_cut(replies: list[tuple[str, DnsAnswer | None]], cut: Cut | None) -> None:
    assert find_cut(replies) == cut


@pytest.mark.parametrize(
    ("delegation", "zone"),
    [
        (SERVFAIL, "x.cdn.net"),
        (None, "x.cdn.net"),
        (positive("x.cdn.net", "NS"), "x.cdn.net"),
        (negative("cdn.net"), "cdn.net"),  # no delegation there after all
        (negative("cdn.net", "NXDOMAIN"), "cdn.net"),
        (negative("x.cdn.net"), "x.cdn.net"),
        (negative("."), "x.cdn.net"),
    ],
)
def test_delegation(delegation: DnsAnswer | None, zone: str) -> None:
    assert settled(Cut(zone="x.cdn.net", doubtful=True), delegation) == zone


def failed(name: str | None, kind: FailureType | None) -> Resolution:
    return Resolution(
        qname="www.a", qtype="A", rcode=None, cname_chain=(), canonical_name="www.a", addresses=(), ttl_s=None,
        resolver="r", transport="udp", failing_name=name,
        failure=Failure(phase=Phase.DNS, type=kind) if kind else None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "kind", "first"),
    [
        ("X.CDN.net.", FailureType.DNS_SERVER_FAILURE, "x.cdn.net"),
        ("x.cdn.net", FailureType.DNS_CNAME_LOOP, "cdn.net"),
        ("x.cdn.net", FailureType.DNS_CHAIN_TOO_LONG, "cdn.net"),
        ("localhost", FailureType.DNS_CNAME_LOOP, None),
        (None, FailureType.DNS_SERVER_FAILURE, None),
        ("x.cdn.net", None, None),
    ],
)
def test_where_to_begin(name: str | None, kind: FailureType | None, first: str | None) -> None:
    assert first_name(failed(name, kind)) == first


def test_names_above() -> None:
    assert names_above("www.cdn.net") == ("cdn.net", "net")
    assert names_above("net") == ()
    deep = ".".join("abcdefghijklmnop")
    assert len(names_above(deep)) == MOST_NAMES - 1
    assert names_above(deep)[-1] == "p"
    assert names_above(r"a\.b.cdn.net") == ("cdn.net", "net")


@given(st.lists(st.text("ab\\.-", min_size=1, max_size=6), max_size=6))
def test_names_end_at_the_root(parts: list[str]) -> None:
    name = normal_name(".".join(parts))
    for _ in range(64):
        if name == ".":
            break
        assert len(labels(parent(name))) < max(1, len(labels(name)))
        name = parent(name)
    assert parent(name) == "."


def test_parent_and_labels() -> None:
    assert (parent("www.A.b."), parent("b"), parent(".")) == ("a.b", ".", ".")
    assert labels(".") == []
    assert under_suffix("x.a", "a")
    assert not under_suffix("x.a", ".")
