"""Rule: the agent is wiring: it builds the I/O, connects slot to store, and ends what it started.

Used by `run` (with signals, in `probe.agent.daemon`), by the demo and by tests. Every due slot comes out as one row.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from probe.agent.events import Teller
from probe.agent.housekeeping import limits_of
from probe.agent.reload import Farewells, Reloader, Turn, customers_of, rejection
from probe.agent.resume import Ledger, allowed_by, budgeted, lines_of, put_definition, resume, spent_today
from probe.agent.row_sink import OnRow, Rows
from probe.agent.shutdown import unless_refused
from probe.agent.worker_pool import LOST, Crew
from probe.core.config.load import Config, Problem
from probe.core.config.plan import Plan, make_plan
from probe.core.config.snapshot import together
from probe.core.content.check_kind import Kinds
from probe.core.model.task import Task
from probe.core.model.value import replace
from probe.core.records.rows import Record, SlotRecord
from probe.fetch.fetcher import HttpFetcher
from probe.host.clock import Clock, SystemClock, rfc3339
from probe.host.loop_lag import LoopLag
from probe.host.suspension import Suspensions
from probe.measure.oneshot import host_probe
from probe.measure.pipeline import Pipeline
from probe.net.netns import close_namespaces
from probe.resolver.resolver import Resolver
from probe.schedule.jobs import Jobs
from probe.schedule.scheduler import Due, Scheduler
from probe.settings.preflight import require_secrets
from probe.settings.secrets import reveal
from probe.store.store import Store
from probe.telemetry.logs import fields
from probe.watch.host_dates import HostDates
from probe.watch.watches import Watches
from probe.workers.supervisor import WorkerLostError

log = logging.getLogger("probe.agent")


class Agent:
    """One running agent: a plan, a scheduler, a pipeline and, for the daemon, a store."""

    def __init__(
        self,
        config: Config,
        kinds: Kinds,
        *,
        store: Store | None = None,
        clock: Clock | None = None,
        on_row: OnRow | None = None,
        config_file: Path | None = None,
    ) -> None:
        """`store` None measures without keeping (`once`); `on_row` is shown every row, after it is stored.

        `config_file`: agent.yaml, to reload from. Without a store, raises SecretError if the secret of a header or
        proxy cannot be had; a running agent goes on without, and the slots that need it say so.
        """
        self.config = config
        self.plan: Plan = make_plan(config)
        if store is None:
            require_secrets(self.plan, lines_of(config))
        self._store, self._clock = store, clock or SystemClock()
        self.on_row: list[OnRow] = [] if on_row is None else [on_row]
        self._lag, dates = LoopLag(self._clock), HostDates(self._clock)
        self._suspensions = Suspensions(self._clock)
        self._fetcher = HttpFetcher(self._clock, reveal, allowed_by(config), dates.note)
        self._resolver = Resolver(self._clock, allowed_by(config))
        self.jobs = Jobs(self._clock)
        means = (self._clock, self._fetcher, self._resolver)
        self.watches = Watches(self.jobs, self.plan, *means, self.worst_lag_us, self._on_vantage)
        host = host_probe(config.agent.agent, config.digest, self._lag)
        self.pipeline = Pipeline(
            kinds=kinds,
            resolver=self._resolver,
            fetcher=self._fetcher,
            clock=self._clock,
            host=replace(host, config_digest=lambda: self.config.digest, worst_lag_us=self.worst_lag_us),
            keep=_unkept if store is None else store.put_origin_version,
            keep_standing=_unkept if store is None else store.put_origin_standing,
            keep_bundle=None if store is None else store.put_bundle,
            lines=lines_of(config),
            line_health=self.watches.anchors,
            dates=dates.lately,
        )
        facts, customers = self.pipeline.facts, lambda: customers_of(self.plan)
        self._teller = Teller(store, self._clock, facts, customers, self.complete_up_to)
        self.on_event = self._teller.on_event
        self._rows: Rows | None = None
        if store is not None:
            self._rows = Rows(
                store,
                changes=self.pipeline.nodes.take_changes,
                complete_up_to=self.complete_up_to,
                missed=self.pipeline.missed,
                on_row=self.on_row,
            )
        self.crew: Crew | None = None
        if store is not None and config.agent.limits.workers > 1:
            watch, tell = self.watches.anchors, partial(self._teller.soon, level=logging.ERROR)
            self.crew = Crew(config, self.plan, store, self._clock, watch, tell)
        self.scheduler: Scheduler | None = None
        self.reloader: Reloader | None = None
        self._ledger = Ledger(config, self._clock, self._suspensions)
        self._farewells = Farewells(self._farewell)
        self.begun, self.ending = asyncio.Event(), False
        if config_file is not None:
            self.reloader = Reloader(config_file, kinds, lambda: (self.config, self.plan), self._take_over)

    # --- measuring without a schedule: `once` -----------------------------------------------------

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Agent]:
        """Start what measuring needs; end it on leaving."""
        await self._lag.start()
        try:
            yield self
        finally:
            if self.crew is not None:
                await self.crew.stop()
            await self._fetcher.close()
            await self._lag.stop()
            close_namespaces()

    async def measure_now(self, task: Task) -> SlotRecord:
        """One slot of a task, due now."""
        return await self.pipeline.measure(task, rfc3339(self._clock.time_ns()))

    # --- the daemon -------------------------------------------------------------------------------

    async def run(
        self, stop: asyncio.Event, *, drain_s: float | None = None, hurry: asyncio.Event | None = None
    ) -> None:
        """Measure on schedule until `stop` is set, then drain. Needs a store.

        `drain_s`: default `limits.drain`. `hurry`, set at any time, ends the draining.
        """
        store = self._store
        assert store is not None, "a running agent keeps its results"
        async with self.open():
            now_us, why = await self._begin(store)
            scheduler = self.scheduler = Scheduler(
                self.plan.tasks,
                clock=self._clock,
                on_slot=self._on_slot,
                on_missed=self._on_missed,
                on_error=self._on_error,
                on_clock_step=self._on_clock_step,
                on_suspended=self._on_suspended,
                ceilings=self.config.agent.limits.ceilings(),
                since_us=now_us,
                since_why=why,
                hurry=hurry,
            )
            await scheduler.start()  # first: what is due before it starts is missed
            self.begun.set()
            await self._write_down()
            try:
                self.jobs.start()
                await self.watches.start()
                if self.crew is not None:
                    self.crew.watch_lines()
                if self.reloader is not None:
                    self.reloader.watch_files(self.jobs, lambda: self.config.agent.watch_files)
                await stop.wait()
            finally:
                self.ending = True
                if self.reloader is not None:
                    await self.reloader.finish()
                drain_s = self.config.agent.limits.drain / 1e6 if drain_s is None else drain_s
                await unless_refused(
                    scheduler.stop(drain_s), lambda: store.health, after_s=drain_s, hurry=hurry
                )
                await self.watches.stop()
                if self.crew is not None:
                    await self.crew.stop()
                await self.jobs.stop()
                await unless_refused(self._last_words(store), lambda: store.health, hurry=hurry)
                await self._ledger.write_down(self.config, self.plan, ended=True)

    async def _last_words(self, store: Store) -> None:
        await self._farewells.finish()
        await self._teller.drain()
        store.put_nodes(self.pipeline.nodes.take_changes(final=True))
        await self._teller.tell("agent.stopped", {})
        await self._teller.drain()

    async def _begin(self, store: Store) -> tuple[int, str]:
        """What a start owes the streams: what was missed while no agent ran, and what has changed since.

        Returns until when (microseconds since the epoch) that is accounted for, what follows being the scheduler's, and
        why nobody measured.
        """
        if self.crew is not None:
            self.crew.start()
        learns = self.pipeline if self.crew is None else None
        resume(learns, store, self.config, self.plan, self._clock.time_ns())
        before, now_us = store.last_config(), self._clock.time_ns() // 1000
        absence = self._ledger.account(store, self.plan, now_us)
        rows = [self._missed(task, scheduled_us, absence.reason) for task, scheduled_us in absence.slots]
        for task in {task.id: task for task, _ in absence.slots}.values():
            put_definition(store, task)
        if rows:
            await store.append(rows)
            log.warning("ledger.absent", extra=fields(slots=len(rows), reason=absence.reason))
        # Not waited for: what is put first is stored first, and the schedule begins meanwhile.
        if absence.without_row:
            detail = {"reason": absence.reason, "slots_without_row": str(absence.without_row)}
            self._teller.soon("ledger.gap", detail)
        change = {"from": str(before), "to": self.config.digest}
        if before not in (None, self.config.digest):
            self._teller.soon("config.changed", change)
        self._teller.soon("customer.removed", change, absence.gone)
        after = {} if absence.first else {"after": absence.reason}
        self._teller.soon("agent.started", {"tasks": str(len(self.plan.tasks)), **after})
        return now_us, absence.reason

    # --- another configuration --------------------------------------------------------------------

    async def reload(self) -> tuple[Problem, ...]:
        """Read the files anew and take over what is good; the problems that keep parts as they were. Raises nothing."""
        if self.reloader is None or self.ending:
            return (Problem("agent.yaml", 0, 0, "not taken over: the agent ends, or runs without its file"),)
        await self.begun.wait()
        return await self.reloader.reload()

    async def _take_over(self, turn: Turn) -> None:
        """Everything of another configuration, at once; slots in flight end under the one that they began with."""
        store, scheduler, reloader = self._store, self.scheduler, self.reloader
        assert store is not None, "a running agent keeps its results"
        assert scheduler is not None, "it has begun"
        assert reloader is not None, "it was asked to reload"
        for owner, problems in turn.rejected.items():
            if reloader.is_news(owner, problems):
                self._teller.soon(*rejection(owner, problems, reloader.base), logging.ERROR)
        if turn.config.digest == self.config.digest:
            return
        before, now_ns = self.config, self._clock.time_ns()
        new = budgeted(turn.plan) - budgeted(self.plan)
        for customer, spent_bytes in (await asyncio.to_thread(spent_today, store, new, now_ns)).items():
            self.pipeline.budgets.resume(customer, spent_bytes, now_ns / 1e9)
        places = {} if self.crew is None else await self.crew.prepare(turn.plan)
        for digest, text in turn.definitions:
            store.put_definition(digest, text)
        store.put_config(
            turn.config.digest, together(turn.config.texts, turn.config.sources), rfc3339(now_ns)
        )
        store.limit(limits_of(turn.config.agent.keep))
        self.config, self.plan = turn.config, turn.plan
        self._fetcher.allow(allowed_by(turn.config))
        self._resolver.allow(allowed_by(turn.config))
        self.pipeline.adopt(lines_of(turn.config), {task.definition for task in turn.plan.tasks})
        change = {"from": before.digest, "to": turn.config.digest}
        self._teller.soon("config.changed", change, turn.touched)
        self._teller.soon("customer.added", change, turn.come)
        scheduler.replace(turn.plan.tasks, turn.config.agent.limits.ceilings())
        self.watches.replace(turn.plan)
        if self.crew is not None:
            self.crew.adopt(turn.config, turn.plan, places)
            self.crew.watch_lines()
        for customer in turn.gone:
            self._farewells.begin(customer, change, scheduler.is_open)
        logging.getLogger().setLevel(turn.config.agent.log_level.upper())
        await self._write_down()

    async def _farewell(self, customer: str, change: dict[str, str]) -> None:
        if customer not in customers_of(self.plan):  # else it came back meanwhile
            await self._teller.tell("customer.removed", change, (customer,))
            await self._write_down()

    async def _write_down(self) -> None:
        await self._ledger.write_down(self.config, self.plan, leaving=self._farewells.pending)

    # --- slots --------------------------------------------------------------------------------------

    async def _on_slot(self, task: Task, due: Due) -> None:
        row = await self._measured(task, rfc3339(due.scheduled_us * 1000))
        self._keep(row, task)

    async def _measured(self, task: Task, scheduled_at: str) -> SlotRecord:
        """By this process, or by the worker whose task it is."""
        if self.crew is None:
            return await self.pipeline.measure(task, scheduled_at)
        try:
            return await self.crew.measure(task, scheduled_at)
        except WorkerLostError:
            return self.pipeline.missed(task, scheduled_at, LOST)

    async def _on_missed(self, task: Task, due: Due, reason: str) -> None:
        kept = self._keep(self._missed(task, due.scheduled_us, reason), task)
        await asyncio.shield(kept)  # back-pressure: there may be hundreds of thousands

    def _on_error(self, task: Task, due: Due, error: BaseException) -> None:
        log.error("slot.error", exc_info=error, extra=fields(task=task.id, domain=task.domain))

    def _on_clock_step(self, delta_us: int) -> None:
        log.warning("clock.stepped", extra=fields(delta_us=delta_us))
        self._teller.soon("clock.stepped", {"delta_us": str(delta_us)})

    def _on_suspended(self, slept_us: int) -> None:
        self._suspensions.look()  # what begins from now on did not sleep
        self._teller.soon("host.suspended", {"slept_us": str(slept_us)}, level=logging.WARNING)
        self._teller.spawn(self._write_down())

    def worst_lag_us(self, since_ns: int, until_ns: int) -> int:
        """How long our own loop stood still, or the host slept, in a span of the monotonic clock."""
        return max(self._lag.worst_us(since_ns, until_ns), self._suspensions.worst_us(since_ns, until_ns))

    def _on_vantage(self, event: str, detail: dict[str, str], customers: tuple[str, ...]) -> None:
        """What happened to a vantage point, into the streams of those who measure from there."""
        level = logging.INFO if event in ("vantage.online", "vantage.line_up") else logging.WARNING
        self._teller.soon(event, detail, customers, level)

    def _missed(self, task: Task, scheduled_us: int, reason: str) -> SlotRecord:
        return self.pipeline.missed(task, rfc3339(scheduled_us * 1000), reason)

    def _keep(self, row: SlotRecord, task: Task) -> asyncio.Future[list[Record]]:
        assert self._rows is not None, "a running agent keeps its results"
        return self._rows.keep(row, task)

    def complete_up_to(self, customer: str) -> str | None:
        """Every slot of the customer that was due before this time has been handed to the store."""
        if self.scheduler is None:
            return None
        return rfc3339(self.scheduler.complete_up_to_us(customer) * 1000)

    def stored_up_to(self, customer: str) -> str | None:
        """Every slot of the customer that was due before this time has its row on the disk."""
        return self.complete_up_to(customer) if self._rows is None else self._rows.stored_up_to(customer)

    async def record_event(
        self, event: str, detail: dict[str, str], customers: tuple[str, ...] | None = None
    ) -> None:
        """Put an event on record in the streams of these customers (None: of all); stored when this returns."""
        await self._teller.tell(event, detail, customers)


def _unkept(*_: object) -> None:
    """Without a store nothing is kept."""
