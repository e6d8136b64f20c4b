"""Rule: cookies live within one chain of redirects, go only where they belong, and are forgotten with it.

RFC 6265 sections 5.1 to 5.4, as far as one chain needs it: a site that sets a cookie and redirects to itself, to see
whether the cookie comes back, is not a loop. Pure: the cookies so far and one more response -> the cookies then.
"""

from __future__ import annotations

from dataclasses import dataclass

from probe.core.http.fields import Fields, field_values
from probe.core.model.task import Request, SecretRef
from probe.core.model.times import http_date_s
from probe.core.model.value import replace
from probe.core.text.redaction import REDACTED

KEPT = 50  # cookies; browsers keep as many for a host (RFC 6265 section 6.1)
KEPT_CHARACTERS = 4096  # a longer value was cut in the record
_FORBIDDEN = frozenset(map(chr, (*range(0x20), 0x7F)))


@dataclass(frozen=True, slots=True)
class Cookie:
    """One cookie. `host_only`: it goes to `domain` alone, not to names below it."""

    name: str
    value: str
    domain: str
    path: str
    host_only: bool
    secure: bool


def with_response(
    jar: tuple[Cookie, ...], request: Request, fields: Fields, now_s: float | None = None
) -> tuple[Cookie, ...]:
    """The cookies after a response to `request`; one that is over already takes its namesake away."""
    kept = {(c.name, c.domain, c.path): c for c in jar}
    for text in field_values(fields, "set-cookie"):
        found = _parsed(text, request, now_s)
        if found is None:
            continue
        cookie, over = found
        kept.pop((cookie.name, cookie.domain, cookie.path), None)
        if not over:
            kept[cookie.name, cookie.domain, cookie.path] = cookie
    return tuple(kept.values())[-KEPT:]


def with_cookies(request: Request, jar: tuple[Cookie, ...]) -> Request:
    """The request with those cookies that belong to it, longer paths first, behind its own."""
    fitting = sorted((c for c in jar if _fits(c, request)), key=lambda c: -len(c.path))
    if not fitting:
        return request
    pairs = "; ".join(f"{c.name}={c.value}" for c in fitting)
    own = [value for name, value in request.fields if name.lower() == "cookie"]
    if len(own) == 1 and not isinstance(own[0], SecretRef):
        others = tuple(field for field in request.fields if field[0].lower() != "cookie")
        return replace(request, fields=(*others, ("Cookie", f"{own[0]}; {pairs}")))
    return replace(request, fields=(*request.fields, ("Cookie", pairs)))


def _parsed(text: str, request: Request, now_s: float | None) -> tuple[Cookie, bool] | None:
    """The cookie, and whether it is over already; None for what a browser ignores (section 5.2, 5.3)."""
    pair, *attributes = text.split(";")
    name, equals, value = pair.partition("=")
    name, value = name.strip(), value.strip()
    useless = len(text) >= KEPT_CHARACTERS or REDACTED in text or not _FORBIDDEN.isdisjoint(text)
    if not equals or not name or useless:
        return None
    said: dict[str, str] = {}
    for attribute in attributes:
        key, _, given = attribute.partition("=")
        said[key.strip().lower()] = given.strip()
    host = request.host.lower().rstrip(".")
    domain = said.get("domain", "").lower().removeprefix(".")
    if domain and not _below(host, domain):
        return None
    path = said.get("path", "")
    cookie = Cookie(
        name=name,
        value=value,
        domain=domain or host,
        path=path if path.startswith("/") else _default_path(request.path),
        host_only=not domain,
        secure="secure" in said,
    )
    return cookie, _over(said, now_s)


def _over(said: dict[str, str], now_s: float | None) -> bool:
    """Max-Age comes before Expires (section 5.3); without a clock only the distant past is over."""
    age = said.get("max-age")
    if age is not None and age.lstrip("-").isascii() and age.removeprefix("-").isdecimal():
        return age.startswith("-") or not age.strip("0")
    until = http_date_s(said.get("expires"), now_s)
    return until is not None and until <= (now_s or 0.0)


def _default_path(path: str) -> str:
    """Section 5.1.4."""
    path = path.partition("?")[0]
    return path[: path.rfind("/")] or "/" if path.startswith("/") else "/"


def _below(host: str, domain: str) -> bool:
    """Section 5.1.3; a name without a dot is nobody's own, and an address has no names below it."""
    if host == domain:
        return True
    return "." in domain and host.endswith(f".{domain}") and not host.replace(".", "").isdecimal()


def _fits(cookie: Cookie, request: Request) -> bool:
    host, path = request.host.lower().rstrip("."), request.path.partition("?")[0]
    if not (host == cookie.domain or (not cookie.host_only and _below(host, cookie.domain))):
        return False
    if cookie.secure and request.scheme != "https":
        return False
    whole = path == cookie.path or cookie.path.endswith("/")
    return path.startswith(cookie.path) and (whole or path[len(cookie.path) :].startswith("/"))
