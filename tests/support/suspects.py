"""Whole slots whose suspect is not the CDN: our line, a resolver, an origin without standing; and their counterparts.

Each kind stands beside a case that looks like it and is the CDN's, the origin's or the customer's, so that an excuse
never hides a fault. A case with `nft` rules is measured in a network namespace of its own, by the recorder alone: what
is lost there is lost by chance.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from tests.support import build
from tests.support.dns_server import Script as DnsScript
from tests.support.dns_server import zone
from tests.support.hostile import (
    HEAD,
    OK,
    Triple,
    after,
    alternating,
    cdn,
    certificate,
    following,
    refuses,
    silent,
    to,
    well_certified,
)
from tests.support.http_server import HOST, Pki, hang, response, then_hang, then_reset
from tests.support.slots import CANONICAL, EDGE, NAMES, ORIGIN, Setting, right
from tests.support.zone_servers import records, resolver_script, server_script, servfail

OUR_RESOLVER: Triple = ("inconclusive", "vantage", "dns.resolver_failed")
PORTAL, MTU, LOSSY = (
    ("inconclusive", "vantage", f"vantage.{name}") for name in ("captive_portal", "path_mtu", "lossy")
)
LOGIN = to("http://login.portal.example/login")
NO_LOGIN = response(b"log in first", status="511 Network Authentication Required")
BAD_GATEWAY = response(b"", status="502 Bad Gateway")
SMALL = response(b"ok")
HALF_THEN_SILENCE = then_hang(HEAD + b"Content-Length: 90000\r\n\r\n" + b"x" * 400)
AVAILABLE = build.checks(availability={})
PATIENT = {"total_us": 12_000_000, "connect_us": 5_000_000, "tls_us": 5_000_000, "first_byte_us": 5_000_000}
TIMED = build.checks(availability={}, response_time={"ttfb": "150ms"})
IN_HALF_A_SECOND = build.checks(availability={}, response_time={"ttfb": "500ms"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """One slot and the verdict that is right. `nft`: rules of the chain through which every packet on `lo` comes."""

    setting: Setting
    expected: Triple
    nft: tuple[str, ...] = ()


def asked(
    said: DnsScript, zone_servers: DnsScript, *, lost: bool = False, second: DnsScript | None = None
) -> Setting:
    """A resolver that is well but for what it says of the customer's name, and the zone's own servers."""
    return Setting(
        dns=resolver_script(said, lost=lost),
        second_resolver=None if second is None else resolver_script(second),
        zone_servers=server_script(zone_servers),
        deadlines={"total_us": 3_000_000},
    )


def taken_over(pki: Pki) -> ssl.SSLContext:
    """Well for one connection, the first look at the origin; from then on whoever answers is somebody else."""
    context, own = pki.issued(), pki.odd("self_signed")
    seen = 0

    def choose(connection: ssl.SSLObject, name: str | None, first: ssl.SSLContext) -> None:
        nonlocal seen
        seen += 1
        if seen > 1:
            connection.context = own

    context.sni_callback = choose
    return context


TO_CDN = records(f"{HOST}. 60 CNAME {CANONICAL}.")
ELSEWHERE = zone({f"{HOST} A": ["127.0.0.99"]})
INTO_CDN = zone(NAMES)

SUSPECTS: dict[str, Suspect] = {
    # --- a captive portal --------------------------------------------------------------------------
    "portal_redirects_everybody": Suspect(
        setting=Setting(edge=LOGIN, anchor_says=LOGIN, origin=LOGIN, warm=False), expected=PORTAL
    ),
    "portal_redirects_and_we_follow": Suspect(
        setting=Setting(
            edge=LOGIN, anchor_says=LOGIN, changes=following(3, "login.portal.example"), checks=AVAILABLE
        ),
        expected=PORTAL,
    ),
    "portal_asks_to_log_in": Suspect(
        setting=Setting(edge=NO_LOGIN, anchor_says=NO_LOGIN, origin=NO_LOGIN), expected=PORTAL
    ),
    "portal_shows_its_own_certificate": Suspect(
        setting=Setting(
            tls=taken_over,
            origin_tls=True,
        ),
        expected=PORTAL,
    ),
    "edge_alone_redirects_to_a_login": Suspect(setting=Setting(edge=LOGIN), expected=cdn("http.error")),
    "edge_alone_asks_to_log_in": Suspect(setting=Setting(edge=NO_LOGIN), expected=cdn("http.error")),
    "anchor_alone_redirects": Suspect(setting=Setting(anchor_says=LOGIN), expected=OK),
    # --- large packets that do not arrive ------------------------------------------------------------
    "bodies_stall_everywhere": Suspect(
        setting=Setting(edge=HALF_THEN_SILENCE, origin=HALF_THEN_SILENCE, anchor_says=SMALL), expected=MTU
    ),
    "bodies_stall_at_the_edge_alone": Suspect(
        setting=Setting(edge=HALF_THEN_SILENCE, anchor_says=SMALL), expected=cdn("body.timed_out")
    ),
    "large_packets_are_lost": Suspect(
        setting=Setting(tls=well_certified, origin_tls=True, anchor_says=SMALL),
        nft=("meta length gt 700 drop",),
        expected=MTU,
    ),
    "large_packets_of_the_edge_are_lost": Suspect(
        setting=Setting(tls=well_certified, origin_tls=True, anchor_says=SMALL),
        nft=(f"ip saddr {EDGE} meta length gt 700 drop",),
        expected=cdn("tls.timed_out"),
    ),
    # --- packets that are lost ------------------------------------------------------------------------
    "line_loses_a_third": Suspect(
        setting=Setting(deadlines=PATIENT, checks=TIMED),
        nft=("ip protocol tcp numgen random mod 100 lt 30 drop",),
        expected=LOSSY,
    ),
    "line_loses_a_third_over_tls": Suspect(
        setting=Setting(tls=well_certified, origin_tls=True, deadlines=PATIENT, checks=TIMED),
        nft=("ip protocol tcp numgen random mod 100 lt 30 drop",),
        expected=LOSSY,
    ),
    "edge_refuses_beside_a_lossy_line": Suspect(
        setting=Setting(edge=None, deadlines=PATIENT),
        nft=("ip protocol tcp numgen random mod 100 lt 10 drop",),
        expected=cdn("tcp.refused"),
    ),
    "edge_gives_503_beside_a_lossy_line": Suspect(
        setting=Setting(edge=response(b"", status="503 Service Unavailable"), deadlines=PATIENT),
        nft=("ip protocol tcp numgen random mod 100 lt 10 drop",),
        expected=cdn("http.error"),
    ),
    "edge_is_silent_alone": Suspect(
        setting=Setting(), nft=(f"ip daddr {EDGE} drop",), expected=cdn("tcp.timed_out")
    ),
    "edge_is_late_once": Suspect(
        setting=Setting(
            edge=alternating(after(0.7, right()), right()), checks=IN_HALF_A_SECOND, deadlines=PATIENT
        ),
        expected=("slow", "unknown", "timing.over_limit"),
    ),
    "edge_is_late_each_time": Suspect(
        setting=Setting(edge=after(0.7, right()), checks=IN_HALF_A_SECOND, deadlines=PATIENT),
        expected=("slow", "cdn", "timing.over_limit"),
    ),
    # --- an origin's standing ------------------------------------------------------------------------
    "firewalled_origin_beside_a_refused_edge": Suspect(
        setting=Setting(edge=None, origin=hang, warm=False), expected=cdn("tcp.refused")
    ),
    "firewalled_origin_beside_an_edge_that_resets": Suspect(
        setting=Setting(edge=then_reset(HEAD + b"Content-Length: 90000\r\n\r\n" + b"x"), origin=None),
        expected=cdn("tcp.reset"),
    ),
    "firewalled_origin_beside_a_silent_edge": Suspect(
        setting=Setting(edge=hang, origin=hang, warm=False), expected=cdn("http.timed_out")
    ),
    "origin_silent_behind_a_drop_and_an_edge_that_refuses": Suspect(
        setting=Setting(edge=None), nft=(f"ip daddr {ORIGIN} drop",), expected=cdn("tcp.refused")
    ),
    "edge_502_beside_a_firewalled_origin": Suspect(
        setting=Setting(edge=BAD_GATEWAY, origin=None), expected=("failed", "unknown", "http.error")
    ),
    "edge_502_beside_an_origin_that_went_down": Suspect(
        setting=Setting(edge=BAD_GATEWAY, origin=alternating(right(), then_reset())),
        expected=("failed", "origin", "origin.tcp.reset"),
    ),
    "edge_refuses_beside_an_origin_that_went_down": Suspect(
        setting=Setting(edge=None, origin=alternating(right(), then_reset())), expected=cdn("tcp.refused")
    ),
    "certificate_wrong_beside_an_origin_that_went_down": Suspect(
        setting=Setting(tls=certificate("wrong_host"), origin=alternating(right(), then_reset())),
        expected=cdn("tls.cert.name_invalid"),
    ),
    # --- the zone's own servers ------------------------------------------------------------------------
    "zone_answers_and_the_resolver_fails": Suspect(setting=asked(servfail, TO_CDN), expected=OUR_RESOLVER),
    "zone_answers_and_the_resolver_lost_it": Suspect(
        setting=asked(servfail, TO_CDN, lost=True), expected=OUR_RESOLVER
    ),
    "zone_answers_and_the_resolver_denies": Suspect(
        setting=asked(refuses("NXDOMAIN"), TO_CDN), expected=OUR_RESOLVER
    ),
    "zone_denies_as_the_resolver_does": Suspect(
        setting=asked(refuses("NXDOMAIN"), records(rcode="NXDOMAIN")),
        expected=("failed", "customer", "dns.name_not_resolved"),
    ),
    "zone_fails_and_so_does_the_resolver": Suspect(
        setting=asked(servfail, records(rcode="SERVFAIL", flags="")),
        expected=("failed", "customer", "dns.server_failure"),
    ),
    "zone_is_silent": Suspect(
        setting=asked(servfail, silent), expected=("failed", "customer", "dns.server_failure")
    ),
    "port_53_is_intercepted": Suspect(
        setting=asked(servfail, records(f"{HOST}. 60 A {EDGE}", flags="RA")), expected=OUR_RESOLVER
    ),
    "resolver_has_not_seen_the_change": Suspect(
        setting=asked(ELSEWHERE, TO_CDN, second=INTO_CDN),
        expected=("inconclusive", "vantage", "dns.resolver_outdated"),
    ),
    "only_this_resolver_has_seen_the_change": Suspect(
        setting=asked(ELSEWHERE, records(f"{HOST}. 60 A 127.0.0.99"), second=INTO_CDN),
        expected=("inconclusive", "customer", "dns.alias_changed"),
    ),
}
