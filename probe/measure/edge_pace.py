"""Rule: our own further questions never feed an edge's limiter: they keep to its Retry-After, and to a rate of ours.

Second looks, checks' further requests, sweeps and looks by another line. The object's own request is what is to be
measured, and is made whatever the edge said. A limiter counts by who asks: each line has a pace of its own. What is not
asked is left out, and said so, never put off: it would all come at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from probe.core.records.observation import Observation, Role
from probe.core.scheduling.rate_ceiling import Ceiling
from probe.core.vantage.refusals import wait_s
from probe.fetch.fetcher import Fetcher
from probe.fetch.target import FetchTarget
from probe.host.clock import Clock

EDGES_AT_MOST = 4096
_NO_EDGES = frozenset({Role.ANCHOR, Role.ORIGIN, Role.CONTROL})


@dataclass(slots=True)
class _Edge:
    ceiling: Ceiling
    not_before_ns: int = 0


class EdgePace:
    """A fetcher that remembers what edges asked for; `admits` says whether a further question may be asked now."""

    def __init__(self, fetcher: Fetcher, clock: Clock) -> None:
        self._fetcher = fetcher
        self._clock = clock
        self._edges: dict[tuple[str, str], _Edge] = {}

    def admits(self, target: FetchTarget) -> bool:
        """Whether this second look or further request may be made now; it is counted if so."""
        edge, now_ns = self._edge(target), self._clock.monotonic_ns()
        return now_ns >= edge.not_before_ns and edge.ceiling.admit(now_ns)

    def admitted(self, targets: Iterable[FetchTarget]) -> list[FetchTarget]:
        """Those of them that may be asked now, each counted."""
        return [target for target in targets if self.admits(target)]

    async def fetch(self, target: FetchTarget) -> Observation:
        """As the fetcher does."""
        observation = await self._fetcher.fetch(target)
        if target.role not in _NO_EDGES and (asked_s := wait_s(observation)) is not None:
            edge = self._edge(target)
            until_ns = self._clock.monotonic_ns() + round(asked_s * 1e9)
            edge.not_before_ns = max(edge.not_before_ns, until_ns)
        return observation

    async def connect_only(self, target: FetchTarget) -> Observation:
        """As the fetcher does."""
        return await self._fetcher.connect_only(target)

    async def close(self) -> None:
        """As the fetcher does."""
        await self._fetcher.close()

    def _edge(self, target: FetchTarget) -> _Edge:
        key = target.vantage.name, target.address
        edge = self._edges.pop(key, None) or _Edge(Ceiling(per_minute=target.limits.further_per_minute))
        edge.ceiling.per_minute = target.limits.further_per_minute
        self._edges[key] = edge  # the last one asked comes last
        if len(self._edges) > EDGES_AT_MOST:
            del self._edges[next(iter(self._edges))]
        return edge
