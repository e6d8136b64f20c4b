"""Rule: every due slot comes out as one row, and what was started is ended.

Theory of operation. Runs the parts of an agent (`probe.agent.parts`); for `run` (`probe.agent.daemon`), demo and tests.

- Start (`_begin`): what the last run knew is read back, slots that were due since are missed rows, the events of the
  start follow. Then the scheduler, from exactly where that account ended; then jobs, lines, anchors, files.
- A slot: measured here or by a worker, its row handed to `RowSink`; the slot's room is free at once. A missed one waits
  for the disk, as there may be hundreds of thousands.
- A reload (`_apply`) reads and prepares off the loop, then exchanges everything between two turns of the loop: store,
  limits, plan, schedule, lines, workers. Slots in flight end under what they began with.
- End: no more reloads, slots drained, lines, workers, jobs, the last events, `agent.stopped`, the ledger of the run.
  Where the disk refuses, draining and the last events are abandoned (`shutdown`), and the next start accounts for them.

Invariants: nothing is measured that the ledger has not accounted for up to then; an event is put before what follows
it; `agent.stopped` is the last event of a clean end.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from probe.agent.housekeeping import limits_of
from probe.agent.parts import Parts
from probe.agent.reload import ConfigUpdate, Departures, Reloader, rejection
from probe.agent.resume import Ledger, put_definition, resume
from probe.agent.shutdown import drain_or_abandon
from probe.core.config.load import Config, Problem
from probe.core.config.plan import Plan
from probe.core.config.snapshot import together
from probe.core.model.task import Task
from probe.core.records.rows import SlotRecord
from probe.host.clock import rfc3339
from probe.schedule.scheduler import Due, Scheduler
from probe.telemetry.logs import fields
from probe.workers.seed import spent_today
from probe.workers.supervisor import WorkerLostError
from probe.workers.worker_pool import LOST

log = logging.getLogger("probe.agent")


class Agent:
    """One agent on schedule: every due slot of its plan becomes one row in its store. `run`, once."""

    def __init__(self, parts: Parts, *, config_file: Path | None = None) -> None:
        """`parts` with a store. `config_file`: agent.yaml, to reload from."""
        assert parts.store is not None, "a running agent keeps its results"
        assert parts.rows is not None, "a running agent keeps its results"
        self.parts = parts
        self._store, self._rows = parts.store, parts.rows
        self._ledger = Ledger(parts.in_force.config, parts.clock, parts.suspensions)
        self._departures = Departures(self._record_departure)
        self.begun, self.ending = asyncio.Event(), False
        self.reloader: Reloader | None = None
        if config_file is not None:
            in_force = parts.in_force
            self.reloader = Reloader(
                config_file, parts.kinds, lambda: (in_force.config, in_force.plan), self._apply
            )

    @property
    def config(self) -> Config:
        """The configuration in force."""
        return self.parts.in_force.config

    @property
    def plan(self) -> Plan:
        """The plan in force."""
        return self.parts.in_force.plan

    async def run(
        self, stop: asyncio.Event, *, drain_s: float | None = None, immediate: asyncio.Event | None = None
    ) -> None:
        """Measure on schedule until `stop` is set, then drain.

        `drain_s`: default `limits.drain`. `immediate`, set at any time, ends the draining.
        """
        parts, store = self.parts, self._store
        async with parts.opened():
            now_us, why = await self._begin()
            scheduler = parts.in_force.scheduler = Scheduler(
                self.plan.tasks,
                clock=parts.clock,
                on_slot=self._on_slot,
                on_missed=self._on_missed,
                on_error=self._on_error,
                on_clock_step=self._on_clock_step,
                on_suspended=self._on_suspended,
                ceilings=self.config.agent.limits.ceilings(),
                since_us=now_us,
                since_why=why,
                immediate=immediate,
            )
            await scheduler.start()  # first: what is due before it starts is missed
            self.begun.set()
            await self._save_run()
            try:
                parts.jobs.start()
                await parts.watches.start()
                if parts.pool is not None:
                    parts.pool.watch_lines()
                if self.reloader is not None:
                    self.reloader.watch_files(parts.jobs, lambda: self.config.agent.watch_files)
                await stop.wait()
            finally:
                self.ending = True
                if self.reloader is not None:
                    await self.reloader.finish()
                drain_s = self.config.agent.limits.drain / 1e6 if drain_s is None else drain_s
                await drain_or_abandon(
                    scheduler.stop(drain_s), lambda: store.health, after_s=drain_s, immediate=immediate
                )
                await parts.watches.stop()
                if parts.pool is not None:
                    await parts.pool.stop()
                await parts.jobs.stop()
                await drain_or_abandon(self._write_end(), lambda: store.health, immediate=immediate)
                await self._ledger.save(self.config, self.plan, ended=True)

    async def _write_end(self) -> None:
        await self._departures.finish()
        await self.parts.events.drain()
        self._store.put_nodes(self.parts.pipeline.nodes.take_changes(final=True))
        await self.parts.events.append("agent.stopped", {})
        await self.parts.events.drain()

    async def _begin(self) -> tuple[int, str]:
        """What a start owes the streams: what was missed while no agent ran, and what has changed since.

        Returns until when (microseconds since the epoch) that is accounted for, what follows being the scheduler's, and
        why nobody measured.
        """
        parts, store = self.parts, self._store
        if parts.pool is not None:
            parts.pool.start()
        learns = parts.pipeline if parts.pool is None else None
        resume(learns, store, self.config, self.plan, parts.clock.time_ns())
        before, now_us = store.last_config(), parts.clock.time_ns() // 1000
        parts.in_force.completed = store.completed()
        absence = self._ledger.account(store, self.plan, now_us, parts.in_force.completed)
        if absence.set_back_us:  # what is due until then was due before
            detail = {"delta_us": str(-absence.set_back_us), "over": "restart"}
            parts.events.append_soon("clock.stepped", detail, level=logging.WARNING)
        rows = [self._missed(task, scheduled_us, absence.reason) for task, scheduled_us in absence.slots]
        for task in {task.id: task for task, _ in absence.slots}.values():
            put_definition(store, task)
        if rows:
            await store.append(rows)
            log.warning("ledger.absent", extra=fields(slots=len(rows), reason=absence.reason))
        # Not waited for: what is put first is stored first, and the schedule begins meanwhile.
        if absence.without_row:
            detail = {"reason": absence.reason, "slots_without_row": str(absence.without_row)}
            parts.events.append_soon("ledger.gap", detail)
        change = {"from": str(before), "to": self.config.digest}
        if before not in (None, self.config.digest):
            parts.events.append_soon("config.changed", change)
        parts.events.append_soon("customer.removed", change, absence.gone)
        after = {} if absence.first else {"after": absence.reason}
        parts.events.append_soon("agent.started", {"tasks": str(len(self.plan.tasks)), **after})
        return now_us, absence.reason

    # --- another configuration --------------------------------------------------------------------

    async def reload(self) -> tuple[Problem, ...]:
        """Read the files anew and take over what is good; the problems that keep parts as they were. Raises nothing."""
        if self.reloader is None or self.ending:
            return (Problem("agent.yaml", 0, 0, "not taken over: the agent ends, or runs without its file"),)
        await self.begun.wait()
        return await self.reloader.reload()

    async def _apply(self, update: ConfigUpdate) -> None:
        """Everything of another configuration, at once; slots in flight end under the one that they began with."""
        parts, store, reloader = self.parts, self._store, self.reloader
        scheduler = parts.in_force.scheduler
        assert scheduler is not None, "it has begun"
        assert reloader is not None, "it was asked to reload"
        for owner, problems in update.rejected.items():
            if reloader.is_new(owner, problems):
                parts.events.append_soon(*rejection(owner, problems, reloader.base), logging.ERROR)
        if update.config.digest == self.config.digest:
            return
        before, now_ns = self.config, parts.clock.time_ns()
        new = update.plan.budgeted - self.plan.budgeted
        for customer, spent_bytes in (await asyncio.to_thread(spent_today, store, new, now_ns)).items():
            parts.pipeline.budgets.resume(customer, spent_bytes, now_ns / 1e9)
        places = {} if parts.pool is None else await parts.pool.prepare(update.plan)
        for digest, text in update.definitions:
            store.put_definition(digest, text)
        store.put_config(
            update.config.digest,
            together(update.config.texts, update.config.sources),
            rfc3339(now_ns),
        )
        store.limit(limits_of(update.config.agent.keep))
        parts.in_force.config, parts.in_force.plan = update.config, update.plan
        parts.fetcher.allow(update.config.agent.allowed())
        parts.resolver.allow(update.config.agent.allowed())
        parts.pipeline.adopt(update.config.agent.lines(), {task.definition for task in update.plan.tasks})
        change = {"from": before.digest, "to": update.config.digest}
        parts.events.append_soon("config.changed", change, update.changed)
        parts.events.append_soon("customer.added", change, update.added)
        scheduler.replace(update.plan.tasks, update.config.agent.limits.ceilings())
        parts.watches.replace(update.plan)
        if parts.pool is not None:
            parts.pool.adopt(update.config, update.plan, places)
            parts.pool.watch_lines()
        for customer in update.removed:
            self._departures.begin(customer, change, scheduler.is_open)
        logging.getLogger().setLevel(update.config.agent.log_level.upper())
        await self._save_run()

    async def _record_departure(self, customer: str, change: dict[str, str]) -> None:
        if customer not in self.plan.customers:  # else it came back meanwhile
            await self.parts.events.append("customer.removed", change, (customer,))
            await self._save_run()

    async def _save_run(self) -> None:
        await self._ledger.save(self.config, self.plan, leaving=self._departures.pending)

    # --- slots --------------------------------------------------------------------------------------

    async def _on_slot(self, task: Task, due: Due) -> None:
        row = await self._measured(task, rfc3339(due.scheduled_us * 1000))
        self._rows.put(row, task)

    async def _measured(self, task: Task, scheduled_at: str) -> SlotRecord:
        """By this process, or by the worker whose task it is."""
        if self.parts.pool is None:
            return await self.parts.pipeline.measure(task, scheduled_at)
        try:
            return await self.parts.pool.measure(task, scheduled_at)
        except WorkerLostError:
            return self.parts.pipeline.missed(task, scheduled_at, LOST)

    async def _on_missed(self, task: Task, due: Due, reason: str) -> None:
        kept = self._rows.put(self._missed(task, due.scheduled_us, reason), task)
        await asyncio.shield(kept)  # back-pressure: there may be hundreds of thousands

    def _on_error(self, task: Task, due: Due, error: BaseException) -> None:
        log.error("slot.error", exc_info=error, extra=fields(task=task.id, domain=task.domain))

    def _on_clock_step(self, delta_us: int) -> None:
        detail = {"delta_us": str(delta_us)}
        self.parts.events.append_soon("clock.stepped", detail, level=logging.WARNING)

    def _on_suspended(self, slept_us: int) -> None:
        self.parts.suspensions.look()  # what begins from now on did not sleep
        self.parts.events.append_soon("host.suspended", {"slept_us": str(slept_us)}, level=logging.WARNING)
        self.parts.events.spawn(self._save_run())

    def _missed(self, task: Task, scheduled_us: int, reason: str) -> SlotRecord:
        return self.parts.pipeline.missed(task, rfc3339(scheduled_us * 1000), reason)

    def stored_up_to(self, customer: str) -> str | None:
        """Every slot of the customer that was due before this time has its row on the disk."""
        return self._rows.stored_up_to(customer)

    async def record_event(
        self,
        event: str,
        detail: dict[str, str],
        customers: tuple[str, ...] | None = None,
        *,
        agent: str | None = None,
    ) -> None:
        """Put an event on record in the streams of these customers (None: of all); stored when this returns.

        `agent`: in those of an earlier name of this agent.
        """
        await self.parts.events.append(event, detail, customers, agent=agent)
