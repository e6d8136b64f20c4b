"""Rule: a change of a vantage point's line is one event, for the customers who are measured from there.

The two watches of a running agent: whether each line is there (`line_watch`), and whether its anchors react
(`anchor_watch`). Their changes become `vantage.line_down`, `vantage.line_up`, `vantage.offline`, `vantage.online`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from probe.core.config.plan import Plan
from probe.core.model.task import VantagePoint
from probe.core.records.surroundings import LineState
from probe.core.vantage.health import LineHistory
from probe.fetch.fetcher import Fetcher
from probe.host.clock import Clock
from probe.resolver.lookups import Lookups
from probe.resolver.resolver import Resolver
from probe.schedule.jobs import Jobs
from probe.watch.anchor_watch import AnchorWatch
from probe.watch.line_watch import LineWatch

# event, detail, customers
OnEvent = Callable[[str, dict[str, str], tuple[str, ...]], None]


class Watches:
    """Both watches, for the vantage points of the plan. The pipeline asks `anchors` for a line's health."""

    def __init__(
        self,
        jobs: Jobs,
        plan: Plan,
        clock: Clock,
        fetcher: Fetcher,
        resolver: Resolver,
        worst_lag_us: Callable[[int, int], int],
        on_event: OnEvent,
    ) -> None:
        """`on_event(event, detail, customers)` is called on the loop for each change."""
        self._on_event = on_event
        self._customers = customers_by_vantage(plan)
        self.anchors = AnchorWatch(
            jobs, clock, fetcher, Lookups(resolver).address_from, _lines(plan), self._on_anchors, worst_lag_us
        )
        self.lines = LineWatch(jobs, clock, _points(plan), self._on_line)

    async def start(self) -> None:
        """Look at every line once, report what is missing, and go on watching."""
        await self.anchors.start()
        await self.lines.start()

    def replace(self, plan: Plan) -> None:
        """Watch what this plan measures from; a vantage point that is as it was goes on."""
        self._customers = customers_by_vantage(plan)
        self.anchors.replace(_lines(plan))
        self.lines.replace(_points(plan))

    async def stop(self) -> None:
        """End both; may be called again, or before `start`."""
        await self.anchors.stop()
        await self.lines.stop()

    def _on_anchors(self, vantage: VantagePoint, ip_version: int, history: LineHistory) -> None:
        event = "vantage.offline" if history.state is LineState.OFFLINE else "vantage.online"
        last = history.newest
        assert last is not None, "a state comes from a round"
        detail = {
            "vantage_point": vantage.name,
            "ip_version": str(ip_version),
            "since": history.since or "",
            "asked": str(last.asked),
            "reached": str(last.reached),
        }
        self._on_event(event, detail, self._customers.get(vantage.name, ()))

    def _on_line(self, vantage: VantagePoint, problem: str | None) -> None:
        detail = {"vantage_point": vantage.name, "since": self.lines.since(vantage.name) or ""}
        if problem is not None:
            detail["problem"] = problem
        event = "vantage.line_up" if problem is None else "vantage.line_down"
        self._on_event(event, detail, self._customers.get(vantage.name, ()))


def _points(plan: Plan) -> Sequence[VantagePoint]:
    return tuple({task.vantage_point.name: task.vantage_point for task in plan.tasks}.values())


def _lines(plan: Plan) -> Iterable[tuple[VantagePoint, int]]:
    return dict.fromkeys((task.vantage_point, task.ip_version) for task in plan.tasks)


def customers_by_vantage(plan: Plan) -> dict[str, tuple[str, ...]]:
    """Who measures from each vantage point, in the order of the plan."""
    found: dict[str, dict[str, None]] = {}
    for task in plan.tasks:
        found.setdefault(task.vantage_point.name, {})[task.customer] = None
    return {name: tuple(customers) for name, customers in found.items()}
