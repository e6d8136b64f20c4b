"""Rule: a worker judges by what the whole agent knows of a line.

Local anchor results apply at once; other workers receive them asynchronously.
The anchors are asked by the process that holds everything (`anchor_watch`). Each worker has a copy of every line's
history: it receives each round, and reports those that its own slots made. All are on one clock, CLOCK_MONOTONIC.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from probe.core.model.task import VantagePoint
from probe.core.records.observation import Observation
from probe.core.records.surroundings import VantageHealth
from probe.core.vantage.health import AnchorRound, LineHistory, health_during, stale_after_ns
from probe.host.clock import Clock
from probe.watch.anchor_watch import rounds_seen

REQUEST_INTERVAL_NS = 1_000_000_000  # the watch itself asks less often still


class LineCopies:
    """What a worker's pipeline asks of the lines: `probe.measure.pipeline.LineHealth`."""

    def __init__(
        self,
        clock: Clock,
        worst_lag_us: Callable[[int, int], int],
        on_rounds: Callable[[str, int, tuple[AnchorRound, ...]], None],
        on_request: Callable[[str, int], None],
    ) -> None:
        """`on_rounds(vantage point, IP version, rounds)` and `on_request` pass on what this worker's slots notice."""
        self._clock = clock
        self._worst_lag_us = worst_lag_us
        self._on_rounds = on_rounds
        self._on_request = on_request
        self._lines: dict[tuple[str, int], LineHistory] = {}
        self._request_from_ns: dict[tuple[str, int], int] = {}

    def replace(self, histories: Iterable[tuple[str, int, LineHistory]]) -> None:
        """These lines are watched, and this is what is known of them."""
        self._lines = {(name, version): history for name, version, history in histories}

    def add_rounds(self, vantage_point: str, ip_version: int, rounds: Sequence[AnchorRound]) -> None:
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

    def request_anchor_check(self, vantage: VantagePoint, ip_version: int) -> None:
        """Have the anchors asked now."""
        key, now_ns = (vantage.name, ip_version), self._clock.monotonic_ns()
        if key in self._lines and now_ns >= self._request_from_ns.get(key, now_ns):
            self._request_from_ns[key] = now_ns + REQUEST_INTERVAL_NS
            self._on_request(*key)

    def note_round(
        self, vantage: VantagePoint, ip_version: int, anchors: Sequence[Observation], started_ns: int
    ) -> None:
        """As `AnchorWatch.note_round`."""
        key = (vantage.name, ip_version)
        rounds = rounds_seen(anchors, started_ns, self._clock, self._worst_lag_us)
        if rounds and key in self._lines:
            self.add_rounds(*key, rounds)
            self._on_rounds(*key, rounds)
