"""Rule: who answered over HTTP/3 over a line lately is remembered, so that one silent server is not taken for the line.

In: the observations of slots. Out: when somebody else than a given server last answered, for ten minutes.
"""

from __future__ import annotations

from collections.abc import Iterable

from probe.core.model.task import Task
from probe.core.model.value import replace
from probe.core.records.observation import Observation, Role
from probe.core.records.surroundings import LineState, VantageHealth
from probe.host.clock import Clock, rfc3339

KEPT_NS = 600_000_000_000
_SERVERS = 8  # for each line and IP version

_Line = tuple[str, int]


class Http3Heard:
    """The last answers over HTTP/3; one for each pipeline."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._at_ns: dict[_Line, dict[str, int]] = {}

    def note(self, task: Task, observations: Iterable[Observation]) -> None:
        """Take in a slot: what was answered over this task's own line."""
        for seen in observations:
            if seen.quic_info is None or seen.response is None or seen.vantage_point is not None:
                continue
            kept = self._at_ns.setdefault(_line(task), {})
            kept.pop(seen.address, None)
            kept[seen.address] = self._clock.monotonic_ns()
            if len(kept) > _SERVERS:
                del kept[next(iter(kept))]

    def with_answers(
        self, health: VantageHealth | None, task: Task, observations: Iterable[Observation]
    ) -> VantageHealth | None:
        """The line's health with the last answer of a server that is none of the edges of this slot."""
        own = {seen.address for seen in observations if seen.role is Role.EDGE}
        kept, now_ns = self._at_ns.get(_line(task), {}), self._clock.monotonic_ns()
        for address, at_ns in reversed(kept.items()):
            ago_ns = now_ns - at_ns
            if address not in own and ago_ns <= KEPT_NS:
                found = health or VantageHealth(state=LineState.UNKNOWN)
                at = rfc3339(self._clock.time_ns() - ago_ns)
                return replace(found, http3_answered_at=at, http3_answered_by=address)
        return health


def _line(task: Task) -> _Line:
    return task.vantage_point.name, task.ip_version
