"""Rule: the watchdog is fed from the loop that measures, and only while rows come out of it and reach the disk.

A disk that refuses is no reason to be killed: the writer tries again and says so, and what waits would be lost.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from probe.core.model.task import Task
from probe.core.results.live_state import NO_ANSWER
from probe.host.systemd import Notifier
from probe.store.store import Health

log = logging.getLogger("probe.watchdog")

WRITER_S = 60.0  # records wait, none is written, and no trouble is reported: longer than a busy disk takes
UNANSWERED_S = 15.0  # the same, until it is told: longer than a transaction takes
ROWS_S = 600.0  # beyond the shortest period: longer than any slot takes with all its confirmations
BEATS = 3  # a watchdog period: two may be lost


class Progress:
    """Whether rows are made and written. `stuck` is to be asked again and again."""

    def __init__(
        self, health: Callable[[], Health], tasks: Callable[[], Sequence[Task]], now_s: Callable[[], float]
    ) -> None:
        """`tasks` as they are in force now; `now_s` is monotonic."""
        self._health = health
        self._tasks = tasks
        self._now_s = now_s
        self._seen = _counts(health())
        self._moved_s = self._queue_moved_s = now_s()

    def stuck(self) -> str | None:
        """What stands still, in words; None while all goes on."""
        health, now_s = self._health(), self._now_s()
        seen = _counts(health)
        if seen != self._seen or health.trouble is not None:
            self._seen = seen
            self._moved_s = self._queue_moved_s = now_s
        elif health.queued == 0:
            self._queue_moved_s = now_s
        if now_s - self._queue_moved_s > WRITER_S:
            return (
                f"{health.queued} records wait and none was written for {now_s - self._queue_moved_s:.0f} s"
            )
        shortest_us = min((task.period_us for task in self._tasks()), default=None)
        if shortest_us is None:
            self._moved_s = now_s
        elif now_s - self._moved_s > shortest_us / 1e6 + ROWS_S:
            return (
                f"no row for {now_s - self._moved_s:.0f} s, though one is due every {shortest_us / 1e6:.0f} s"
            )
        return None

    def status_text(self) -> str:
        """For `systemctl status`."""
        health = self._health()
        state = f"{len(self._tasks())} tasks, {health.written} records written since the start"
        return state if health.trouble is None else f"{state}; {health.queued} wait: {health.trouble}"


class Unanswered:
    """Whether a disk takes what is written and does not answer: nothing fails then, and nothing else says so.

    A frozen file system, a network's or a cloud's disk that hangs. `look` is to be called often.
    """

    def __init__(self, health: Callable[[], Health], now_s: Callable[[], float]) -> None:
        """`now_s` is monotonic."""
        self._health = health
        self._now_s = now_s
        self._written, self._moved_s = health().written, now_s()
        self._told = False

    def look(self) -> str | None:
        """Since when it has not answered, in words; None: it does, or refuses. Begin and end are logged."""
        health, now_s = self._health(), self._now_s()
        if not health.queued or health.trouble is not None or health.written != self._written:
            if self._told:
                after = f"{NO_ANSWER} {now_s - self._moved_s:.0f} s"
                log.warning("store.recovered", extra={"fields": {"after": after}})
            self._written, self._moved_s, self._told = health.written, now_s, False
            return None
        if now_s - self._moved_s < UNANSWERED_S:
            return None
        words = f"{NO_ANSWER} {now_s - self._moved_s:.0f} s"
        if not self._told:
            log.error("store.write_failed", extra={"fields": {"error": words, "queued": health.queued}})
            self._told = True
        return words


def _counts(health: Health) -> tuple[int, int]:
    return health.written, health.lost


@asynccontextmanager
async def watchdog_fed(notifier: Notifier, progress: Progress) -> AsyncIterator[None]:
    """Feed the manager's watchdog meanwhile, on this very event loop; nothing where none was asked for."""
    if notifier.watchdog_s is None:
        yield
        return
    feeding = asyncio.create_task(_feed(notifier, progress, notifier.watchdog_s / BEATS), name="watchdog")
    feeding.add_done_callback(_log_failure)
    try:
        yield
    finally:
        feeding.cancel()
        await asyncio.wait([feeding])


def _log_failure(feeding: asyncio.Task[None]) -> None:
    """Feeding never ends by itself: if it does, the manager will kill us, and the journal is to say why."""
    if not feeding.cancelled() and (error := feeding.exception()) is not None:
        log.error("watchdog.failed", exc_info=error)


async def _feed(notifier: Notifier, progress: Progress, every_s: float) -> None:
    while True:
        problem = progress.stuck()
        if problem is None:
            notifier.alive(progress.status_text())
        else:
            log.error("agent.stuck", extra={"fields": {"problem": problem}})
            notifier.status(f"stuck: {problem}")
        await asyncio.sleep(every_s)
