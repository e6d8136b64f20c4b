"""Rule: several processes measure, one keeps: what is due, how much at once, and every row are decided here alone.

Where `limits.workers` is more than one, each worker has its share of the tasks
(`probe.core.scheduling.worker_assignment`) and a pipeline of
its own for them; the schedule, the ceilings, the watch over the lines and the store stay in this process. A slot that a
lost worker held is a row all the same: `agent.worker_lost`. docs/decisions/0014 says why it is so.
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
from probe.workers.supervisor import Seat, WorkerLostError

LOST = "agent.worker_lost"

# event, detail, customers
Tell = Callable[[str, dict[str, str], tuple[str, ...]], None]


class Crew:
    """The workers of one agent. `start`, then `measure`, then `stop`."""

    def __init__(
        self, config: Config, plan: Plan, store: Store, clock: Clock, watch: AnchorWatch, tell: Tell
    ) -> None:
        """`tell(event, detail, customers)`: a worker was lost, and whose slots it had."""
        self._store = store
        self._clock = clock
        self._watch = watch
        self._tell = tell
        self._plan = plan
        self._settings = settings_of(config, plan)
        self._places: Mapping[str, int] = spread(groups_of(plan.tasks), config.agent.limits.workers)
        self._former: Mapping[str, int] = {}
        self._seats = [Seat(n, self, self._prepare) for n in range(config.agent.limits.workers)]
        self.lost_slots = 0

    def start(self) -> None:
        """Begin all; returns at once: slots wait for a moment for a worker that begins."""
        self._watch.on_rounds.append(self._heard)
        for seat in self._seats:
            seat.start()

    async def stop(self) -> None:
        """End all, when no slot runs any more."""
        await asyncio.gather(*(seat.stop() for seat in self._seats))

    def states(self) -> tuple[WorkerState, ...]:
        """Each worker as it is now."""
        tasks = Counter(self._places.values())
        return tuple(seat.state(tasks[seat.number]) for seat in self._seats)

    # --- slots ----------------------------------------------------------------------------------------

    async def measure(self, task: Task, scheduled_at: str) -> SlotRecord:
        """One slot end to end, by the worker whose task it is. Raises WorkerLostError, SlotFailedError, m.MALFORMED."""
        try:
            done = await self._seat_of(task).measure(task, scheduled_at)
        except WorkerLostError:
            self.lost_slots += 1
            raise
        row = m.row_in(done.line)
        if done.nodes is not None:
            self._store.put_nodes(done.nodes)
        if row.evidence_id is None:
            return row
        kept = done.bundle is not None and self._store.put_packed_bundle(row, done.bundle)
        return row if kept else replace(row, evidence_id=None)

    def _seat_of(self, task: Task) -> Seat:
        """A slot that waited for room while its task went is measured where the task was."""
        number = self._places.get(task.id)
        return self._seats[self._former.get(task.id, 0) if number is None else number]

    # --- another configuration --------------------------------------------------------------------------

    async def prepare(self, plan: Plan) -> dict[str, int]:
        """Who will do what under another plan, to be given to `adopt`.

        Who takes a task over is told what the store knows of it; the task itself goes with its first slot.
        """
        places = spread(groups_of(plan.tasks), len(self._seats), self._places)
        counted_anew = plan.budgeted - self._plan.budgeted
        came: dict[int, list[Task]] = {}
        for task in plan.tasks:
            number = places[task.id]
            if self._places.get(task.id, number) != number or task.customer in counted_anew:
                came.setdefault(number, []).append(task)
        for number, tasks in came.items():
            self._seats[number].send(await self._seed(tasks))
        return places

    def adopt(self, config: Config, plan: Plan, places: dict[str, int]) -> None:
        """From now on this plan is in force; slots in flight end where they are."""
        self._plan, self._places, self._former = plan, places, self._places
        self._settings = settings_of(config, plan)
        for seat in self._seats:
            seat.say(self._settings)
            seat.keep_only({task for task, number in places.items() if number == seat.number})

    def watch_lines(self) -> None:
        """Tell the workers which lines are watched, and what is known of them; after each change of that."""
        for seat in self._seats:
            seat.say(m.Lines(histories=self._watch.histories()))

    async def _prepare(self, seat: Seat) -> None:
        seat.say(self._settings)
        plan = None
        while plan is not self._plan:  # else another came into force while this one's was read
            plan = self._plan
            seat.send(await self._seed(self._share(seat)))
        seat.say(self._settings, m.Lines(histories=self._watch.histories()), m.Begin())

    def _share(self, seat: Seat) -> list[Task]:
        return [task for task in self._plan.tasks if self._places[task.id] == seat.number]

    async def _seed(self, tasks: Sequence[Task]) -> bytes:
        """Read and packed beside the loop: it may be much."""
        now_ns = self._clock.time_ns()
        return await asyncio.to_thread(lambda: m.orders_out([seed_of(self._store, tasks, now_ns)]))

    # --- what workers say of more than slots ------------------------------------------------------------

    def hear(self, seat: Seat, report: m.AnyReport) -> None:
        """See `crew_seat.Hears`."""
        match report:
            case m.Version():
                self._store.put_origin_version(report.customer, report.url, report.version)
            case m.Standing():
                self._store.put_origin_standing(report.customer, report.origin, report.standing)
            case m.Learned():
                self._store.put_nodes(report.nodes)
            case m.Saw():
                self._watch.hear(report.vantage_point, report.ip_version, report.rounds, seat)
            case m.Worried():
                self._worried(report)

    def lost(self, seat: Seat, why: str, again_in_s: float) -> None:
        """Whoever's slots it may have held is told why they are missing."""
        customers = tuple(dict.fromkeys(task.customer for task in self._share(seat)))
        detail = {"worker": str(seat.number), "why": why, "again_in_s": f"{again_in_s:g}"}
        self._tell("worker.lost", detail, customers)

    def _heard(
        self, vantage_point: str, ip_version: int, rounds: tuple[AnchorRound, ...], teller: object
    ) -> None:
        told = m.Heard(vantage_point=vantage_point, ip_version=ip_version, rounds=rounds)
        for seat in self._seats:
            if seat is not teller:
                seat.say(told)

    def _worried(self, report: m.Worried) -> None:
        for task in self._plan.tasks:
            vantage = task.vantage_point
            if vantage.name == report.vantage_point:
                self._watch.worry(vantage, report.ip_version)
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
