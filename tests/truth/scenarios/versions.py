"""Content that changes while the agent runs: new versions, old ones that are kept, others' files that begin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.truth import parts
from tests.truth.internet import EDGES
from tests.truth.scenario import OK, Part, Scenario, Step
from tests.truth.scenarios.content import FILES, KEEP, OTHERS, RELAY
from tests.truth.setup import Setup

_CONTENT = {"availability": {}, "integrity": {}}
MISMATCH, OVERLONG = "failed cdn content.mismatch", "stale cdn content.overlong_cache"
_WELL = Step(name="well", party="nobody", right=[OK], rows=3)


def _setup(checks: Mapping[str, Any] = _CONTENT, domain: str = "single.acme.example", **more: Any) -> Setup:
    """The origin is asked in every slot."""
    origin = {"interval": "1s"}
    return Setup(domain=domain, checks=checks, interval="2s", timeout="3s", origin=origin, **more)


def _files(root: str, control: str) -> str:
    return f'root {root}; add_header Cache-Control "{control}"; {FILES}'


def _replaced(
    name: str,
    party: str,
    why: str,
    control: str,
    right: Sequence[str],
    *,
    edge: str,
    found: str | None = None,
    checks: Mapping[str, Any] = _CONTENT,
    within: int = 2,
    then: Sequence[Part] = (),
    rows: int = 6,
) -> Scenario:
    """The origin replaces its version while the agent runs; `then`: what happens besides."""
    begins = Step(
        name="replaced", party=party, right=right, rows=rows, within=within, found=found, found_within=5,
        parts=[parts.origin_as(_files("ROOT/next", control)), *then],
    )  # fmt: skip
    return Scenario(
        name=f"version-{name}", party=party, why=why, setup=_setup(checks),
        parts=[parts.origin_as(_files("ROOT", control)), parts.edge_as(edge)], steps=[_WELL, begins],
    )  # fmt: skip


def _begins(
    name: str,
    why: str,
    edge: str,
    *,
    found: str = MISMATCH,
    checks: Mapping[str, Any] = _CONTENT,
    parts_before: Sequence[Part] = (),
    right: Sequence[str] | None = None,
) -> Scenario:
    """The only edge serves well, then this, then well again: named from the first row on, within one interval."""
    return Scenario(
        name=f"begins-{name}", party="cdn", why=why, setup=_setup(checks), parts=parts_before,
        steps=[
            _WELL,
            Step(
                name="begun", party="cdn", right=[found] if right is None else right, rows=4, within=0,
                found=found, found_within=1, parts=[parts.edge_as(edge)],
            ),
            Step(name="ended", party="nobody", right=[OK], rows=3, within=1),
        ],
    )  # fmt: skip


_KEEPS = (
    "location / { proxy_pass http://ORIGIN; proxy_cache kept; proxy_ignore_headers Cache-Control Expires; "
    "proxy_cache_valid 200 1h; }"
)
_THEIRS = f"etag off; {OTHERS} add_header ETag '\"theirs\"';"
_FRAME = {**_CONTENT, "headers": {"same_as_origin": ["X-Frame-Options"]}}
_FRAMED = parts.origin_as(f"{KEEP} add_header X-Frame-Options DENY; {FILES}")
_NODES = _setup({"availability": {}, "integrity": {}}, "www.acme.example")

SCENARIOS = (
    # --- new versions, old ones that are kept ---
    _replaced("relayed", "nobody", "every new version is served at once", "max-age=60", [OK],
              edge="location / { proxy_pass http://ORIGIN; }"),
    _replaced("within-its-lifetime", "nobody", "a cache may keep the old version for its lifetime", "max-age=600",
              [OK], edge=RELAY),
    _replaced("too-long", "cdn", "the old version is kept past its lifetime", "max-age=1", [OK, OVERLONG], edge=_KEEPS,
              found=OVERLONG),
    _replaced("while-revalidated", "nobody", "stale-while-revalidate allows it",
              "max-age=1, stale-while-revalidate=600", [OK], edge=_KEEPS),
    _replaced("without-a-lifetime", "nobody", "nobody declared a lifetime: nothing binds the cache", "public", [OK],
              edge=_KEEPS),
    _replaced("past-the-agreed-refresh", "cdn", "a lifetime of an hour, and three seconds were agreed",
              "max-age=3600", [OK, "stale cdn freshness.over_refresh_time"], edge=_KEEPS,
              found="stale cdn freshness.over_refresh_time",
              checks={**_CONTENT, "freshness": {"refresh": "3s"}}),
    _replaced("kept-while-the-origin-is-down", "nobody", "stale-if-error allows it while the origin does not run",
              "max-age=1, stale-if-error=600", [OK], edge=_KEEPS, then=[parts.origin_stopped]),
    Scenario(
        name="version-rolled-back", party="nobody", why="the origin goes back to its old version", setup=_setup(),
        parts=[parts.edge_as("location / { proxy_pass http://ORIGIN; }")],
        steps=[
            _WELL,
            Step(name="next", party="nobody", right=[OK], rows=3,
                 parts=[parts.origin_as(_files("ROOT/next", "max-age=60"))]),
            Step(name="back", party="nobody", right=[OK], rows=3),
        ],
    ),
    # --- what begins at the only edge ---
    _begins("others-file", "R6: another customer's file, with a tag of its own", _THEIRS),
    _begins("others-file-aged", "R6: the same, that claims to be a day old and to have expired long ago: not stale",
            f"{_THEIRS} add_header Age 86400; add_header Cache-Control max-age=1;"),
    _begins("others-file-fresh", "R6: the same, that claims to live for a year",
            f"{_THEIRS} add_header Age 86400; add_header Cache-Control max-age=31536000;"),
    _begins("others-file-same-tag", "R6: the same under the origin's own tag", OTHERS),
    _begins("error-page", "an error page with status 200 that is not to be stored",
            "default_type text/html; location / { add_header Cache-Control no-store; return 200 '<h1>Sorry</h1>'; }"),
    _begins("other-words", "the edge replaces a word, and keeps the lifetime",
            "location / { proxy_pass http://ORIGIN; sub_filter_types *; sub_filter_once off; "
            "sub_filter cdn-probe ccn-probe; }"),
    _begins("advertisement", "the edge appends an advertisement",
            "location /ad { return 200 'advertisement'; } "
            "location / { proxy_pass http://ORIGIN; addition_types *; add_after_body /ad; }"),
    _begins("field-lost", "R6: a field that the origin has is lost, while the origin answers 304 to us",
            "location / { proxy_pass http://ORIGIN; proxy_hide_header X-Frame-Options; "
            "proxy_hide_header Cache-Control; }",
            found="failed cdn headers.differs", checks=_FRAME, parts_before=[_FRAMED]),
    _begins("redirect", "the edge begins to redirect elsewhere", "location / { return 302 http://elsewhere.test/; }",
            found="failed cdn http.error"),
    # --- several nodes ---
    Scenario(
        name="nodes-others-file-spreads", party="cdn", why="another customer's file at one edge, then at two",
        setup=_NODES,
        steps=[
            _WELL,
            Step(name="one", party="cdn", right=[MISMATCH], rows=3, within=0, found=MISMATCH, found_within=1,
                 parts=[parts.behaving("other_content", "varnish")], at=[EDGES["varnish"]]),
            Step(name="two", party="cdn", right=[MISMATCH], rows=3, within=0,
                 parts=[parts.behaving("other_content", "varnish", "haproxy")],
                 at=[EDGES["varnish"], EDGES["haproxy"]]),
            Step(name="none", party="nobody", right=[OK], rows=3, within=1),
        ],
    ),
    Scenario(
        name="nodes-error-alike", party="cdn", shows=["nodes.alike", "nodes.some_unanswered"],
        why="R6: one node gives 503, then all do, while the origin answers: noted that they are alike",
        setup=_NODES,
        steps=[
            _WELL,
            Step(name="one", party="cdn", right=["failed cdn http.error"], rows=3, within=0,
                 parts=[parts.behaving("error", "varnish")], at=[EDGES["varnish"]]),
            Step(name="all", party="cdn", right=["failed cdn http.error"], rows=3, within=0,
                 parts=[parts.behaving("error", *parts.EVERY)]),
        ],
    ),
)  # fmt: skip
