"""Rule: a certificate's date accuses only while somebody vouches for our own wall clock.

Vouched for by the kernel (synchronised, adjtimex), or by the `Date` of at least two other hosts in this slot (RFC 9110
section 6.6.1; with `Age`, section 5.1 of RFC 9111): anchors and the origin, never an edge. Two other hosts that
disagree, more than agree, contradict it, whatever the kernel says; so does a certificate of theirs whose date does
not fit either.
"""

from __future__ import annotations

from probe.core.model.times import epoch_s, http_date_s
from probe.core.records.failure import FailureType
from probe.core.records.observation import Observation, Role
from probe.core.records.verdict import Evidence

ENOUGH_HOSTS = 2
TOLERANCE_S = 300.0  # servers' own clocks are seldom better than minutes; certificates end by the day
RESTS_ON_DATES = frozenset({FailureType.TLS_CERT_DATE_INVALID})
_OTHERS = frozenset({Role.ANCHOR, Role.ORIGIN, Role.CONTROL})


def clock_vouched(evidence: Evidence) -> bool:
    """Whether dates may accuse somebody in this slot."""
    accused = {o.address for o in evidence.observations if o.role not in _OTHERS}
    agree, differ = set[str](), set[str]()
    started_s = epoch_s(evidence.started_at)
    for observation in evidence.observations:
        if observation.role in _OTHERS and observation.address not in accused:
            off_s = clock_error_s(observation, started_s)
            if off_s is not None:
                (agree if abs(off_s) <= TOLERANCE_S else differ).add(observation.address)
            elif _dated_wrongly(observation):
                differ.add(observation.address)
    agree, differ = agree - differ, differ - agree  # who says both says nothing
    if len(differ) >= ENOUGH_HOSTS and len(differ) > len(agree):
        return False
    return evidence.host.clock_synchronised is True or len(agree) >= ENOUGH_HOSTS


def clock_error_s(observation: Observation, started_s: float) -> float | None:
    """By how many seconds our clock is ahead of this host's, by its `Date`; None where it gave none."""
    response, arrived_us = observation.response, observation.timing.response_start_us
    if response is None or arrived_us is None:
        return None
    dated_s = http_date_s(next((value for name, value in response.fields if name == "date"), None))
    return None if dated_s is None else started_s + arrived_us / 1e6 - dated_s - (response.age_s or 0)


def _dated_wrongly(observation: Observation) -> bool:
    failure = observation.failure
    return failure is not None and failure.type is FailureType.TLS_CERT_DATE_INVALID
