"""Replies that were once judged wrongly, as whole slots: redirects that are followed, and what the origin gives there.

As `tests.support.hostile`; each stands for its kind. Used by the test and by the recorder of replay cases.
"""

from __future__ import annotations

from probe.core.model.task import RedirectPolicy
from tests.support import build
from tests.support.hostile import OK, Case, cdn
from tests.support.http_server import Script, by_request, response
from tests.support.slots import Setting, right

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
}
