"""Rule: a worker judges by what the whole agent knows of a line; what it sees itself it knows at once, the others soon.

The anchors are asked by the process that holds everything (`anchor_watch`). Each worker has a copy of every line's
history: it is told of each round, and tells of those that its own slots made. All are on one clock, CLOCK_MONOTONIC.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from probe.core.model.task import VantagePoint
from probe.core.records.observation import Observation
from probe.core.records.surroundings import VantageHealth
from probe.core.vantage.health import AnchorRound, LineHistory, health_during, stale_after_ns
from probe.host.clock import Clock
from probe.watch.anchor_watch import rounds_seen

WORRIED_APART_NS = 1_000_000_000  # the watch itself asks less often still


class LineCopies:
    """What a worker's pipeline asks of the lines: `probe.measure.pipeline.LineHealth`."""

    def __init__(
        self,
        clock: Clock,
        worst_lag_us: Callable[[int, int], int],
        saw: Callable[[str, int, tuple[AnchorRound, ...]], None],
        worried: Callable[[str, int], None],
    ) -> None:
        """`saw(vantage point, IP version, rounds)` and `worried` pass on what this worker's slots notice."""
        self._clock = clock
        self._worst_lag_us = worst_lag_us
        self._saw = saw
        self._worried = worried
        self._lines: dict[tuple[str, int], LineHistory] = {}
        self._worry_from_ns: dict[tuple[str, int], int] = {}

    def take(self, histories: Iterable[tuple[str, int, LineHistory]]) -> None:
        """These lines are watched, and this is what is known of them."""
        self._lines = {(name, version): history for name, version, history in histories}

    def hear(self, vantage_point: str, ip_version: int, rounds: Sequence[AnchorRound]) -> None:
        """Rounds that somebody else made."""
        key = (vantage_point, ip_version)
        if key in self._lines:
            for one in rounds:
                self._lines[key] = self._lines[key].with_round(one)

    def health(self, vantage: VantagePoint, ip_version: int, start_ns: int) -> VantageHealth | None:
        """As `AnchorWatch.health`."""
        history = self._lines.get((vantage.name, ip_version))
        if history is None:
            return None
        return health_during(history, start_ns, self._clock.monotonic_ns(), stale_after_ns(vantage))

    def worry(self, vantage: VantagePoint, ip_version: int) -> None:
        """Have the anchors asked now."""
        key, now_ns = (vantage.name, ip_version), self._clock.monotonic_ns()
        if key in self._lines and now_ns >= self._worry_from_ns.get(key, now_ns):
            self._worry_from_ns[key] = now_ns + WORRIED_APART_NS
            self._worried(*key)

    def note_round(
        self, vantage: VantagePoint, ip_version: int, anchors: Sequence[Observation], started_ns: int
    ) -> None:
        """As `AnchorWatch.note_round`."""
        key = (vantage.name, ip_version)
        rounds = rounds_seen(anchors, started_ns, self._clock, self._worst_lag_us)
        if rounds and key in self._lines:
            self.hear(*key, rounds)
            self._saw(*key, rounds)
