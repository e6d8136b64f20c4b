"""Rule: several processes measure, one keeps: what is due, how much at once, and every row are decided here alone.

Theory of operation. The problem: one interpreter is one core, and two ledgers would have to be reconciled. So only
measuring is given away (`limits.workers` above 1, decision 0014); schedule, ceilings, anchors and store stay here.

- Each task belongs to one worker (`_assigned`); tasks that share what a slot learns stay together
  (`core.scheduling.worker_assignment`). A worker never hands a task to another: its slots wait, or are lost.
- A new process is sent, in this order: settings, what the store knows of its share (`seed_of`), settings again (a
  reload may have come meanwhile), lines, `Begin`. It answers `Ready`, and measures from then on. Tasks go with their
  first slot.
- A reload has two steps: `prepare` reads and sends what moves between workers, and may await; `adopt` puts plan,
  settings and assignment in force at once. A slot that waited for room meanwhile goes where its task was.
- What a worker learns (versions, standings, nodes) is stored here; anchor rounds that it sees go to the watch, which
  has every other worker sent them. Local results apply at once; other workers receive them asynchronously.
- A worker that is lost fails its slots with WorkerLostError: the agent makes each a row `agent.worker_lost`, and
  `worker.lost` is an event for every customer of its share. `WorkerSupervisor` starts the next one.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from probe.core.config.load import Config
from probe.core.config.plan import Plan
from probe.core.model.task import Task
from probe.core.model.value import replace
from probe.core.records.rows import SlotRecord
from probe.core.results.live_state import WorkerState
from probe.core.scheduling.worker_assignment import groups_of, spread
from probe.core.vantage.health import AnchorRound
from probe.host.clock import Clock
from probe.store.store import Store
from probe.watch.anchor_watch import AnchorWatch
from probe.workers import messages as m
from probe.workers.seed import seed_of
from probe.workers.supervisor import WorkerLostError, WorkerSupervisor

LOST = "agent.worker_lost"

# event, detail, customers
OnEvent = Callable[[str, dict[str, str], tuple[str, ...]], None]


class WorkerPool:
    """The workers of one agent. `start`, then `measure`, then `stop`."""

    def __init__(
        self, config: Config, plan: Plan, store: Store, clock: Clock, watch: AnchorWatch, on_event: OnEvent
    ) -> None:
        """`on_event(event, detail, customers)`: a worker was lost, and whose slots it had."""
        self._store = store
        self._clock = clock
        self._watch = watch
        self._on_event = on_event
        self._plan = plan
        self._settings = settings_of(config, plan)
        self._assigned: Mapping[str, int] = spread(groups_of(plan.tasks), config.agent.limits.workers)
        self._assigned_before: Mapping[str, int] = {}
        self._workers = [WorkerSupervisor(n, self, self._prepare) for n in range(config.agent.limits.workers)]
        self.lost_slots = 0

    def start(self) -> None:
        """Begin all; returns at once: slots wait for a moment for a worker that begins."""
        self._watch.on_rounds.append(self._forward_rounds)
        for worker in self._workers:
            worker.start()

    async def stop(self) -> None:
        """End all, when no slot runs any more."""
        await asyncio.gather(*(worker.stop() for worker in self._workers))

    def states(self) -> tuple[WorkerState, ...]:
        """Each worker as it is now."""
        tasks = Counter(self._assigned.values())
        return tuple(worker.state(tasks[worker.number]) for worker in self._workers)

    # --- slots ----------------------------------------------------------------------------------------

    async def measure(self, task: Task, scheduled_at: str) -> SlotRecord:
        """One slot end to end, by the worker whose task it is. Raises WorkerLostError, SlotFailedError, m.MALFORMED."""
        try:
            done = await self._worker_of(task).measure(task, scheduled_at)
        except WorkerLostError:
            self.lost_slots += 1
            raise
        row = m.row_in(done.line)
        if done.nodes is not None:
            self._store.put_nodes(done.nodes)
        if row.evidence_id is None:
            return row
        kept = done.bundle is not None and self._store.put_packed_bundle(row, done.bundle)
        return row if kept else replace(row, evidence_id=None, evidence_sha256=None)

    def _worker_of(self, task: Task) -> WorkerSupervisor:
        """A slot that waited for room while its task went is measured where the task was."""
        number = self._assigned.get(task.id)
        return self._workers[self._assigned_before.get(task.id, 0) if number is None else number]

    # --- another configuration --------------------------------------------------------------------------

    async def prepare(self, plan: Plan) -> dict[str, int]:
        """Who will do what under another plan, to be given to `adopt`.

        A worker that takes a task over is sent what the store knows of it; the task itself goes with its first slot.
        """
        assigned = spread(groups_of(plan.tasks), len(self._workers), self._assigned)
        counted_anew = plan.budgeted - self._plan.budgeted
        came: dict[int, list[Task]] = {}
        for task in plan.tasks:
            number = assigned[task.id]
            if self._assigned.get(task.id, number) != number or task.customer in counted_anew:
                came.setdefault(number, []).append(task)
        for number, tasks in came.items():
            self._workers[number].send_packed(await self._seed(tasks))
        return assigned

    def adopt(self, config: Config, plan: Plan, assigned: dict[str, int]) -> None:
        """From now on this plan is in force; slots in flight end where they are."""
        self._plan, self._assigned, self._assigned_before = plan, assigned, self._assigned
        self._settings = settings_of(config, plan)
        for worker in self._workers:
            worker.send(self._settings)
            worker.forget_other_tasks({task for task, number in assigned.items() if number == worker.number})

    def watch_lines(self) -> None:
        """Send the workers which lines are watched, and what is known of them; after each change of that."""
        for worker in self._workers:
            worker.send(m.Lines(histories=self._watch.histories()))

    async def _prepare(self, worker: WorkerSupervisor) -> None:
        worker.send(self._settings)
        plan = None
        while plan is not self._plan:  # else another came into force while this one's was read
            plan = self._plan
            worker.send_packed(await self._seed(self._share(worker)))
        worker.send(self._settings, m.Lines(histories=self._watch.histories()), m.Begin())

    def _share(self, worker: WorkerSupervisor) -> list[Task]:
        return [task for task in self._plan.tasks if self._assigned[task.id] == worker.number]

    async def _seed(self, tasks: Sequence[Task]) -> bytes:
        """Read and packed beside the loop: it may be much."""
        now_ns = self._clock.time_ns()
        return await asyncio.to_thread(lambda: m.orders_out([seed_of(self._store, tasks, now_ns)]))

    # --- reports that are not about a slot --------------------------------------------------------------

    def on_report(self, worker: WorkerSupervisor, report: m.AnyReport) -> None:
        """See `supervisor.ReportHandler`."""
        match report:
            case m.Version():
                self._store.put_origin_version(report.customer, report.url, report.version)
            case m.Standing():
                self._store.put_origin_standing(report.customer, report.origin, report.standing)
            case m.Learned():
                self._store.put_nodes(report.nodes)
            case m.RoundsSeen():
                self._watch.add_rounds(report.vantage_point, report.ip_version, report.rounds, worker)
            case m.AnchorCheckRequested():
                self._request_anchor_check(report)

    def on_lost(self, worker: WorkerSupervisor, why: str, again_in_s: float) -> None:
        """An event for each customer whose slots it may have held says why they are missing."""
        customers = tuple(dict.fromkeys(task.customer for task in self._share(worker)))
        detail = {"worker": str(worker.number), "why": why, "again_in_s": f"{again_in_s:g}"}
        self._on_event("worker.lost", detail, customers)

    def _forward_rounds(
        self, vantage_point: str, ip_version: int, rounds: tuple[AnchorRound, ...], source: object
    ) -> None:
        order = m.RoundsMade(vantage_point=vantage_point, ip_version=ip_version, rounds=rounds)
        for worker in self._workers:
            if worker is not source:
                worker.send(order)

    def _request_anchor_check(self, report: m.AnchorCheckRequested) -> None:
        for task in self._plan.tasks:
            vantage = task.vantage_point
            if vantage.name == report.vantage_point:
                self._watch.request_anchor_check(vantage, report.ip_version)
                return


def settings_of(config: Config, plan: Plan) -> m.Settings:
    """What holds for every slot of this configuration."""
    return m.Settings(
        agent=config.agent.agent,
        config_digest=config.digest,
        allow=config.agent.allowed(),
        lines=config.agent.lines(),
        definitions=frozenset(task.definition for task in plan.tasks),
        log_level=config.agent.log_level,
    )
