"""Rule: the agent is wiring: it builds the I/O, connects slot to store, and ends what it started.

Used by `run` (with signals, in `probe.daemon`), by the demo and by tests. Every due slot comes out as one row.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace

from probe.core.budget import DAY_S
from probe.core.codec import encode_any
from probe.core.config import Config
from probe.core.coverage import absent_slots
from probe.core.kinds import Kinds
from probe.core.plan import Plan, make_plan, task_to_json
from probe.core.records import HostFacts, OriginVersion, SlotRecord
from probe.core.rows import event_row
from probe.core.task import SecretRef, Task, VantagePoint
from probe.core.times import utc_text
from probe.io.clock import Clock, SystemClock, rfc3339
from probe.io.fetch import AiohttpFetcher
from probe.io.host import LoopLag
from probe.io.netns import close_namespaces
from probe.io.resolve import Resolver
from probe.io.schedule import Due, Scheduler
from probe.io.secrets import reveal
from probe.io.store import Store
from probe.logs import fields
from probe.oneshot import host_probe
from probe.pipeline import Pipeline
from probe.watches import Watches

log = logging.getLogger("probe.agent")

ABSENT_ROWS_AT_MOST = 200_000
OnRow = Callable[[SlotRecord], None]


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
    ) -> None:
        """`store` None measures without keeping (`once`); `on_row` is shown every row, after it is stored.

        Raises SecretError if the secret of a header or proxy cannot be had: better told now than in every slot.
        """
        self.config = config
        self.plan: Plan = make_plan(config)
        lines = tuple(point.vantage_point() for point in config.agent.vantage_points)
        _require_secrets(self.plan, lines)
        self._kinds = kinds
        self._store = store
        self._clock = clock or SystemClock()
        self._on_row = on_row
        self._lag = LoopLag(self._clock)
        allow = tuple(str(prefix) for prefix in config.agent.allow_addresses)
        self._fetcher = AiohttpFetcher(self._clock, reveal, allow)
        resolver = Resolver(self._clock, allow)
        self._watches = Watches(
            self.plan, self._clock, self._fetcher, resolver, self._lag.worst_us, self._on_vantage
        )
        self.pipeline = Pipeline(
            kinds=kinds,
            resolver=resolver,
            fetcher=self._fetcher,
            clock=self._clock,
            host=host_probe(config.agent.agent, config.digest, self._lag),
            keep=self._keep_version,
            keep_bundle=None if store is None else store.put_bundle,
            lines=lines,
            line_health=self._watches.anchors,
        )
        self._writes: set[asyncio.Task[None]] = set()

    # --- measuring without a schedule: `once` -----------------------------------------------------

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Agent]:
        """Start what measuring needs; end it on leaving."""
        await self._lag.start()
        try:
            yield self
        finally:
            await self._fetcher.close()
            await self._lag.stop()
            close_namespaces()

    async def measure_now(self, task: Task) -> SlotRecord:
        """One slot of a task, due now."""
        return await self.pipeline.measure(task, rfc3339(self._clock.time_ns()))

    # --- the daemon -------------------------------------------------------------------------------

    async def run(self, stop: asyncio.Event, *, drain_s: float = 10.0) -> None:
        """Measure on schedule until `stop` is set, then drain. Needs a store."""
        store = self._store
        assert store is not None, "a running agent keeps its results"
        async with self.open():
            await self._remember(store)
            now_us = self._clock.time_ns() // 1000
            before = store.last_config()
            await self._account_for_absence(store, now_us)
            if before not in (None, self.config.digest):
                await self._event("config.changed", {"from": str(before), "to": self.config.digest})
            await self._event("agent.started", {"tasks": str(len(self.plan.tasks))})
            scheduler = Scheduler(
                self.plan.tasks,
                clock=self._clock,
                on_slot=self._on_slot,
                on_missed=self._on_missed,
                on_error=self._on_error,
                on_clock_step=self._on_clock_step,
                ceilings=self.config.agent.limits.ceilings(),
                since_us=now_us,
            )
            await scheduler.start()  # first: what is due before it starts is missed
            try:
                await self._watches.start()
                await stop.wait()
            finally:
                await scheduler.stop(drain_s)
                await self._watches.stop()
                await self._drain()
                store.put_nodes(self.pipeline.nodes.take_changes(final=True))
                await self._event("agent.stopped", {})
                await self._drain()

    async def _remember(self, store: Store) -> None:
        """What later replays and restarts need: task definitions, configuration text, origin versions."""
        now = rfc3339(self._clock.time_ns())
        for task in self.plan.tasks:
            store.put_definition(task.definition, encode_any(task_to_json(task)).decode())
        store.put_config(self.config.digest, "\n".join(self.config.texts.values()), now)
        self.pipeline.references.restore(store.all_origin_versions())
        self.pipeline.nodes.restore(*store.nodes())
        now_s = self._clock.time_ns() / 1e9
        midnight = utc_text(now_s // DAY_S * DAY_S)
        for customer in {task.customer for task in self.plan.tasks if task.bytes_per_day is not None}:
            self.pipeline.budgets.resume(customer, store.body_bytes_since(customer, midnight), now_s)

    async def _account_for_absence(self, store: Store, now_us: int) -> None:
        """Slots that were due while no agent ran are rows too; from `now_us` on they are the scheduler's."""
        clean = store.stopped_cleanly()
        reason = "agent.stopped" if clean else "agent.crashed"
        recent = None if clean else store.recent_scheduled()
        absent, left_out = absent_slots(
            self.plan.tasks, store.last_scheduled(), now_us, ABSENT_ROWS_AT_MOST, recent
        )
        rows = [self._missed(task, scheduled_us, reason) for task, scheduled_us in absent]
        if rows:
            await store.append(rows)
            log.warning("ledger.absent", extra=fields(slots=len(rows), reason=reason))
        if left_out:
            detail = {"reason": reason, "slots_without_row": str(sum(left_out.values()))}
            await self._event("ledger.gap", detail)

    async def _on_slot(self, task: Task, due: Due) -> None:
        row = await self.pipeline.measure(task, rfc3339(due.scheduled_us * 1000))
        keep = asyncio.ensure_future(self._keep(row))
        try:
            await asyncio.shield(keep)
        except asyncio.CancelledError:
            # Measured already: it is kept, and returning says that this slot needs no `aborted` row.
            await keep

    async def _on_missed(self, task: Task, due: Due, reason: str) -> None:
        await self._keep(self._missed(task, due.scheduled_us, reason))

    def _on_error(self, task: Task, due: Due, error: BaseException) -> None:
        log.error("slot.error", exc_info=error, extra=fields(task=task.id, domain=task.domain))
        self._spawn(self._on_missed(task, due, "agent.internal_error"))

    def _on_clock_step(self, delta_us: int) -> None:
        log.warning("clock.stepped", extra=fields(delta_us=delta_us))
        self._spawn(self._event("clock.stepped", {"delta_us": str(delta_us)}))

    def _on_vantage(self, event: str, detail: dict[str, str], customers: tuple[str, ...]) -> None:
        """What happened to a vantage point, into the streams of those who measure from there."""
        level = logging.INFO if event in ("vantage.online", "vantage.line_up") else logging.WARNING
        self._spawn(self._event(event, detail, customers, level))

    def _missed(self, task: Task, scheduled_us: int, reason: str) -> SlotRecord:
        return self.pipeline.missed(task, rfc3339(scheduled_us * 1000), reason)

    async def _keep(self, row: SlotRecord) -> None:
        assert self._store is not None
        self._store.put_nodes(self.pipeline.nodes.take_changes())
        (stored,) = await self._store.append([row])
        assert isinstance(stored, SlotRecord)
        if self._on_row is not None:
            self._on_row(stored)

    def _keep_version(self, customer: str, url: str, version: OriginVersion) -> None:
        if self._store is not None:
            self._store.put_origin_version(customer, url, version)

    async def _event(
        self,
        event: str,
        detail: dict[str, str],
        customers: Iterable[str] | None = None,
        level: int = logging.INFO,
    ) -> None:
        """The same event into every customer's stream: whoever may see one stream only sees it too.

        `customers`: only into theirs, where others have nothing to do with it.
        """
        assert self._store is not None
        host: HostFacts = self.pipeline.facts()
        now = rfc3339(self._clock.time_ns())
        if customers is None:
            customers = dict.fromkeys(task.customer for task in self.plan.tasks)
        await self._store.append([event_row(name, now, event, detail, host) for name in customers])
        log.log(level, event, extra=fields(**detail))

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)

    async def _drain(self) -> None:
        while self._writes:
            await asyncio.gather(*self._writes)


def _require_secrets(plan: Plan, lines: Iterable[VantagePoint]) -> None:
    """Each secret once, and forgotten again. Raises SecretError."""
    passwords = (line.proxy.password for line in lines if line.proxy is not None)
    values = (
        value
        for task in plan.tasks
        for request in (task.request, *([task.origin.request] if task.origin is not None else []))
        for _, value in request.fields
    )
    for ref in dict.fromkeys(value for value in (*values, *passwords) if isinstance(value, SecretRef)):
        reveal(ref)


def with_selected(plan: Plan, **wanted: str | None) -> Plan:
    """The tasks whose customer, domain and vantage point are the wanted ones (None: any)."""
    names = {
        "customer": lambda t: t.customer,
        "domain": lambda t: t.domain,
        "vantage": lambda t: t.vantage_point.name,
    }
    tasks = tuple(
        task
        for task in plan.tasks
        if all(value is None or names[key](task) == value for key, value in wanted.items())
    )
    return replace(plan, tasks=tasks)
