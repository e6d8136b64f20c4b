"""Our own limits, clock, trust store and manners (R2): they accuse nobody."""

from __future__ import annotations

from tests.truth import parts
from tests.truth.scenario import OK, Scenario
from tests.truth.setup import Setup

_AGENTS = ["inconclusive agent *"]
_SECURE = {"domain": "secure.acme.example", "scheme": "https"}


def _clock(name: str, offset: str, right: list[str], **more: object) -> Scenario:
    return Scenario(
        name=name, party="agent", why=f"R2: our clock is {offset} off", right=right,
        setup=Setup(command=("faketime", "-f", offset), **more),  # type: ignore[arg-type]
    )  # fmt: skip


SCENARIOS = (
    Scenario(
        name="own-limit-body", party="agent", why="R2: the object is larger than our limit", quick=True,
        setup=Setup(files=["1m.bin"], agent={"limits": {"body": "100kB"}}), right=[OK, *_AGENTS],
    ),
    Scenario(
        name="own-limit-head", party="agent", why="R2: a head of 36 kB, within what browsers admit",
        parts=[parts.origin_behaving("long_head"), parts.behaving("admits_long_head", "nginx")],
        setup=Setup(domain="single.acme.example", agent={"limits": {"head": "16KiB"}}), right=[OK, *_AGENTS],
    ),
    Scenario(
        name="own-limit-head-edge-refused", party="cdn", why="a limit of ours hides no dead edge",
        parts=[parts.refused("varnish")], setup=Setup(files=["1m.bin"], agent={"limits": {"body": "100kB"}}),
        right=["failed cdn tcp.refused"],
    ),
    _clock("own-clock-ahead", "+400d", _AGENTS, **_SECURE),
    _clock("own-clock-behind", "-400d", _AGENTS, **_SECURE),
    _clock("own-clock-http", "+400d", [OK, *_AGENTS]),
    Scenario(
        name="own-clock-edge-refused", party="cdn", why="a wrong clock hides no dead edge",
        parts=[parts.refused("nginx")], setup=Setup(command=("faketime", "-f", "+400d")),
        right=["failed cdn tcp.refused"],
    ),
    Scenario(
        name="own-clock-no-witness", party="agent",
        why="R2: nobody vouches for our clock, so a date accuses nobody", parts=[parts.anchors_stopped],
        setup=Setup(**_SECURE, origin=None, command=("faketime", "-f", "+400d")),
        right=[*_AGENTS, "inconclusive vantage *"],
    ),
    Scenario(
        name="own-trust-store-empty", party="agent", why="R2: an empty trust store refuses to start", refused=2,
        setup=Setup(**_SECURE, keys={"tls": {"ca": "file:/dev/null"}}),
    ),
    Scenario(
        name="own-rate-limited", party="agent", why="R2: a 429 to our further questions says nothing",
        parts=[parts.behaving("limits_rate", "nginx")],
        setup=Setup(domain="single.acme.example", checks={"availability": {}, "integrity": {}, "negotiation": {}}),
        right=[OK, "inconclusive unknown http.rate_limited", *_AGENTS],
    ),
    Scenario(
        name="own-challenged", party="agent", why="R2: a challenge page for suspected robots",
        parts=[parts.behaving("challenges", "haproxy")], right=["inconclusive unknown http.challenged"],
    ),
    Scenario(
        name="own-descriptors", party="agent", why="R2: our process has no descriptors left",
        setup=Setup(command=("prlimit", "--nofile=24:24", "--")), right=[OK, *_AGENTS, "inconclusive vantage *"],
    ),
)  # fmt: skip
