"""Redirects: agreed ones in every spelling, followed ones, and those that the origin gives too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.truth import parts
from tests.truth.scenario import OK, Part, Scenario
from tests.truth.scenarios.content import FILES, KEEP, RELAY, at_edge

_PLACE = "http://single.acme.example/new%20place/caf%C3%A9.js"
_AGREED = {"availability": {"status": [301]}, "redirect": {"location": _PLACE}}
_CONTENT = {"availability": {}, "integrity": {}}


def _to(place: str, status: int = 301) -> str:
    return f'location / {{ absolute_redirect off; return {status} "{place}"; }}'


def _agreed(name: str, party: str, why: str, right: Sequence[str], edge: str, *more: Part) -> Scenario:
    return at_edge(
        f"redirect-{name}", party, why, right, edge, *more, checks=_AGREED, path=f"/r/{name}", origin=None,
    )  # fmt: skip


def _followed(
    name: str,
    party: str,
    why: str,
    right: Sequence[str],
    edge: str,
    origin: str | None = None,
    checks: Mapping[str, Any] = _CONTENT,
    follow: int = 5,
) -> Scenario:
    more = () if origin is None else (parts.origin_as(origin),)
    keys = {"redirects": {"follow": follow}}
    return at_edge(f"follow-{name}", party, why, right, edge, *more, checks=checks, keys=keys)


_LOOP = "location / { absolute_redirect off; return 302 $request_uri; }"
_OFF = "location / { return 302 http://elsewhere.test/; }"
_GONE = "location /s/ { absolute_redirect off; return 302 /gone; } location / { return 404; }"
_ERROR = "location /s/ { absolute_redirect off; return 302 /error; } location / { return 500; }"
_COOKIE = (
    "location /s/ {{ absolute_redirect off; set $seen no; if ($cookie_seen) {{ set $seen yes; }} "
    "if ($seen = no) {{ add_header Set-Cookie 'seen=1; Path=/'; return 302 $request_uri; }} "
    "rewrite ^/s/[^/]+/(.*)$ /$1 break; {serve} }}"
)
_SERVED = _COOKIE.format(serve="root ROOT; add_header Cache-Control max-age=60;")
_THERE = "location /s/ { absolute_redirect off; return 302 /app.js; } "

SCENARIOS = (
    # --- agreed, in every spelling of one place (RFC 3986 section 6.2.2) ---
    _agreed("as-agreed", "nobody", "the agreed place, as written", [OK], _to(_PLACE)),
    _agreed("relative", "nobody", "R4: relative, which clients resolve", [OK], _to("/new%20place/caf%C3%A9.js")),
    _agreed("lower-case-percent", "nobody", "R4: percent codes have no case", [OK], _to("/new%20place/caf%c3%a9.js")),
    _agreed("dot-segments", "nobody", "R4: dot segments go", [OK], _to("/x/../new%20place/./caf%C3%A9.js")),
    _agreed("raw-utf-8", "nobody", "R4: raw UTF-8 as browsers follow it", [OK], _to("/new%20place/café.js")),
    _agreed("space", "nobody", "R4: a space as browsers follow it", [OK], _to("/new place/caf%C3%A9.js")),
    _agreed("host-in-capitals", "nobody", "R4: hosts have no case", [OK], _to(_PLACE.replace("single", "SINGLE"))),
    _agreed("default-port", "nobody", "R4: the scheme's own port", [OK],
            _to(_PLACE.replace("example/", "example:80/"))),
    _agreed("other-place", "cdn", "another place", ["failed cdn http.redirect_unexpected"], _to("/old")),
    _agreed("other-status", "cdn", "302 where 301 was agreed", ["failed cdn http.*"], _to(_PLACE, 302)),
    _agreed("none", "cdn", "no redirect at all", ["failed cdn http.*"], "location / { return 200 here; }"),
    _agreed("bad-gateway", "unknown", "R6: 502 in its place, and no origin to ask: it may be its origin's",
            ["failed unknown http.error"], "location / { return 502; }"),
    at_edge("redirect-bad-gateway-alone", "cdn", "R6: 502 in its place beside an origin that redirects as agreed",
            ["failed cdn http.error"], "location / { return 502; }", parts.origin_as(_to(_PLACE)), checks=_AGREED,
            path="/r/bad-gateway-alone"),
    _agreed("nowhere", "cdn", "a redirect without a place", ["failed cdn http.*"], "location / { return 301 ''; }"),
    # --- followed ---
    _followed("there", "nobody", "R4: edge and origin redirect alike to the same file", [OK],
              _THERE + RELAY, _THERE + f"{KEEP}"),
    _followed("edge-alone", "nobody", "the edge redirects, the origin serves at once: the same bytes", [OK],
              _THERE + RELAY, f"{KEEP} {FILES}"),
    _followed("other-file", "cdn", "the edge's redirect leads to another file under the origin's validator",
              ["failed cdn content.mismatch"], _THERE + "root ROOT/other;", _THERE + KEEP),
    _followed("loop-of-the-edge", "cdn", "the edge redirects in a circle", ["failed cdn http.response.redirect_loop"],
              _LOOP),
    _followed("loop-of-both", "origin", "R4: the origin's own circle", ["failed origin origin.*"], _LOOP, _LOOP),
    _followed("off-host-of-the-edge", "cdn", "the edge alone leads elsewhere", ["failed cdn http.redirect_blocked"],
              _OFF),
    _followed("off-host-of-both", "origin", "R4: the origin leads there too", ["failed origin origin.*"], _OFF, _OFF),
    _followed("to-a-404-of-the-edge", "cdn", "the edge's redirect leads to nothing", ["failed cdn http.error"],
              _GONE),
    _followed("to-a-404-of-both", "origin", "R4: so does the origin's", ["failed origin origin.same_status"],
              _GONE, _GONE),
    _followed("to-a-500-of-both", "origin", "R4: the origin fails at the end of its own chain",
              ["failed origin origin.*"], _ERROR, _ERROR),
    _followed("cookie-of-both", "nobody", "R4: a redirect tests for a cookie, as the origin does", [OK],
              _SERVED, _SERVED),
    _followed("further-than-we", "agent", "R2: more redirects than we follow, fewer than browsers do",
              ["inconclusive agent agent.limit.redirects"],
              "location ~ ^/s/[^/]+/app.js(?<more>.*)$ { absolute_redirect off; return 302 /s/x/app.js${more}a; }",
              follow=2),
)  # fmt: skip
