"""Rule: every due slot leads to exactly one of `on_slot` and `on_missed`; none vanishes, none is run twice.

Time axis: agent time (`probe.io.clock.AgentTime`), the wall clock at the start carried on by elapsed time. When
the wall clock is set by more than 2 s, the axis is taken anew from it:
- forward: the slots in the span that was skipped are not due, for no time passed in it;
- backward: scheduling goes on at the new wall time, so that times come out again that were due before the step.
Either way `on_clock_step` is told. Nothing that was due up to the step is lost by it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from probe.core.coverage import Agenda
from probe.core.task import Task
from probe.io.clock import AgentTime, Clock
from probe.io.missed import Due, OnMissed, Reporter
from probe.io.pump import HEARTBEAT_S, Pump

__all__ = ["Due", "Scheduler", "Tally"]

log = logging.getLogger("probe.schedule")

LONGEST_WAIT_US = 5_000_000
GRACE_S = 2.0  # for what was cancelled to clean up

OnSlot = Callable[[Task, Due], Awaitable[None]]
OnError = Callable[[Task, Due, BaseException], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """due = started + missed + waiting, at any moment; started = finished + running + aborted."""

    due: int
    started: int
    finished: int
    running: int
    waiting: int
    aborted: int
    missed: dict[str, int]


@dataclass(slots=True)
class _Open:
    """A slot that is due: waiting for room, then running. `closed` once it has been accounted for."""

    task: Task
    scheduled_us: int
    give_up_us: int
    due: Due | None = None
    closed: bool = False


class Scheduler:
    """Starts the slots of tasks when they are due, so many at once, and reports those that it cannot start."""

    def __init__(
        self,
        tasks: Sequence[Task],
        *,
        clock: Clock,
        on_slot: OnSlot,
        on_missed: OnMissed,
        on_error: OnError | None = None,
        on_clock_step: Callable[[int], None] | None = None,
        concurrency: int = 200,
        overlap: int = 4,
        stall_s: float = 1.5,
        since_us: int | None = None,
    ) -> None:
        """`on_slot` measures; a slot counts as done when it returns, also if that is after its cancellation.

        `on_missed(task, due, reason)` may be a plain or an async function; async gives back-pressure.
        `on_error` is told of exceptions of `on_slot`. `on_clock_step(delta_us)`: new wall time minus old.
        `stall_s`: a longer silence of the event loop is a stall, and what was due in it is missed.
        `since_us`: slots due after this time and before `start` are missed as `agent.stopped`; None: not due.
        Raises ValueError for two tasks with one id.
        """
        self._time = AgentTime(clock)
        self._since_us = since_us
        self._agenda = Agenda(tasks, after_us=self._time.now_us() if since_us is None else since_us)
        self._on_slot = on_slot
        self._on_error = on_error
        self._on_clock_step = on_clock_step
        self._concurrency = concurrency
        self._overlap = overlap
        self._stall_us = round(stall_s * 1e6)
        self._pump = Pump(self._beat)
        self._reporter = Reporter(on_missed, self._time.now_us)
        self._waiting: deque[_Open] = deque()
        self._running: dict[asyncio.Task[None], _Open] = {}
        self._of_task: Counter[str] = Counter()
        self._last_beat_us = 0
        self._counts: Counter[str] = Counter()
        self._stopping = False

    @property
    def tally(self) -> Tally:
        """What became of everything that was due so far."""
        count = self._counts
        return Tally(
            due=count["due"],
            started=count["started"],
            finished=count["finished"],
            running=len(self._running),
            waiting=len(self._waiting),
            aborted=count["aborted"],
            missed=dict(self._reporter.counts),
        )

    async def start(self) -> None:
        """Begin on the running event loop."""
        self._time.reanchor()
        now_us = self._time.now_us()
        self._last_beat_us = now_us
        if self._since_us is None:
            self._agenda.restart(now_us)
        for task, times in self._agenda.pop_spans(now_us):
            self._counts["due"] += len(times)
            self._reporter.span(task, times, "agent.stopped")
        self._reporter.start()
        self._pump.start()

    def replace(self, tasks: Sequence[Task]) -> None:
        """Measure these tasks from now on; those whose period and phase are the same keep their place.

        Slots due until now are accounted for first; those that run go on. Raises ValueError for doubled ids.
        """
        self._beat()
        self._agenda.replace(tasks, after_us=self._last_beat_us)

    async def stop(self, drain_s: float) -> None:
        """Start nothing more, wait up to `drain_s` seconds for what runs, then cut it off.

        Slots due and not started are missed as `agent.stopped`, those cut off as `agent.aborted`, each once.
        Returns when every callback has returned.
        """
        self._stopping = True
        await self._pump.stop()
        self._beat()
        while self._waiting:
            self._miss(self._waiting.popleft(), "agent.stopped")
        if self._running:
            await asyncio.wait(self._running, timeout=max(0.0, drain_s))
        cut = list(self._running)
        for measurement in cut:
            measurement.cancel()
        if cut:
            await asyncio.wait(cut, timeout=GRACE_S)
        for slot in list(self._running.values()):  # will not even be cancelled
            self._abort(slot)
        await self._reporter.finish()

    # --- the beat: what is due? -------------------------------------------------------------------

    def _beat(self) -> float | None:
        """Account for everything due until now. Returns the seconds until the next slot is due."""
        now_us = self._time.now_us()
        run_from_us = self._last_beat_us
        if now_us - self._last_beat_us > self._stall_us:
            run_from_us = now_us - round(HEARTBEAT_S * 1e6)
            log.warning("loop.stalled", extra={"fields": {"silent_us": now_us - self._last_beat_us}})
        self._last_beat_us = now_us
        self._counts["beats"] += 1
        for task, times in self._agenda.pop_spans(now_us):
            self._counts["due"] += len(times)
            late = _before(times, run_from_us)
            if late:
                self._reporter.span(task, late, "agent.stalled")
            for time_us in times[len(late) :]:
                self._admit(task, time_us)
        self._give_up(now_us)
        self._mind_the_clock()
        due_us = self._agenda.next_due_us
        return None if due_us is None else (due_us - self._time.now_us()) / 1e6

    def _mind_the_clock(self) -> None:
        delta_us = self._time.stepped_us()
        if delta_us is None:
            self._time.follow()
            return
        self._time.reanchor()
        self._last_beat_us = self._time.now_us()
        self._agenda.restart(self._last_beat_us)
        for slot in self._waiting:
            slot.give_up_us += delta_us
        log.warning("clock.stepped", extra={"fields": {"delta_us": delta_us}})
        if self._on_clock_step is not None:
            self._on_clock_step(delta_us)

    # --- admission --------------------------------------------------------------------------------

    def _admit(self, task: Task, time_us: int) -> None:
        slot = _Open(task, time_us, time_us + min(task.period_us, LONGEST_WAIT_US))
        if self._stopping:
            self._miss(slot, "agent.stopped")
        elif self._waiting or len(self._running) >= self._concurrency:
            self._waiting.append(slot)
        else:
            self._launch(slot)

    def _launch(self, slot: _Open) -> None:
        if self._of_task[slot.task.id] >= self._overlap:
            self._miss(slot, "agent.overlap")
            return
        slot.due = Due(
            scheduled_us=slot.scheduled_us, lateness_us=max(0, self._time.now_us() - slot.scheduled_us)
        )
        self._counts["started"] += 1
        self._of_task[slot.task.id] += 1
        measurement = asyncio.get_running_loop().create_task(self._measure(slot, slot.due))
        self._running[measurement] = slot
        measurement.add_done_callback(self._ended)

    async def _measure(self, slot: _Open, due: Due) -> None:
        await self._on_slot(slot.task, due)

    def _ended(self, measurement: asyncio.Task[None]) -> None:
        slot = self._running.pop(measurement)
        self._of_task[slot.task.id] -= 1
        if not self._of_task[slot.task.id]:
            del self._of_task[slot.task.id]
        if measurement.cancelled():
            self._abort(slot)
        elif (error := measurement.exception()) is not None:
            self._failed(slot, error)
        elif not slot.closed:
            slot.closed = True
            self._counts["finished"] += 1
        self._fill(self._time.now_us())

    def _fill(self, now_us: int) -> None:
        while self._waiting and len(self._running) < self._concurrency:
            slot = self._waiting.popleft()
            if slot.give_up_us < now_us:
                self._miss(slot, "agent.overloaded")
            else:
                self._launch(slot)

    def _give_up(self, now_us: int) -> None:
        if not any(slot.give_up_us < now_us for slot in self._waiting):
            return
        waiting, self._waiting = self._waiting, deque()
        for slot in waiting:
            if slot.give_up_us < now_us:
                self._miss(slot, "agent.overloaded")
            else:
                self._waiting.append(slot)

    # --- the ways in which a slot ends without a measurement --------------------------------------

    def _miss(self, slot: _Open, reason: str) -> None:
        slot.closed = True
        self._reporter.one(slot.task, slot.scheduled_us, reason)

    def _abort(self, slot: _Open) -> None:
        if not slot.closed:
            slot.closed = True
            self._counts["aborted"] += 1
            self._reporter.one(slot.task, slot.scheduled_us, "agent.aborted", count=False)

    def _failed(self, slot: _Open, error: BaseException) -> None:
        if slot.closed or slot.due is None:
            return
        slot.closed = True
        self._counts["finished"] += 1
        if self._on_error is None:
            log.error("slot.error", exc_info=error, extra={"fields": {"task": slot.task.id}})
            self._reporter.one(slot.task, slot.scheduled_us, "agent.internal_error", count=False)
        else:
            self._on_error(slot.task, slot.due, error)


def _before(times: range, bound_us: int) -> range:
    """The part of `times` that is less than `bound_us`."""
    count = max(0, min(len(times), -((times.start - bound_us) // times.step)))
    return times[:count]
