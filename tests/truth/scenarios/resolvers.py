"""Our own resolver fails, lies or is late: that is nobody's outage (R1)."""

from __future__ import annotations

from tests.truth import parts
from tests.truth.internet import FORWARDER, RESOLVER, SECOND
from tests.truth.scenario import OK, Scenario
from tests.truth.setup import Setup

_AT_SECOND = Setup(vantage=parts.RESOLVER_AT_SECOND)
_BOTH = {"resolvers": [f"udp://{SECOND}", f"udp://{RESOLVER}"]}
_TWO_BAD = {"resolvers": [f"udp://{SECOND}", f"udp://{FORWARDER}"]}
_OURS = ["inconclusive vantage *"]


def _alone(fault: str, why: str, **more: object) -> Scenario:
    return Scenario(
        name=f"resolver-{fault.replace('_', '-')}", party="vantage", why=why, parts=[parts.resolver(fault)],
        setup=_AT_SECOND, right=_OURS, **more,  # type: ignore[arg-type]
    )  # fmt: skip


SCENARIOS = (
    _alone("forwarder", "c27c: its forwarder is dead, so it fails for the root too", quick=True),
    _alone("refuses", "it refuses everything, the root included"),
    _alone("nothing_exists", "it says of every name that it does not exist"),
    _alone("empty", "it has no data for any name"),
    _alone("zone_lost", "it cannot reach the customer's zone, whose own servers answer us"),
    _alone("cdn_zone_lost", "it cannot reach the CDN's zone, whose own servers answer us"),
    _alone("denies_zone", "it denies what the zone's own servers give us"),
    _alone("refuses_zone", "it refuses what the zone's own servers give us"),
    Scenario(
        name="resolver-gone", party="vantage", why="nobody is at the resolver's address",
        setup=_AT_SECOND, right=_OURS,
    ),
    Scenario(
        name="resolver-silent", party="vantage", why="the line loses everything to and from port 53",
        parts=[parts.blocked("udp dport 53"), parts.blocked("tcp dport 53")], right=_OURS,
    ),
    Scenario(
        name="resolver-first-of-two", party="vantage", why="the first resolver fails, the second is well",
        parts=[parts.resolver("forwarder")], setup=Setup(vantage=_BOTH), right=[OK, *_OURS],
    ),
    Scenario(
        name="resolvers-both-servfail", party="vantage",
        why="c27b: no count of resolvers that fail alike turns it into the zone's",
        parts=[parts.resolver("forwarder"), parts.resolver("forwarder_too", FORWARDER)],
        setup=Setup(vantage=_TWO_BAD), right=_OURS,
    ),
    Scenario(
        name="resolvers-both-deny", party="vantage", why="c27d: two resolvers with the same fault, the zone is well",
        parts=[parts.resolver("denies_zone"), parts.resolver("denies_zone", FORWARDER)],
        setup=Setup(vantage=_TWO_BAD), right=_OURS,
    ),
    Scenario(
        name="resolver-invents", party="path", why="it gives a stranger's address for everything",
        parts=[parts.resolver("invents")], setup=Setup(vantage=_BOTH),
        right=["* path dns.hijacked", *_OURS, OK],
    ),
    Scenario(
        name="resolver-lies", party="path", why="it leads this zone to a stranger; the zone's own servers do not",
        parts=[parts.resolver("liar")], setup=_AT_SECOND, right=["* path dns.hijacked", *_OURS],
    ),
    Scenario(
        name="resolver-outdated", party="vantage", why="R1: it has not seen the customer's change yet: no hijack",
        parts=[parts.resolver("outdated")], setup=_AT_SECOND, right=["* path *", *_OURS],
    ),
    Scenario(
        name="port-53-intercepted-zone-lost", party="vantage",
        why="R1: an answer with RA in the name of the zone's server is interception and proves nothing",
        parts=[parts.resolver("zone_lost"), parts.port_53_intercepted(SECOND)],
        setup=_AT_SECOND, right=_OURS,
    ),
    Scenario(
        name="zone-lost-port-53-blocked", party="vantage",
        why="R1: a line that may not ask other servers is no witness against the zone",
        parts=[parts.resolver("zone_lost"), parts.blocked(f"ip daddr != {SECOND} udp dport 53")],
        setup=_AT_SECOND, right=_OURS,
    ),
)  # fmt: skip
