"""Rule: a line is called offline only when anchors were asked and not one reacted, and only while that is fresh.

Pure: rounds of anchors in, the state of a vantage point's line out. What our own host lacked says nothing of the line.

One round is online if at least one anchor did what its scheme asks for (a response, whatever its status; a connection
accepted; a DNS message, whatever its rcode), and offline if anchors were asked and none did. A refused connection is
no such reaction: a firewall near to us that cuts the line off often answers with a reset in everybody's name, the
edges' too. Behind a proxy only what was asked through it counts, if anything was.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from probe.core.model.task import AnchorSpec, VantagePoint
from probe.core.model.value import replace
from probe.core.records.failure import FailureType, Phase
from probe.core.records.observation import Observation
from probe.core.records.surroundings import LineState, VantageHealth

KEPT_ROUNDS = 128
CLOSE_NS = 250_000_000  # rounds that say the same and lie closer together are kept as one
STALE_AFTER_INTERVALS = 2
# A TCP connection that takes longer had its first packet sent again (RFC 6298 section 2: after one second). The whole
# second, since it is to show that the line was away; `line_quality.RESENT_US` only raises a doubt and asks for less.
LATE_CONNECT_US = 1_000_000
# Nothing came back at all: a dead line looks the same as a dead server.
SILENT = frozenset(
    {
        FailureType.TCP_TIMED_OUT,
        FailureType.TCP_ADDRESS_UNREACHABLE,
        FailureType.VANTAGE_NETWORK_DOWN,
        FailureType.QUIC_TIMED_OUT,
    }
)
_WITHOUT_ADDRESS = (FailureType.DNS_NO_DATA, FailureType.DNS_DANGLING_ALIAS)


def version_of(host: str) -> int | None:
    """4 or 6 of an IP literal; None of a name."""
    try:
        return ip_address(host).version
    except ValueError:
        return None


def anchors_for(vantage: VantagePoint, ip_version: int) -> tuple[AnchorSpec, ...]:
    """The anchors that count for this IP version: those given by name or by an address of it; without any such, all."""
    own = tuple(a for a in vantage.anchors if version_of(a.host) in (None, ip_version))
    return own or vantage.anchors


# --- one round ----------------------------------------------------------------------------------------


def reacted(anchor: Observation) -> bool:
    """Whether the anchor did what it was asked for; a reply that broke off later is one too."""
    shown = anchor.tls is not None and bool(anchor.tls.chain_sha256)
    return anchor.failure is None or anchor.response is not None or shown


def somebody(look: Observation) -> bool:
    """Whether anybody out there can have made this; a name that was not found can be our own resolver's word."""
    if look.failure is None or look.response is not None:
        return True
    ours = (
        look.failure.phase in (Phase.HOST, Phase.DNS) or look.failure.type is FailureType.TCP_ADDRESS_BLOCKED
    )
    return not ours and look.failure.type not in SILENT


def own_fault(anchor: Observation) -> FailureType | None:
    """Why our own host did not really ask it: descriptors, memory, our own address policy. None: it was asked."""
    kind = None if anchor.failure is None else anchor.failure.type
    if kind is None or reacted(anchor):
        return None
    blocked = kind is FailureType.TCP_ADDRESS_BLOCKED
    return kind if blocked or kind.value.startswith("agent.") else None


def counted(anchors: Iterable[Observation]) -> tuple[int, int]:
    """(anchors asked, anchors that reacted): each anchor once, however often it was tried.

    One that is silent over QUIC does not count: networks that carry TCP and DNS and nothing else over UDP are many.
    """
    asked = [o for o in anchors if own_fault(o) is None and not _nowhere(o) and not _silent_over_quic(o)]
    through = [o for o in asked if o.proxy is not None]
    deciding = through or asked
    return len({_key(o) for o in deciding}), len({_key(o) for o in deciding if reacted(o)})


def _nowhere(anchor: Observation) -> bool:
    """Its name has no address of this IP version: so it could not be asked, which says nothing of the line."""
    return anchor.failure is not None and anchor.failure.type in _WITHOUT_ADDRESS


def _silent_over_quic(anchor: Observation) -> bool:
    return is_quic_anchor(anchor) and not reacted(anchor)


def is_quic_anchor(anchor: Observation) -> bool:
    """Whether it was asked over HTTP/3."""
    return anchor.url.startswith("quic://")


def late(anchors: Sequence[Observation]) -> bool:
    """Whether anchors reacted, and all that did had lost the first packet sent to them.

    Independent anchors that lose it at the same moment were asked while the line was away. It shows in the time for
    connecting, and in a DNS question that had to be repeated. Through a proxy it does not show: False.
    """
    if any(o.proxy is not None for o in anchors):
        return False
    asked = [o for o in anchors if own_fault(o) is None]
    lost = {_key(o) for o in asked if not reacted(o) and o.url.startswith("dns://")}
    answered = [o for o in anchors if reacted(o)]
    return bool(answered) and all(_key(o) in lost or connecting_us(o) >= LATE_CONNECT_US for o in answered)


def connecting_us(anchor: Observation) -> int:
    """From the first packet to the TCP connection, without TLS; 0 where there is none."""
    timing = anchor.timing
    end_us = (
        timing.connect_end_us
        if timing.secure_connection_start_us is None
        else timing.secure_connection_start_us
    )
    return 0 if timing.connect_start_us is None or end_us is None else end_us - timing.connect_start_us


def _key(anchor: Observation) -> tuple[str, str, int]:
    return anchor.url, anchor.address, anchor.port


def state_of(asked: int, reached: int) -> LineState:
    """What a round says of the line."""
    if not asked:
        return LineState.UNKNOWN
    return LineState.ONLINE if reached else LineState.OFFLINE


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorRound:
    """All anchors of a line, asked at once. `_ns` on the monotonic clock, `_at` RFC 3339 UTC.

    `witnessed_ns` is the moment of which it says something: its end if an anchor reacted, its start if none did. So a
    round that waited long in vain does not contradict one that began later and was answered.
    """

    started_ns: int
    ended_ns: int
    witnessed_ns: int
    started_at: str
    ended_at: str
    asked: int
    reached: int

    @property
    def state(self) -> LineState:
        """What it says of the line."""
        return state_of(self.asked, self.reached)


def rounds_of(
    anchors: Sequence[Observation], *, started_ns: int, ended_ns: int, started_at: str, ended_at: str
) -> tuple[AnchorRound, ...]:
    """The round that these observations were; two where it began with the line away and ended with it back."""
    asked, reached = counted(anchors)
    made = AnchorRound(
        started_ns=started_ns,
        ended_ns=ended_ns,
        witnessed_ns=ended_ns if reached else started_ns,
        started_at=started_at,
        ended_at=ended_at,
        asked=asked,
        reached=reached,
    )
    return (replace(made, reached=0, witnessed_ns=started_ns), made) if late(anchors) else (made,)


# --- rounds over time ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class LineHistory:
    """The recent rounds of a line, in the order in which they ended, and the state that they leave it in.

    `since`: when that state was first seen, RFC 3339 UTC.
    """

    rounds: tuple[AnchorRound, ...] = ()
    state: LineState = LineState.UNKNOWN
    since: str | None = None

    @property
    def newest(self) -> AnchorRound | None:
        """The round that the state comes from."""
        return _newest(self.rounds) if self.rounds else None

    def with_round(self, made: AnchorRound) -> LineHistory:
        """This history and one round more; a round that says nothing leaves it as it is."""
        if made.state is LineState.UNKNOWN:
            return self
        rounds = _added(self.rounds, made)
        state = _newest(rounds).state
        since = self.since
        if state is not self.state:
            since = made.ended_at if state is LineState.ONLINE else made.started_at
        return LineHistory(rounds=rounds, state=state, since=since)


def health_during(history: LineHistory, start_ns: int, end_ns: int, stale_after_ns: int) -> VantageHealth:
    """How the line was between two moments (monotonic); rounds that ended longer ago than `stale_after_ns` say nothing.

    It was offline meanwhile if it was so when the span began, or if a round that reached nobody lies in the span.
    """
    last = _told_until(history.rounds, end_ns, stale_after_ns)
    at_start = _told_until(history.rounds, start_ns, stale_after_ns)
    meanwhile = any(
        r.state is LineState.OFFLINE and r.started_ns <= end_ns and r.ended_ns >= start_ns
        for r in history.rounds
    )
    if at_start is not None and at_start.state is LineState.OFFLINE:
        meanwhile = True
    if last is None:
        return VantageHealth(state=LineState.UNKNOWN, offline_meanwhile=meanwhile)
    return VantageHealth(
        state=last.state,
        since=history.since if last.state is history.state else None,
        checked_at=last.ended_at,
        anchors_asked=last.asked,
        anchors_reached=last.reached,
        offline_meanwhile=meanwhile,
    )


def stale_after_ns(vantage: VantagePoint) -> int:
    """For how long a round of this vantage point counts for its line, nanoseconds."""
    return STALE_AFTER_INTERVALS * vantage.anchor_interval_us * 1000


def _added(rounds: tuple[AnchorRound, ...], made: AnchorRound) -> tuple[AnchorRound, ...]:
    """With `made` in its place. Many slots that look at once make many rounds: those that say the same become one."""
    last = rounds[-1] if rounds else None
    if last is None or last.state is not made.state:
        return (*rounds, made)[-KEPT_ROUNDS:]
    if made.state is LineState.ONLINE:
        near = made.ended_ns - last.ended_ns <= CLOSE_NS
        return rounds if near else (*rounds, made)[-KEPT_ROUNDS:]
    if made.started_ns - last.ended_ns <= CLOSE_NS:
        return (*rounds[:-1], _one(last, made))
    return (*rounds, made)[-KEPT_ROUNDS:]


def _one(last: AnchorRound, made: AnchorRound) -> AnchorRound:
    """Two offline rounds that meet: the line was offline from the start of the one to the end of the other."""
    first = min(last, made, key=lambda r: r.started_ns)
    return replace(
        made,
        started_ns=first.started_ns,
        started_at=first.started_at,
        ended_ns=max(last.ended_ns, made.ended_ns),
        witnessed_ns=max(last.witnessed_ns, made.witnessed_ns),
    )


def _newest(rounds: Sequence[AnchorRound]) -> AnchorRound:
    return max(rounds, key=lambda r: r.witnessed_ns)


def _told_until(rounds: Sequence[AnchorRound], at_ns: int, within_ns: int) -> AnchorRound | None:
    """Of the rounds that speak of a moment up to `at_ns`, the newest; None if it ended more than `within_ns` before."""
    before = [r for r in rounds if r.witnessed_ns <= at_ns]
    newest = _newest(before) if before else None
    return newest if newest is not None and at_ns - newest.ended_ns <= within_ns else None
