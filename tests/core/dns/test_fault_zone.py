"""Whose zone failed: each row of the table in `failing_zone`."""

from __future__ import annotations

import itertools

import pytest

from probe.core.dns.fault_zone import failing_zone
from probe.core.records.dns import CnameLink, Resolution

R = "udp://192.0.2.53:53"


def resolution(*chain: str, zone: str | None) -> Resolution:
    """Failing at the end of the chain."""
    links = tuple(CnameLink(owner=a, target=b, ttl_s=60, resolver=R) for a, b in itertools.pairwise(chain))
    return Resolution(
        qname=chain[0],
        qtype="A",
        rcode="SERVFAIL",
        cname_chain=links,
        canonical_name=chain[-1],
        addresses=(),
        ttl_s=None,
        resolver=R,
        transport="udp",
        failing_name=chain[-1],
        zone=zone,
    )


DOMAIN, SUFFIX = "www.acme.example", "cdn.vendor.net"
CHAINS = {
    "domain": (DOMAIN,),
    "cdn": (DOMAIN, "x.cdn.vendor.net"),
    "third": (DOMAIN, "x.third.org"),
    "beside": (DOMAIN, "alias.vendor.net"),
    "behind": (DOMAIN, "x.cdn.vendor.net", "y.third.org"),
    "back": (DOMAIN, "x.cdn.vendor.net", "fallback.acme.example"),
}


@pytest.mark.parametrize(
    ("chain", "zone", "whose"),
    [
        ("domain", None, "customer"),
        ("domain", "acme.example", "customer"),
        ("domain", "www.acme.example", "customer"),
        ("domain", "example", "customer"),  # not registered any more
        ("domain", ".", "customer"),
        ("cdn", None, "cdn"),
        ("cdn", "cdn.vendor.net", "cdn"),
        ("cdn", "x.cdn.vendor.net", "cdn"),
        ("cdn", "vendor.net", "cdn"),
        ("cdn", "net", "cdn"),  # the CDN's domain is not registered any more
        ("cdn", "acme.example", "cdn"),  # does not hold the failing name: no telling
        ("third", None, "customer"),
        ("third", "third.org", "customer"),
        ("third", "org", "customer"),
        ("beside", None, "customer"),
        ("beside", "vendor.net", "cdn"),
        ("beside", "net", "customer"),
        ("behind", None, "cdn"),
        ("behind", "third.org", "cdn"),
        ("behind", "org", "cdn"),
        ("back", None, "cdn"),
        ("back", "acme.example", "customer"),
        ("back", "example", "cdn"),
    ],
)
def test_table(chain: str, zone: str | None, whose: str) -> None:
    assert failing_zone(resolution(*CHAINS[chain], zone=zone), DOMAIN.upper(), [SUFFIX]) == whose


@pytest.mark.parametrize(
    ("domain", "suffix", "chain", "zone", "whose"),
    [
        # One zone holds the customer's name and the CDN's suffix: accuses neither.
        ("www.acme.example", "cdn.acme.example", ("www.acme.example", "x.cdn.acme.example"), "acme.example", "unknown"),
        # The suffix has a zone of its own.
        ("www.acme.example", "cdn.acme.example", ("www.acme.example", "x.cdn.acme.example"), "cdn.acme.example", "cdn"),
        # Registries of two labels say nothing.
        ("www.acme.com.cn", "cdn.com.cn", ("www.acme.com.cn", "x.cdn.com.cn"), "com.cn", "cdn"),
        ("www.acme.com.cn", "cdn.net", ("www.acme.com.cn", "x.cdn.net", "y.third.com.cn"), "com.cn", "cdn"),
        ("www.acme.org", "cdn.co.uk", ("www.acme.org", "x.third.co.uk"), "co.uk", "customer"),
        # The same names, in zones of somebody's own.
        ("www.acme.com", "cdn.vendor.com", ("www.acme.com", "x.vendor.com"), "vendor.com", "cdn"),
        # The CDN itself is the customer.
        ("www.vendor.net", "vendor.net", ("www.vendor.net",), "vendor.net", "cdn"),
    ],
)  # fmt: skip
def test_zones_shared(domain: str, suffix: str, chain: tuple[str, ...], zone: str, whose: str) -> None:
    assert failing_zone(resolution(*chain, zone=zone), domain, [suffix]) == whose


def test_no_alias_led_to_a_strangers_zone() -> None:
    made = resolution("edge.third.org", zone="third.org")
    assert failing_zone(made, "www.acme.example", [SUFFIX]) == "unknown"


def test_second_cnames_lead_nowhere() -> None:
    link = CnameLink(owner="www.acme.example", target="x.third.org", ttl_s=60, resolver=R, doubled=True)
    made = resolution("edge.third.org", zone="third.org")
    both = Resolution(**{f: getattr(made, f) for f in made.__slots__} | {"cname_chain": (link,)})
    assert failing_zone(both, "www.acme.example", [SUFFIX]) == "unknown"


def test_without_suffixes() -> None:
    assert failing_zone(resolution(*CHAINS["third"], zone="third.org"), DOMAIN, []) == "customer"
