"""Rule: a server that is silent over QUIC is accused only beside proof that its host is well and that UDP passes here.

Pure. Many networks carry TCP and drop UDP, whole or from some packet on; a dead QUIC listener looks the same. Two
witnesses tell them apart: TCP to the same address (asked in the slot: role `elsewhere`, or the edge's own reply), and
somebody else who answered over HTTP/3 over this line, an anchor `quic://`, another node, or lately anybody. ICMP's word
that nobody listens can be forged by whoever is on the way, and needs the same witnesses.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from probe.core.records.failure import FailureType
from probe.core.records.observation import Observation, Role
from probe.core.records.verdict import Evidence, Fault
from probe.core.vantage.health import is_quic_anchor, own_fault, reacted

_NO_HANDSHAKE = frozenset(
    {FailureType.QUIC_TIMED_OUT, FailureType.QUIC_REFUSED, FailureType.QUIC_IDLE_TIMED_OUT}
)
_LATER = frozenset({FailureType.HTTP_TIMED_OUT, FailureType.BODY_TIMED_OUT})
_ASKED_AS_THE_EDGE = frozenset({Role.EDGE, Role.SWEEP, Role.CONFIRM, Role.CHECK})


def silent_over_quic(observation: Observation) -> bool:
    """Whether nothing came over UDP from this server, from the first packet on or from some later one on."""
    failure, info = observation.failure, observation.quic_info
    if failure is None or info is None:
        return False
    return failure.type in _NO_HANDSHAKE or (failure.type in _LATER and info.ping_answered is False)


@dataclass(frozen=True, slots=True)
class OverUdp:
    """What a slot knows of UDP over this line, and of one address.

    `tcp_well`, `tcp_dead`: what TCP to the same address came to; both False: it was not asked. `passes`: somebody else
    answered over HTTP/3. `blocked`: others were asked over HTTP/3, and none answered.
    """

    tcp_well: bool
    tcp_dead: bool
    passes: bool
    blocked: bool


def over_udp(evidence: Evidence, index: int) -> OverUdp:
    """Beside observation `index`, which was silent over QUIC."""
    edge = evidence.observations[index]
    looks = [o for o in evidence.observations if _by_tcp(o) and _beside(o, edge, index)]
    others = list(_others(evidence, edge.address))
    # Where nothing came at all, whoever was heard shows that UDP passes, whatever he said; later silence takes a reply.
    passed = _heard if edge.failure is not None and edge.failure.type in _NO_HANDSHAKE else reacted
    health = evidence.vantage_health
    lately = health is not None and health.http3_answered_by not in (None, edge.address)
    return OverUdp(
        tcp_well=any(reacted(o) for o in looks),
        tcp_dead=bool(looks) and not any(reacted(o) for o in looks),
        passes=lately or any(map(passed, others)),
        blocked=bool(others) and not any(map(passed, others)),
    )


def unproven_over_udp(evidence: Evidence, index: int | None) -> Fault | None:
    """Whose fault it may be where this look was silent over QUIC, and not the server's; None: that may be named.

    A host that is dead over TCP too is judged as any that is.
    """
    if index is None or not silent_over_quic(evidence.observations[index]):
        return None
    udp = over_udp(evidence, index)
    if udp.tcp_dead or (udp.tcp_well and udp.passes):
        return None
    return Fault.PATH if udp.blocked else Fault.UNKNOWN


def _heard(look: Observation) -> bool:
    """Datagrams of QUIC came back for this very connection."""
    return look.quic_info is not None and look.quic_info.version is not None


def _beside(look: Observation, asked: Observation, index: int) -> bool:
    """The same node over TCP: a look made for that; of a check's further request over QUIC, the edge's own reply."""
    own = look.role is Role.EDGE and asked.role is Role.CHECK and look.address == asked.address
    return own or (look.role is Role.ELSEWHERE and look.of == index)


def _by_tcp(look: Observation) -> bool:
    return look.quic_info is None and look.vantage_point is None


def _others(evidence: Evidence, address: str) -> Iterator[Observation]:
    """Who else was asked over HTTP/3 over this line; what our own host lacked says nothing."""
    for o in evidence.observations:
        asked = o.role in _ASKED_AS_THE_EDGE and o.address != address and o.vantage_point is None
        anchor = o.role is Role.ANCHOR and is_quic_anchor(o) and own_fault(o) is None
        if anchor or (asked and o.quic_info is not None):
            yield o
