"""Our own line as a suspect: what the slot's other traffic over it says, before an edge is accused.

Pure. Input: every observation of a slot. Output: what was found of the line, with the numbers used. Packets lost,
large packets that never arrive, and a portal that answers for everybody look like faults of the edge, if only the
edge is looked at; they show at the bystanders too: the anchors and the origin, which have nothing to do with the edge.
What shows at edges alone is never the line's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from urllib.parse import urlsplit

from probe.core.records.failure import FailureType
from probe.core.records.observation import Observation, Relation, Role
from probe.core.records.surroundings import LineQuality
from probe.core.redirects.next_hop import STATUS_CODES as REDIRECTS
from probe.core.vantage.health import connecting_us, reacted

RESENT_US = (
    900_000  # whoever waits longer for TCP had its first packet sent again (RFC 6298 section 2: one second)
)
SMALL_BYTES = 1_000  # of a body that comes with its head in one packet of any usual path
_AFTER_CONNECTING = frozenset(
    {FailureType.TLS_TIMED_OUT, FailureType.HTTP_TIMED_OUT, FailureType.BODY_TIMED_OUT}
)
FOREIGN_CERTIFICATE = frozenset(
    {
        FailureType.TLS_CERT_NAME_INVALID,
        FailureType.TLS_CERT_AUTHORITY_INVALID,
        FailureType.TLS_CERT_SELF_SIGNED,
    }
)
# What a portal does to clients that it cannot lead to its page.
CUT_OFF = FOREIGN_CERTIFICATE | {
    FailureType.TCP_TIMED_OUT,
    FailureType.TCP_REFUSED,
    FailureType.TCP_RESET,
    FailureType.QUIC_TIMED_OUT,
    FailureType.QUIC_REFUSED,
    FailureType.TLS_TIMED_OUT,
    FailureType.TLS_CLOSED,
    FailureType.TLS_PROTOCOL_ERROR,
}
# What a look-up comes to where packets are lost between us and the resolver, or between one on our host and the zone.
LOOKUPS_LOST = frozenset(
    {
        FailureType.DNS_TIMED_OUT,
        FailureType.DNS_UNREACHABLE,
        FailureType.DNS_TRUNCATED_TCP_FAILED,
        FailureType.DNS_SERVER_FAILURE,
    }
)
_BY_CHANCE, _ENOUGH_LOOKS = 0.001, 4
ENOUGH_CLEAN = (
    6  # connections to bystanders without loss: at one packet in ten lost, three in four such sets show some
)
_EDGES = frozenset({Role.EDGE, Role.CONFIRM})
_BYSTANDERS = frozenset({Role.ANCHOR, Role.ORIGIN, Role.CONTROL})
ENOUGH_ANCHORS = 2
_CERTIFICATE = "certificate"
_ORIGINS = frozenset({Role.ORIGIN, Role.CONTROL})
_OK = 200
_PAGE_BYTES = 200
_NETWORK_AUTHENTICATION_REQUIRED = 511  # RFC 6585 section 6


def line_quality(observations: Sequence[Observation]) -> LineQuality | None:
    """What these observations say of the line that they went over; None where nothing speaks against it.

    Through a proxy TCP is spoken with the proxy alone: then nothing is said.
    """
    if all(o.role in _EDGES for o in observations):  # as in most slots: all is well, and the origin known
        return None
    edges = any(o.role is Role.EDGE for o in observations)
    own = [o for o in observations if o.proxy is None and o.vantage_point is None]
    bystanders = [o for o in own if o.role in _BYSTANDERS]
    heard = {_party(o) for o in bystanders if reacted(o)}
    counted = [o for o in bystanders if _party(o) in heard and _spoke_tcp(o)]
    at_edges = any(map(_lost_something, (o for o in own if o.role in _EDGES and o.answer is not None)))
    at_anchors = any(_lost_something(o) for o in counted if o.role is Role.ANCHOR)
    # The origin may lose packets on a way of its own: it counts beside an anchor or an edge that loses them too.
    again = [o for o in counted if _lost_something(o)] if at_edges or at_anchors else []
    stalled, passed = _sizes(own)
    found = LineQuality(
        connections=len(counted),
        connections_resent=len(again),
        retransmits=sum(o.tcp_info.retransmits_total for o in counted if o.tcp_info is not None),
        slowest_connect_us=max(map(connecting_us, counted), default=0) or None,
        quickest_connect_us=_quickest_us(own),
        largest_passed_bytes=passed if stalled else None,
        stalled_alike=stalled,
        portal=_portal(own) if edges else None,
        well_by_another_line=_well_elsewhere(observations),
    )
    suspect = found.lossy or found.path_mtu or found.slow or found.portal is not None
    return found if suspect or found.well_by_another_line else None


def _quickest_us(own: Iterable[Observation]) -> int | None:
    """The least time in which any host at all took a connection; None where fewer than two anchors did."""
    took = {
        (o.role, _party(o)): connecting_us(o)
        for o in own
        if _spoke_tcp(o) and reacted(o) and connecting_us(o)
    }
    return min(took.values()) if sum(role is Role.ANCHOR for role, _ in took) >= ENOUGH_ANCHORS else None


def anchors_as_slow_as(observations: Iterable[Observation], edge: Observation) -> bool:
    """Whether every anchor that replied took at least half as long to its first byte as this edge did."""
    edge_us = _first_byte_us(edge)
    replies = (
        o for o in observations if o.role is Role.ANCHOR and o.proxy is None and o.response is not None
    )
    times = [us for us in map(_first_byte_us, replies) if us is not None]
    return edge_us is not None and len(times) >= ENOUGH_ANCHORS and all(us * 2 >= edge_us for us in times)


def _first_byte_us(observation: Observation) -> int | None:
    start_us, first_us = observation.timing.connect_start_us, observation.timing.response_start_us
    return None if start_us is None or first_us is None else first_us - start_us


def clean_connections(observations: Sequence[Observation]) -> int:
    """Connections to anchors and the origin that lost nothing."""
    own = (o for o in observations if o.role in _BYSTANDERS and o.proxy is None and o.vantage_point is None)
    return sum(_spoke_tcp(o) and reacted(o) and not _lost_something(o) for o in own)


def _party(observation: Observation) -> tuple[str, int]:
    return observation.address, observation.port


def _spoke_tcp(observation: Observation) -> bool:
    return not observation.url.startswith(("dns://", "quic://"))


def _lost_something(observation: Observation) -> bool:
    """A packet of ours was sent again, or the first one: a connection that came about late (RFC 6298 section 2).

    Over QUIC: one was declared lost, or nothing came within the probe timeout (RFC 9002 section 6).
    """
    info, quic = observation.tcp_info, observation.quic_info
    if quic is not None:
        return quic.lost_packets > 0 or quic.probes > 0
    return (info is not None and info.retransmits_total > 0) or connecting_us(observation) >= RESENT_US


def resent(observation: Observation) -> bool:
    """Whether this connection itself lost something on its way: whose fault that is, it alone does not tell."""
    return observation.proxy is None and _lost_something(observation)


def dead_beside_loss(quality: LineQuality, silent_looks: int, waited_us: int) -> bool:
    """Whether the line's loss is too small to explain that nothing came back to `silent_looks` of `waited_us` each.

    Each look sends its packet at 0, 1, 3, 7 seconds and so on (RFC 6298; once connected, sooner). Were the edge well,
    each exchange would be lost as often as those with bystanders, two a connection at least and one more for each
    packet sent again (rule of succession); all by chance: one in 1000. A few looks are never enough.
    """
    if silent_looks < _ENOUGH_LOOKS:
        return False
    again = max(quality.retransmits, quality.connections_resent)
    lost = (again + 1) / (2 * quality.connections + again + 2)
    sent = sum(1 for n in range(8) if (2**n - 1) * 1_000_000 < waited_us)
    return lost ** (sent * silent_looks) < _BY_CHANCE


# --- sizes ----------------------------------------------------------------------------------------


def small_replies_untried(observations: Sequence[Observation]) -> bool:
    """Whether all edges and the origin stalled alike, and only small replies of theirs can tell why: none was asked."""
    own = [o for o in observations if o.proxy is None and o.vantage_point is None]
    alike = _stalled_alike(own)
    told = _by_handshake(alike) or _small_looks(own, alike)
    return bool(alike) and _passed_small_only(own) is not None and not told


def _sizes(own: Sequence[Observation]) -> tuple[bool, int | None]:
    """Whether every edge and the origin took our connection and then stalled alike, and the largest body that passed.

    Told apart from an origin that hangs, with edges that wait for it: by handshakes or bodies that stall, which need
    no origin, or by small replies of the same hosts, an edge and the origin, that passed. An anchor that stalls waits
    for nobody's origin: beside it an edge's small reply is enough.
    """
    alike, passed = _stalled_alike(own), _passed_small_only(own)
    if not alike or passed is None or any(map(_took_large_packets, own)):
        return False, passed
    answered = [o for o in _small_looks(own, alike) if o.failure is None]
    by_origin = any(o.role in _ORIGINS for o in answered)
    by_edge = any(o.role not in _ORIGINS for o in answered)
    of_anchors = any(o.role is Role.ANCHOR for o in alike)
    return _by_handshake(alike) or (by_edge and (by_origin or of_anchors)), passed


def _stalled_alike(own: Sequence[Observation]) -> list[Observation]:
    """The looks at edges and the origin, if every one stalled; without an origin the anchors that did stand for it."""
    edges = [o for o in own if o.role in _EDGES]
    others = [o for o in own if o.role is Role.ORIGIN] or [
        o for o in own if o.role is Role.ANCHOR and _stalled(o)
    ]
    both = [*edges, *others]
    return both if edges and others and all(map(_stalled, both)) else []


def _passed_small_only(own: Sequence[Observation]) -> int | None:
    """The largest body that passed from anybody but edges, if it is small; None where none or a larger one did."""
    replies = (o.response for o in own if o.failure is None and o.role not in _EDGES)
    sizes = [r.encoded_body_bytes for r in replies if r is not None and r.encoded_body_bytes is not None]
    return max(sizes) if sizes and max(sizes) <= SMALL_BYTES else None


def _by_handshake(stalled: Iterable[Observation]) -> bool:
    return all(_kind(o) in (FailureType.TLS_TIMED_OUT, FailureType.BODY_TIMED_OUT) for o in stalled)


def _small_looks(own: Iterable[Observation], stalled: Sequence[Observation]) -> list[Observation]:
    """Further requests to the hosts that stalled, which may have got a small reply."""
    hosts = set(map(_party, stalled))
    asked = (o for o in own if o.role in (Role.CHECK, Role.CONTROL) and _party(o) in hosts)
    return [o for o in asked if o.failure is not None or o.response is not None]


def _took_large_packets(observation: Observation) -> bool:
    """More came than one packet holds, though the rest may not have: a body, or a chain of certificates."""
    response, tls = observation.response, observation.tls
    body_bytes = 0 if response is None else response.encoded_body_bytes or 0
    return body_bytes > SMALL_BYTES or (tls is not None and len(tls.chain_sha256) > 1)


def _kind(observation: Observation) -> FailureType | None:
    return None if observation.failure is None else observation.failure.type


def _stalled(observation: Observation) -> bool:
    return _kind(observation) in _AFTER_CONNECTING


# --- a portal -------------------------------------------------------------------------------------


def _portal(own: Sequence[Observation]) -> str | None:
    """What answered for everybody: every edge, and an anchor or origin of another host; None where nothing did.

    A portal has no certificate for edges asked over TLS, or cuts them off, and redirects anchors asked without: then
    two anchors at least have to be led to the same place, and no anchor may be left alone. Likewise a page of its own.
    One that came up while the slot was measured may have left alone whom it found connected.
    """
    edges = [o for o in own if o.role is Role.EDGE]
    signs = set(map(_sign, edges))
    sign = signs.pop() if len(signs) == 1 else None
    others = (o for o in own if o.role is Role.ANCHOR or (o.role is Role.ORIGIN and not _redirects(o)))
    if sign is not None and any(_sign(o) == sign for o in others):
        return sign
    led = _given_to_anchors(own, _sign)
    if led is not None and all(_kind(o) in CUT_OFF for o in edges):
        return sign or led
    if led is not None and _came_up_meanwhile(own):
        return led
    page = _given_to_anchors(own, _page)
    return page if page is not None and {page} == set(map(_page, edges)) else None


def _came_up_meanwhile(own: Sequence[Observation]) -> bool:
    """Whether a portal that leads the anchors elsewhere came up during this slot, so that an edge was well before.

    It cut off the origin, which had answered in this same slot, and every edge that was asked since.
    """
    cut_off = [o for o in own if o.role in _EDGES | _ORIGINS and _kind(o) in CUT_OFF]
    later_us = {_party(o): _begun_us(o) for o in cut_off if o.role in _ORIGINS}
    answered = (o for o in own if o.role in _ORIGINS and o.response is not None)
    changed = any(_begun_us(o) < later_us.get(_party(o), 0) for o in answered)
    since_us = min(map(_begun_us, cut_off), default=0)
    asked_since = (o for o in own if o.role in _EDGES and _begun_us(o) >= since_us)
    return changed and all(_kind(o) in CUT_OFF for o in asked_since)


def _begun_us(observation: Observation) -> int:
    return observation.timing.connect_start_us or 0


def _given_to_anchors(own: Sequence[Observation], sign_of: Callable[[Observation], str | None]) -> str | None:
    """What all anchors that reacted over HTTP gave alike; None where they are fewer than two, or one differs."""
    anchors = [o for o in own if o.role is Role.ANCHOR and reacted(o) and _spoke_http(o)]
    given = set(map(sign_of, anchors))
    return given.pop() if len(set(map(_party, anchors))) >= 2 and len(given) == 1 else None


def _page(observation: Observation) -> str | None:
    """A whole page by its bytes, from somebody who need not be who was asked: over plain HTTP."""
    response = observation.response
    if response is None or observation.tls is not None or response.status_code != _OK:
        return None
    size_bytes = response.encoded_body_bytes or 0  # anchors made to say little may well say the same
    whole = response.body_complete and size_bytes >= _PAGE_BYTES and response.digest is not None
    return f"page {(response.digest or '')[:16]}" if whole else None


def _spoke_http(observation: Observation) -> bool:
    return observation.url.startswith(("http://", "https://"))


def _sign(observation: Observation) -> str | None:
    """What a portal would give to everybody: a redirect to its host, status 511, or its own certificate."""
    response, tls = observation.response, observation.tls
    if _kind(observation) in FOREIGN_CERTIFICATE and tls is not None and tls.chain_sha256:
        return f"{_CERTIFICATE} {tls.chain_sha256[0][:16]}"
    if response is None:
        return None
    if response.status_code == _NETWORK_AUTHENTICATION_REQUIRED:
        return "status 511"
    if not _redirects(observation):
        return None
    location = next((value for name, value in response.fields if name == "location"), "")
    host = urlsplit(location).hostname
    return None if host is None or host == urlsplit(observation.url).hostname else f"redirect to {host}"


def _redirects(observation: Observation) -> bool:
    return observation.response is not None and observation.response.status_code in REDIRECTS


# --- another line ---------------------------------------------------------------------------------


def _well_elsewhere(observations: Sequence[Observation]) -> bool:
    """Whether every edge gave the origin's content over the line of another vantage point, in this same slot."""
    edges = [i for i, o in enumerate(observations) if o.role is Role.EDGE]
    well = {
        o.of
        for o in observations
        if o.role is Role.ELSEWHERE
        and o.vantage_point is not None
        and o.failure is None
        and o.comparison is not None
        and o.comparison.relation is Relation.EQUAL
    }
    return bool(edges) and well.issuperset(edges)
