"""Situations that change while the agent runs: right at each step, within three rows."""

from __future__ import annotations

from tests.truth import parts
from tests.truth.internet import EDGES, FORWARDER
from tests.truth.scenario import OK, Scenario, Step
from tests.truth.setup import Setup

_OURS = ["inconclusive vantage *"]
_OFTEN = {"interval": "2s", "timeout": "3s", "connect_timeout": "1500ms"}

SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        name="forwarder-dies-recovers-loses-a-zone", party="vantage",
        why="R1: a real unbound whose forwarder dies, comes back, and loses one zone",
        setup=Setup(vantage=parts.RESOLVER_AT_SECOND, **_OFTEN),  # type: ignore[arg-type]
        parts=[parts.resolver("forwarder")],
        steps=[
            Step(name="well", party="nobody", right=[OK], parts=[parts.resolver("well", FORWARDER)], rows=8),
            Step(name="dead", party="vantage", right=_OURS, rows=8),
            Step(name="back", party="nobody", right=[OK], parts=[parts.resolver("well", FORWARDER)], rows=8),
            Step(
                name="zone-lost", party="vantage", right=_OURS, rows=8,
                parts=[parts.resolver("zone_lost", FORWARDER)],
            ),
            Step(name="well-again", party="nobody", right=[OK], parts=[parts.resolver("well", FORWARDER)], rows=8),
        ],
    ),
    Scenario(
        name="edges-die-one-after-the-other", party="cdn", why="outages come, grow and end",
        setup=Setup(**_OFTEN),  # type: ignore[arg-type]
        steps=[
            Step(name="well", party="nobody", right=[OK], rows=4),
            Step(
                name="one", party="cdn", right=["failed cdn tcp.refused"], parts=[parts.refused("varnish")],
                rows=5, within=1, at=[EDGES["varnish"]],
            ),
            Step(
                name="all", party="cdn", right=["failed cdn tcp.refused"], parts=[parts.refused(*parts.EVERY)],
                rows=5, within=1,
            ),
            Step(name="none", party="nobody", right=[OK], rows=5, within=1),
        ],
    ),
    Scenario(
        name="origin-answers-then-dies", party="origin",
        why="R1: an origin that answered before explains the 50x of edges that need it",
        setup=Setup(**_OFTEN, checks={"availability": {}}, files=["live.txt"]),  # type: ignore[arg-type]
        steps=[
            Step(name="well", party="nobody", right=[OK], rows=4),
            Step(
                name="dead", party="origin", right=["failed origin *"], parts=[parts.origin_stopped],
                rows=5, within=1,
            ),
            Step(
                name="dead-edge-too", party="cdn", right=["failed cdn tcp.refused"], rows=5, within=1,
                parts=[parts.origin_stopped, parts.refused("haproxy")],
            ),
            Step(name="well-again", party="nobody", right=[OK], rows=5, within=2),
        ],
    ),
    Scenario(
        name="line-comes-and-goes", party="vantage", why="the line is cut and comes back",
        setup=Setup(**_OFTEN),  # type: ignore[arg-type]
        steps=[
            Step(name="well", party="nobody", right=[OK], rows=4),
            Step(name="cut", party="vantage", right=_OURS, parts=[parts.cut()], rows=5, within=1),
            Step(name="back", party="nobody", right=[OK], rows=6, within=3),
        ],
    ),
)  # fmt: skip
