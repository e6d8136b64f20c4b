"""The vantage point's own line: what is wrong with it is never an edge's (R3)."""

from __future__ import annotations

from tests.truth import parts
from tests.truth.scenario import OK, Scenario, Step
from tests.truth.setup import Setup

_OURS = ["inconclusive vantage *"]
_SECURE = {"domain": "secure.acme.example", "scheme": "https", "origin": {"scheme": "https"}}
_OFTEN = {"interval": "3s", "timeout": "3s", "connect_timeout": "1500ms"}
_TWO = ("one", "two")

SCENARIOS = (
    Scenario(
        name="line-cut", party="vantage", why="nothing passes the line", parts=[parts.cut()], right=_OURS,
    ),
    Scenario(
        name="line-cut-behind-the-resolver", party="vantage", why="only the resolver, in the carrier's net, is there",
        parts=[parts.blocked("ip daddr != 10.94.61.1 ip saddr != 10.94.61.1")], right=_OURS,
    ),
    Scenario(
        name="line-cut-no-anchors", party="vantage", why="nobody reacts and no anchor was named",
        parts=[parts.blocked("tcp dport { 80, 443 }")], setup=Setup(vantage={"anchors": []}),
        right=["inconclusive * *"],
    ),
    Scenario(
        name="line-large-packets", party="vantage", why="R3: large packets begin to vanish, whoever sends them",
        setup=Setup(**_OFTEN),  # type: ignore[arg-type]
        steps=[
            Step(name="well", party="nobody", right=[OK], rows=2),
            Step(name="lost", party="vantage", right=_OURS, parts=[parts.large_packets_lost()], rows=4, within=1),
        ],
    ),
    Scenario(
        name="line-large-packets-https", party="vantage", why="R3: the same with TLS",
        setup=Setup(**{**_OFTEN, **_SECURE}),  # type: ignore[arg-type]
        steps=[
            Step(name="well", party="nobody", right=[OK], rows=2),
            Step(name="lost", party="vantage", right=_OURS, parts=[parts.large_packets_lost()], rows=4, within=1),
        ],
    ),
    Scenario(
        name="line-large-packets-first", party="vantage", why="R3: from the very first row: an anchor over TLS tells",
        parts=[parts.large_packets_lost()], right=_OURS,
        setup=Setup(**_SECURE, vantage={"anchors": ["http://10.94.71.1/", "https://10.94.72.1/"]}),
    ),
    Scenario(
        name="line-large-packets-first-plain", party="vantage", parts=[parts.large_packets_lost()], right=_OURS,
        why="R3: the same over plain HTTP: edges and origin give small replies, and the origin never answered before",
    ),
    Scenario(
        name="line-large-packets-first-firewalled", party="vantage", right=_OURS,
        why="R3: over plain HTTP beside a firewalled origin: an anchor over TLS stalls as the edges do",
        parts=[parts.large_packets_lost(), parts.origin_firewalled],
        setup=Setup(vantage={"anchors": ["http://10.94.71.1/", "https://10.94.72.1/"]}),
    ),
    Scenario(
        name="line-portal", party="vantage", why="R3: a captive portal redirects everybody", quick=True,
        parts=[parts.portal("tcp dport 80")], right=_OURS,
    ),
    Scenario(
        name="line-portal-https", party="vantage", why="R3: a captive portal shows its certificate to everybody",
        parts=[parts.portal("tcp dport 80", "tcp dport 443")], setup=Setup(**_SECURE), right=_OURS,
    ),
    Scenario(
        name="line-cdn-out-of-reach", party="vantage",
        why="R3: the look by another line acquits: every edge is well there",
        parts=[parts.cdn_out_of_reach()], setup=Setup(lines=_TWO, keys={"vantage_points": ["one"]}), right=_OURS,
    ),
    Scenario(
        name="line-slow", party="vantage", why="R3: everything is slow over this line, origin and anchors too",
        parts=[parts.slow_line(200)], shows=["vantage.slow"], right=[*_OURS, "slow unknown *", "slow vantage *"],
        setup=Setup(checks={"availability": {}, "integrity": {}, "response_time": {"ttfb": "700ms"}}),
    ),
    Scenario(
        name="line-slow-edge-slow", party="cdn", why="a line of 100 ms and one edge of 1.4 s: the edge alone",
        parts=[parts.slow_line(50), parts.behaving("slow", "varnish")], right=["slow cdn timing.over_limit"],
        setup=Setup(checks={"availability": {}, "integrity": {}, "response_time": {"ttfb": "700ms"}}),
    ),
)  # fmt: skip
