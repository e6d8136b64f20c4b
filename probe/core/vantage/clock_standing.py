"""Rule: a certificate's date accuses only while somebody vouches for our own wall clock, and only beyond their bound.

Vouched for by the kernel (synchronised, adjtimex), or by the `Date` of at least two other hosts (RFC 9110 section
6.6.1; with `Age`, section 5.1 of RFC 9111): those of this slot, and those of the minutes before it. The accused host is
never among them. Where at least two other hosts disagree with our clock, and more disagree than agree, nobody vouches,
whatever the kernel says; a host whose certificate's date does not fit our clock counts as one that disagrees. A CDN's
nodes may vouch and never contradict: a node with a wrong clock must not excuse a node with an expired certificate.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from probe.core.model.times import epoch_s, http_date_s
from probe.core.records.failure import FailureType
from probe.core.records.observation import Observation, Role
from probe.core.records.surroundings import ClockStanding, HostDate, HostFacts
from probe.core.records.transport import Tls
from probe.core.records.verdict import Evidence

ENOUGH_HOSTS = 2
TOLERANCE_US = 300_000_000  # servers' own clocks are seldom better than minutes; certificates end by the day
KERNEL, DATES = "kernel", "dates"
RESTS_ON_DATES = frozenset({FailureType.TLS_CERT_DATE_INVALID})
NO_EDGES = frozenset({Role.ANCHOR, Role.ORIGIN, Role.CONTROL})
_SECOND_US = 1_000_000


def clock_standing(evidence: Evidence) -> ClockStanding:
    """Who vouches for our clock in this slot, and its bound by their word."""
    accused = {o.address for o in evidence.observations if o.role not in NO_EDGES}
    started_s = epoch_s(evidence.started_at)
    others = [o for o in evidence.observations if o.role in NO_EDGES and o.address not in accused]
    earlier = tuple(date for date in evidence.dates if date.host not in accused)
    now = (date for o in others if (date := host_date(o, started_s)) is not None)
    denying = {o.address for o in others if _dated_wrongly(o)}
    return _standing(evidence.host, [*earlier, *now], denying, earlier)


def clock_between_slots(host: HostFacts, dates: tuple[HostDate, ...]) -> ClockStanding:
    """The same while nothing is asked: by what was seen lately."""
    return _standing(host, dates, (), dates)


def date_may_accuse(evidence: Evidence, observation: Observation) -> bool:
    """Whether the date of this observation's certificate may accuse anybody: our clock's bound does not explain it.

    While somebody vouches it also may where the leaf's own dates fit: then those of another certificate do not.
    """
    standing = clock_standing(evidence)
    if standing.vouched_by is None:
        return False
    off_us = None if observation.tls is None else _outside_us(evidence, observation, observation.tls)
    return off_us is None or off_us > (standing.bound_us or 0)


def host_date(observation: Observation, started_s: float) -> HostDate | None:
    """What this reply says of our clock, `started_s` being our time at the zero of its offsets; None: nothing."""
    response, timing = observation.response, observation.timing
    if response is None or timing.response_start_us is None:
        return None
    dated_s = http_date_s(next((value for name, value in response.fields if name == "date"), None))
    if dated_s is None:
        return None
    arrived_us = timing.response_start_us
    begun_us = arrived_us if timing.request_start_us is None else timing.request_start_us
    ahead_s = started_s - dated_s - (response.age_s or 0)
    return HostDate(
        host=observation.address,
        ahead_us=round(ahead_s * 1e6) + arrived_us,
        within_us=_SECOND_US * (1 if response.age_s is None else 2) + max(0, arrived_us - begun_us),
        of_edge=observation.role not in NO_EDGES,
    )


def _standing(
    host: HostFacts, dates: Iterable[HostDate], denying: Collection[str], earlier: tuple[HostDate, ...]
) -> ClockStanding:
    """`dates` in the order of time: the last one of a host counts. `earlier` is only put on record.

    `denying`: hosts whose certificate's date does not fit our clock.
    """
    last = {date.host: date for date in dates if date.host not in denying}
    bounds_us = sorted(date.bound_us for date in last.values() if abs(date.ahead_us) <= TOLERANCE_US)
    differing = len(set(denying)) + sum(1 for _ in _contradicting(last.values()))
    vouched_by, bound_us = None, None
    if differing < ENOUGH_HOSTS or differing <= len(bounds_us):
        if host.clock_synchronised is True:
            vouched_by, bound_us = KERNEL, host.clock_max_error_us
        elif len(bounds_us) >= ENOUGH_HOSTS:
            vouched_by, bound_us = DATES, bounds_us[ENOUGH_HOSTS - 1]
    return ClockStanding(
        vouched_by=vouched_by,
        bound_us=bound_us,
        agreeing=len(bounds_us),
        differing=differing,
        earlier=earlier,
    )


def _contradicting(dates: Iterable[HostDate]) -> Iterator[HostDate]:
    return (date for date in dates if not date.of_edge and abs(date.ahead_us) > TOLERANCE_US)


def _dated_wrongly(observation: Observation) -> bool:
    failure = observation.failure
    return failure is not None and failure.type is FailureType.TLS_CERT_DATE_INVALID


def _outside_us(evidence: Evidence, observation: Observation, tls: Tls) -> int | None:
    """For how long the leaf is no longer, or not yet, valid by our clock; None where its dates fit or are not known."""
    since_start_us = observation.timing.secure_connection_start_us or 0
    now_s = epoch_s(evidence.started_at) + since_start_us / 1e6
    over_s = [now_s - epoch_s(tls.not_after)] if tls.not_after else []
    over_s += [epoch_s(tls.not_before) - now_s] if tls.not_before else []
    outside = [seconds for seconds in over_s if seconds > 0]
    return round(max(outside) * 1e6) if outside else None
