"""Rule: every vantage point's line is looked for regularly on this host, as configured; a change is reported once.

Whether its namespace, interface and source address are there: `net.line.line_problem` asks this host alone, and nothing
is sent. Whether anything answers over the line is seen by `anchor_watch`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from probe.core.model.task import VantagePoint
from probe.host.clock import Clock, rfc3339
from probe.net.line import line_problem
from probe.schedule.jobs import Job, Jobs

log = logging.getLogger("probe.line")

OnChange = Callable[[VantagePoint, str | None], None]


class LineWatch:
    """Looks at the lines of the vantage points. `start`, then `stop`; `problem` gives what was seen last."""

    def __init__(
        self,
        jobs: Jobs,
        clock: Clock,
        points: Sequence[VantagePoint],
        on_change: OnChange,
        interval_s: float = 5.0,
    ) -> None:
        """`on_change(vantage, problem)` is called on the loop when a problem appears, changes or is gone (None)."""
        self._jobs = jobs
        self._clock = clock
        self._points = tuple(points)
        self._on_change = on_change
        self._interval_s = interval_s
        self._problems: dict[str, str | None] = {}
        self._since: dict[str, str] = {}
        self._job: Job | None = None

    async def start(self) -> None:
        """Look at every line once, then go on regularly."""
        await self.check()
        if self._job is None:
            self._job = self._jobs.add("lines", self.check, lambda: self._interval_s)

    async def stop(self) -> None:
        """End it; may be called again, or before `start`."""
        if self._job is not None:
            await self._jobs.remove(self._job)
            self._job = None

    def replace(self, points: Sequence[VantagePoint]) -> None:
        """Look at these from now on. One that is as it was keeps what was seen of it; others are looked at anew."""
        kept = {point.name for point in points if point in self._points}
        self._points = tuple(points)
        for known in (self._problems, self._since):
            for name in known.keys() - kept:
                del known[name]

    def problem(self, name: str) -> str | None:
        """What was wrong with this vantage point's line when it was looked at last. None: nothing, or never looked."""
        return self._problems.get(name)

    def since(self, name: str) -> str | None:
        """When `problem` became what it is (RFC 3339, UTC). None: never looked."""
        return self._since.get(name)

    async def check(self) -> None:
        """Look at all lines now, at once."""
        await asyncio.gather(*map(self._check, self._points))

    async def _check(self, vantage: VantagePoint) -> None:
        try:
            problem = await line_problem(vantage)
        except (
            OSError
        ) as error:  # no descriptors, no memory: says nothing of the line, so what was seen last stays
            log.warning(
                "line.unknown", extra={"fields": {"vantage_point": vantage.name, "error": str(error)}}
            )
            return
        looked_before, before = vantage.name in self._since, self._problems.get(vantage.name)
        if looked_before and problem == before:
            return
        self._problems[vantage.name] = problem
        self._since[vantage.name] = rfc3339(self._clock.time_ns())
        if problem != before:
            self._report(vantage, problem)

    def _report(self, vantage: VantagePoint, problem: str | None) -> None:
        try:
            self._on_change(vantage, problem)
        except Exception as error:  # a callback that fails must not end the watch
            log.error("line.not_told", exc_info=error, extra={"fields": {"vantage_point": vantage.name}})
