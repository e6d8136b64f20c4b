"""Rule: what surrounds a slot is recorded beside what was observed in it.

The state of this agent and its clock, the nodes known before, the state of our own line: facts from other slots and
from the vantage point's own watch, so that the judge needs nothing but the record. Read by the judge and by reports.
"""

from __future__ import annotations

from enum import StrEnum

from probe.core.model.value import Value


class LineState(StrEnum):
    """What the anchors say of a vantage point's line. unknown: it has none, or none was asked yet."""

    ONLINE = "online"
    OFFLINE = "offline"
    UNKNOWN = "unknown"


class VantageHealth(Value, frozen=True, kw_only=True):
    """What the anchors said on their own schedule. Times RFC 3339 UTC.

    `state` is that of the last round that ended before the slot did, `since` when it began. `offline_meanwhile`:
    a round was offline, or the state was, at some moment between the slot's start and its end.
    `anchors_asked` and `anchors_reached` count that last round. `http3_answered_at`: when, at the latest within the
    ten minutes before the slot, a server answered over HTTP/3 over this line; `http3_answered_by`: its address.
    """

    state: LineState
    since: str | None = None
    checked_at: str | None = None
    anchors_asked: int = 0
    anchors_reached: int = 0
    offline_meanwhile: bool = False
    http3_answered_at: str | None = None
    http3_answered_by: str | None = None


class NodeFacts(Value, frozen=True, kw_only=True):
    """What the inventory knew of the domain's nodes, over the slot's IP version, before this slot.

    `known` counts them. `settled`: it has been learning for long enough that an address which it does not hold is
    worth a word. `strangers`: addresses of this slot's answer that it did not hold.
    """

    known: int
    settled: bool
    strangers: tuple[str, ...] = ()


class Reach(Value, frozen=True, kw_only=True):
    """How many nodes answered in this slot: did all fail (contract B, interruption), or some?

    `known`: those of the inventory and of this slot's answer together; `asked`: those asked in this slot, as
    edge, confirmation or sweep; `answered`: those of which some complete reply below 500 came.
    `unanswered`: the addresses of the others asked, in the order asked.
    """

    known: int
    asked: int
    answered: int
    unanswered: tuple[str, ...] = ()


class HostFacts(Value, frozen=True, kw_only=True):
    """The agent's own state during the slot."""

    agent: str
    agent_version: str
    config_digest: str
    loop_lag_us: int | None = None  # greatest lag of the event loop while the slot ran
    lateness_us: int | None = None  # from scheduled_at to started_at
    clock_synchronised: bool | None = None  # adjtimex
    clock_max_error_us: int | None = None


class HostDate(Value, frozen=True, kw_only=True):
    """What the `Date` of another host's reply said of our wall clock (RFC 9110 section 6.6.1).

    `ahead_us`: by how much our clock, carried on to the slot's start, is ahead of theirs; at most `within_us` too much,
    since a Date has whole seconds and its reply took time. `seen_us_ago`: from its arrival to the slot's start.
    `of_edge`: it came from a CDN's node, else from an anchor or an origin.
    """

    host: str
    ahead_us: int
    within_us: int
    seen_us_ago: int = 0
    of_edge: bool = False

    @property
    def bound_us(self) -> int:
        """Our clock differs from theirs by no more than this."""
        return max(abs(self.ahead_us), abs(self.ahead_us - self.within_us))


class ClockStanding(Value, frozen=True, kw_only=True):
    """Who vouches for our wall clock in a slot, and how far it may be off at most, by their word.

    `vouched_by`: `kernel` (synchronised, adjtimex) or `dates` of other hosts, at least two; None: nobody, or it was
    contradicted. `agreeing` and `differing` count the other hosts whose dates fit our clock and do not. `earlier`: the
    dates from the minutes before the slot that were counted; left out where the slot is ok.
    """

    vouched_by: str | None = None
    bound_us: int | None = None
    agreeing: int = 0
    differing: int = 0
    earlier: tuple[HostDate, ...] = ()


_SLOW_CONNECT_US = 100_000


class LineQuality(Value, frozen=True, kw_only=True):
    """What the slot's own traffic says of our line, where something speaks against it; the numbers that were used.

    `connections`: to anchors and the origin, of those that answered in this slot; `connections_resent`: those in which
    a packet had to be sent again; `retransmits`: packets sent again by us in all of them. `stalled_alike`: every edge
    and the origin took our connection and then sent nothing more, though `largest_passed_bytes`, at most a packet's
    worth, did arrive. `portal`: what answered in the name of every edge and of somebody else too.
    `quickest_connect_us`: the least time in which any host at all, edges too, took a connection, where two anchors did.
    `well_by_another_line`: every edge gave the right content over the line of another vantage point.
    """

    connections: int = 0
    connections_resent: int = 0
    retransmits: int = 0
    slowest_connect_us: int | None = None
    quickest_connect_us: int | None = None
    largest_passed_bytes: int | None = None
    stalled_alike: bool = False
    portal: str | None = None
    well_by_another_line: bool = False

    @property
    def lossy(self) -> bool:
        """Packets were lost on ways that have nothing to do with the CDN."""
        return self.connections_resent > 0

    @property
    def slow(self) -> bool:
        """Not even the nearest of all hosts that were asked took a connection in a tenth of a second."""
        return (self.quickest_connect_us or 0) >= _SLOW_CONNECT_US

    @property
    def path_mtu(self) -> bool:
        """Large packets do not arrive here, whoever sends them."""
        return self.stalled_alike
