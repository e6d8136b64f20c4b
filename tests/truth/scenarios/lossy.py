"""Packets are lost on one line, for hundreds of rows (R3): nobody is accused for it, and a dead edge is still found.

Three hundred rows with each loss in the long run; what the tests run always is a few.
"""

from __future__ import annotations

from tests.truth import parts
from tests.truth.internet import ANCHORS, EDGES
from tests.truth.scenario import OK, Scenario, Step
from tests.truth.setup import Setup

ROWS = 300
_OURS = [
    OK,
    "inconclusive vantage *",
    "slow unknown *",
    "failed unknown *.timed_out",
    "inconclusive agent agent.stalled",
]  # nobody else is accused
_LONG = {"timeout": "8s", "connect_timeout": "4s"}
_TIMED = {"availability": {}, "integrity": {}, "response_time": {"ttfb": "3s"}}


def _setup(objects: int, **timeouts: str) -> Setup:
    return Setup(
        objects=objects, interval="4s", vantage={"anchor_interval": "30s"},
        keys={"vantage_points": ["one"]}, checks=_TIMED,
        agent={"limits": {"concurrency": 400, "per_origin": 400}}, **{**_LONG, **timeouts},  # type: ignore[arg-type]
    )  # fmt: skip


def _lossy(name: str, percent: int, rows: int, *, quick: bool = False, **timeouts: str) -> Scenario:
    return Scenario(
        name=name, party="vantage", quick=quick,
        why=f"R3: {percent} of 100 packets are lost on our line: {rows} rows, none accuses anybody",
        setup=_setup(max(3, rows // 10), **timeouts),
        steps=[
            Step(name="well", party="nobody", right=[OK], rows=3),
            Step(name="loss", party="vantage", right=_OURS, parts=[parts.lossy(percent)], rows=rows, within=1),
        ],
    )  # fmt: skip


def _dead(percent: int) -> Scenario:
    lossy = parts.lossy(percent)
    return Scenario(
        name=f"loss-{percent}-edge-dead", party="cdn",
        why=f"R3: an edge that is dead beside {percent} % of loss is found within two intervals",
        setup=_setup(4),
        steps=[
            Step(name="well", party="nobody", right=[OK], rows=4),
            Step(
                name="dead", party="cdn", right=[*_OURS, "failed cdn tcp.timed_out"], rows=16, within=1,
                parts=[lossy, parts.silent("nginx")], found="failed cdn *", found_within=2, at=[EDGES["nginx"]],
            ),
            Step(name="again-well", party="nobody", right=[OK], rows=12, within=2),
        ],
    )  # fmt: skip


SCENARIOS: tuple[Scenario, ...] = (
    _lossy("loss-30-few", 30, 12, quick=True),
    _lossy("loss-30", 30, ROWS),
    _lossy("loss-10", 10, ROWS),
    _lossy("loss-30-one-packet", 30, 60, connect_timeout="700ms"),
    _lossy("loss-10-one-packet", 10, 60, connect_timeout="700ms"),
    Scenario(
        name="loss-one-anchor-edge-slow", party="cdn",
        why="R3: an edge that alone is slow is found also beside an anchor that loses packets",
        parts=[parts.behaving("slow", "varnish"), parts.lossy_towards(ANCHORS[0], 40)],
        right=["slow cdn timing.over_limit"],
        setup=Setup(checks={"availability": {}, "integrity": {}, "response_time": {"ttfb": "1s"}}, **_LONG),  # type: ignore[arg-type]
    ),
    _dead(30),
    _dead(10),
    Scenario(
        name="loss-10-edge-slow", party="cdn",
        why="R3: an edge that is slow beside loss is found by another line, or once the loss ends",
        setup=Setup(
            objects=3, interval="4s", lines=("one", "two"), vantage={"anchor_interval": "30s"}, **_LONG,  # type: ignore[arg-type]
            checks={"availability": {}, "integrity": {}, "response_time": {"ttfb": "1s"}},
        ),
        parts=[parts.behaving("slow", "varnish")],
        steps=[
            Step(
                name="loss", party="cdn", rows=18, within=0, at=[EDGES["varnish"]],
                parts=[parts.lossy(10)],
                right=["slow cdn timing.over_limit", "slow unknown *", "inconclusive vantage *"],
                found="slow cdn timing.over_limit", found_within=2,
            ),
            Step(
                name="ended", party="cdn", rows=12, within=2, at=[EDGES["varnish"]],
                right=["slow cdn timing.over_limit"],
            ),
        ],
    ),
)  # fmt: skip
