"""Nothing is wrong, or nothing that a user would notice: nobody may be accused of anything."""

from __future__ import annotations

from tests.truth import parts
from tests.truth.scenario import OK, Scenario
from tests.truth.setup import Setup

_ALL_CHECKS = {
    "availability": {},
    "response_time": {"ttfb": "1s", "total": "3s"},
    "integrity": {},
    "headers": {"present": ["content-type"]},
}

SCENARIOS = (
    Scenario(name="well-http", party="nobody", why="all is well", right=[OK], quick=True),
    Scenario(
        name="well-https", party="nobody", why="all is well", right=[OK],
        setup=Setup(domain="secure.acme.example", scheme="https", checks={**_ALL_CHECKS, "certificate": {}}),
    ),
    Scenario(
        name="well-large", party="nobody", why="all is well", right=[OK],
        setup=Setup(files=["1m.bin", "300k.bin", "small.txt"], checks=_ALL_CHECKS),
    ),
    Scenario(
        name="well-two-lines", party="nobody", why="all is well on both lines", right=[OK],
        setup=Setup(lines=("one", "two")),
    ),
    Scenario(
        name="well-all-questions", party="nobody", why="further questions of checks are answered", right=[OK],
        setup=Setup(
            checks={"availability": {}, "integrity": {}, "negotiation": {}, "freshness": {"max_age": {"at_most": "1h"}}}
        ),
    ),
    Scenario(
        name="well-no-origin", party="nobody", why="without an origin nothing is compared", right=[OK],
        setup=Setup(origin=None),
    ),
    Scenario(
        name="well-origin-firewalled", party="nobody", right=[OK], parts=[parts.origin_firewalled],
        why="R1: an origin that never answered changes no verdict",
    ),
    Scenario(
        name="well-origin-stopped", party="nobody", right=[OK],
        parts=[parts.kept_by_edges("nginx", "/s/kept/app.js"), parts.origin_stopped],
        setup=Setup(domain="single.acme.example", path="/s/kept/app.js", checks={"availability": {}}),
        why="the edge has it in its cache, so users are served",
    ),
    Scenario(
        name="well-one-anchor-down", party="nobody", right=[OK],
        parts=[parts.anchor_stopped("10.94.71.1")], why="one anchor of two is enough",
    ),
    Scenario(
        name="well-anchors-down", party="nobody", right=[OK], parts=[parts.anchors_stopped],
        why="R1: a positive reply outweighs anchors",
    ),
    Scenario(
        name="well-port-53-blocked", party="nobody", right=[OK],
        parts=[parts.blocked("ip daddr != 10.94.61.1 udp dport 53")],
        why="many hosts may send port 53 to their own resolver only",
    ),
    Scenario(
        name="well-agreed-redirect", party="nobody", right=[OK],
        setup=Setup(
            path="/old", origin=None,
            checks={"availability": {"status": [301]}, "redirect": {"location": "http://www.acme.example/new"}},
        ),
        why="a redirect that was agreed",
    ),
    Scenario(
        name="well-slow-by-agreement", party="nobody", right=[OK], parts=[parts.behaving("slow", "varnish")],
        setup=Setup(checks={"availability": {}, "response_time": {"ttfb": "3s"}}),
        why="slower than others and within the agreed limit",
    ),
)  # fmt: skip
