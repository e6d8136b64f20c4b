"""Rule: what recurs beside measuring is a job of one APScheduler, and each says when it ran last and runs next.

APScheduler 3 follows the wall clock: it makes a run for every period that a step of the clock skips, waits for as long
as a step goes back, and drops what is later than its grace. So a job is put into it for one run, and anew when that
run is over: nothing is caught up with, and no run overlaps another. When the wall clock is set, every job that waits
is put anew. Due slots are no jobs: `pump.Pump` follows the monotonic clock alone (decision 0020).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.date import DateTrigger

from probe.core.results.live_state import JobState
from probe.host.clock import Clock, rfc3339

# An earlier word for jobs, kept for those who filter the log by it.
log = logging.getLogger("probe.companions")

LOOK_S = 1.0  # between two looks at whether the wall clock was set
STEP_S = 0.5  # less is no step: what is due so much too early is run
END_S = 5.0  # for a run that waits for the disk when the agent ends

Work = Callable[[], Coroutine[Any, Any, str | None]]
"""One run. Returns what did not work in it, in words; None: all did."""


@dataclass(slots=True, eq=False)
class Job:
    """One piece of work that recurs; made by `Jobs.add`, ended by `Jobs.remove`."""

    name: str
    work: Work
    delay_s: Callable[[], float]
    subject: str = ""
    first_s: float = 0.0
    end_run: Callable[[], None] | None = None
    due_s: float | None = None
    began_ns: int = 0
    running: asyncio.Task[str | None] | None = None
    last_at: str | None = None
    took_us: int | None = None
    runs: int = 0
    problem: str | None = None

    @property
    def id(self) -> str:
        """Under which APScheduler knows it."""
        return f"{self.name} {self.subject} {id(self)}"


class Jobs:
    """The jobs of one agent, on the event loop's thread. `start`, then `stop`; jobs come and go at any time."""

    def __init__(self, clock: Clock) -> None:
        """`clock` gives the times that are shown. What is due follows the loop's clock."""
        self._clock = clock
        self._scheduler = AsyncIOScheduler(timezone=UTC)
        self._jobs: list[Job] = []
        self._looking: asyncio.TimerHandle | None = None
        self._ahead_s = 0.0

    def start(self) -> None:
        """Begin on the running event loop: what was added before waits from now on."""
        logging.getLogger("apscheduler").setLevel(logging.WARNING)  # it logs every run
        self._scheduler.start()
        self._ahead_s = _ahead_s()
        self._looking = asyncio.get_running_loop().call_later(LOOK_S, self._look)
        for job in self._jobs:
            self._wait(job, job.first_s)

    async def stop(self, within_s: float = END_S) -> None:
        """Remove every job; runs that have not ended after `within_s` are left to themselves. Safe to call twice."""
        if self._looking is None:
            return
        self._looking.cancel()
        self._looking = None
        self._scheduler.pause()
        await self.remove(*self._jobs, within_s=within_s)
        await asyncio.sleep(0)  # a job that it has begun ends; cut off, it would be logged as a failure
        self._scheduler.shutdown(wait=False)
        await asyncio.sleep(0)  # it ends itself in a callback

    def add(
        self,
        name: str,
        work: Work,
        delay_s: Callable[[], float],
        *,
        subject: str = "",
        first_s: float | None = None,
        end_run: Callable[[], None] | None = None,
    ) -> Job:
        """Have `work` done again and again.

        `delay_s()` is asked for the seconds until the next run: after each run, and when the wall clock was set.
        `first_s`: until the first one; None: `delay_s()`. `subject`: of what, where several jobs have one name.
        `end_run()` is called in place of cancelling a run, where that must not be cut off; it is to end soon then.
        """
        job = Job(name, work, delay_s, subject, delay_s() if first_s is None else first_s, end_run)
        self._jobs.append(job)
        if self._looking is not None:
            self._wait(job, job.first_s)
        return job

    def cancel(self, job: Job) -> None:
        """Remove a job without waiting for the end of its run. Nothing happens if it was removed before."""
        if job in self._jobs:
            self._jobs.remove(job)
            with suppress(JobLookupError):  # it runs, or is about to
                self._scheduler.remove_job(job.id)
            if job.running is not None:
                (job.end_run or job.running.cancel)()

    async def remove(self, *jobs: Job, within_s: float | None = None) -> None:
        """`cancel` each, and wait for the end of their runs."""
        for job in jobs:
            self.cancel(job)
        running = [job.running for job in jobs if job.running is not None]
        if running:
            await asyncio.wait(running, timeout=within_s)

    def states(self) -> tuple[JobState, ...]:
        """Each as it is now, in the order in which they were added."""
        return tuple(map(self._state, self._jobs))

    def _state(self, job: Job) -> JobState:
        next_at = None
        if job.due_s is not None and job.running is None:
            rest_s = max(0.0, job.due_s - asyncio.get_running_loop().time())
            next_at = rfc3339(self._clock.time_ns() + round(rest_s * 1e9))
        return JobState(
            name=job.name,
            subject=job.subject,
            running=job.running is not None,
            runs=job.runs,
            last_at=job.last_at,
            took_us=job.took_us,
            next_at=next_at,
            problem=job.problem,
        )

    # --- one run --------------------------------------------------------------------------------------

    def _wait(self, job: Job, delay_s: float) -> None:
        job.due_s = asyncio.get_running_loop().time() + delay_s
        at = datetime.now(UTC) + timedelta(seconds=delay_s)
        self._scheduler.add_job(
            self._begin,
            DateTrigger(at, UTC),
            args=[job],
            id=job.id,
            replace_existing=True,
            misfire_grace_time=None,
        )

    async def _begin(self, job: Job) -> None:
        """Called by APScheduler, which is not to wait for the run: it cuts off whatever it waits for when it ends."""
        if job not in self._jobs or job.running is not None or job.due_s is None:
            return
        loop = asyncio.get_running_loop()
        if loop.time() < job.due_s - STEP_S:  # the wall clock was set forward
            self._wait(job, job.delay_s())
            return
        job.last_at, job.began_ns = rfc3339(self._clock.time_ns()), self._clock.monotonic_ns()
        job.running = loop.create_task(job.work(), name=f"job {job.name}")
        job.running.add_done_callback(partial(self._ended, job))

    def _ended(self, job: Job, run: asyncio.Task[str | None]) -> None:
        job.running = None
        job.runs += 1
        job.took_us = (self._clock.monotonic_ns() - job.began_ns) // 1000
        delay_s = job.delay_s()
        if run.cancelled():
            job.problem = "it was cut off"
        elif (error := run.exception()) is not None:
            job.problem = f"{type(error).__name__}: {error}"
            named = {"name": job.name, "again_in_s": round(delay_s, 1)}
            log.error("companion.failed", exc_info=error, extra={"fields": named})
        else:
            job.problem = run.result()
        if job in self._jobs:
            self._wait(job, delay_s)

    def _look(self) -> None:
        """APScheduler waits by the wall clock: where that was set, every wait is measured anew."""
        ahead_s = _ahead_s()
        if abs(ahead_s - self._ahead_s) > STEP_S:
            for job in self._jobs:
                if job.running is None:
                    self._wait(job, job.delay_s())
        self._ahead_s = ahead_s
        self._looking = asyncio.get_running_loop().call_later(LOOK_S, self._look)


def _ahead_s() -> float:
    """By how much APScheduler's clock, the wall's, is ahead of the loop's."""
    return datetime.now(UTC).timestamp() - asyncio.get_running_loop().time()
