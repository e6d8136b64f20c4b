"""Rule: every due slot leads to exactly one of `on_slot` and `on_missed`; none vanishes, none is run twice.

Theory of operation. The problem: thousands of slots are due on time, while clocks are set, the host sleeps, the loop
stalls and room is short; each is to be accounted for once, with the reason if it was not measured.

- The pump calls `_beat` at least four times a second. A beat takes from the agenda whatever has become due since the
  last one, however long ago that was, so that a late beat loses nothing.
- A due slot waits for room (`Admission`), runs as a task of its own, and ends: finished, failed or aborted. Or it is
  missed: the agent was not running or silent when it was due (`since_why`, `agent.stalled`, `agent.suspended`), it
  waited too long (`agent.overloaded`), too many of its task run (`agent.overlap`), the agent ends (`agent.stopped`).
- `_Open.closed` is set once, by whichever end comes first; what comes later (a callback after a cancellation) counts
  no more. `OpenSlots` holds each slot from due to the return of its callback: `complete_up_to_us` is its earliest.
- Invariants (`Tally`): due = started + missed + waiting, started = finished + running + aborted.
- Ending: no new slots, a last beat, those that wait are missed, those that run have until `drain_s`, then are cut off.

Time axis: agent time (`probe.host.clock.AgentTime`). When the wall clock is set by over 2 s, the axis is taken anew
from it: forward, what lay in the skipped span never becomes due; backward, times that were due before are due again.
What was due up to the step is kept. What was due or measured while the host slept is missed.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from probe.core.model.task import Task
from probe.core.scheduling.admission import Admission, Ceilings, Place, place_of
from probe.core.scheduling.agenda import Agenda
from probe.core.scheduling.open_slots import OpenSlots, Token, overlap_of
from probe.host.clock import AgentTime, Clock
from probe.schedule.missed import Due, OnMissed, Reporter
from probe.schedule.pump import HEARTBEAT_S, Pump

__all__ = ["Due", "Scheduler", "Tally"]

log = logging.getLogger("probe.schedule")

LONGEST_WAIT_US = 5_000_000
LEAST_SLEEP_US = 1_000_000  # a silence in which the host slept for less is our own stall
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
    place: Place
    token: Token
    due: Due | None = None
    closed: bool = False
    cut_why: str = "agent.aborted"


class Scheduler:
    """Starts the slots of tasks when they are due, within the ceilings, and reports those that it cannot start."""

    def __init__(
        self,
        tasks: Sequence[Task],
        *,
        clock: Clock,
        on_slot: OnSlot,
        on_missed: OnMissed,
        on_error: OnError | None = None,
        on_clock_step: Callable[[int], None] | None = None,
        on_suspended: Callable[[int], None] | None = None,
        ceilings: Ceilings | None = None,
        overlap: int = 4,
        stall_s: float = 1.5,
        since_us: int | None = None,
        since_why: str = "agent.stopped",
        immediate: asyncio.Event | None = None,
    ) -> None:
        """`on_slot` measures; a slot counts as done when it returns, also if that is after its cancellation.

        `on_missed(task, due, reason)` may be a plain or an async function; async gives back-pressure.
        `on_error` is called with exceptions of `on_slot`; their slots are missed as `agent.internal_error`.
        `on_clock_step(delta_us)`: new wall time minus old. `on_suspended(slept_us)`: how long the host was suspended.
        `stall_s`: a longer silence of the event loop is a stall, and what was due in it is missed.
        `since_us`: slots due between this time and `start` are missed as `since_why`; those due in the last `stall_s`
        seconds before `start` are still measured, late. None: nothing was due before `start`.
        `immediate`: once it is set, before or while stopping, what runs is cut off at once.
        Raises ValueError for two tasks with one id.
        """
        self._time = AgentTime(clock)
        self._since_us, self._since_why = since_us, since_why
        self._agenda = Agenda(tasks, after_us=self._time.now_us() if since_us is None else since_us)
        self._on_slot = on_slot
        self._on_error = on_error
        self._on_clock_step = on_clock_step
        self._on_suspended = on_suspended
        self._ceilings = ceilings or Ceilings()
        self._admission: Admission[_Open] = Admission(self._ceilings, customers=_customers(tasks))
        self._overlap = overlap
        self._stall_us = round(stall_s * 1e6)
        self._pump = Pump(self._beat)
        self._open = OpenSlots()
        self._reporter = Reporter(on_missed, self._time.now_us, self._open)
        self._running: dict[asyncio.Task[None], _Open] = {}
        self._of_task: Counter[str] = Counter()
        self._last_beat_us = 0
        self._slept_us = 0
        self._immediate = immediate or asyncio.Event()
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
            waiting=self._admission.waiting,
            aborted=count["aborted"],
            missed=dict(self._reporter.counts),
        )

    def complete_up_to_us(self, customer: str) -> int:
        """Every slot of the customer due before this time is accounted for, its callback has returned."""
        earliest_us = self._open.earliest_us(customer)
        return self._last_beat_us if earliest_us is None else earliest_us

    def is_open(self, customer: str) -> bool:
        """Whether a slot of the customer waits, runs or is being reported."""
        return self._open.earliest_us(customer) is not None

    async def start(self) -> None:
        """Begin on the running event loop."""
        self._time.reanchor()
        now_us, self._slept_us = self._time.now_us(), self._time.slept_us()
        self._last_beat_us = now_us
        if self._since_us is None:
            self._agenda.restart(now_us)
        self._account(now_us, now_us - self._stall_us, self._since_why)
        self._reporter.start()
        self._pump.start()

    def replace(self, tasks: Sequence[Task], ceilings: Ceilings | None = None) -> None:
        """Measure these tasks from now on; those whose period and phase are the same keep their place.

        Slots due until now are accounted for first; those that run or wait go on. `ceilings` None: as they are.
        Raises ValueError, and changes nothing, for doubled ids.
        """
        self._beat()
        self._agenda.replace(tasks, after_us=self._last_beat_us)
        self._ceilings = ceilings or self._ceilings
        self._admission.set(self._ceilings, customers=_customers(tasks))
        self._fill()

    async def stop(self, drain_s: float) -> None:
        """Start nothing more, wait up to `drain_s` seconds for what runs, then cut it off.

        Slots due and not started are missed as `agent.stopped`, those cut off as `agent.aborted`, each once.
        Returns when every callback has returned; cancelled, it cuts off what runs and waits for no report.
        """
        self._stopping = True
        self._pump.stop()
        self._beat()
        for slot in self._admission.empty():
            self._miss(slot, "agent.stopped")
        try:
            await self._wait_for_running(drain_s)
            await self._cut_off()
            await self._reporter.finish()
        except asyncio.CancelledError:
            await self._cut_off()
            self._reporter.abandon()
            raise

    async def _cut_off(self) -> None:
        cut = list(self._running)
        for measurement in cut:
            measurement.cancel()
        if cut:
            await asyncio.wait(cut, timeout=GRACE_S)
        for slot in list(self._running.values()):  # will not even be cancelled
            self._abort(slot)

    async def _wait_for_running(self, drain_s: float) -> None:
        if not self._running or self._immediate.is_set():
            return
        ended = asyncio.ensure_future(asyncio.wait(set(self._running)))
        immediate = asyncio.ensure_future(self._immediate.wait())
        await asyncio.wait((ended, immediate), timeout=max(0.0, drain_s), return_when=asyncio.FIRST_COMPLETED)
        _ = ended.cancel(), immediate.cancel()  # only the waiting: what it waits for goes on
        await asyncio.gather(ended, immediate, return_exceptions=True)

    # --- the beat: what is due? -------------------------------------------------------------------

    def _beat(self) -> float | None:
        """Account for everything due until now. Returns the seconds until the next slot is due."""
        now_us = self._time.now_us()
        run_from_us, why = self._last_beat_us, "agent.stalled"
        if now_us - self._last_beat_us > self._stall_us:
            run_from_us = now_us - round(HEARTBEAT_S * 1e6)
            why = self._stall_reason(now_us - self._last_beat_us)
        self._slept_us = self._time.slept_us()
        self._last_beat_us = now_us
        self._counts["beats"] += 1
        self._account(now_us, run_from_us, why)
        self._fill()
        self._check_the_clock()
        due_us = self._agenda.next_due_us
        return None if due_us is None else (due_us - self._time.now_us()) / 1e6

    def _account(self, now_us: int, run_from_us: int, why: str) -> None:
        """All that is due by now waits for room; what was due before `run_from_us` is missed."""
        for task, times in self._agenda.pop_spans(now_us):
            self._counts["due"] += len(times)
            if late := _before(times, run_from_us):
                self._reporter.span(task, late, why)
            for time_us in times[len(late) :]:
                self._admit(task, time_us)

    def _stall_reason(self, silent_us: int) -> str:
        """Whether the host was suspended, or our own event loop was blocked."""
        slept_us = self._time.slept_us() - self._slept_us
        if slept_us < LEAST_SLEEP_US:
            log.warning("loop.stalled", extra={"fields": {"silent_us": silent_us}})
            return "agent.stalled"
        if self._on_suspended is None:
            log.warning("host.suspended", extra={"fields": {"slept_us": slept_us}})
        else:
            self._on_suspended(slept_us)
        # Their connections were lost during the suspension: no peer may be accused of what they find.
        for measurement, slot in self._running.items():
            slot.cut_why = "agent.suspended"
            measurement.cancel()
        return "agent.suspended"

    def _check_the_clock(self) -> None:
        delta_us = self._time.stepped_us()
        if delta_us is None:
            self._time.follow()
            return
        self._time.reanchor()
        self._last_beat_us = self._time.now_us()
        self._agenda.restart(self._last_beat_us)
        self._admission.shift(delta_us)
        if self._on_clock_step is None:
            log.warning("clock.stepped", extra={"fields": {"delta_us": delta_us}})
        else:
            self._on_clock_step(delta_us)

    # --- admission --------------------------------------------------------------------------------

    def _admit(self, task: Task, time_us: int) -> None:
        slot = _Open(task, time_us, place_of(task), self._open.open(task.customer, time_us))
        if self._stopping:
            self._miss(slot, "agent.stopped")
        else:
            self._admission.put(slot, slot.place, time_us + min(task.period_us, LONGEST_WAIT_US))

    def _fill(self) -> None:
        """Miss the slots that waited too long, then start as many as the ceilings admit."""
        for slot in self._admission.expire(self._time.now_us()):
            self._miss(slot, "agent.overloaded")
        while (taken := self._admission.take()) is not None:
            self._launch(taken)

    def _launch(self, slot: _Open) -> None:
        task = slot.task
        if self._of_task[task.id] >= overlap_of(task.period_us, task.deadlines.total_us, self._overlap):
            self._admission.leave(slot.place)
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
        self._admission.leave(slot.place)
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
            self._open.close(slot.token)
        self._fill()

    # --- the ways in which a slot ends without a measurement --------------------------------------

    def _miss(self, slot: _Open, reason: str) -> None:
        slot.closed = True
        self._reporter.one(slot.task, slot.scheduled_us, reason, slot.token)

    def _abort(self, slot: _Open) -> None:
        if not slot.closed:
            slot.closed = True
            self._counts["aborted"] += 1
            self._reporter.one(slot.task, slot.scheduled_us, slot.cut_why, slot.token, count=False)

    def _failed(self, slot: _Open, error: BaseException) -> None:
        if slot.closed or slot.due is None:
            return
        slot.closed = True
        self._counts["finished"] += 1
        if self._on_error is None:
            log.error("slot.error", exc_info=error, extra={"fields": {"task": slot.task.id}})
        else:
            self._on_error(slot.task, slot.due, error)
        self._reporter.one(slot.task, slot.scheduled_us, "agent.internal_error", slot.token, count=False)


def _customers(tasks: Sequence[Task]) -> int:
    return len({task.customer for task in tasks})


def _before(times: range, bound_us: int) -> range:
    """The part of `times` that is less than `bound_us`."""
    count = max(0, min(len(times), -((times.start - bound_us) // times.step)))
    return times[:count]
