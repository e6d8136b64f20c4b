"""What is in the reply: other bytes, other customers' files, codings, markers, ranges; at edges and at the origin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.truth import parts
from tests.truth.scenario import OK, Part, Scenario
from tests.truth.setup import Setup

RELAY = "location / { proxy_pass http://ORIGIN; proxy_cache kept; }"
KEEP = "root ROOT; add_header Cache-Control max-age=60;"
FILES = "location /s/ { rewrite ^/s/[^/]+/(.*)$ /$1 last; }"
OTHERS = "root ROOT/other; location /s/ { rewrite ^/s/[^/]+/(.*)$ /$1 last; }"
MISMATCH = ["failed cdn content.mismatch"]
CONTENT = {"availability": {}, "integrity": {}}


def at_edge(
    name: str,
    party: str,
    why: str,
    right: Sequence[str],
    edge: str,
    *more: Part,
    checks: Mapping[str, Any] = CONTENT,
    unsaid: str | None = None,
    debatable: str = "",
    **setup: Any,
) -> Scenario:
    """One object of a domain that one nginx serves, which runs with this configuration."""
    made = Setup(domain="single.acme.example", checks=checks, **setup)
    return Scenario(
        name=name, party=party, why=why, right=right, parts=[parts.edge_as(edge), *more], setup=made,
        unsaid=unsaid, debatable=debatable,
    )  # fmt: skip


def said(body: str, *fields: str, status: int = 200) -> str:
    """The edge answers with these words, without asking anybody."""
    added = " ".join(f"add_header {field} always;" for field in fields)
    return f"default_type text/plain; location / {{ {added} return {status} '{body}'; }}"


FIRST_LOOK = (
    "At the first look of all, content with a validator or a lifetime of its own may be a version from before it; once "
    "this edge served the present one it convicts (the sequences show it)."
)
UNTOLD = {"unsaid": "as agreed", "debatable": FIRST_LOOK}
_SAMPLED = {"availability": {}, "integrity": {"mode": "sampled", "ranges": 2, "range": "4KiB"}}
_MARKED = {"availability": {}, "integrity": {"mode": "markers", "contain": ["cdn-probe"]}}
_CLEAN = {"availability": {}, "integrity": {"mode": "markers", "not_contain": ["advertisement"]}}
_JSON = {"availability": {}, "integrity": {"mode": "normalised", "remove": {"json": ["$.time"]}}}
_CLOCK = 'default_type application/json; location / { return 200 \'{"time": $msec, "price": %s}\'; }'
_LIVE = parts.origin_as(_CLOCK % 7)
_LIVE_FOR_A_MINUTE = parts.origin_as("add_header Cache-Control max-age=60; " + _CLOCK % 7)

SCENARIOS = (
    # --- other bytes ---
    at_edge(
        "content-empty", "cdn", "R6: nothing where the origin has a file, no validator, no lifetime",
        MISMATCH, said(""),
    ),
    at_edge(
        "content-error-page", "cdn", "an error page with status 200 in place of the file",
        [OK, *MISMATCH], said("<h1>Sorry</h1>", "Cache-Control no-store"), **UNTOLD,
    ),
    at_edge(
        "content-half", "cdn", "the first half of the file as 206, which nobody asked for",
        ["failed cdn http.error", *MISMATCH], "location / { proxy_pass http://ORIGIN; "
        "proxy_set_header Range bytes=0-9999; proxy_hide_header Content-Range; }",
    ),
    at_edge(
        "content-one-word", "cdn", "one word replaced by another of the same length",
        [OK, *MISMATCH], "location / { proxy_pass http://ORIGIN; sub_filter_types *; sub_filter_once off; "
        "sub_filter cdn-probe ccn-probe; }", **UNTOLD,
    ),
    at_edge(
        "content-appended", "cdn", "an advertisement behind the file",
        [OK, *MISMATCH], "location /ad { return 200 'advertisement'; } "
        "location / { proxy_pass http://ORIGIN; addition_types *; add_after_body /ad; }", **UNTOLD,
    ),
    at_edge(
        "content-same-tag", "cdn", "R6: another file, as large, under the origin's own validator",
        MISMATCH, OTHERS,
    ),
    at_edge(
        "content-same-tag-large", "cdn", "the same of a file of a megabyte",
        MISMATCH, OTHERS, files=["1m.bin"],
    ),
    at_edge(
        "content-other-type", "nobody", "another media type, the same bytes: integrity compares content", [OK],
        "location / { proxy_pass http://ORIGIN; proxy_hide_header Content-Type; add_header Content-Type text/plain; }",
    ),
    # --- whose it is ---
    at_edge(
        "others-file-first-look", "cdn", "R6: another customer's file at the first look of all: nobody can tell, and "
        "nobody says as agreed", [OK, *MISMATCH],
        f"etag off; {OTHERS} add_header ETag '\"theirs\"'; add_header Age 3600; add_header Cache-Control max-age=7200;",
        **UNTOLD,
    ),
    at_edge(
        "others-file-past-its-lifetime", "cdn", "R6: the same, and older than it claims to live: never called old",
        [OK, *MISMATCH],
        f"etag off; {OTHERS} add_header ETag '\"theirs\"'; add_header Age 86400; add_header Cache-Control max-age=1;",
        **UNTOLD,
    ),
    at_edge(
        "others-file-of-this-moment", "cdn", "another customer's file that claims to be no stored version",
        MISMATCH, f"etag off; if_modified_since off; {OTHERS} add_header Last-Modified '';",
    ),
    Scenario(
        name="others-file-at-one-of-three", party="cdn", why="another customer's file at one edge of three",
        parts=[parts.behaving("other_content", "varnish")], right=MISMATCH,
    ),
    Scenario(
        name="others-file-at-two-of-three", party="cdn", why="another customer's file at two edges of three",
        parts=[parts.behaving("other_content", "varnish", "haproxy")], right=MISMATCH,
    ),
    Scenario(
        name="others-file-over-tls", party="cdn", why="the same over TLS",
        parts=[parts.behaving("other_content", "nginx")], right=MISMATCH,
        setup=Setup(domain="secure.acme.example", scheme="https"),
    ),
    # --- codings ---
    at_edge(
        "content-compressed", "nobody", "the same content compressed by the edge", [OK],
        "gzip on; gzip_proxied any; gzip_min_length 1; gzip_types *; " + RELAY,
    ),
    at_edge(
        "content-false-coding", "cdn", "plain text labelled as gzip: browsers show nothing",
        ["failed cdn body.decode_failed"], f"gzip off; {RELAY[:-1]} add_header Content-Encoding gzip; }}",
    ),
    at_edge(
        "content-identity-coding", "nobody", "R5: labelled as identity, which clients take", [OK],
        f"{RELAY[:-1]} add_header Content-Encoding identity; }}",
    ),
    at_edge(
        "content-unknown-coding", "nobody", "R4: a coding that nobody knows, the bytes are the content", [OK],
        f"{RELAY[:-1]} add_header Content-Encoding aws-chunked; }}",
    ),
    # --- markers and what is declared to change ---
    at_edge(
        "markers-there", "nobody", "the agreed text is in the content", [OK], RELAY, checks=_MARKED,
    ),
    at_edge(
        "markers-missing", "cdn", "the agreed text is not in the edge's content, and in the origin's",
        ["failed cdn content.marker_missing"], OTHERS, checks=_MARKED,
    ),
    at_edge(
        "markers-missing-at-the-origin", "origin", "the agreed text is not in the origin's content either",
        ["failed origin origin.same_content"], RELAY,
        parts.origin_as(f"root ROOT/other; add_header Cache-Control max-age=60; {FILES}"), checks=_MARKED,
    ),
    at_edge(
        "markers-forbidden", "cdn", "a text that must not be there, put in by the edge",
        ["failed cdn content.marker_forbidden"], "location /ad { return 200 'advertisement'; } "
        "location / { proxy_pass http://ORIGIN; addition_types *; add_after_body /ad; }", checks=_CLEAN,
    ),
    at_edge(
        "declared-change", "nobody", "only what was declared to change is another", [OK],
        "location / { proxy_pass http://ORIGIN; }", _LIVE, checks=_JSON,
    ),
    at_edge(
        "undeclared-change", "cdn", "something else changed, too, without the lifetime that the origin declares",
        MISMATCH, _CLOCK % 9, _LIVE_FOR_A_MINUTE, checks=_JSON,
    ),
    at_edge(
        "undeclared-change-of-few-words", "cdn", "the same beside an origin that declares nothing either",
        [OK, *MISMATCH], _CLOCK % 9, _LIVE, checks=_JSON, **UNTOLD,
    ),
    at_edge(
        "origin-changes-every-time", "nobody", "the origin gives other bytes at every look: nobody can compare", [OK],
        "location / { proxy_pass http://ORIGIN; }", _LIVE,
    ),
    # --- ranges of a large object ---
    at_edge("ranges-equal", "nobody", "ranges are the origin's", [OK], RELAY, checks=_SAMPLED, files=["1m.bin"]),
    at_edge(
        "ranges-of-another-file", "cdn", "ranges of another file, as large, under the same validator",
        MISMATCH, OTHERS, checks=_SAMPLED, files=["1m.bin"],
    ),
    at_edge(
        "ranges-not-given", "nobody", "the edge gives no ranges, which nobody agreed on", [OK],
        f"max_ranges 0; {KEEP} {FILES}", checks=_SAMPLED, files=["1m.bin"], unsaid="as agreed",
    ),
    at_edge(
        "ranges-of-another-place", "cdn", "always the first bytes, also where the whole was asked for",
        ["failed cdn http.error"],
        "location / { proxy_pass http://ORIGIN; proxy_set_header Range bytes=0-4095; }",
        checks=_SAMPLED, files=["1m.bin"],
    ),
    at_edge(
        "large-over-our-limit-other", "cdn", "R2: over our limit of bytes, and other bytes: ranges tell",
        MISMATCH, OTHERS, files=["1m.bin"], agent={"limits": {"body": "100kB"}},
    ),
    # --- no origin to ask ---
    at_edge(
        "content-unverified", "nobody", "R6: the origin does not run, so nothing was compared: not as agreed", [OK],
        f"{KEEP} {FILES}", parts.origin_stopped, unsaid="as agreed",
    ),
    at_edge(
        "content-without-an-origin", "nobody", "no origin was named and nothing is compared", [OK], said("anything"),
        checks={"availability": {}}, origin=None,
    ),
)  # fmt: skip
