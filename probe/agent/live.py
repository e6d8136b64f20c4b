"""Rule: looking at the agent changes nothing in it: what it reports is collected, and no slot waits or fails for it.

`Live` is shown every stored row and every event; asked over the control socket, it answers with a LiveState, with the
metrics, or has the agent reload.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from probe import __version__
from probe.agent.agent import Agent
from probe.agent.watchdog import Unanswered
from probe.control.server import Handler
from probe.core.config.plan import Plan
from probe.core.incidents.incident import Incident
from probe.core.model.times import epoch_s, utc_text
from probe.core.records.observation import Role
from probe.core.records.origin import OriginStanding
from probe.core.records.rows import SlotRecord, State
from probe.core.records.surroundings import LineState
from probe.core.results.live_state import (
    CallState,
    ClockFacts,
    CustomerState,
    Lateness,
    LiveState,
    Queue,
    SlotCounts,
    StampState,
    VantageState,
    to_json,
)
from probe.core.text.window import SPAN_S, Least, Spread, Window
from probe.host.clock import Clock, rfc3339
from probe.host.disk import DiskWatch
from probe.host.loop_lag import clock_state
from probe.store.store import Store
from probe.telemetry.metrics import Metrics

log = logging.getLogger("probe.live")

LAG_OVER_NS = 60_000_000_000


class Live:
    """What is known of one running agent. For the event loop's thread."""

    def __init__(self, agent: Agent, store: Store, clock: Clock) -> None:
        """From now on it is shown what the agent stores."""
        self._agent = agent
        self._store = store
        self._clock = clock
        self._started_at = rfc3339(clock.time_ns())
        self.unanswered = Unanswered(lambda: store.health, self._now_s)
        self._disk = DiskWatch(Path(agent.config.agent.results))
        self._metrics = Metrics(__version__, agent.config.agent.metrics.domains)
        self._rendering = asyncio.Lock()
        self._recent: Window[tuple[str, str, str]] = Window()
        self._lateness = Spread()
        self._newest: dict[str, str] = {}
        self._newest_ok: dict[str, str] = {}
        self._expiry: dict[str, Least] = {}
        self._origins: dict[
            str, dict[str, OriginStanding]
        ] = {}  # customer -> domain -> how its origin answers
        self._clock_steps = ClockFacts()
        self.stamps: Callable[[], StampState] | None = None
        self.incidents: Callable[[], Iterable[Incident]] = tuple
        self.calls: Callable[[], Iterable[CallState]] = tuple
        agent.parts.on_row.append(self.row)
        agent.parts.events.on_event.append(self.event)

    def handlers(self) -> Mapping[str, Handler]:
        """For the control socket."""
        return {"live": self._answer_live, "metrics": self._answer_metrics, "reload": self._answer_reload}

    # --- what it is shown -----------------------------------------------------------------------------

    def row(self, row: SlotRecord) -> None:
        """A row has been stored. Raises nothing: a defect in here must not cost a slot."""
        try:
            self._metrics.row(row)
            self._row(row)
        except Exception as error:
            log.error("live.defect", exc_info=error)

    def _row(self, row: SlotRecord) -> None:
        now_s, name = self._now_s(), row.customer
        if row.state is not State.MEASURED:
            self._recent.add(now_s, (name, "missed", row.missed_reason or ""))
            return
        outcome = row.outcome or "unknown"
        self._recent.add(now_s, (name, "outcome", outcome))
        if outcome != "ok":
            self._recent.add(now_s, (name, "fault", f"{outcome}/{row.fault or 'unknown'}"))
        self._newest[name] = row.scheduled_at
        if outcome == "ok":
            self._newest_ok[name] = row.scheduled_at
        if row.host.lateness_us is not None:
            self._lateness.add(now_s, row.host.lateness_us)
        if row.reference is not None and row.reference.standing is not None:
            self._origins.setdefault(name, {})[row.domain] = row.reference.standing
        for observation in row.observations:
            tls = observation.tls
            until = (tls.chain_not_after or tls.not_after) if tls is not None else None
            if until is not None and observation.role is Role.EDGE:
                self._expiry.setdefault(name, Least()).add(now_s, epoch_s(until))

    def event(self, event: str, detail: Mapping[str, str]) -> None:
        """Something happened to the agent."""
        try:
            self._metrics.event(event)
            if event == "clock.stepped":
                self._clock_steps = ClockFacts(
                    steps=self._clock_steps.steps + 1,
                    last_step_us=int(detail["delta_us"]),
                    last_step_at=rfc3339(self._clock.time_ns()),
                )
        except Exception as error:
            log.error("live.defect", exc_info=error)

    # --- what it answers ------------------------------------------------------------------------------

    async def _answer_live(self) -> Mapping[str, Any]:
        return to_json(await self.state())

    async def _answer_metrics(self) -> Mapping[str, Any]:
        return {"text": await self.metrics()}

    async def _answer_reload(self) -> Mapping[str, Any]:
        problems = await self._agent.reload()
        return {"ok": not problems, "problems": [str(problem) for problem in problems]}

    async def metrics(self) -> str:
        """In Prometheus' text format; written in a thread, so that no measurement waits for it."""
        state = await self.state()
        async with self._rendering:
            tasks = self._agent.plan.tasks
            self._metrics.forget_but(
                {(task.customer, task.vantage_point.name) for task in tasks},
                {(task.customer, task.domain) for task in tasks},
            )
            self._metrics.domains.refresh()
            return await asyncio.to_thread(self._metrics.text, state)

    async def state(self) -> LiveState:
        """As it is now."""
        agent, now_ns = self._agent, self._clock.monotonic_ns()
        health, disk = self._store.health, await self._disk.now()
        trouble = health.trouble or self.unanswered.look()
        workers = () if agent.parts.pool is None else agent.parts.pool.states()
        lag_us = agent.parts.worst_lag_us(now_ns - LAG_OVER_NS, now_ns)
        return LiveState(
            agent=agent.config.agent.agent,
            agent_version=__version__,
            pid=os.getpid(),
            started_at=self._started_at,
            at=rfc3339(self._clock.time_ns()),
            config_digest=agent.config.digest,
            ready=agent.begun.is_set(),
            stopping=agent.ending,
            trouble=trouble or health.alarm,
            complete_up_to=self._complete_up_to(agent.plan),
            slots=self._slots(),
            lateness=self._late(),
            loop_lag_us=max([lag_us, *(worker.loop_lag_us for worker in workers)]),
            queue=Queue(
                queued=health.queued,
                written=health.written,
                shed=health.shed,
                lost=health.lost,
                trouble=trouble,
            ),
            disk=disk,
            clock=self._clock_facts(),
            vantage_points=self._vantage_points(now_ns),
            customers=self._customers(),
            workers=workers,
            jobs=agent.parts.jobs.states(),
            stamps=None if self.stamps is None else self.stamps(),
            incidents=tuple(self.incidents()),
            calls=tuple(self.calls()),
            config_problems=() if agent.reloader is None else tuple(map(str, agent.reloader.problems)),
        )

    def _now_s(self) -> float:
        return self._clock.monotonic_ns() / 1e9

    def _complete_up_to(self, plan: Plan) -> dict[str, str]:
        found = ((name, self._agent.stored_up_to(name)) for name in plan.customers)
        return {name: until for name, until in found if until is not None}

    def _slots(self) -> SlotCounts:
        tasks = len(self._agent.plan.tasks)
        scheduler = self._agent.parts.in_force.scheduler
        if scheduler is None:
            return SlotCounts(tasks=tasks)
        tally = scheduler.tally
        return SlotCounts(
            tasks=tasks,
            running=tally.running,
            waiting=tally.waiting,
            due=tally.due,
            started=tally.started,
            finished=tally.finished,
            aborted=tally.aborted,
            missed=tally.missed,
        )

    def _late(self) -> Lateness:
        slots, (p50, p99, worst) = self._lateness.quantiles(self._now_s(), 0.5, 0.99, 1.0)
        return Lateness(slots=slots, p50_us=p50, p99_us=p99, worst_us=worst, over_s=SPAN_S)

    def _clock_facts(self) -> ClockFacts:
        kernel, steps = clock_state(), self._clock_steps
        return ClockFacts(
            synchronised=kernel.synchronised,
            max_error_us=kernel.max_error_us,
            steps=steps.steps,
            last_step_us=steps.last_step_us,
            last_step_at=steps.last_step_at,
        )

    def _vantage_points(self, now_ns: int) -> tuple[VantageState, ...]:
        watches, found = self._agent.parts.watches, {}
        for task in self._agent.plan.tasks:
            found[task.vantage_point.name, task.ip_version] = task.vantage_point
        states = []
        for (name, version), point in sorted(found.items(), key=lambda item: item[0]):
            health = watches.anchors.health(point, version, now_ns)
            states.append(
                VantageState(
                    name=name,
                    ip_version=version,
                    state=LineState.UNKNOWN if health is None else health.state,
                    since=watches.lines.since(name) if health is None else health.since,
                    problem=watches.lines.problem(name),
                    anchors=len(point.anchors),
                )
            )
        return tuple(states)

    def _customers(self) -> tuple[CustomerState, ...]:
        now_s = self._now_s()
        tasks = Counter(task.customer for task in self._agent.plan.tasks)
        for known in (self._newest, self._newest_ok, self._expiry, self._origins):
            for gone in known.keys() - tasks.keys():
                del known[gone]
        recent: dict[str, dict[str, Counter[str]]] = {}
        for (name, kind, value), count in self._recent.totals(now_s).items():
            recent.setdefault(name, {}).setdefault(kind, Counter())[value] += count
        return tuple(
            self._customer(name, count, recent.get(name, {}), now_s) for name, count in tasks.items()
        )

    def _customer(
        self, name: str, tasks: int, recent: Mapping[str, Counter[str]], now_s: float
    ) -> CustomerState:
        origins = tuple(self._origins.get(name, {}).values())
        expiry = self._expiry[name].value(now_s) if name in self._expiry else None
        return CustomerState(
            name=name,
            tasks=tasks,
            outcomes=recent.get("outcome", {}),
            faults=recent.get("fault", {}),
            missed=sum(recent.get("missed", Counter()).values()),
            last_at=self._newest.get(name),
            last_ok_at=self._newest_ok.get(name),
            certificate_until=None if expiry is None else utc_text(expiry),
            origins_unanswering=sum(standing.never_answered for standing in origins) if origins else None,
            origin_answered_at=min(filter(None, (o.last_answered_at for o in origins)), default=None),
            over_s=SPAN_S,
        )
