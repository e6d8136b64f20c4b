"""A resolver that was not well is no witness of a zone, whatever it says and however many say the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.core.dns.chain import AnswerRecord, DnsAnswer
from probe.core.dns.control import passes
from probe.core.model.value import replace
from probe.core.records.dns import DnsQuery
from probe.core.records.failure import FailureType
from probe.core.records.observation import Observation, Role
from tests.core.verdict.test_judge_properties import observations
from tests.support.build import evidence, seen, triple, unresolved

ANCHOR_OK = seen(Role.ANCHOR, digest=None)
RESOLVER_FAILED = "inconclusive", "vantage", "dns.resolver_failed"
NAMES = ("www.acme.example", "acme.cdn.example.net", "elsewhere.example.org")
KINDS = [kind for kind in FailureType if kind.value.startswith("dns.")]


def root(*types: str, rcode: str = "NOERROR", owner: str = ".") -> DnsAnswer:
    records = tuple(AnswerRecord(owner=owner, rdtype=t, ttl_s=60, rdata="a.root-servers.net.") for t in types)
    return DnsAnswer(rcode=rcode, answers=records)


def test_only_noerror_with_the_roots_servers_passes() -> None:
    assert passes(root("NS", "NS"))
    assert not passes(root())
    assert not passes(root("A"))
    assert not passes(root("NS", owner="example"))
    for rcode in ("SERVFAIL", "REFUSED", "NXDOMAIN", "FORMERR", "NOTIMP"):
        assert not passes(root("NS", rcode=rcode))


@given(
    st.sampled_from(KINDS),
    st.sampled_from(NAMES),
    st.sampled_from(["resolver_unwell", "resolver_silent"]),
    st.sampled_from(["no_other_resolver", "other_resolvers_failed", "other_resolvers_unwell"]),
    st.lists(observations(Role.ANCHOR, Role.SWEEP), max_size=2),
)
def test_without_the_control_question_nobody_is_accused_of_the_name(
    kind: FailureType, name: str, life: str, others: str, around: list[Observation]
) -> None:
    found = evidence(*around, ANCHOR_OK, resolution=unresolved(kind, name, others, life))
    assert triple(found)[:2] == ("inconclusive", "vantage")


@pytest.mark.parametrize(
    "words", ["14 Not Ready", "22 No Reachable Authority: at delegation", "23 Network Error"]
)
def test_extended_errors_that_name_the_network_are_the_resolvers(words: str) -> None:
    dead = unresolved(FailureType.DNS_SERVER_FAILURE, NAMES[1], "other_resolvers_failed", "resolver_alive")
    said = DnsQuery(
        qname=NAMES[0],
        qtype="A",
        resolver=dead.resolver or "",
        transport="udp",
        rcode="SERVFAIL",
        extended_errors=(words,),
    )
    assert triple(evidence(ANCHOR_OK, resolution=replace(dead, queries=(said,)))) == RESOLVER_FAILED
    bogus = replace(said, extended_errors=("6 DNSSEC Bogus",))
    assert triple(evidence(ANCHOR_OK, resolution=replace(dead, queries=(bogus,))))[:2] == ("failed", "cdn")
    of_another = replace(said, resolver="udp://192.0.2.99:53")
    assert triple(evidence(ANCHOR_OK, resolution=replace(dead, queries=(of_another,))))[:2] == (
        "failed",
        "cdn",
    )
