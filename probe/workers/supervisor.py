"""Rule: what a worker was given comes back as its row or as `WorkerLostError`, once; a worker that ends is begun again.

Theory of operation. One worker as the process that holds everything sees it: a loop that starts a process, waits for
its end, and starts the next one after a pause that doubles up to a minute (one that stayed a minute counts as well).

- States: starting (up to `Ready`), measuring, doubted, gone. A slot waits up to `START_WAIT_S` for one that starts; it
  fails at once where the next start is further away, or while the worker is doubted.
- Liveness is counted in beats of our own loop, not in elapsed time: while we stand still or the host sleeps nobody is
  accused. Any message resets the count. After `DOUBTED_BEATS` it gets nothing new, after `SILENT_BEATS` (before its
  first message `START_BEATS`) it is killed.
- It is lost when its process or socket ends, when it is silent, when what it sends is no report, or when preparing it
  failed. What it had sent before counts: the channel gives out whole frames before it reports the end.
- Order at the end of a process: no more orders, socket aborted, process waited for or killed, then pending slots fail.
  That runs to its end even if the supervisor is stopped meanwhile: no process is left behind.
- Invariants: a slot number is in `_pending` from its order to its one answer, its cancellation or the loss; an answer
  to a number that is not there (cancelled, doubled) is dropped.
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
from probe.workers.channel import Channel

log = logging.getLogger("probe.crew")

T = TypeVar("T")

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 60.0
STEADY_S = 60.0  # after so long it counts as well, and waiting begins anew
BEAT_S = 1.0
DOUBTED_BEATS = 3  # it is given nothing more
SILENT_BEATS = 10  # it is killed
START_BEATS = 60  # before its first message
START_WAIT_S = 5.0  # a slot waits so long for a worker that is about to begin
STOP_S = 5.0  # for its last reports
EXIT_S = 3.0  # for its exit after them
LOST_EXIT_S = 0.2  # for its exit where it was lost


class WorkerLostError(Exception):
    """The worker ended, or did not answer, before the slot was done; the message says why."""


class SlotFailedError(Exception):
    """A defect of ours in the worker, as it reported it."""


class ReportHandler(Protocol):
    """Takes the reports of a worker that are not about its slots."""

    def on_report(self, worker: WorkerSupervisor, report: m.AnyReport) -> None:
        """Every report but Ready, Done, Failed and Beat."""
        ...

    def on_lost(self, worker: WorkerSupervisor, why: str, again_in_s: float) -> None:
        """The worker is gone; another one is begun in so many seconds."""
        ...


class WorkerSupervisor:
    """Keeps one worker process running. `start`, then `stop`."""

    def __init__(
        self, number: int, handler: ReportHandler, prepare: Callable[[WorkerSupervisor], Awaitable[None]]
    ) -> None:
        """`prepare(worker)` sends a new worker all that it needs, up to `Begin`."""
        self.number = number
        self._handler = handler
        self._prepare = prepare
        self._numbers = itertools.count(1)
        self._pending: dict[int, asyncio.Future[m.Done]] = {}
        self._known: dict[str, str] = {}  # task id -> the definition that the worker has
        self._ready = asyncio.Event()
        self._channel: Channel[m.AnyOrder] | None = None
        self._child: Process | None = None
        self._supervising: asyncio.Task[None] | None = None
        self._silent_beats = 0
        self._stopping = self._restart_is_far = False
        self._beat = m.Beat(0, 0)
        self.starts = self.slots = 0
        self.problem: str | None = None

    # --- its life -------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin; returns at once. What goes wrong is logged and tried again."""
        self._supervising = asyncio.create_task(self._supervise(), name=f"worker {self.number}")

    async def stop(self) -> None:
        """Have it report what it has not reported, then end it. Safe to call twice, and if it was never started."""
        self._stopping = True
        if self._supervising is None:
            return
        if self._ready.is_set():
            self.send(m.Stop())
            await asyncio.wait([self._supervising], timeout=STOP_S)
        self._supervising.cancel()
        await asyncio.gather(self._supervising, return_exceptions=True)
        self._supervising = None

    @property
    def pid(self) -> int | None:
        """Of the process that works here now."""
        return None if self._child is None else self._child.pid

    async def _supervise(self) -> None:
        loop, pause_s = asyncio.get_running_loop(), FIRST_PAUSE_S
        while True:
            begun_s = loop.time()
            self.problem = await self._run_process()
            if self._stopping:
                return
            pause_s = FIRST_PAUSE_S if loop.time() - begun_s > STEADY_S else pause_s
            self._restart_is_far = pause_s > START_WAIT_S
            self._handler.on_lost(self, self.problem, pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def _run_process(self) -> str:
        """One worker from its start to its end; how it ended."""
        self.starts += 1
        ended = asyncio.Event()
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self._child = child = await _start_process(theirs)
        except OSError as error:
            ours.close()
            return f"not started: {error.strerror}"
        except asyncio.CancelledError:  # asyncio has ended the process
            ours.close()
            raise
        channel: Channel[m.AnyOrder] = Channel(pack=m.orders_out, on_frame=self._on_frame, on_end=ended.set)
        work = asyncio.gather(self._connect_and_prepare(channel, ours), self._watch_silence(channel))
        waiting = asyncio.create_task(ended.wait())
        why = None
        try:
            await asyncio.wait((work, waiting), return_when=asyncio.FIRST_COMPLETED)
            if work.done() and work.exception() is not None:
                why = str(work.exception())
        finally:
            # Whoever stops the worker meanwhile waits for that too: no process is left behind.
            why = await _uncancelled(self._end_process(child, channel, (work, waiting), why))
        return why

    async def _end_process(
        self,
        child: Process,
        channel: Channel[m.AnyOrder],
        works: Sequence[asyncio.Future[Any]],
        why: str | None,
    ) -> str:
        """The process is gone when this returns, and what waited for it has failed; gives the reason."""
        for work in works:
            work.cancel()
        await asyncio.gather(*works, return_exceptions=True)
        self._ready.clear()
        self._channel = None
        channel.abort()
        await _wait_or_kill(child, EXIT_S if self._stopping else LOST_EXIT_S)
        self._child = None
        why = why or _exit_reason(child.returncode)
        self._fail_pending(why)
        return why

    async def _connect_and_prepare(self, channel: Channel[m.AnyOrder], ours: socket.socket) -> None:
        await asyncio.get_running_loop().create_connection(lambda: channel, sock=ours)
        self._known.clear()
        self._channel = channel
        await self._prepare(self)

    async def _watch_silence(self, channel: Channel[m.AnyOrder]) -> None:
        """Raises WorkerLostError when it has been silent for too long while we listened."""
        self._silent_beats = 0
        while True:
            await asyncio.sleep(BEAT_S)
            self._silent_beats += 1  # any message from it resets this
            if self._silent_beats >= (SILENT_BEATS if channel.frames_in else START_BEATS):
                raise WorkerLostError(f"silent for {self._silent_beats} s")

    def _fail_pending(self, why: str) -> None:
        pending, self._pending = self._pending, {}
        for future in pending.values():
            if not future.done():
                future.set_exception(WorkerLostError(why))

    # --- orders -----------------------------------------------------------------------------------------

    def send(self, *orders: m.AnyOrder) -> None:
        """Send orders to the present process; a new one is sent everything anew by `prepare`."""
        if self._channel is not None:
            for order in orders:
                self._channel.send(order)

    def send_packed(self, frame: bytes) -> None:
        """Send orders that are packed already, after all that `send` was given."""
        if self._channel is not None:
            self._channel.flush()
            self._channel.send_packed(frame)

    def forget_other_tasks(self, ids: set[str]) -> None:
        """Have the worker drop all tasks but these."""
        gone = self._known.keys() - ids
        for task in gone:
            del self._known[task]
        if gone:
            self.send(m.Tasks(gone=tuple(gone)))

    async def measure(self, task: Task, scheduled_at: str) -> m.Done:
        """Have one slot measured. Raises WorkerLostError, SlotFailedError; cancelled, it is cut off there too."""
        await self._until_usable()
        if self._known.get(task.id) != task.definition:  # sent with its first slot: a start waits for none
            self._known[task.id] = task.definition
            self.send(m.Tasks(tasks=(task,)))
        number = next(self._numbers)
        future: asyncio.Future[m.Done] = asyncio.get_running_loop().create_future()
        self._pending[number] = future
        self.send(m.Measure(number, task.id, scheduled_at))
        try:
            return await future
        except asyncio.CancelledError:
            if self._pending.pop(number, None) is not None:
                self.send(m.Cancel(number))
            raise

    async def _until_usable(self) -> None:
        if not self._ready.is_set() and not self._restart_is_far:
            with suppress(TimeoutError):
                async with asyncio.timeout(START_WAIT_S):
                    await self._ready.wait()
        if not self._ready.is_set():
            raise WorkerLostError(self.problem or "not begun yet")
        if self._silent_beats >= DOUBTED_BEATS:
            raise WorkerLostError(f"silent for {self._silent_beats} s")

    # --- reports ----------------------------------------------------------------------------------------

    def _on_frame(self, frame: bytes) -> None:
        self._silent_beats = 0
        try:
            reports = m.reports_in(frame)
        except m.MALFORMED as error:
            log.error("worker.malformed", extra={"fields": {"worker": self.number, "error": str(error)}})
            if self._channel is not None:
                self._channel.abort()
            return
        for report in reports:
            self._on_report(report)

    def _on_report(self, report: m.AnyReport) -> None:
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
                future.set_exception(SlotFailedError(report.message))
        elif isinstance(report, m.Ready):
            self._restart_is_far, self.problem = False, None
            self._ready.set()
        else:
            self._handler.on_report(self, report)

    def state(self, tasks: int) -> WorkerState:
        """As it is now; it has so many tasks."""
        return WorkerState(
            number=self.number,
            pid=self.pid,
            measuring=self._ready.is_set() and self._silent_beats < DOUBTED_BEATS,
            starts=self.starts,
            tasks=tasks,
            running=len(self._pending),
            slots=self.slots,
            loop_lag_us=self._beat.lag_us,
            rss_bytes=self._beat.rss_kb * 1024,
            problem=self.problem,
        )


async def _start_process(theirs: socket.socket) -> Process:
    """The module is named and not imported: it knows the checks, which nothing in here does."""
    descriptor = theirs.fileno()
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "probe.workers.process", str(descriptor), str(os.getpid())),
        stdin=DEVNULL,
        stdout=DEVNULL,
        pass_fds=(descriptor,),
        start_new_session=True,
    )


async def _uncancelled(work: Coroutine[Any, Any, T]) -> T:
    """Not cut off by a cancellation, which is raised afterwards."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise


async def _wait_or_kill(child: Process, within_s: float) -> None:
    """Its socket has ended, or it does not listen: killing ends it in any case."""
    if child.returncode is None:
        try:
            async with asyncio.timeout(within_s):
                await child.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                child.kill()
            await child.wait()


def _exit_reason(code: int | None) -> str:
    if code is not None and code < 0:
        try:
            return f"ended by {signal.Signals(-code).name}"
        except ValueError:
            return f"ended by signal {-code}"
    return f"ended with code {code}"
