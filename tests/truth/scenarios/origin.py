"""The customer's origin fails, and the edges pass it on."""

from __future__ import annotations

from tests.truth import parts
from tests.truth.scenario import OK, Scenario
from tests.truth.setup import Setup

SCENARIOS = (
    Scenario(
        name="origin-error", party="origin", why="the origin answers 500, the edges relay it", quick=True,
        parts=[parts.origin_behaving("error")], right=["failed origin *"],
    ),
    Scenario(
        name="origin-missing", party="origin", why="the origin has no such file",
        parts=[parts.origin_behaving("missing")], right=["failed origin *"],
    ),
    Scenario(
        name="origin-frozen", party="origin", why="the origin hangs for everybody, it answered us before",
        parts=[parts.origin_frozen], right=["failed origin *", "failed unknown *"],
    ),
    Scenario(
        name="origin-slow", party="origin", why="the origin is slow, and so is what the edges ask of it",
        parts=[parts.origin_slow], right=["slow origin timing.origin_slow", "slow unknown *"],
        setup=Setup(checks={"availability": {}, "integrity": {}, "response_time": {"ttfb": "700ms"}}),
    ),
    Scenario(
        name="origin-firewalled-and-down", party="origin",
        why="R1: nobody who never heard the origin can tell; the CDN's 50x beside it is not proven to be its own",
        parts=[parts.origin_stopped, parts.origin_firewalled], right=["failed unknown *"],
    ),
    Scenario(
        name="origin-forbids-us", party="nobody", why="the origin answers 403 to us alone; users are served",
        parts=[parts.origin_behaving("forbids_us")], right=[OK, "inconclusive unknown *"],
        setup=Setup(checks={"availability": {}}),
    ),
)  # fmt: skip
