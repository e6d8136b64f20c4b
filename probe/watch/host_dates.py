"""Rule: what other hosts say of the time is kept for minutes, so that a slot need not ask anybody to trust its clock.

Every reply to this process is noted here: from anchors, origins, and the nodes of every customer. Kept is the last
`Date` of a host with the moment at which it came, on the clock of elapsed time, which nobody sets. What it says of our
wall clock is worked out when a slot asks, so that it stays right when the wall clock is set meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice, takewhile

from probe.core.model.value import replace
from probe.core.records.observation import Observation
from probe.core.records.surroundings import HostDate
from probe.core.vantage.clock_standing import NO_EDGES, host_date
from probe.host.clock import Clock

KEPT_NS = 600_000_000_000
AGAIN_NS = 20_000_000_000  # a host that spoke so lately is not read again
HOSTS_AT_MOST = 64
TOLD_AT_MOST = 8


@dataclass(frozen=True, slots=True)
class _Seen:
    """A host's date. `at_ns`: when it was noted; `slot_start_ns`: when its slot began; both of elapsed time.

    `date.ahead_us` counts as if our wall clock had shown the Unix epoch when the slot began: see `_now`.
    """

    at_ns: int
    slot_start_ns: int
    date: HostDate


class HostDates:
    """The last dates of other hosts; one for each process that measures."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._steady_ns = getattr(clock, "elapsed_ns", clock.monotonic_ns)
        # Apart, so that a thousand nodes do not displace two anchors.
        self._others: dict[str, _Seen] = {}
        self._edges: dict[str, _Seen] = {}

    def note(self, observation: Observation, start_ns: int) -> None:
        """Take in a reply whose offsets count from `start_ns` (monotonic)."""
        if observation.response is None:
            return
        kept = self._others if observation.role in NO_EDGES else self._edges
        before, now_ns = kept.get(observation.address), self._steady_ns()
        if before is not None and now_ns - before.at_ns < AGAIN_NS:
            return
        date = host_date(observation, 0.0)
        if date is None:
            return
        slot_start_ns = now_ns - (self._clock.monotonic_ns() - start_ns)
        kept.pop(observation.address, None)
        kept[observation.address] = _Seen(now_ns, slot_start_ns, date)
        if len(kept) > HOSTS_AT_MOST:
            del kept[next(iter(kept))]

    def lately(self) -> tuple[HostDate, ...]:
        """At most eight dates of the last ten minutes, against our wall clock as it is set now; the latest last.

        Those of anchors and origins go first: a node's date may vouch for our clock and never contradict it.
        """
        now_ns, wall_ns = self._steady_ns(), self._clock.time_ns()
        told = _latest(self._others, now_ns, TOLD_AT_MOST)
        told += _latest(self._edges, now_ns, TOLD_AT_MOST - len(told))
        return tuple(_now(seen, now_ns, wall_ns) for seen in sorted(told, key=_at_ns))


def _latest(kept: dict[str, _Seen], now_ns: int, most: int) -> list[_Seen]:
    """What came last stands last."""
    last = islice(reversed(kept.values()), most)
    return list(takewhile(lambda seen: now_ns - seen.at_ns <= KEPT_NS, last))


def _at_ns(seen: _Seen) -> int:
    return seen.at_ns


def _now(seen: _Seen, now_ns: int, wall_ns: int) -> HostDate:
    """By how much our wall clock, as it is set now, was ahead when the slot began: what it showed then is added."""
    wall_then_ns = wall_ns - (now_ns - seen.slot_start_ns)
    return replace(
        seen.date,
        ahead_us=seen.date.ahead_us + wall_then_ns // 1000,
        seen_us_ago=(now_ns - seen.at_ns) // 1000,
    )
