"""Hijack signs: two of them make an address foreign, one alone never does."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pytest

from probe.core.records.dns import Resolution, ResolverAnswer
from probe.core.records.failure import FailureType, Phase
from probe.core.records.observation import Observation, Role
from probe.core.records.surroundings import NodeFacts
from probe.core.records.verdict import Evidence
from probe.core.verdict.hijack import alias_hidden, foreign, worth_asking
from tests.support.build import (
    EDGE,
    EDGE_2,
    ORIGIN,
    OTHER,
    broken,
    evidence,
    refused,
    resolution,
    seen,
    task,
    triple,
)

MINE = "udp://192.0.2.53:53"
HIJACKED = ("failed", "path", "dns.hijacked")
ORIGIN_OK = seen(Role.ORIGIN)
NAME_INVALID = broken(FailureType.TLS_CERT_NAME_INVALID, Phase.TLS)


def said(
    *addresses: str, by: str = "udp://192.0.2.54:53", name: str = "acme.cdn.example.net"
) -> ResolverAnswer:
    return ResolverAnswer(resolver=by, rcode="NOERROR", canonical_name=name, addresses=addresses, ttl_s=60)


def case(
    *observations: Observation,
    stranger: bool = True,
    settled: bool = True,
    rewrites: bool = False,
    others: tuple[ResolverAnswer, ...] = (),
) -> Evidence:
    return evidence(
        *observations,
        ORIGIN_OK,
        resolution=resolution(flags=("nxdomain_rewritten",) if rewrites else (), answers=others),
        nodes=NodeFacts(known=3, settled=settled, strangers=(EDGE,) if stranger else ()),
    )


def combinations() -> Iterator[tuple[bool, bool, bool, bool]]:
    yield from product((True, False), repeat=4)


@pytest.mark.parametrize(("stranger", "settled", "rewrites", "differ"), list(combinations()))
def test_foreign_without_prefixes_needs_two_signs(
    stranger: bool, settled: bool, rewrites: bool, differ: bool
) -> None:
    others = (said(EDGE_2),) if differ else ()
    found = case(seen(digest=OTHER), stranger=stranger, settled=settled, rewrites=rewrites, others=others)
    expected = stranger and settled and (rewrites or differ)
    assert foreign(task(), found, EDGE) is expected
    assert triple(found) == (HIJACKED if expected else ("failed", "cdn", "content.mismatch"))


def test_what_another_resolver_gave_too_is_not_foreign() -> None:
    found = case(seen(digest=OTHER), others=(said(EDGE_2), said(EDGE, by="udp://192.0.2.55:53")))
    assert triple(found) == ("failed", "cdn", "content.mismatch")


def test_the_own_answer_and_failed_others_are_no_witness() -> None:
    found = case(seen(digest=OTHER), others=(said(EDGE_2, by=MINE), said()))
    assert triple(found) == ("failed", "cdn", "content.mismatch")


def test_declared_prefixes_decide_alone() -> None:
    inside, outside = task(cdn_prefixes=("192.0.2.0/24",)), task(cdn_prefixes=("203.0.113.0/24",))
    for observation in (seen(digest=OTHER), NAME_INVALID):
        assert triple(case(observation, rewrites=True), inside)[1] == "cdn"
        assert triple(case(observation, stranger=False), outside) == HIJACKED


def test_a_certificate_for_another_name_on_a_foreign_address_is_the_paths() -> None:
    assert triple(case(NAME_INVALID, rewrites=True)) == HIJACKED
    assert triple(case(NAME_INVALID)) == ("failed", "cdn", "tls.cert.name_invalid")


def test_an_expired_certificate_or_a_refusal_is_no_sign_of_a_hijack() -> None:
    expired = broken(FailureType.TLS_CERT_DATE_INVALID, Phase.TLS)
    assert triple(case(expired, rewrites=True)) == ("failed", "cdn", "tls.cert.date_invalid")
    assert triple(case(refused(), rewrites=True)) == ("failed", "cdn", "tcp.refused")


def test_a_well_served_foreign_address_is_ok() -> None:
    assert triple(case(seen(), rewrites=True)) == ("ok", None, None)


def test_worth_asking_needs_one_sign() -> None:
    assert worth_asking(task(), case(seen()), EDGE)
    assert not worth_asking(task(), case(seen(), settled=False), EDGE)
    assert not worth_asking(task(), case(seen(), stranger=False), EDGE)
    assert worth_asking(task(cdn_prefixes=("203.0.113.0/24",)), case(seen(), stranger=False), EDGE)
    assert not worth_asking(task(cdn_prefixes=("192.0.2.0/24",)), case(seen()), EDGE)


def test_a_name_that_a_proxy_looked_up_is_never_foreign() -> None:
    at = task(cdn_prefixes=("203.0.113.0/24",))
    named = seen(digest=OTHER, address="www.acme.example")
    assert not foreign(at, case(named, rewrites=True), named.address)
    assert not worth_asking(at, case(named), named.address)


def test_a_missing_alias_at_a_resolver_that_lies_accuses_no_customer() -> None:
    """A portal's resolver gives its own address for every name; the zone's own servers cannot be asked."""
    for flag in ("nxdomain_rewritten", "resolver_unwell", "resolver_silent"):
        looked_up = resolution(EDGE, cname_chain=(), canonical_name="www.acme.example", flags=(flag,))
        for edge in (seen(digest=OTHER), seen(), refused()):
            found = triple(evidence(edge, ORIGIN_OK, resolution=looked_up))
            assert found == ("inconclusive", "vantage", "dns.resolver_failed")
        said_so = resolution(
            EDGE, cname_chain=(), canonical_name="www.acme.example", flags=(flag, "authority_answers")
        )
        assert triple(evidence(seen(), ORIGIN_OK, resolution=said_so))[1] == "customer", (
            "the zone's own servers say the same"
        )


def without_alias(*others: ResolverAnswer) -> Resolution:
    return resolution(EDGE, cname_chain=(), canonical_name="www.acme.example", answers=others)


@pytest.mark.parametrize(
    ("others", "hidden"),
    [
        ((), False),
        ((said(EDGE_2),), True),
        ((said(EDGE_2, by=MINE),), False),
        ((said(),), False),
        ((said(EDGE_2), said(ORIGIN, by="udp://192.0.2.55:53", name="www.acme.example")), False),
    ],
    ids=["nobody else", "another leads on", "only ourselves", "another failed", "others differ too"],
)
def test_an_alias_that_only_this_resolver_hides(others: tuple[ResolverAnswer, ...], hidden: bool) -> None:
    looked_up = without_alias(*others)
    assert alias_hidden(task(), looked_up) is hidden
    customer = ("inconclusive", "customer", "dns.alias_changed")
    well = evidence(seen(), ORIGIN_OK, resolution=looked_up)
    assert triple(well) == (("inconclusive", "path", "dns.hijacked") if hidden else customer)
    wrong = evidence(seen(digest=OTHER), ORIGIN_OK, resolution=looked_up)
    assert triple(wrong) == (HIJACKED if hidden else customer)
