"""Slots that show codes which no other list of slots shows: what each part of the world does, and what the row says.

As `tests.support.hostile`; `shows` are codes that must stand anywhere on the row.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from probe.core.model.task import CarrierPrefix, Limits, OriginSpec, Request, VantagePoint
from tests.support import build
from tests.support.dns_server import Query, beside_the_root, reply, zone
from tests.support.hostile import OK, Triple, after, cdn, refuses
from tests.support.http_server import HOST, Pki, Script, by_request, hang, ranged, response
from tests.support.http_server import reply as raw
from tests.support.reply_cases import then, to
from tests.support.slots import (
    EDGE,
    EDGE_2,
    ETAG,
    FRESH,
    GOOD,
    NAMES,
    Setting,
    right,
)
from tests.tls.test_offer_and_stapling import Authority, certificate, key, named, pem

OUR_RESOLVER: Triple = ("inconclusive", "vantage", "dns.resolver_failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One slot, the verdict that is right, and the codes that it is here for."""

    setting: Setting
    expected: Triple
    shows: tuple[str, ...]


def referral(query: Query) -> object:
    """As a server does that is asked for a zone that is not its own, where an answer was due."""
    return reply(query, authority=["acme.example. 60 NS ns.acme.example."], flags="")


def no_message(query: Query) -> object:
    return b"\0\1\2"


def our_loop_stands_still(seconds: float) -> Script:
    """The server stops the loop that the agent runs on too, and gives no answer afterwards."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        time.sleep(seconds)
        await hang(reader, writer)

    return script


OURS, THEIRS = "127.0.0.77", "127.0.0.78"


def deaf_to(address: str) -> Script:
    """Takes every connection and answers all but those from that address."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peername")[0]
        await (hang if peer == address else right())(reader, writer)

    return script


def issued(*extensions: x509.ExtensionType) -> Callable[[Pki], ssl.SSLContext]:
    """A certificate for the host with these extensions, by an authority that the agent trusts."""

    def context(pki: Pki) -> ssl.SSLContext:
        authority, leaf_key = Authority(Path(pki.ca).parent), key()
        Path(pki.ca).write_bytes(pem(authority.root))
        leaf = certificate(HOST, leaf_key, "Root", authority.key, named(HOST), *extensions)
        return authority.server(leaf, leaf_key=leaf_key)

    return context


V1 = b"the first version\n" * 40
V2 = b"the second version\n" * 40
BIG = b"a large object, line by line\n" * 2000
TAGS = 'ETag: "v1"', 'ETag: "v2"'
SAMPLED = build.checks(availability={}, integrity={"mode": "sampled", "ranges": 1, "range": "1KiB"})
DOWN = response(b"", status="503 Service Unavailable")


def old(lifetime: str, *origin: Script, refresh: str | None = None, slots_before: int = 0) -> Setting:
    """An edge that serves the first version, and an origin that has the second one since before the slot.

    With a slot before, that was for longer than a cache may round an age.
    """
    checks = build.checks(
        availability={}, integrity={}, **({} if refresh is None else {"freshness": {"refresh": refresh}})
    )
    fields = (TAGS[0], f"Cache-Control: {lifetime}") if lifetime else TAGS[:1]
    edge = right(*fields, body=V1)
    return Setting(
        edge=then(*[after(2.3, edge)] * slots_before, edge),
        origin=then(
            right(*fields, body=V1),
            *(origin or (right(TAGS[1], FRESH, body=V2),)),
        ),
        trusted_us=1,
        slots_before=slots_before,
        checks=checks,
        deadlines={"total_us": 6_000_000, "first_byte_us": 4_000_000},
    )


SECOND = right(TAGS[1], FRESH, body=V2)


def numbered() -> Script:
    """Other bytes at every look."""
    seen = 0

    def choose(head: bytes) -> Script:
        nonlocal seen
        seen += 1
        return right(f'ETag: "n{seen}"', FRESH, body=b"version %d\n" % seen * 40)

    return by_request(choose)


def by_method(get: Script, head: Script) -> Script:
    return by_request(lambda asked: head if asked.startswith(b"HEAD ") else get)


def wrong_range(head: bytes) -> Script:
    if b"\r\nRange:" not in head:
        return response(BIG, ETAG)
    return response(BIG[:100], ETAG, f"Content-Range: bytes 0-99/{len(BIG)}", status="206 Partial Content")


def with_referer(head: bytes) -> Script:
    """Refuses foreign pages with a status that nobody agreed on."""
    return response(b"", status="404 Not Found") if b"foreign.example" in head else right()


NEGOTIATED = build.checks(availability={}, negotiation={"ranges": "none", "conditional": "none"})
CONDITIONAL = build.checks(availability={}, negotiation={"head": False, "ranges": "none"})

SLOTS: dict[str, Shown] = {
    # --- our own line ----------------------------------------------------------------------------------
    "edge_answers_another_line_alone": Shown(
        setting=Setting(
            edge=deaf_to(OURS),
            line={"source_v4": OURS},
            lines=(VantagePoint(name="other", source_v4=THEIRS),),
        ),
        expected=("inconclusive", "vantage", "vantage.well_by_another_line"),
        shows=("vantage.well_by_another_line",),
    ),
    # --- TLS ---------------------------------------------------------------------------------------------
    "certificate_that_is_for_clients": Shown(
        setting=Setting(tls=issued(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]))),
        expected=cdn("tls.cert.invalid"),
        shows=("tls.cert.invalid",),
    ),
    "certificate_demands_a_staple_that_is_not_there": Shown(
        setting=Setting(
            tls=issued(x509.TLSFeature([x509.TLSFeatureType.status_request])),
            checks=build.checks(availability={}, certificate={"days_left": 1}),
        ),
        expected=OK,
        shows=("certificate.staple_missing",),
    ),
    # --- DNS ---------------------------------------------------------------------------------------
    "name_without_addresses": Shown(
        setting=Setting(dns=zone({f"{HOST} TXT": ["x"]})),
        expected=("failed", "customer", "dns.no_data"),
        shows=("dns.no_data",),
    ),
    "resolver_refers": Shown(
        setting=Setting(dns=beside_the_root(referral)),
        expected=OUR_RESOLVER,
        shows=("dns.lame",),
    ),
    "resolver_knows_no_query": Shown(
        setting=Setting(dns=beside_the_root(refuses("NOTIMP"))),
        expected=OUR_RESOLVER,
        shows=("dns.error_rcode",),
    ),
    "resolver_finds_a_fault_in_the_query": Shown(
        setting=Setting(dns=beside_the_root(refuses("FORMERR"))),
        expected=OUR_RESOLVER,
        shows=("dns.format_error",),
    ),
    "resolver_says_rubbish": Shown(
        setting=Setting(dns=beside_the_root(no_message), deadlines={"total_us": 3_000_000}),
        expected=OUR_RESOLVER,
        shows=("dns.malformed",),
    ),
    "resolvers_contradict_each_other": Shown(
        setting=Setting(dns=beside_the_root(refuses("NXDOMAIN")), second_resolver=zone(NAMES)),
        expected=("inconclusive", "vantage", "dns.resolvers_disagree"),
        shows=("dns.resolvers_disagree",),
    ),
    "only_this_resolver_hides_the_alias": Shown(
        setting=Setting(
            dns=zone({f"{HOST} A": [EDGE]}),
            second_resolver=zone(NAMES),
            edge=right('ETag: "v1"', FRESH, body=b"an advertisement\n" * 40),
        ),
        expected=("failed", "path", "dns.hijacked"),
        shows=("dns.hijacked",),
    ),
    "client_subnet_is_not_heeded": Shown(
        setting=Setting(line={"client_subnet": "203.0.113.0/24"}), expected=OK, shows=("dns.ecs_ignored",)
    ),
    # --- connections ---------------------------------------------------------------------------------
    "edge_closes_without_a_reply": Shown(
        setting=Setting(edge=raw()), expected=cdn("tcp.closed"), shows=("tcp.closed",)
    ),
    "origin_at_an_address_that_we_may_not_ask": Shown(
        setting=Setting(
            warm=False,
            changes={
                "origin": OriginSpec(
                    address="10.1.2.3", request=Request(scheme="http", host=HOST, port=80, path="/a.js")
                )
            },
        ),
        expected=OK,
        shows=("tcp.address_blocked",),
    ),
    "our_own_loop_stood_still": Shown(
        setting=Setting(edge=our_loop_stands_still(0.8)),
        expected=("inconclusive", "agent", "agent.stalled"),
        shows=("agent.stalled", "http.timed_out"),
    ),
    # --- the edge and its origin -----------------------------------------------------------------------
    "edge_says_that_its_origin_refused": Shown(
        setting=Setting(
            edge=response(b"", "Proxy-Status: cdn; error=connection_refused", status="502 Bad Gateway")
        ),
        expected=cdn("http.error"),
        shows=("edge.blames_origin",),
    ),
    "edge_had_to_wait_for_a_slow_origin": Shown(
        setting=Setting(
            edge=after(0.6, right(ETAG, FRESH, "Cache-Status: edge; fwd=miss")),
            origin=after(0.6, right()),
            trusted_us=1,
            checks=build.checks(availability={}, response_time={"ttfb": "200ms"}),
        ),
        expected=("slow", "origin", "timing.origin_slow"),
        shows=("timing.origin_slow",),
    ),
    # --- nodes -----------------------------------------------------------------------------------------
    "node_outside_of_the_declared_prefixes": Shown(
        setting=Setting(changes={"cdn_prefixes": ("192.0.2.0/24",)}),
        expected=OK,
        shows=("node.outside_prefixes",),
    ),
    "node_of_another_carrier": Shown(
        setting=Setting(
            line={"carrier": "China Telecom"},
            changes={
                "carrier_prefixes": (
                    CarrierPrefix(prefix=f"{EDGE}/32", carrier="China Unicom"),
                    CarrierPrefix(prefix=f"{EDGE_2}/32", carrier="China Telecom"),
                )
            },
        ),
        expected=OK,
        shows=("node.other_carrier",),
    ),
    "node_that_nobody_knows": Shown(
        setting=Setting(known_nodes=(EDGE_2,)), expected=OK, shows=("node.unknown",)
    ),
    # --- old content -------------------------------------------------------------------------------------
    "old_and_fresh": Shown(setting=old("max-age=60"), expected=OK, shows=("stale_fresh",)),
    "old_and_nobody_said_how_long": Shown(setting=old(""), expected=OK, shows=("stale_lifetime_unknown",)),
    "old_while_it_is_revalidated": Shown(
        setting=old("max-age=0, stale-while-revalidate=60", slots_before=1),
        expected=OK,
        shows=("stale_while_revalidate",),
    ),
    "old_while_the_origin_fails": Shown(
        setting=old("max-age=0, stale-if-error=60", SECOND, DOWN, slots_before=1, refresh="1ms"),
        expected=OK,
        shows=("stale_if_error", "freshness.origin_failing"),
    ),
    "old_without_an_origin_to_ask": Shown(
        setting=old("max-age=0", SECOND, DOWN, slots_before=1), expected=OK, shows=("stale_disconnected",)
    ),
    "old_past_its_lifetime": Shown(
        setting=old("max-age=0", slots_before=1),
        expected=("stale", "cdn", "content.overlong_cache"),
        shows=("content.overlong_cache",),
    ),
    "old_past_the_agreed_time": Shown(
        setting=old("max-age=60", refresh="1us"),
        expected=("stale", "cdn", "freshness.over_refresh_time"),
        shows=("freshness.over_refresh_time", "freshness.lifetime_over_agreed"),
    ),
    "present_and_older_than_agreed": Shown(
        setting=Setting(
            edge=right(ETAG, "Cache-Control: max-age=5", "Age: 600"),
            checks=build.checks(availability={}, integrity={}, freshness={"refresh": "10s"}),
        ),
        expected=OK,
        shows=("freshness.age_over_agreed",),
    ),
    # --- content that changes, and large content ---------------------------------------------------------
    "origin_changes_at_every_look": Shown(
        setting=Setting(edge=right('ETag: "x"', FRESH, body=b"x" * 40), origin=numbered(), trusted_us=1),
        expected=OK,
        shows=("integrity.origin_changing",),
    ),
    "range_of_another_version": Shown(
        setting=Setting(
            edge=ranged(BIG.replace(b"large", b"small"), TAGS[1]),
            origin=ranged(BIG, TAGS[0]),
            checks=SAMPLED,
            request={"method": "HEAD"},
        ),
        expected=OK,
        shows=("integrity.other_version",),
    ),
    "another_range_than_asked_for": Shown(
        setting=Setting(
            edge=by_request(wrong_range), origin=ranged(BIG, ETAG), checks=SAMPLED, request={"method": "HEAD"}
        ),
        expected=cdn("content.range_wrong"),
        shows=("content.range_wrong",),
    ),
    "budget_of_bytes_is_used_up": Shown(
        setting=Setting(
            slots_before=1,
            changes={"bytes_per_day": 100, "limits": Limits()},
            checks=build.checks(availability={}),
        ),
        expected=OK,
        shows=("budget.body_left_out",),
    ),
    # --- agreements ----------------------------------------------------------------------------------------
    "head_without_the_tag_of_get": Shown(
        setting=Setting(edge=by_method(right(), response(b"", status="404 Not Found")), checks=NEGOTIATED),
        expected=cdn("negotiation.head_differs"),
        shows=("negotiation.head_differs",),
    ),
    "head_of_another_version_than_get": Shown(
        setting=Setting(
            edge=by_method(
                right(), raw(f'HTTP/1.1 200 OK\r\nETag: "v2"\r\nContent-Length: {len(GOOD)}\r\n\r\n'.encode())
            ),
            checks=NEGOTIATED,
        ),
        expected=OK,
        shows=("negotiation.version_differs",),
    ),
    "limiter_refuses_what_follows": Shown(
        setting=Setting(
            edge=by_method(right(), response(b"", "Retry-After: 60", status="429 Too Many Requests")),
            checks=build.checks(availability={}, negotiation={}),
        ),
        expected=("inconclusive", "unknown", "http.rate_limited"),
        shows=("http.rate_limited", "pace.check_requests_left_out"),
    ),
    "condition_without_a_304": Shown(
        setting=Setting(checks=CONDITIONAL), expected=OK, shows=("negotiation.conditional_ignored",)
    ),
    "foreign_page_refused_with_another_status": Shown(
        setting=Setting(
            edge=by_request(with_referer),
            checks=build.checks(availability={}, hotlink={"denied": ["https://foreign.example/"]}),
        ),
        expected=OK,
        shows=("hotlink.refused_otherwise",),
    ),
    "redirect_that_is_not_followed": Shown(
        setting=Setting(
            edge=to("/b.js"),
            origin=to("/b.js"),
            checks=build.checks(redirect={"status": 302, "location": "/b.js", "chain": {"url": "/b.js"}}),
        ),
        expected=OK,
        shows=("redirect.not_followed",),
    ),
}
