"""What lost packets explain: that nothing came from an edge, or that its reply came late.

Pure. What is lost on its way to us shows on the server's side alone, so our own TCP_INFO acquits no edge. One that gave
nothing, or was slow, is therefore asked again, a few times: what is lost by chance is not lost each time. A late look
during which we saw a packet of ours sent again shows nothing by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from probe.core.model.task import Deadlines
from probe.core.model.value import replace
from probe.core.records.failure import FailureType
from probe.core.records.observation import Observation, Role
from probe.core.records.surroundings import LineQuality
from probe.core.vantage.line_quality import ENOUGH_CLEAN, RESENT_US, dead_beside_loss, resent

SLOW_LOOKS = 3  # further looks at a slow edge
SENT_AGAIN_US = (
    200_000  # no server sends again sooner (Linux: TCP_RTO_MIN; RFC 6298 section 2.4 wants one second)
)
ONCE_LOOKS = (
    3  # further looks at an edge that gave nothing in time once, and was well when it was asked again
)
_TWO_PACKETS_US = (
    1_500_000  # in less than that the first packet is sent once (RFC 6298 section 2: again after 1 s)
)
_PATIENT_US = 3_500_000  # time for three: at 0, 1 and 3 seconds
_ENOUGH_SHOWN = 2
_NO_CONNECTION = (FailureType.TCP_TIMED_OUT, FailureType.QUIC_TIMED_OUT)


def silent_beside_loss(looks: Sequence[Observation], deadlines: Deadlines, line: LineQuality | None) -> bool:
    """Whether these looks at one edge gave nothing so often that a lossy line does not explain it."""
    waits_us = {
        FailureType.TCP_TIMED_OUT: deadlines.connect_us,
        FailureType.QUIC_TIMED_OUT: deadlines.connect_us,
        FailureType.TLS_TIMED_OUT: deadlines.tls_us,
        FailureType.HTTP_TIMED_OUT: deadlines.first_byte_us,
    }
    waited_us = [0 if o.failure is None else waits_us.get(o.failure.type, 0) for o in looks]
    least_us = min(deadlines.total_us, *waited_us)
    return least_us > 0 and (line is None or dead_beside_loss(line, len(looks), least_us))


def patient(deadlines: Deadlines) -> Deadlines:
    """The same with time for three first packets, where they leave time for one: as second looks and anchors are asked.

    An agreed limit may be as short as that; a lost packet is then told from a dead edge by somebody who waits.
    """
    if deadlines.connect_us >= _TWO_PACKETS_US:
        return deadlines
    longer_us = _PATIENT_US - deadlines.connect_us
    return replace(deadlines, connect_us=_PATIENT_US, total_us=deadlines.total_us + longer_us)


def one_packet_lost(edge: Observation, deadlines: Deadlines) -> bool:
    """Whether this edge took no connection in a time in which the first packet is sent once."""
    timed_out = edge.failure is not None and edge.failure.type in _NO_CONNECTION
    return timed_out and deadlines.connect_us < _TWO_PACKETS_US


def once_by_loss(first: Observation, again: Sequence[Observation], clean: int, deadlines: Deadlines) -> bool:
    """Whether lost packets may be all that is wrong with an edge that gave nothing in time once, and not again.

    `again`: further looks, none of which failed; `clean`: connections to bystanders that lost nothing. Where these
    are few, and packets were lost on the edge's own connections, nothing tells whether the line loses them all.
    """
    if one_packet_lost(first, deadlines) or len(again) >= ONCE_LOOKS:
        return True
    looks = (first, *again)
    return clean < ENOUGH_CLEAN and any(map(resent, looks)) and any(o.answer is not None for o in looks)


def may_be_a_lost_packet(edge: Observation) -> bool:
    """Whether this reply took long enough for a packet of it to have been lost and sent again.

    Through a proxy TCP is spoken with the proxy: its losses are not told from the edge's slowness.
    """
    whole_us = edge.timing.whole_us
    return edge.role is Role.EDGE and edge.proxy is None and (whole_us or 0) >= SENT_AGAIN_US


@dataclass(frozen=True, slots=True, kw_only=True)
class Lateness:
    """A late reply of an edge, and the further looks at it; `late`: those of them over the limit too.

    `comparable`: the further looks could have shown what made the first one late. They cannot where it had to come
    from the origin, and they came from the edge's cache.
    """

    first: Observation
    looks: Sequence[Observation]
    late: Sequence[Observation]
    comparable: bool

    def is_the_edges(self, clean: int) -> bool:
        """Whether the edge is shown to be slow, on a line of which nothing shows that it loses packets.

        `clean`: connections to bystanders that lost nothing. Two late replies without a loss are enough, or all late
        beside enough clean ones: what is lost then, is lost on the edge's own way. A first reply that the further
        looks could not show again counts if nothing was lost anywhere.
        """
        shown = [look for look in (self.first, *self.late) if not resent(look)]
        if len(shown) >= _ENOUGH_SHOWN:
            return True
        if clean < ENOUGH_CLEAN:
            return False
        return self._always() or (not self.comparable and not resent(self.first))

    @property
    def beside_loss(self) -> bool:
        """Whether the edge is shown to be slow though the line was found to lose packets.

        Each of four looks was late, none lost a packet that we know of, and each waited so long after connecting that
        its reply would have to have been lost several times.
        """
        every = (self.first, *self.late)
        return self._always() and all(not resent(o) and _waited_us(o) >= RESENT_US for o in every)

    def _always(self) -> bool:
        return len(self.late) == len(self.looks) >= SLOW_LOOKS


def _waited_us(look: Observation) -> int:
    """From the end of connecting to the first byte; 0 where one was not seen."""
    began_us, first_us = look.timing.connect_end_us, look.timing.response_start_us
    return 0 if began_us is None or first_us is None else first_us - began_us
