"""Rule: a redirect is followed only to hosts that the policy names, and never with another host's credentials.

Pure: a request and its response give the next request, a failure, or nothing (RFC 9110 section 15.4, RFC 3986).
What we decided where the RFCs leave the choice:

- `visited` holds all requests so far, the present one last; its length bounds the chain. A request that was made
  already, with the same cookies, is a loop; the same place with other cookies is not.
- Another host is followed only if `policy.hosts` names it; a port or scheme of the same host is free, except that
  https to http is blocked unless `policy.hosts` names `http://HOST`.
- Cookies that the chain itself set go where they belong (`cookies`).
- Secret fields, Authorization, Cookie and Proxy-Authorization of the first request go along only to the same scheme,
  host and port, or from http:80 to https:443 of the same host.
"""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

from probe.core.model.protocols import AUTO, H1
from probe.core.model.task import BROWSERS_REDIRECTS, RedirectPolicy, Request, SecretRef
from probe.core.model.value import replace
from probe.core.records.failure import Failure, FailureType, Phase
from probe.core.records.response import Response
from probe.core.redirects.cookies import Cookie, with_cookies
from probe.core.text import uri
from probe.core.text.redaction import without_secret_query

STATUS_CODES = frozenset({301, 302, 303, 307, 308})
REDACTED = "[redacted]"
_VALUE_KEPT = 4096  # longer values are cut in the record: such a URL is not whole
_CREDENTIALS = frozenset({"authorization", "cookie", "proxy-authorization"})
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?\.?|[0-9a-f:.]+")
_NO_AUTHORITY = re.compile(r"https?:(?!//[^/?#])", re.IGNORECASE)
_DEFAULT_PORTS = {"http": 80, "https": 443}


def next_hop(
    current: Request,
    response: Response,
    policy: RedirectPolicy,
    visited: tuple[Request, ...],
    jar: tuple[Cookie, ...] = (),
) -> Request | Failure | None:
    """The request to make next; a Failure where the redirect must not or cannot be followed; None: no redirect.

    `current` and what is returned are without the cookies of `jar`, the chain's own; `visited` are as they were sent.
    """
    if policy.limit == 0 or response.status_code not in STATUS_CODES:
        return None
    location = _location(response)
    if isinstance(location, Failure):
        return location
    parts = _split(current.url, location)
    if isinstance(parts, Failure):
        return parts
    refused = _refusal(current, parts, policy, visited)
    if refused is not None:
        return refused
    following = _request(current, response.status_code, parts)
    if with_cookies(following, jar) in visited:
        return _failure(FailureType.HTTP_REDIRECT_LOOP, f"back to {without_secret_query(following.url)}")
    if len(visited) > policy.limit:
        return _too_many(policy.limit)
    return following


def _too_many(limit: int) -> Failure:
    """Whoever leads on for longer than browsers follow leads nobody anywhere; a lower limit is our own."""
    if limit >= BROWSERS_REDIRECTS:
        return _failure(FailureType.HTTP_REDIRECT_LOOP, f"more than {limit} redirects")
    return _failure(FailureType.AGENT_LIMIT_REDIRECTS, f"more redirects than our redirects.follow: {limit}")


def _location(response: Response) -> str | Failure:
    values = {value for name, value in response.fields if name == "location"}
    if not values and "fields_cut" in response.flags:
        return _failure(
            FailureType.AGENT_LIMIT_HEAD, "the Location may be in what we did not read of the head"
        )
    if not values or values == {""}:
        return _failure(FailureType.HTTP_REDIRECT_INVALID, f"status {response.status_code} without Location")
    if len(values) > 1:
        return _failure(FailureType.HTTP_REDIRECT_INVALID, "several different Location fields")
    location = values.pop()
    if len(location) >= _VALUE_KEPT:
        return _failure(
            FailureType.AGENT_LIMIT_FIELD, f"a Location of {_VALUE_KEPT} bytes or more, our limit"
        )
    if REDACTED in location:
        return _failure(FailureType.HTTP_REDIRECT_BLOCKED, "the Location carries one of our secrets")
    return uri.encoded(location)


def _split(base: str, location: str) -> SplitResult | Failure:
    if _NO_AUTHORITY.match(location):
        return _failure(FailureType.HTTP_REDIRECT_INVALID, "the Location has a scheme but no host")
    place = uri.with_ascii_host(uri.resolve(base, location))
    try:
        parts = urlsplit(str(place))
        _ = parts.port  # raises ValueError where it is none
    except ValueError as exc:
        return _failure(FailureType.HTTP_REDIRECT_INVALID, f"the Location is no URL: {exc}")
    if parts.scheme not in _DEFAULT_PORTS:
        return _failure(FailureType.HTTP_REDIRECT_BLOCKED, f"scheme {parts.scheme[:20]}")
    if parts.port == 0 or not _HOST.fullmatch(parts.hostname or ""):
        return _failure(FailureType.HTTP_REDIRECT_INVALID, "the Location has no usable host")
    if parts.username is not None or parts.password is not None:
        return _failure(FailureType.HTTP_REDIRECT_BLOCKED, "the Location carries credentials")
    query = "" if place.query is None else f"?{place.query}"  # an empty query is one
    return parts._replace(path=(place.path or "/") + query)


def _refusal(
    current: Request, parts: SplitResult, policy: RedirectPolicy, visited: tuple[Request, ...]
) -> Failure | None:
    host = _host(parts)
    named = {name.lower().rstrip(".") for name in policy.hosts}
    first = visited[0].host.lower().rstrip(".") if visited else None
    if host not in (current.host.lower().rstrip("."), first) and not {host, f"http://{host}"} & named:
        return _failure(FailureType.HTTP_REDIRECT_BLOCKED, f"host {host} is not among the policy's hosts")
    if current.scheme == "https" and parts.scheme == "http" and f"http://{host}" not in named:
        return _failure(FailureType.HTTP_REDIRECT_BLOCKED, f"from https down to http://{host}")
    return None


def _request(current: Request, status_code: int, parts: SplitResult) -> Request:
    following = replace(
        current,
        scheme=parts.scheme,
        host=_host(parts),
        port=parts.port or _DEFAULT_PORTS[parts.scheme],
        path=parts.path,
        method=_method(current.method, status_code),
        protocol=_protocol(current, _host(parts)),
    )
    return following if _trusted(current, following) else replace(following, fields=_open(current))


def _protocol(current: Request, host: str) -> str:
    """What another host speaks over TLS is for it to choose: what was agreed on is about the domain itself."""
    same = current.protocol == H1 or host == current.host.lower().rstrip(".")
    return current.protocol if same else AUTO


def _method(method: str, status_code: int) -> str:
    """RFC 9110 sections 15.4.2 to 15.4.4: 303 makes a GET, 301 and 302 make one of a POST."""
    if method == "HEAD" or status_code in (307, 308):
        return method
    return "GET" if status_code == 303 or method == "POST" else method


def _trusted(current: Request, following: Request) -> bool:
    here = (current.scheme, current.host.lower().rstrip("."), current.port)
    there = (following.scheme, following.host, following.port)
    return here == there or (
        here[1] == there[1] and (here[::2], there[::2]) == (("http", 80), ("https", 443))
    )


def _open(request: Request) -> tuple[tuple[str, str | SecretRef], ...]:
    """The fields that may go to anybody; a Host field of its own belonged to the former host."""
    kept = _CREDENTIALS | {"host"}
    return tuple(
        (name, value)
        for name, value in request.fields
        if not isinstance(value, SecretRef) and name.lower() not in kept
    )


def _host(parts: SplitResult) -> str:
    return (parts.hostname or "").lower().rstrip(".")


def _failure(type_: FailureType, detail: str) -> Failure:
    return Failure(phase=Phase.HTTP, type=type_, operation="redirect", detail=detail)
