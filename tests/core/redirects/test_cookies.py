"""Cookies of one chain (RFC 6265): what is kept, and where it goes."""

from __future__ import annotations

import pytest

from probe.core.model.task import Request, SecretRef
from probe.core.model.value import replace
from probe.core.redirects.cookies import KEPT, Cookie, with_cookies, with_response

HERE = Request(scheme="https", host="www.acme.example", port=443, path="/a/b.js?q")


def jar(*lines: str, request: Request = HERE, before: tuple[Cookie, ...] = ()) -> tuple[Cookie, ...]:
    return with_response(before, request, [("set-cookie", line) for line in lines])


def sent(cookies: tuple[Cookie, ...], **changes: object) -> str | None:
    request = with_cookies(replace(HERE, **changes), cookies)
    return next((str(value) for name, value in request.fields if name == "Cookie"), None)


@pytest.mark.parametrize(
    ("line", "changes", "value"),
    [
        ("a=1", {}, "a=1"),
        ("a=1; Path=/", {"path": "/"}, "a=1"),
        ("a=1", {"path": "/a/c"}, "a=1"),
        ("a=1", {"path": "/ab"}, None),
        ("a=1", {"path": "/"}, None),
        ("a=1; Path=/a", {"path": "/a?x"}, "a=1"),
        ("a=1; Path=relative", {"path": "/a/x"}, "a=1"),
        ("a=1", {"host": "img.acme.example"}, None),
        ("a=1; Domain=.ACME.example; Path=/", {"host": "img.acme.example"}, "a=1"),
        ("a=1; Domain=evil.example", {}, None),
        ("a=1; Domain=example", {}, None),
        ("a=1; Secure", {}, "a=1"),
        ("a=1; Secure", {"scheme": "http", "port": 80}, None),
        ("a=1; HttpOnly; SameSite=Lax", {}, "a=1"),
        ("a=1; Max-Age=0", {}, None),
        ("a=1; Max-Age=-5", {}, None),
        ("a=1; Max-Age=60", {}, "a=1"),
        ("a=1; Max-Age=soon", {}, "a=1"),
        ("a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT", {}, None),
        ("a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=60", {}, "a=1"),
        ('a="x y=z"', {}, 'a="x y=z"'),
        ("a=", {}, "a="),
        ("=1", {}, None),
        ("a", {}, None),
        ("a=1\x01", {}, None),
        ("a=[redacted]", {}, None),
        ("a=" + "x" * 5000, {}, None),
    ],
)
def test_where_a_cookie_goes(line: str, changes: dict[str, object], value: str | None) -> None:
    assert sent(jar(line), **changes) == value


def test_a_later_one_takes_the_place_of_its_namesake_and_one_that_is_over_takes_it_away() -> None:
    first = jar("a=1", "b=2")
    assert sent(jar("a=3", before=first)) == "b=2; a=3"
    assert sent(jar("a=x; Max-Age=0", before=first)) == "b=2"


def test_longer_paths_come_first_and_own_cookies_before_all() -> None:
    cookies = jar("a=1; Path=/", "b=2; Path=/a")
    assert sent(cookies) == "b=2; a=1"
    assert sent(cookies, fields=(("cookie", "own=0"),)) == "own=0; b=2; a=1"


def test_a_secret_cookie_of_the_request_stays_as_it_is() -> None:
    secret = ("Cookie", SecretRef(scheme="env", name="C"))
    request = with_cookies(replace(HERE, fields=(secret,)), jar("a=1"))
    assert request.fields == (secret, ("Cookie", "a=1"))


def test_no_more_than_a_browser_keeps() -> None:
    assert len(jar(*(f"c{number}=1" for number in range(3 * KEPT)))) == KEPT


def test_an_address_has_no_names_below_it() -> None:
    at_address = replace(HERE, host="192.0.2.1")
    assert jar("a=1; Domain=2.1", request=at_address) == ()
    assert len(jar("a=1; Domain=192.0.2.1", request=at_address)) == 1
