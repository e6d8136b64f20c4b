"""Rule: an agent is put together here, in one place, and nothing is started, opened or sent by that.

`build` takes a configuration and gives `Parts`, each of which is given what it needs. `probe.agent.agent.Agent` runs
them on schedule; `once` and tests measure with them as they are. Where a part needs what a reload exchanges, it asks
`InForce`.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

from probe.agent.events import EventWriter
from probe.agent.row_sink import OnRow, RowSink
from probe.core.config.load import Config
from probe.core.config.plan import Plan, make_plan
from probe.core.content.check_kind import Kinds
from probe.core.model.task import Task
from probe.core.model.value import replace
from probe.core.records.rows import SlotRecord
from probe.core.results.bundle import Bundle
from probe.fetch.exchange import load
from probe.fetch.fetcher import HttpFetcher
from probe.host.clock import Clock, SystemClock, rfc3339
from probe.host.loop_lag import LoopLag
from probe.host.suspension import Suspensions, worst_delay
from probe.measure.oneshot import host_probe
from probe.measure.pipeline import Pipeline
from probe.net.netns import close_namespaces
from probe.resolver.resolver import Resolver
from probe.schedule.jobs import Jobs
from probe.schedule.scheduler import Scheduler
from probe.settings.preflight import require_secrets
from probe.settings.secrets import reveal
from probe.store.store import Store
from probe.telemetry.verdict_log import VerdictLog
from probe.watch.host_dates import HostDates
from probe.watch.watches import Watches
from probe.workers.worker_pool import WorkerPool

KeepBundle = Callable[[Bundle], str | None]


@dataclass(slots=True)
class InForce:
    """What holds now: a reload exchanges configuration and plan, a start sets the scheduler.

    `completed`: customer -> up to when its stream said to be complete, which never falls.
    """

    config: Config
    plan: Plan
    scheduler: Scheduler | None = None
    completed: dict[str, str] = field(default_factory=dict)

    def complete_up_to(self, customer: str) -> str | None:
        """Every slot of the customer that was due before this time has been handed to the store (RFC 3339)."""
        if self.scheduler is None:
            return None
        now = rfc3339(self.scheduler.complete_up_to_us(customer) * 1000)
        self.completed[customer] = max(now, self.completed.get(customer, now))
        return self.completed[customer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """One agent, put together. `store` and `rows` None: results are not kept. `pool` None: this process measures.

    `worst_lag_us(since_ns, until_ns)`: how long our own loop stood still, or the host slept, in a span (monotonic).
    `on_row`: called with every row after it is stored.
    """

    in_force: InForce
    kinds: Kinds
    clock: Clock
    store: Store | None
    lag: LoopLag
    suspensions: Suspensions
    worst_lag_us: Callable[[int, int], int]
    fetcher: HttpFetcher
    resolver: Resolver
    jobs: Jobs
    watches: Watches
    pipeline: Pipeline
    events: EventWriter
    rows: RowSink | None
    pool: WorkerPool | None
    on_row: list[OnRow]

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Start what measuring needs; end it on leaving."""
        await self.lag.start()
        try:
            yield
        finally:
            if self.pool is not None:
                await self.pool.stop()
            await self.fetcher.close()
            await self.lag.stop()
            close_namespaces()

    async def measure_now(self, task: Task) -> SlotRecord:
        """One slot of a task, due now, by this process."""
        return await self.pipeline.measure(task, rfc3339(self.clock.time_ns()))


def build(
    config: Config,
    kinds: Kinds,
    *,
    store: Store | None = None,
    clock: Clock | None = None,
    on_row: Iterable[OnRow] = (),
    keep_bundle: KeepBundle | None = None,
) -> Parts:
    """Put an agent together from its configuration. `kinds` is the table of checks.

    `keep_bundle`: takes evidence where there is no store, and gives its digest.

    Without a store, raises SecretError if the secret of a header or proxy cannot be had; an agent with one goes on
    without, and the slots that need it say so.
    """
    in_force = InForce(config, make_plan(config))
    agent, plan, clock = config.agent, in_force.plan, clock or SystemClock()
    if store is None:
        require_secrets(plan, agent.lines())
    lag, suspensions, dates = LoopLag(clock), Suspensions(clock), HostDates(clock)
    worst_lag_us = worst_delay(lag, suspensions)
    load(frozenset().union(*(task.protocols for task in plan.tasks)))
    fetcher = HttpFetcher(clock, reveal, agent.allowed(), dates.note)
    resolver = Resolver(clock, agent.allowed())
    jobs = Jobs(clock)

    def on_line(event: str, detail: dict[str, str], customers: tuple[str, ...]) -> None:
        level = logging.INFO if event in ("vantage.online", "vantage.line_up") else logging.WARNING
        events.append_soon(event, detail, customers, level)

    watches = Watches(jobs, plan, clock, fetcher, resolver, worst_lag_us, on_line)
    host = host_probe(agent.agent, config.digest, lag)
    pipeline = Pipeline(
        kinds=kinds,
        resolver=resolver,
        fetcher=fetcher,
        clock=clock,
        host=replace(host, config_digest=lambda: in_force.config.digest, worst_lag_us=worst_lag_us),
        keep=_unkept if store is None else store.put_origin_version,
        keep_standing=_unkept if store is None else store.put_origin_standing,
        keep_bundle=keep_bundle if store is None else store.put_bundle,
        lines=agent.lines(),
        line_health=watches.anchors,
        dates=dates.lately,
    )
    events = EventWriter(
        store, clock, pipeline.facts, lambda: in_force.plan.customers, in_force.complete_up_to
    )
    shown = list(on_row)
    rows = pool = None
    if store is not None:
        shown.append(VerdictLog().see)
        rows = RowSink(
            store,
            changes=pipeline.nodes.take_changes,
            complete_up_to=in_force.complete_up_to,
            missed=pipeline.missed,
            on_row=shown,
        )
        if agent.limits.workers > 1:
            report = partial(events.append_soon, level=logging.ERROR)
            pool = WorkerPool(config, plan, store, clock, watches.anchors, report)
    return Parts(
        in_force=in_force,
        kinds=kinds,
        clock=clock,
        store=store,
        lag=lag,
        suspensions=suspensions,
        worst_lag_us=worst_lag_us,
        fetcher=fetcher,
        resolver=resolver,
        jobs=jobs,
        watches=watches,
        pipeline=pipeline,
        events=events,
        rows=rows,
        pool=pool,
        on_row=shown,
    )


def _unkept(*_: object) -> None:
    """Without a store nothing is kept."""
