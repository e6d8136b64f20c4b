"""Hostile cases as whole slots: what each part of the world does, and the verdict that is right.

The number is the row of the list of hostile inputs that the project keeps. Used by the test and by the recorder of
replay cases, so that what is judged there was made by real servers.
"""

from __future__ import annotations

import asyncio
import gzip
import ssl
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import dns.edns

from probe.core.model.task import RedirectPolicy
from probe.core.model.value import replace
from tests.support import build
from tests.support.dns_server import Query, beside_the_root, reply, zone
from tests.support.dns_server import Script as DnsScript
from tests.support.http_server import (
    HOST,
    Pki,
    Script,
    by_request,
    hang,
    ranged,
    response,
    then_hang,
    then_reset,
)
from tests.support.http_server import reply as raw
from tests.support.slots import CANONICAL, EDGE, ETAG, FRESH, GOOD, NAMES, ORIGIN, Setting, right

Triple = tuple[str, str | None, str | None]
OK: Triple = ("ok", None, None)
HEAD = f"HTTP/1.1 200 OK\r\n{ETAG}\r\n{FRESH}\r\n".encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One slot. `notes`: reasons that must be among its findings, whatever the verdict; `shows`: codes that must stand
    elsewhere on the row.
    """

    row: int
    setting: Setting
    expected: Triple
    notes: tuple[str, ...] = ()
    shows: tuple[str, ...] = ()

    @property
    def codes(self) -> tuple[str | None, ...]:
        """Every code that must stand on the row; None is none."""
        return self.expected[2], *self.notes, *self.shows


def cdn(reason: str) -> Triple:
    return "failed", "cdn", reason


def limit(name: str) -> Triple:
    return "inconclusive", "agent", f"agent.limit.{name}"


def with_length(length: int, body: bytes = GOOD) -> Script:
    return raw(HEAD + f"Content-Length: {length}\r\n\r\n".encode() + body)


def chunked(*pieces: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + body + end


def coded(body: bytes, coding: str = "gzip") -> Script:
    return response(body, ETAG, FRESH, f"Content-Encoding: {coding}")


def one_byte_a_moment(length: int = 1000) -> Script:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + f"Content-Length: {length}\r\n\r\n".encode())
        for _ in range(length):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    return script


def endless_chunks() -> Script:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        piece = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        while True:
            writer.write(piece)
            await writer.drain()

    return script


def after(seconds: float, script: Script) -> Script:
    """The script, begun late."""

    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(seconds)
        await script(reader, writer)

    return late


def limited(**limits: int) -> dict[str, object]:
    return {"limits": replace(build.task().limits, **limits)}


def alternating(*scripts: Script) -> Script:
    """Each connection gets the next one; the last stays."""
    left = list(scripts)

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await (left.pop(0) if len(left) > 1 else left[0])(reader, writer)

    return script


def silent(query: Query) -> object:
    return None


def truncated(query: Query) -> object:
    return reply(query, flags="TC RA")


def refuses(rcode: str) -> DnsScript:
    return lambda query: reply(query, rcode=rcode)


def reached_nobody(query: Query) -> object:
    """As a forwarder does whose upstream is gone: SERVFAIL with extended error 22 (RFC 8914)."""
    said = reply(query, rcode="SERVFAIL")
    said.use_edns(0, options=[dns.edns.EDEOption(22)])
    return said


def refuses_subnets(query: Query) -> object:
    return reply(query, rcode="FORMERR") if query.message.edns >= 0 else zone(NAMES)(query)


def two_aliases(query: Query) -> object:
    if query.qtype == "A" and query.name == HOST:
        return reply(
            query,
            f"{HOST}. 60 CNAME {CANONICAL}.",
            f"{HOST}. 60 CNAME other.cdn.example.net.",
            f"{CANONICAL}. 60 A {EDGE}",
        )
    return zone(NAMES)(query)


def aliases(count: int) -> DnsScript:
    """So many aliases in a row, then an address."""
    names = [HOST, *(f"l{number}.cdn.example.net" for number in range(count))]
    chain = {f"{name} CNAME": [target] for name, target in pairwise(names)}
    return zone({**chain, f"{names[-1]} A": [EDGE]})


def certificate(kind: str) -> Callable[[Pki], ssl.SSLContext]:
    return lambda pki: pki.odd(kind)


def well_certified(pki: Pki) -> ssl.SSLContext:
    return pki.issued()


def nobody_trusted(pki: Pki) -> ssl.SSLContext:
    """The file of authorities was emptied while the agent ran."""
    Path(pki.ca).write_bytes(b"")
    return pki.issued()


def only_old(pki: Pki) -> ssl.SSLContext:
    context = pki.issued()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


def following(limit: int = 3, *hosts: str) -> dict[str, object]:
    return {"redirects": RedirectPolicy(limit=limit, hosts=hosts)}


def to(location: str) -> Script:
    return response(b"", f"Location: {location}", status="302 Found")


ON_AND_ON = by_request(
    lambda request: to(f"{request.split()[1].decode()}x")
)  # each place leads to the next one
BIG = b"a large object, line by line\n" * 20_000
OTHER = BIG.replace(b"large", b"small")
SMALL_LIMIT = limited(body_bytes=100_000)
IN_TIME = build.checks(availability={}, response_time={"ttfb": "200ms"})
BOMB = gzip.compress(b"\0" * 300_000_000, compresslevel=1)
HALF = gzip.compress(GOOD)[: len(gzip.compress(GOOD)) // 2]


def wrong_sum(content: bytes) -> bytes:
    """Under gzip, with neither its checksum nor its length behind it."""
    return gzip.compress(content)[:-8] + b"\0" * 8


ONLY_AVAILABLE = build.checks(availability={}, alias={})

CASES: dict[str, Case] = {
    # --- DNS ---------------------------------------------------------------------------------------
    "alias_to_itself": Case(
        row=10,
        setting=Setting(dns=zone({f"{HOST} CNAME": [HOST]})),
        expected=("failed", "customer", "dns.cname_loop"),
    ),
    "alias_loop_in_the_cdn": Case(
        row=10,
        setting=Setting(
            dns=zone(
                {
                    f"{HOST} CNAME": [CANONICAL],
                    f"{CANONICAL} CNAME": ["x.cdn.example.net"],
                    "x.cdn.example.net CNAME": [CANONICAL],
                }
            )
        ),
        expected=cdn("dns.cname_loop"),
    ),
    "chain_of_40": Case(
        row=11,
        setting=Setting(dns=aliases(41)),
        expected=cdn("dns.chain_too_long"),
    ),
    "chain_of_17": Case(
        row=11,
        setting=Setting(dns=aliases(17)),
        expected=OK,
    ),
    "alias_to_nothing_in_the_cdn": Case(
        row=12, setting=Setting(dns=zone({f"{HOST} CNAME": [CANONICAL]})), expected=cdn("dns.dangling_alias")
    ),
    "alias_to_a_name_without_addresses": Case(
        row=12,
        setting=Setting(dns=zone({f"{HOST} CNAME": [CANONICAL], f"{CANONICAL} TXT": ["x"]})),
        expected=cdn("dns.dangling_alias"),
    ),
    "alias_of_the_customer_to_nothing": Case(
        row=12,
        setting=Setting(dns=zone({f"{HOST} CNAME": ["gone.acme.example"]})),
        expected=("failed", "customer", "dns.dangling_alias"),
    ),
    "two_aliases_at_one_name": Case(
        row=13, setting=Setting(dns=two_aliases), expected=OK, notes=("dns.doubled_cname",)
    ),
    "truncated_and_tcp_refused": Case(
        row=14,
        setting=Setting(dns=truncated, dns_tcp=False),
        expected=("inconclusive", "vantage", "dns.resolver_failed"),
        shows=(
            "dns.truncated_tcp_failed",
            "dns.unreachable",
        ),
    ),
    "one_resolver_fails": Case(
        row=16,
        setting=Setting(dns=refuses("SERVFAIL"), second_resolver=zone(NAMES)),
        expected=("inconclusive", "vantage", "dns.resolver_failed"),
        shows=("dns.server_failure",),
    ),
    "resolver_refuses": Case(
        row=17,
        setting=Setting(dns=refuses("REFUSED")),
        expected=("inconclusive", "vantage", "dns.resolver_failed"),
        shows=("dns.refused",),
    ),
    "both_resolvers_lost_their_forwarder": Case(
        row=16,
        setting=Setting(dns=refuses("SERVFAIL"), second_resolver=refuses("SERVFAIL")),
        expected=("inconclusive", "vantage", "dns.resolver_failed"),
    ),
    "resolver_denies_every_name": Case(
        row=16,
        setting=Setting(dns=refuses("NXDOMAIN")),
        expected=("inconclusive", "vantage", "dns.resolver_failed"),
        shows=("dns.name_not_resolved",),
    ),
    "resolver_says_that_it_reached_nobody": Case(
        row=16,
        setting=Setting(dns=beside_the_root(reached_nobody)),
        expected=("inconclusive", "vantage", "dns.resolver_failed"),
    ),
    "the_resolver_has_the_root_in_its_cache_alone": Case(
        row=16,
        setting=Setting(dns=beside_the_root(refuses("SERVFAIL"))),
        expected=("inconclusive", "vantage", "dns.resolver_failed"),
    ),
    "client_subnet_not_understood": Case(
        row=17,
        setting=Setting(dns=refuses_subnets),
        expected=OK,
    ),
    "resolver_is_silent": Case(
        row=18,
        setting=Setting(dns=silent),
        expected=("inconclusive", "vantage", "dns.resolver_failed"),
        shows=("dns.timed_out",),
    ),
    "all_resolvers_are_silent": Case(
        row=18,
        setting=Setting(dns=silent, second_resolver=silent),
        expected=("inconclusive", "vantage", "dns.resolver_failed"),
    ),
    "private_address": Case(
        row=20,
        setting=Setting(dns=zone({f"{HOST} CNAME": [CANONICAL], f"{CANONICAL} A": ["10.0.0.1"]})),
        expected=cdn("dns.bogus_address"),
    ),
    "metadata_address": Case(
        row=20,
        setting=Setting(dns=zone({f"{HOST} CNAME": [CANONICAL], f"{CANONICAL} A": ["169.254.169.254"]})),
        expected=cdn("dns.bogus_address"),
    ),
    # --- TCP ---------------------------------------------------------------------------------------
    "edge_refuses": Case(row=22, setting=Setting(edge=None), expected=cdn("tcp.refused")),
    "edge_and_origin_refuse": Case(
        row=22, setting=Setting(edge=None, origin=None), expected=cdn("tcp.refused")
    ),
    "reset_in_the_body": Case(
        row=24,
        setting=Setting(edge=then_reset(HEAD + b"Content-Length: 90000\r\n\r\n" + GOOD)),
        expected=cdn("tcp.reset"),
    ),
    "accepts_and_never_replies": Case(row=25, setting=Setting(edge=hang), expected=cdn("http.timed_out")),
    "a_challenge_page": Case(
        row=30,
        setting=Setting(
            edge=response(
                b"<title>Just a moment...</title>", "cf-mitigated: challenge", status="403 Forbidden"
            )
        ),
        expected=("inconclusive", "unknown", "http.challenged"),
    ),
    "too_many_requests": Case(
        row=30,
        setting=Setting(edge=response(b"slow down", "Retry-After: 60", status="429 Too Many Requests")),
        expected=("inconclusive", "unknown", "http.rate_limited"),
        notes=("pace.second_looks_left_out",),
    ),
    "http_2_alone": Case(
        row=30,
        setting=Setting(edge=raw(bytes.fromhex("000000040000000000")), tls=well_certified),
        expected=("inconclusive", "agent", "agent.protocol_unsupported"),
    ),
    # --- TLS ---------------------------------------------------------------------------------------
    "certificate_expired": Case(
        row=26, setting=Setting(tls=certificate("expired")), expected=cdn("tls.cert.date_invalid")
    ),
    "authorities_emptied_meanwhile": Case(
        row=26,
        setting=Setting(tls=nobody_trusted),
        expected=("inconclusive", "agent", "agent.trust_missing"),
    ),
    "certificate_not_yet_valid": Case(
        row=26, setting=Setting(tls=certificate("not_yet")), expected=cdn("tls.cert.date_invalid")
    ),
    "certificate_for_another_name": Case(
        row=26, setting=Setting(tls=certificate("wrong_host")), expected=cdn("tls.cert.name_invalid")
    ),
    "certificate_self_signed": Case(
        row=26, setting=Setting(tls=certificate("self_signed")), expected=cdn("tls.cert.self_signed")
    ),
    "certificate_of_an_unknown_authority": Case(
        row=26, setting=Setting(tls=certificate("untrusted")), expected=cdn("tls.cert.authority_invalid")
    ),
    "certificate_without_its_intermediate": Case(
        row=26, setting=Setting(tls=certificate("incomplete")), expected=cdn("tls.cert.incomplete_chain")
    ),
    "protocol_too_old": Case(
        row=26,
        setting=Setting(
            dns=zone({**NAMES, f"{CANONICAL} A": ["127.0.0.1"]}),
            tls=only_old,
            openssl=True,
            policy={"minimum_version": "TLSv1.3"},
        ),
        expected=cdn("tls.version_or_cipher_mismatch"),
    ),
    "well_over_tls": Case(row=26, setting=Setting(tls=well_certified), expected=OK),
    # --- HTTP --------------------------------------------------------------------------------------
    "redirect_loop": Case(
        row=28,
        setting=Setting(edge=to("/a.js"), changes=following(), checks=ONLY_AVAILABLE),
        expected=cdn("http.response.redirect_loop"),
    ),
    "redirect_without_a_place": Case(
        row=28,
        setting=Setting(edge=response(b"", status="302 Found"), changes=following(), checks=ONLY_AVAILABLE),
        expected=cdn("http.redirect_invalid"),
    ),
    "redirect_to_a_file": Case(
        row=29,
        setting=Setting(edge=to("file:///etc/passwd"), changes=following(), checks=ONLY_AVAILABLE),
        expected=cdn("http.redirect_blocked"),
    ),
    "redirect_to_another_host": Case(
        row=29,
        setting=Setting(edge=to("http://elsewhere.example/"), changes=following(), checks=ONLY_AVAILABLE),
        expected=cdn("http.redirect_blocked"),
    ),
    "two_thousand_fields": Case(
        row=30, setting=Setting(edge=response(GOOD, *[f"X-{i}: y" for i in range(2000)])), expected=OK
    ),
    "a_field_of_9_kilobytes": Case(
        row=30, setting=Setting(edge=response(GOOD, "X-Long: " + "y" * 9000)), expected=OK
    ),
    "a_head_that_browsers_refuse": Case(
        row=30,
        setting=Setting(edge=response(GOOD, *[f"X-{i}: {'y' * 1000}" for i in range(300)])),
        expected=cdn("http.fields_too_large"),
    ),
    "more_fields_than_our_limit": Case(
        row=30,
        setting=Setting(
            edge=response(GOOD, *[f"X-{i}: y" for i in range(200)]), changes=limited(fields_count=100)
        ),
        expected=limit("fields"),
    ),
    "a_field_over_our_limit": Case(
        row=30,
        setting=Setting(
            edge=response(GOOD, ETAG, "X-Long: " + "y" * 5000), changes=limited(field_bytes=4096)
        ),
        expected=limit("field"),
    ),
    "an_error_with_a_head_over_our_limit": Case(
        row=30,
        setting=Setting(
            edge=response(b"", *[f"X-{i}: {'y' * 100}" for i in range(90)], status="503 Busy"),
            changes=limited(head_bytes=4096),
        ),
        expected=cdn("http.error"),
        notes=("agent.limit.head",),
    ),
    "more_redirects_than_we_follow": Case(
        row=28,
        setting=Setting(
            edge=ON_AND_ON,
            changes=following(),
            checks=ONLY_AVAILABLE,
        ),
        expected=limit("redirects"),
    ),
    "endless_interim_heads": Case(
        row=30,
        setting=Setting(edge=raw(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100 + HEAD + b"\r\n")),
        expected=cdn("http.protocol_violation"),
    ),
    "two_lengths": Case(
        row=31,
        setting=Setting(edge=raw(HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab")),
        expected=cdn("http.protocol_violation"),
    ),
    "length_beside_chunks": Case(
        row=31,
        setting=Setting(edge=raw(HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")),
        expected=cdn("content.mismatch"),  # chunked counts, as for browsers and curl: nothing was delivered
        notes=("http.nonconforming",),
    ),
    "nul_in_the_head": Case(
        row=31, setting=Setting(edge=raw(HEAD + b"X-A: \0\r\n\r\n")), expected=cdn("http.protocol_violation")
    ),
    "http_0_9": Case(
        row=31, setting=Setting(edge=raw(b"<html>hello</html>")), expected=cdn("http.protocol_violation")
    ),
    "malformed_reply": Case(
        row=32, setting=Setting(edge=raw(b"HTTP/1.1 abc\r\n\r\n")), expected=cdn("http.protocol_violation")
    ),
    "garbage_in_cache_fields": Case(
        row=33,
        setting=Setting(
            edge=right(
                ETAG, FRESH, "Age: soon", "Date: never", "Cache-Status: ((;;, \x80", "X-Cache: \x01\x02"
            )
        ),
        expected=OK,
    ),
    # --- body --------------------------------------------------------------------------------------
    "length_too_long": Case(
        row=34, setting=Setting(edge=with_length(len(GOOD) + 9)), expected=cdn("body.truncated")
    ),
    "length_too_short": Case(
        row=34,
        setting=Setting(edge=with_length(len(GOOD) - 9)),
        expected=cdn("content.mismatch"),  # what is beyond the length reaches nobody
        notes=("http.nonconforming",),
    ),
    "no_final_chunk": Case(
        row=34, setting=Setting(edge=raw(chunked(GOOD, end=b""))), expected=cdn("body.truncated")
    ),
    "one_byte_a_moment": Case(
        row=35, setting=Setting(edge=one_byte_a_moment()), expected=cdn("body.timed_out")
    ),
    "endless_chunks": Case(
        row=35,
        setting=Setting(
            edge=endless_chunks(),
            changes={"limits": replace(build.task().limits, body_bytes=2_000_000)},
            deadlines={"total_us": 20_000_000},
        ),
        expected=cdn("content.mismatch"),  # longer than the origin's, under its validator
        notes=("agent.limit.body",),
    ),
    "an_object_over_our_limit": Case(
        row=35,
        setting=Setting(edge=right(body=BIG), origin=right(body=BIG), changes=SMALL_LIMIT),
        expected=OK,
        notes=("agent.limit.body",),
        shows=("body.too_large",),
    ),
    "an_object_over_our_limit_that_cannot_be_compared": Case(
        row=35,
        setting=Setting(edge=right(body=OTHER), origin=right(body=BIG), changes=SMALL_LIMIT),
        expected=limit("body"),
    ),
    "an_object_over_our_limit_by_ranges": Case(
        row=35,
        setting=Setting(edge=ranged(BIG, ETAG), origin=ranged(BIG, ETAG), changes=SMALL_LIMIT, warm=False),
        expected=OK,
        notes=("agent.limit.body",),
    ),
    "other_bytes_in_an_object_over_our_limit": Case(
        row=35,
        setting=Setting(edge=ranged(OTHER, ETAG), origin=ranged(BIG, ETAG), changes=SMALL_LIMIT),
        expected=cdn("content.mismatch"),
    ),
    "an_error_with_a_body_over_our_limit": Case(
        row=35,
        setting=Setting(edge=response(BIG, status="503 Busy"), changes=SMALL_LIMIT),
        expected=cdn("http.error"),
    ),
    "a_late_object_over_our_limit": Case(
        row=35,
        setting=Setting(
            edge=after(1.5, right(body=BIG)),
            origin=right(body=BIG),
            changes=SMALL_LIMIT,
            checks=IN_TIME,
            deadlines={"first_byte_us": 10_000_000, "total_us": 20_000_000},
        ),
        expected=("slow", "cdn", "timing.over_limit"),
        notes=("agent.limit.body",),
    ),
    "gzip_bomb": Case(
        row=36,
        setting=Setting(
            edge=coded(BOMB),
            request={"accept_encoding": "gzip"},
            changes={"limits": replace(build.task().limits, decoded_bytes=10_000_000)},
            deadlines={"total_us": 20_000_000},
        ),
        expected=cdn("content.mismatch"),  # longer than the origin's, under its validator
        notes=("agent.limit.decoded",),
        shows=("body.decoded_too_large",),
    ),
    "an_object_over_our_limit_once_decoded": Case(
        row=36,
        setting=Setting(
            edge=coded(gzip.compress(BIG)),
            origin=coded(gzip.compress(BIG)),
            request={"accept_encoding": "gzip"},
            changes=limited(decoded_bytes=100_000),
        ),
        expected=limit("decoded"),
    ),
    "gzip_cut_in_half": Case(
        row=37,
        setting=Setting(edge=coded(HALF), request={"accept_encoding": "gzip"}),
        expected=cdn("body.decode_failed"),
    ),
    "gzip_with_a_wrong_sum": Case(
        row=37,
        setting=Setting(edge=coded(wrong_sum(GOOD)), request={"accept_encoding": "gzip"}),
        expected=OK,
        notes=("http.nonconforming",),
    ),
    "gzip_with_a_wrong_sum_and_other_content": Case(
        row=37,
        setting=Setting(edge=coded(wrong_sum(GOOD[::-1])), request={"accept_encoding": "gzip"}),
        expected=cdn("body.decode_failed"),
    ),
    "gzip_with_a_wrong_sum_and_no_origin_to_ask": Case(
        row=37,
        setting=Setting(
            edge=coded(wrong_sum(GOOD)), origin=None, warm=False, request={"accept_encoding": "gzip"}
        ),
        expected=cdn("body.decode_failed"),
    ),
    "gzip_with_junk_behind": Case(
        row=37,
        setting=Setting(edge=coded(gzip.compress(GOOD) + b"junk"), request={"accept_encoding": "gzip"}),
        expected=OK,
        notes=("http.nonconforming",),
    ),
    "coding_that_was_not_asked_for": Case(
        row=38,
        setting=Setting(edge=coded(gzip.compress(GOOD))),
        expected=OK,
        notes=("http.unrequested_coding",),
    ),
    "coded_twice": Case(
        row=38,
        setting=Setting(
            edge=coded(gzip.compress(gzip.compress(GOOD)), "gzip, gzip"), request={"accept_encoding": "gzip"}
        ),
        expected=OK,
    ),
    "other_coding_than_the_origins": Case(
        row=39,
        setting=Setting(
            edge=coded(zlib.compress(GOOD), "deflate"), request={"accept_encoding": "gzip, deflate"}
        ),
        expected=OK,
    ),
    # --- origin ------------------------------------------------------------------------------------
    "origin_is_down": Case(
        row=40, setting=Setting(origin=None, warm=False), expected=OK, notes=("integrity.unverified",)
    ),
    "origin_fails": Case(
        row=40,
        setting=Setting(origin=response(b"", status="503 Service Unavailable"), warm=False),
        expected=OK,
        notes=("integrity.unverified",),
    ),
    "origin_is_slow": Case(
        row=40, setting=Setting(origin=hang, warm=False), expected=OK, notes=("integrity.unverified",)
    ),
    "origin_fails_and_so_does_the_edge": Case(
        row=40,
        setting=Setting(
            edge=response(b"", status="504 Gateway Timeout"),
            origin=response(b"", status="503 Service Unavailable"),
        ),
        expected=("failed", "origin", "origin.http.error"),
    ),
    "origin_gives_the_same_status": Case(
        row=40,
        setting=Setting(
            edge=response(b"", status="404 Not Found"), origin=response(b"", status="404 Not Found")
        ),
        expected=("failed", "origin", "origin.same_status"),
    ),
    "edge_fails_alone": Case(
        row=40,
        setting=Setting(edge=response(b"", status="503 Service Unavailable")),
        expected=cdn("http.error"),
    ),
    "origin_changes_between_the_looks": Case(
        row=41,
        setting=Setting(
            edge=right('ETag: "v2"', FRESH, body=b"version 2"),
            origin=alternating(right(), right('ETag: "v2"', FRESH, body=b"version 2")),
        ),
        expected=OK,
    ),
    "same_validator_other_bytes": Case(
        row=42, setting=Setting(edge=right(body=b"replaced")), expected=cdn("content.mismatch")
    ),
    "origin_is_the_cdn_itself": Case(
        row=43,
        setting=Setting(
            edge=right(body=b"replaced"),
            edge_address=ORIGIN,
            dns=zone({**NAMES, f"{CANONICAL} A": [ORIGIN]}),
        ),
        expected=OK,
        notes=("integrity.unverified", "origin.is_the_cdn"),
    ),
    "edge_refuses_and_no_anchor": Case(
        row=22,
        setting=Setting(edge=None, anchor=False),
        expected=cdn("tcp.refused"),
    ),
    "cut_in_the_middle_then_silence": Case(
        row=35,
        setting=Setting(edge=then_hang(HEAD + b"Content-Length: 90000\r\n\r\n" + GOOD)),
        expected=cdn("body.timed_out"),
    ),
}
