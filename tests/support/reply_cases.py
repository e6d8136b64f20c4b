"""Replies that were once judged wrongly, as whole slots: redirects that are followed, and what the origin gives there.

As `tests.support.hostile`; each stands for its kind. Used by the test and by the recorder of replay cases.
"""

from __future__ import annotations

import gzip

from probe.core.model.task import RedirectPolicy
from tests.support import build
from tests.support.dns_server import zone
from tests.support.hostile import HEAD, OK, Case, cdn
from tests.support.http_server import Script, by_request, ranged, response
from tests.support.http_server import reply as raw
from tests.support.slots import ETAG, FRESH, GOOD, TWO_NODES, Setting, right

FOLLOW = {"redirects": RedirectPolicy(limit=3)}


def origin(reason: str) -> tuple[str, str | None, str | None]:
    return "failed", "origin", reason


def table(**places: Script) -> Script:
    """What stands at each path; `a` is the object's own, `/a.js`."""

    def choose(head: bytes) -> Script:
        path = head.split(b" ")[1].decode("ascii").partition(".")[0].strip("/")
        return places.get(path, response(b"nothing here", status="404 Not Found"))

    return by_request(choose)


def to(place: str, *fields: str, status: str = "302 Found") -> Script:
    return response(b"", f"Location: {place}", *fields, status=status)


def cookie_test(name: str = "seen") -> Script:
    """Sets a cookie and sends the client back to see whether it comes."""

    def choose(head: bytes) -> Script:
        back = f"cookie: {name}=1".encode() in head.lower()
        return right() if back else to("/a.js", f"Set-Cookie: {name}=1; Path=/")

    return by_request(choose)


def followed(edge: Script, origin_: Script | None, expected: tuple[str, str | None, str | None]) -> Case:
    return Case(
        row=28, setting=Setting(edge=edge, origin=origin_, warm=False, changes=FOLLOW), expected=expected
    )


def odd(reply: bytes, *, edge_only: bool = True) -> Case:
    """The content arrives whole; the protocol is broken on the way."""
    return Case(
        row=31,
        setting=Setting(edge=raw(reply), origin=right() if edge_only else raw(reply)),
        expected=OK,
        notes=("http.nonconforming",),
    )


def labelled(coding: str, body: bytes = GOOD) -> Script:
    return right(ETAG, FRESH, f"Content-Encoding: {coding}", body=body)


def under_a_label(edge: Script, origin_: Script, expected: tuple[str, str | None, str | None]) -> Case:
    return Case(row=38, setting=Setting(edge=edge, origin=origin_), expected=expected)


def then(*scripts: Script) -> Script:
    """One after the other; the last one goes on."""
    left = list(scripts)

    def choose(head: bytes) -> Script:
        return left.pop(0) if len(left) > 1 else left[0]

    return by_request(choose)


def revalidated(whole: Script) -> Script:
    """An origin that answers 304 where its tag is named."""

    def choose(head: bytes) -> Script:
        return (
            raw(b'HTTP/1.1 304 Not Modified\r\nETag: "v1"\r\n\r\n')
            if b"if-none-match" in head.lower()
            else whole
        )

    return by_request(choose)


def two_nodes(
    first: Script, second: Script, expected: tuple[str, str | None, str | None], *notes: str
) -> Case:
    """Beside an origin that answers."""
    return Case(
        row=40,
        setting=Setting(dns=zone(TWO_NODES), edge=first, second_edge=second),
        expected=expected,
        notes=notes,
    )


BAD_GATEWAY = response(b"", status="502 Bad Gateway")
FOREIGN = right('ETag: "other"', FRESH, "Age: 3600", body=b"a file of another customer\n" * 40)
LENGTH = f"Content-Length: {len(GOOD)}\r\n".encode()
PLAIN = HEAD + LENGTH + b"\r\n" + GOOD
CHUNKS = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(GOOD) + GOOD + b"\r\n0\r\n\r\n"
OTHER = b"tampered content, same label\n" * 40
RANGES = build.checks(availability={}, negotiation={"head": False, "conditional": "none"})
RANGES_OF_ANOTHER = by_request(
    lambda head: ranged(OTHER * 2 if b"\r\nrange:" in head.lower() else GOOD, ETAG, FRESH)
)
MOVED = table(a=to("/b.js"), b=right())
REPLY_CASES: dict[str, Case] = {
    "redirect_tests_for_a_cookie": followed(cookie_test(), cookie_test(), OK),
    "redirect_tests_for_a_cookie_at_the_edge_alone": followed(cookie_test(), right(), OK),
    "redirect_loop_of_the_origin": followed(
        table(a=to("/a.js")), table(a=to("/a.js")), origin("origin.http.response.redirect_loop")
    ),
    "redirect_loop_of_the_edge_alone": followed(
        table(a=to("/b.js"), b=to("/a.js")), MOVED, cdn("http.response.redirect_loop")
    ),
    "redirect_loop_of_another_kind_at_the_origin": followed(
        table(a=to("/b.js"), b=to("/b.js")),
        table(a=to("/c.js"), c=to("/c.js")),
        cdn("http.response.redirect_loop"),
    ),
    "redirect_off_host_of_the_origin": followed(
        to("http://cn.acme.example/"), to("http://cn.acme.example/"), origin("origin.http.redirect_blocked")
    ),
    "redirect_off_host_of_the_edge_alone": followed(
        to("http://cn.acme.example/"), right(), cdn("http.redirect_blocked")
    ),
    "redirect_to_a_404_of_the_origin": followed(
        table(a=to("/gone.js")), table(a=to("/gone.js")), origin("origin.same_status")
    ),
    "redirect_to_a_404_of_the_edge_alone": followed(table(a=to("/b.js")), MOVED, cdn("http.error")),
    "redirect_to_a_500_of_the_origin": followed(
        table(a=to("/e.js"), e=response(b"", status="500 No")),
        table(a=to("/e.js"), e=response(b"", status="500 No")),
        origin("origin.same_status"),
    ),
    "redirect_to_another_file_than_the_origins": followed(
        table(a=to("/b.js"), b=response(b"somebody else's", "Age: 0")), MOVED, cdn("content.mismatch")
    ),
    "redirect_written_otherwise_than_the_origins": followed(
        table(a=to("/x/../%7Eb.js")), table(a=to("/%7eb.js")), origin("origin.same_status")
    ),
    "redirect_with_raw_utf8_as_agreed": Case(
        row=28,
        setting=Setting(
            edge=to("/caf\xc3\xa9 x.js"),
            origin=None,
            checks=build.checks(redirect={"status": 302, "location": "/caf%C3%A9%20x.js"}),
        ),
        expected=OK,
    ),
    # --- what clients deliver whole ----------------------------------------------------------------
    "field_folded_at_both": odd(HEAD + b"X-Policy: a;\r\n b\r\n" + LENGTH + b"\r\n" + GOOD, edge_only=False),
    "bytes_after_the_end": odd(PLAIN + b"\r\n\r\n"),
    "bytes_after_the_last_chunk": odd(HEAD + CHUNKS + b"more"),
    "empty_line_before_the_status": odd(b"\r\n" + PLAIN),
    "same_length_twice": odd(HEAD + LENGTH + LENGTH + b"\r\n" + GOOD),
    "transfer_coding_identity": odd(HEAD + b"Transfer-Encoding: identity\r\n" + LENGTH + b"\r\n" + GOOD),
    "length_beside_whole_chunks": odd(HEAD + LENGTH + CHUNKS),
    "space_before_the_colon": odd(HEAD + b"X-Powered-By : x\r\n" + LENGTH + b"\r\n" + GOOD),
    "odd_version_word": odd(PLAIN.replace(b"HTTP/1.1", b"HTTP/2.0")),
    "field_without_a_colon": odd(HEAD + b"no field\r\n" + LENGTH + b"\r\n" + GOOD),
    "zeros_after_gzip": Case(
        row=37,
        setting=Setting(
            edge=labelled("gzip", gzip.compress(GOOD, mtime=0) + bytes(512)),
            request={"accept_encoding": "gzip"},
        ),
        expected=OK,
        notes=("http.nonconforming",),
    ),
    "content_coding_identity": Case(
        row=38, setting=Setting(edge=labelled("identity")), expected=OK, notes=("http.nonconforming",)
    ),
    "different_lengths": Case(
        row=31,
        setting=Setting(edge=raw(HEAD + LENGTH + b"Content-Length: 5\r\n\r\n" + GOOD)),
        expected=cdn("http.protocol_violation"),
    ),
    # --- whose content it is ----------------------------------------------------------------------
    "anothers_file_after_the_present_version": Case(
        row=42,
        setting=Setting(edge=then(right(), FOREIGN), slots_before=1),
        expected=cdn("content.mismatch"),
    ),
    "anothers_file_at_the_first_look": Case(
        row=42, setting=Setting(edge=FOREIGN), expected=OK, notes=("integrity.version_unseen",)
    ),
    "other_field_than_the_origins_after_a_304": Case(
        row=33,
        setting=Setting(
            edge=right(ETAG, "X-Frame-Options: DENY"),
            origin=revalidated(right(ETAG, "X-Frame-Options: SAMEORIGIN")),
            checks=build.checks(
                availability={}, integrity={}, headers={"same_as_origin": ["x-frame-options"]}
            ),
        ),
        expected=cdn("headers.differs"),
    ),
    "bad_gateway_where_a_redirect_was_agreed": Case(
        row=28,
        setting=Setting(
            edge=BAD_GATEWAY,
            origin=to("/new", status="301 Moved"),
            checks=build.checks(redirect={"location": "/new"}),
        ),
        expected=cdn("http.error"),
        notes=("http.redirect_unexpected",),
    ),
    "bad_gateway_where_a_redirect_was_agreed_and_no_origin_to_ask": Case(
        row=28,
        setting=Setting(
            edge=BAD_GATEWAY,
            checks=build.checks(availability={"status": [301]}, redirect={"location": "/new"}),
            changes={"origin": None},
            warm=False,
        ),
        expected=("failed", "unknown", "http.error"),
        notes=("http.redirect_unexpected",),
    ),
    "bad_gateway_to_head_and_no_origin_to_ask": Case(
        row=33,
        setting=Setting(
            edge=by_request(lambda head: BAD_GATEWAY if head.startswith(b"HEAD ") else right()),
            checks=build.checks(availability={}, negotiation={"ranges": "none", "conditional": "none"}),
            changes={"origin": None},
            warm=False,
        ),
        expected=("failed", "unknown", "http.error"),
    ),
    # --- several nodes ------------------------------------------------------------------------------
    "two_nodes_relay_one_and_the_same_502": two_nodes(
        BAD_GATEWAY, BAD_GATEWAY, cdn("http.error"), "nodes.alike", "nodes.all_unanswered"
    ),
    "two_nodes_fail_each_in_its_own_way": two_nodes(
        BAD_GATEWAY, response(b"", status="503 Busy"), cdn("http.error"), "nodes.all_unanswered"
    ),
    "one_of_two_nodes_relays_a_502": two_nodes(
        BAD_GATEWAY, right(), cdn("http.error"), "nodes.some_unanswered"
    ),
    "range_with_other_bytes": Case(
        row=42,
        setting=Setting(edge=RANGES_OF_ANOTHER, origin=ranged(GOOD, ETAG, FRESH), checks=RANGES),
        expected=cdn("negotiation.range_wrong"),
    ),
    "range_with_other_bytes_at_both": Case(
        row=42,
        setting=Setting(edge=RANGES_OF_ANOTHER, origin=RANGES_OF_ANOTHER, checks=RANGES),
        expected=origin("origin.same_reply"),
    ),
    # --- a content coding that nobody knows: the bytes are the content ------------------------------
    "unknown_coding_same_bytes": under_a_label(labelled("aws-chunked"), labelled("aws-chunked"), OK),
    "unknown_coding_other_bytes": under_a_label(
        labelled("aws-chunked", OTHER), labelled("aws-chunked"), cdn("content.mismatch")
    ),
    "unknown_coding_at_the_edge_alone": under_a_label(labelled("UTF-8"), right(), OK),
    "unknown_coding_and_other_bytes_at_the_edge_alone": under_a_label(
        labelled("x-own", OTHER), right(), cdn("content.mismatch")
    ),
    "unknown_coding_that_was_asked_for": Case(
        row=38,
        setting=Setting(edge=labelled("x-own", OTHER), request={"accept_encoding": "x-own"}),
        expected=OK,
        notes=("integrity.unverified",),
    ),
    "unknown_coding_at_the_origin_alone": Case(
        row=38,
        setting=Setting(edge=right(ETAG, FRESH, body=OTHER), origin=labelled("x-own")),
        expected=OK,
        notes=("integrity.unverified",),
    ),
    "identity_beside_gzip": under_a_label(
        labelled("gzip, identity", gzip.compress(GOOD, mtime=0)), right(), cdn("content.mismatch")
    ),
    "second_member_of_gzip": Case(
        row=37,
        setting=Setting(
            edge=labelled("gzip", gzip.compress(GOOD, mtime=0) * 2), request={"accept_encoding": "gzip"}
        ),
        expected=OK,
        notes=("http.nonconforming",),
    ),
    "second_member_of_gzip_at_the_origin_undone_by_the_edge": Case(
        row=37,
        setting=Setting(
            edge=right(body=GOOD * 2),
            origin=labelled("gzip", gzip.compress(GOOD, mtime=0) * 2),
            request={"accept_encoding": "gzip"},
        ),
        expected=OK,
        notes=("integrity.unverified",),
    ),
}
