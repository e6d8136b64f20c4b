"""Rule: what a worker was given comes back as its row or as `WorkerLostError`, once; a worker that ends is begun again.

One worker as the process that holds everything sees it. It is lost when its process ends, when it says nothing for
`SILENT_BEATS` seconds in which we were awake (stopped, or stuck), or when what it says is no report; then it is killed.
What it had sent before counts. One that does not stay is begun again later and later.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from probe.core.model.task import Task
from probe.core.results.live_state import WorkerState
from probe.workers import messages as m
from probe.workers.channel import Wire

log = logging.getLogger("probe.crew")

T = TypeVar("T")

FIRST_WAIT_S, MOST_WAIT_S = 0.5, 60.0
STEADY_S = 60.0  # after so long it counts as well, and waiting begins anew
BEAT_S = 1.0
DOUBTED_BEATS = 3  # it is given nothing more
SILENT_BEATS = 10  # it is killed
START_BEATS = 60  # before its first word
ROOM_S = 5.0  # a slot waits so long for a worker that is about to begin
END_S = 5.0
GOODBYE_S = 3.0


class WorkerLostError(Exception):
    """The worker ended, or did not answer, before the slot was done; in words why."""


class SlotFailedError(Exception):
    """A defect of ours in the worker, in its words."""


class Hears(Protocol):
    """Who takes what a worker says of more than its slots."""

    def hear(self, seat: Seat, report: m.AnyReport) -> None:
        """Every report but Ready, Done, Failed and Beat."""
        ...

    def lost(self, seat: Seat, why: str, again_in_s: float) -> None:
        """The worker is gone; another one is begun in so many seconds."""
        ...


class Seat:
    """The place of one worker. `start`, then `stop`."""

    def __init__(self, number: int, hears: Hears, prepare: Callable[[Seat], Awaitable[None]]) -> None:
        """`prepare(seat)` tells a new worker all that it needs, up to `Begin`."""
        self.number = number
        self._hears = hears
        self._prepare = prepare
        self._numbers = itertools.count(1)
        self._pending: dict[int, asyncio.Future[m.Done]] = {}
        self._known: dict[str, str] = {}  # task id -> the definition that the worker has
        self._ready = asyncio.Event()
        self._wire: Wire[m.AnyOrder] | None = None
        self._child: Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._silent = 0
        self._stopping = self._hopeless = False
        self._beat = m.Beat(0, 0)
        self.starts = self.slots = 0
        self.problem: str | None = None

    # --- its life -------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin; returns at once. What goes wrong is logged and tried again."""
        self._keeper = asyncio.create_task(self._keep(), name=f"worker {self.number}")

    async def stop(self) -> None:
        """Have it say what it has not said, then end it. Safe to call twice, and if it was never started."""
        self._stopping = True
        if self._keeper is None:
            return
        if self._ready.is_set():
            self.say(m.Stop())
            await asyncio.wait([self._keeper], timeout=END_S)
        self._keeper.cancel()
        await asyncio.gather(self._keeper, return_exceptions=True)
        self._keeper = None

    @property
    def pid(self) -> int | None:
        """Of the process that works here now."""
        return None if self._child is None else self._child.pid

    async def _keep(self) -> None:
        loop, wait_s = asyncio.get_running_loop(), FIRST_WAIT_S
        while True:
            begun_s = loop.time()
            self.problem = await self._once()
            if self._stopping:
                return
            wait_s = FIRST_WAIT_S if loop.time() - begun_s > STEADY_S else wait_s
            self._hopeless = wait_s > ROOM_S
            fields = {"worker": self.number, "why": self.problem, "again_in_s": wait_s}
            log.error("worker.lost", extra={"fields": fields})
            self._hears.lost(self, self.problem, wait_s)
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, MOST_WAIT_S)

    async def _once(self) -> str:
        """One worker from its start to its end; how it ended."""
        self.starts += 1
        ended = asyncio.Event()
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self._child = child = await _started(theirs)
        except OSError as error:
            ours.close()
            return f"not started: {error.strerror}"
        except asyncio.CancelledError:  # asyncio has ended the process
            ours.close()
            raise
        wire: Wire[m.AnyOrder] = Wire(packed=m.orders_out, take=self._take, ended=ended.set)
        doing = asyncio.gather(self._prepared(wire, ours), self._watch(wire))
        waiting = asyncio.create_task(ended.wait())
        why = None
        try:
            await asyncio.wait((doing, waiting), return_when=asyncio.FIRST_COMPLETED)
            if doing.done() and doing.exception() is not None:
                why = str(doing.exception())
        finally:
            # Whoever stops the seat meanwhile waits for that too: no process is left behind.
            why = await _to_its_end(self._ended(child, wire, (doing, waiting), why))
        return why

    async def _ended(
        self, child: Process, wire: Wire[m.AnyOrder], works: Sequence[asyncio.Future[Any]], why: str | None
    ) -> str:
        """The process is gone when this returns, and whoever waited for it knows; in words why."""
        for work in works:
            work.cancel()
        await asyncio.gather(*works, return_exceptions=True)
        self._ready.clear()
        self._wire = None
        wire.abort()
        await _end(child, GOODBYE_S if self._stopping else 0.2)
        self._child = None
        why = why or _words(child.returncode)
        self._lose(why)
        return why

    async def _prepared(self, wire: Wire[m.AnyOrder], ours: socket.socket) -> None:
        await asyncio.get_running_loop().create_connection(lambda: wire, sock=ours)
        self._known.clear()
        self._wire = wire
        await self._prepare(self)

    async def _watch(self, wire: Wire[m.AnyOrder]) -> None:
        """Raises WorkerLostError when it has been silent for too long while we listened."""
        self._silent = 0
        while True:
            await asyncio.sleep(BEAT_S)
            self._silent += 1  # any word of it sets it back
            if self._silent >= (SILENT_BEATS if wire.frames_in else START_BEATS):
                raise WorkerLostError(f"silent for {self._silent} s")

    def _lose(self, why: str) -> None:
        pending, self._pending = self._pending, {}
        for future in pending.values():
            if not future.done():
                future.set_exception(WorkerLostError(why))

    # --- what it is told --------------------------------------------------------------------------------

    def say(self, *orders: m.AnyOrder) -> None:
        """An order, to the worker that is there; another one is told everything anew by `prepare`."""
        if self._wire is not None:
            for order in orders:
                self._wire.say(order)

    def send(self, frame: bytes) -> None:
        """Orders that are packed already, after all that was said."""
        if self._wire is not None:
            self._wire.flush()
            self._wire.send(frame)

    def keep_only(self, ids: set[str]) -> None:
        """Of other tasks it need know nothing."""
        gone = self._known.keys() - ids
        for task in gone:
            del self._known[task]
        if gone:
            self.say(m.Tasks(gone=tuple(gone)))

    async def measure(self, task: Task, scheduled_at: str) -> m.Done:
        """Have one slot measured. Raises WorkerLostError, SlotFailedError; cancelled, it is cut off there too."""
        await self._usable()
        if self._known.get(task.id) != task.definition:  # told with its first slot: a start waits for none
            self._known[task.id] = task.definition
            self.say(m.Tasks(tasks=(task,)))
        number = next(self._numbers)
        future: asyncio.Future[m.Done] = asyncio.get_running_loop().create_future()
        self._pending[number] = future
        self.say(m.Measure(number, task.id, scheduled_at))
        try:
            return await future
        except asyncio.CancelledError:
            if self._pending.pop(number, None) is not None:
                self.say(m.Cut(number))
            raise

    async def _usable(self) -> None:
        if not self._ready.is_set() and not self._hopeless:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ready.wait(), ROOM_S)
        if not self._ready.is_set():
            raise WorkerLostError(self.problem or "not begun yet")
        if self._silent >= DOUBTED_BEATS:
            raise WorkerLostError(f"silent for {self._silent} s")

    # --- what it says -----------------------------------------------------------------------------------

    def _take(self, frame: bytes) -> None:
        self._silent = 0
        try:
            reports = m.reports_in(frame)
        except m.MALFORMED as error:
            log.error("worker.malformed", extra={"fields": {"worker": self.number, "error": str(error)}})
            if self._wire is not None:
                self._wire.abort()
            return
        for report in reports:
            self._hear(report)

    def _hear(self, report: m.AnyReport) -> None:
        if isinstance(report, m.Done):
            future = self._pending.pop(report.slot, None)
            if future is not None and not future.done():
                self.slots += 1
                future.set_result(report)
        elif isinstance(report, m.Beat):
            self._beat = report
        elif isinstance(report, m.Failed):
            future = self._pending.pop(report.slot, None)
            if future is not None and not future.done():
                future.set_exception(SlotFailedError(report.words))
        elif isinstance(report, m.Ready):
            self._hopeless, self.problem = False, None
            self._ready.set()
        else:
            self._hears.hear(self, report)

    def state(self, tasks: int) -> WorkerState:
        """As it is now; it has so many tasks."""
        return WorkerState(
            number=self.number,
            pid=self.pid,
            measuring=self._ready.is_set() and self._silent < DOUBTED_BEATS,
            starts=self.starts,
            tasks=tasks,
            running=len(self._pending),
            slots=self.slots,
            loop_lag_us=self._beat.lag_us,
            rss_bytes=self._beat.rss_kb * 1024,
            problem=self.problem,
        )


async def _started(theirs: socket.socket) -> Process:
    """The module is named and not imported: it knows the checks, which nothing in here does."""
    descriptor = theirs.fileno()
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "probe.workers.process", str(descriptor), str(os.getpid())),
        stdin=DEVNULL,
        stdout=DEVNULL,
        pass_fds=(descriptor,),
        start_new_session=True,
    )


async def _to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """Not cut off by a cancellation, which is raised afterwards."""
    doing = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(doing)
    except asyncio.CancelledError:
        await doing
        raise


async def _end(child: Process, within_s: float) -> None:
    """Its socket has ended, or it does not listen: killing ends it in any case."""
    if child.returncode is None:
        try:
            await asyncio.wait_for(child.wait(), within_s)
        except TimeoutError:
            with suppress(ProcessLookupError):
                child.kill()
            await child.wait()


def _words(code: int | None) -> str:
    if code is not None and code < 0:
        try:
            return f"ended by {signal.Signals(-code).name}"
        except ValueError:
            return f"ended by signal {-code}"
    return f"ended with code {code}"
