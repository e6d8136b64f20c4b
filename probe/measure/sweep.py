"""Rule: a sweep ends in time and leaves room for measuring: nodes that cannot be asked in time are counted as left out.

Other known nodes after a failure. Each is asked when the one before has answered, or a moment later; all begin
within STARTED_WITHIN_S. In the whole agent at most PLACES are asked at once: when everything fails together, sweeps
must not use up the descriptors that the next slots need.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from probe.core.records.observation import Observation
from probe.fetch.fetcher import Fetcher
from probe.fetch.target import FetchTarget
from probe.measure.stagger import STAGGER_S

STARTED_WITHIN_S = 4.0
PLACES = 128


class Sweeper:
    """One for the whole agent."""

    def __init__(self, fetcher: Fetcher, *, places: int = PLACES, within_s: float = STARTED_WITHIN_S) -> None:
        self._fetcher = fetcher
        self._places = asyncio.Semaphore(places)
        self._within_s = within_s

    async def ask(self, targets: Sequence[FetchTarget]) -> list[Observation]:
        """The observations of the targets that could be fetched in time, in their order."""
        made: list[asyncio.Task[Observation]] = []
        pause_s = min(STAGGER_S, self._within_s / max(1, len(targets)))
        async with asyncio.TaskGroup() as group:
            try:
                async with asyncio.timeout(self._within_s):
                    for target in targets:
                        await self._places.acquire()
                        made.append(group.create_task(self._fetcher.fetch(target)))
                        made[-1].add_done_callback(lambda _: self._places.release())
                        await asyncio.wait(made[-1:], timeout=pause_s)
            except TimeoutError:
                pass  # the rest is left out: `Reach` says how many were asked
        return [task.result() for task in made]
