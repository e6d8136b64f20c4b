"""Redirects as a table: where to, with what, and where not (rows 28, 29)."""

from __future__ import annotations

import pytest

from probe.core.model.task import RedirectPolicy, Request, SecretRef
from probe.core.model.value import replace
from probe.core.records.failure import Failure, FailureType
from probe.core.records.response import Response
from probe.core.redirects.next_hop import next_hop

SECRET = SecretRef(scheme="env", name="TOKEN")
HERE = Request(
    scheme="https",
    host="www.acme.example",
    port=443,
    path="/a/b?q",
    fields=(
        ("X-Open", "1"),
        ("X-Key", SECRET),
        ("Authorization", "Basic eDp5"),
        ("cookie", "a=b"),
        ("Host", "v"),
    ),
)
POLICY = RedirectPolicy(limit=3, hosts=("static.acme.example", "xn--fsq.static.acme.example"))


def answer(*locations: str, status: int = 302) -> Response:
    return Response(status_code=status, fields=tuple(("location", value) for value in locations))


def step(*locations: str, status: int = 302, request: Request = HERE, policy: RedirectPolicy = POLICY,
         visited: tuple[Request, ...] | None = None) -> Request | Failure | None:  # fmt: skip
    return next_hop(request, answer(*locations, status=status), policy, visited or (request,))


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/new", "https://www.acme.example/new"),
        ("new", "https://www.acme.example/a/new"),
        ("?z=1", "https://www.acme.example/a/b?z=1"),
        ("//static.acme.example/x", "https://static.acme.example/x"),
        ("https://STATIC.acme.example./x", "https://static.acme.example/x"),
        ("https://www.acme.example:8443", "https://www.acme.example:8443/"),
        ("/a%2Fb?c=%20#fragment", "https://www.acme.example/a%2Fb?c=%20"),
        ("/\xc3\xa9 x", "https://www.acme.example/%C3%A9%20x"),
        ("/../../up", "https://www.acme.example/up"),
        ("?", "https://www.acme.example/a/b?"),
        ("/;", "https://www.acme.example/;"),
        ("/?#", "https://www.acme.example/?"),
        ("/%e4%2e", "https://www.acme.example/%e4%2e"),
        ("//\xe4\xbe\x8b.static.acme.example/x", "https://xn--fsq.static.acme.example/x"),  # raw UTF-8
    ],
)
def test_where_to(location: str, url: str) -> None:
    following = step(location)
    assert isinstance(following, Request)
    assert following.url == url


@pytest.mark.parametrize("status", [200, 300, 304, 305, 306, 400])
def test_no_redirect(status: int) -> None:
    assert step("/new", status=status) is None


def test_limit_0_makes_the_redirect_the_reply() -> None:
    assert step("/new", policy=RedirectPolicy()) is None


@pytest.mark.parametrize(
    ("locations", "type_"),
    [
        ((), FailureType.HTTP_REDIRECT_INVALID),
        (("",), FailureType.HTTP_REDIRECT_INVALID),
        (("/a", "/b"), FailureType.HTTP_REDIRECT_INVALID),
        (("https://[::1",), FailureType.HTTP_REDIRECT_INVALID),
        (("https://www.acme.example:99999/",), FailureType.HTTP_REDIRECT_INVALID),
        (("https://www.acme.example:0/",), FailureType.HTTP_REDIRECT_INVALID),
        (("https:///path",), FailureType.HTTP_REDIRECT_INVALID),
        (("HTTPS:path",), FailureType.HTTP_REDIRECT_INVALID),
        (("https://a%20b/",), FailureType.HTTP_REDIRECT_INVALID),
        (("/" + "a" * 4096,), FailureType.AGENT_LIMIT_FIELD),  # browsers take more
        (("file:///etc/passwd",), FailureType.HTTP_REDIRECT_BLOCKED),
        (("ftp://www.acme.example/",), FailureType.HTTP_REDIRECT_BLOCKED),
        (("javascript:alert(1)",), FailureType.HTTP_REDIRECT_BLOCKED),
        (("https://evil.example/",), FailureType.HTTP_REDIRECT_BLOCKED),
        (("//evil.example/",), FailureType.HTTP_REDIRECT_BLOCKED),
        (("http://169.254.169.254/latest/meta-data",), FailureType.HTTP_REDIRECT_BLOCKED),
        (("https://www.acme.example.evil.example/",), FailureType.HTTP_REDIRECT_BLOCKED),
        (("https://www.acme.example@evil.example/",), FailureType.HTTP_REDIRECT_BLOCKED),
        (("https://user:pass@www.acme.example/",), FailureType.HTTP_REDIRECT_BLOCKED),
        (("http://www.acme.example/a",), FailureType.HTTP_REDIRECT_BLOCKED),
        (("/?token=[redacted]",), FailureType.HTTP_REDIRECT_BLOCKED),
        (("/a/b?q",), FailureType.HTTP_REDIRECT_LOOP),
        (("#top",), FailureType.HTTP_REDIRECT_LOOP),
    ],
)
def test_where_not(locations: tuple[str, ...], type_: FailureType) -> None:
    failure = step(*locations)
    assert isinstance(failure, Failure)
    assert failure.type is type_


def test_same_location_twice_is_one() -> None:
    assert isinstance(step("/new", "/new"), Request)


def test_limit_and_longer_loops() -> None:
    visited = tuple(replace(HERE, path=f"/{number}") for number in (1, 2, 3))
    assert isinstance(step("/4", visited=visited), Request)
    loop = step("/2", visited=visited)
    assert isinstance(loop, Failure)
    assert loop.type is FailureType.HTTP_REDIRECT_LOOP
    long = step("/5", visited=(*visited, replace(HERE, path="/4")))
    assert isinstance(long, Failure)
    assert (long.type, long.detail) == (
        FailureType.AGENT_LIMIT_REDIRECTS,
        "more redirects than our redirects.follow: 3",
    )


def test_more_redirects_than_browsers_follow_are_the_servers() -> None:
    visited = tuple(replace(HERE, path=f"/{n}") for n in range(21))
    failure = step("/21", visited=visited, policy=RedirectPolicy(limit=20))
    assert isinstance(failure, Failure)
    assert failure.type is FailureType.HTTP_REDIRECT_LOOP


def test_back_to_the_first_host() -> None:
    away = Request(scheme="https", host="static.acme.example", port=443, path="/")
    assert isinstance(step("https://www.acme.example/x", request=away, visited=(HERE, away)), Request)


def test_downgrade_only_where_the_policy_names_it() -> None:
    policy = RedirectPolicy(limit=3, hosts=("http://www.acme.example",))
    following = step("http://www.acme.example/x", policy=policy)
    assert isinstance(following, Request)
    assert (following.scheme, following.port) == ("http", 80)


OPEN = (("X-Open", "1"),)


@pytest.mark.parametrize(
    ("location", "kept"),
    [
        ("/new", HERE.fields),
        ("https://static.acme.example/", OPEN),
        ("https://www.acme.example:8443/", OPEN),
    ],
)
def test_credentials_stay_where_they_belong(location: str, kept: tuple[tuple[str, object], ...]) -> None:
    following = step(location)
    assert isinstance(following, Request)
    assert following.fields == kept


def test_credentials_go_along_from_http_to_https_of_the_host() -> None:
    plain = Request(scheme="http", host="www.acme.example", port=80, path="/", fields=HERE.fields)
    following = step("https://www.acme.example/", request=plain)
    assert isinstance(following, Request)
    assert following.fields == HERE.fields


@pytest.mark.parametrize(
    ("method", "status", "then"),
    [
        ("GET", 302, "GET"),
        ("HEAD", 303, "HEAD"),
        ("POST", 301, "GET"),
        ("POST", 307, "POST"),
        ("PUT", 303, "GET"),
    ],
)
def test_method(method: str, status: int, then: str) -> None:
    request = Request(scheme="https", host="www.acme.example", port=443, path="/", method=method)
    following = step("/new", status=status, request=request)
    assert isinstance(following, Request)
    assert following.method == then
