"""Rule: a start goes on where the last run ended: what that one knew is read back, what was due since is accounted for.

Tasks absent from the last run have no missed slots. Those that it measured have one for every slot since their last
row, with the reason why nobody measured (`probe.host.last_run`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from probe.core.config.load import Config
from probe.core.config.plan import Plan, task_to_json
from probe.core.config.snapshot import together
from probe.core.model.task import Task
from probe.core.records.codec import encode_any
from probe.core.results.coverage import absent_slots
from probe.core.scheduling.grid import to_us
from probe.host.clock import Clock, rfc3339
from probe.host.last_run import LastRun, absence_reason, boot_id, booted_us, read_last_run, write_last_run
from probe.host.suspension import Suspensions
from probe.measure.pipeline import Pipeline
from probe.store.store import Store
from probe.telemetry.logs import fields
from probe.workers.seed import spent_today

log = logging.getLogger("probe.agent")

ABSENT_ROWS_AT_MOST = 200_000


def resume(pipeline: Pipeline | None, store: Store, config: Config, plan: Plan, now_ns: int) -> None:
    """What later restarts need is kept, and what the last run knew is restored, of all customers.

    `pipeline` None: workers measure, and each is given its own part (`seed_of`).
    """
    store.put_config(config.digest, together(config.texts, config.sources), rfc3339(now_ns))
    if pipeline is None:
        return
    pipeline.references.restore(store.all_origin_versions())
    pipeline.references.restore_standings(store.origin_standings())
    pipeline.nodes.restore(*store.nodes())
    for customer, spent_bytes in spent_today(store, plan.budgeted, now_ns).items():
        pipeline.budgets.resume(customer, spent_bytes, now_ns / 1e9)


def put_definition(store: Store, task: Task) -> None:
    """What a row was measured by is kept for replay, not later than the row; with the first one, not at the start."""
    if not store.has_definition(task.definition):
        store.put_definition(task.definition, encode_any(task_to_json(task)).decode())


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """What was missed since the last run. `gone`: customers that it measured and this one does not.

    `set_back_us`: by how much, at least, the wall clock is behind what it was when the last run knew it last.
    """

    reason: str
    slots: list[tuple[Task, int]]
    without_row: int
    gone: tuple[str, ...] = ()
    first: bool = False
    set_back_us: int = 0


class Ledger:
    """Accounts for the time in which no agent ran, and writes down what the next start needs for that."""

    def __init__(self, config: Config, clock: Clock, suspensions: Suspensions) -> None:
        self._directory = Path(config.agent.results)
        self._clock = clock
        self._suspensions = suspensions
        self._boot = boot_id()
        self._writing = asyncio.Lock()

    def account(self, store: Store, plan: Plan, now_us: int, completed: Mapping[str, str]) -> Absence:
        """Slots that were due while no agent ran are rows too; from `now_us` on they are the scheduler's.

        `completed`: customer -> up to when every slot has had its row, also where rows went lost since.
        """
        last, clean = read_last_run(self._directory), store.stopped_cleanly()
        reason = absence_reason(
            last,
            clean=clean,
            boot=self._boot,
            slept_us=self._suspensions.slept_ns // 1000,
            booted_us=booted_us(self._clock),
        )
        tasks = plan.tasks
        if last is not None:
            measured = frozenset(last.tasks)
            tasks = tuple(task for task in tasks if task.id in measured)
        recent = None if clean else store.recent_scheduled()
        last_rows = store.last_scheduled()
        for task in tasks if last is not None else ():
            until = completed.get(task.customer)
            if until is not None and last_rows.get(task.id, "") < until <= rfc3339(now_us * 1000):
                last_rows[task.id] = rfc3339((to_us(until) - 1) * 1000)
        slots, left_out = absent_slots(tasks, last_rows, now_us, ABSENT_ROWS_AT_MOST, recent)
        here = {task.customer for task in plan.tasks}
        return Absence(
            reason=reason,
            slots=slots,
            without_row=sum(left_out.values()),
            gone=() if last is None else tuple(name for name in last.customers if name not in here),
            first=last is None,
            set_back_us=max(0, _last_known_us(last, store.last_time()) - now_us),
        )

    async def save(
        self, config: Config, plan: Plan, *, leaving: Iterable[str] = (), ended: bool = False
    ) -> None:
        """Write down what runs now. A disk that refuses is only logged.

        `leaving`: customers that are measured no longer and whose stream does not say so yet.
        """
        run = LastRun(
            boot_id=self._boot,
            slept_us=self._suspensions.slept_ns // 1000,
            config=config.digest,
            tasks=tuple(task.id for task in plan.tasks),
            customers=tuple(dict.fromkeys((*(task.customer for task in plan.tasks), *leaving))),
            ended_us=self._clock.time_ns() // 1000 if ended else None,
        )
        async with self._writing:
            try:
                await asyncio.to_thread(write_last_run, self._directory, run)
            except OSError as error:
                log.error("ledger.not_written_down", extra=fields(error=str(error)))


def _last_known_us(last: LastRun | None, newest: str | None) -> int:
    """The latest time that the last run is known to have had; 0 where nothing is known."""
    ended_us = 0 if last is None or last.ended_us is None else last.ended_us
    return max(ended_us, 0 if newest is None else to_us(newest))
