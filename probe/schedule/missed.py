"""Rule: every slot that was not measured is reported exactly once, however many there are at a time.

After a long stall hundreds of thousands of slots may have been missed. They wait here as spans, not one by one,
and are reported in portions, so that the event loop does other work in between.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from probe.core.model.task import Task
from probe.core.scheduling.open_slots import OpenSlots, Token

log = logging.getLogger("probe.schedule")

PORTION = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """One due time: `scheduled_us` since the Unix epoch; `lateness_us` from it to the start, or to the miss."""

    scheduled_us: int
    lateness_us: int


OnMissed = Callable[[Task, Due, str], Awaitable[None] | None]


class Reporter:
    """Calls `on_missed` for each missed slot, and awaits it where it is async; what it raises is logged.

    `counts`: the slots missed so far, by reason.
    """

    def __init__(self, on_missed: OnMissed, now_us: Callable[[], int], opened: OpenSlots) -> None:
        """`opened`: a span is closed in it once its last slot has been reported."""
        self._opened = opened
        self._on_missed = on_missed
        self._now_us = now_us
        self._spans: deque[tuple[Task, range, str, Token]] = deque()
        self._pending = asyncio.Event()
        self._closing = False
        self._work: asyncio.Task[None] | None = None
        self.counts: Counter[str] = Counter()

    def start(self) -> None:
        """Begin on the running event loop."""
        self._work = asyncio.get_running_loop().create_task(self._run())

    def one(
        self, task: Task, scheduled_us: int, reason: str, token: Token | None = None, *, count: bool = True
    ) -> None:
        """One slot is missed. `count` False: it was started, so that it is no miss in the tally."""
        self.span(task, range(scheduled_us, scheduled_us + 1), reason, token, count=count)

    def span(
        self, task: Task, times: range, reason: str, token: Token | None = None, *, count: bool = True
    ) -> None:
        """All these slots are missed. `token`: under which they are open already."""
        if count:
            self.counts[reason] += len(times)
        token = token or self._opened.open(task.customer, times[0])
        self._spans.append((task, times, reason, token))
        self._pending.set()

    async def finish(self) -> None:
        """Report what is left, then end."""
        self._closing = True
        self._pending.set()
        if self._work is not None:
            await self._work

    def abandon(self) -> None:
        """Report what is left, and wait for none of it: whoever takes the reports takes them late or not at all."""
        for task, scheduled_us, reason, _ in self._slots():
            self._call(task, scheduled_us, reason)
        if self._work is not None:
            self._work.cancel()

    async def _run(self) -> None:
        while True:
            await self._pending.wait()
            self._pending.clear()
            while self._spans:
                await self._report(list(islice(self._slots(), PORTION)))
            if self._closing:
                return

    def _slots(self) -> Iterator[tuple[Task, int, str, Token | None]]:
        """Take slots off the spans, one by one; the last of a span comes with its token."""
        while self._spans:
            task, times, reason, token = self._spans.popleft()
            if len(times) > 1:
                self._spans.appendleft((task, times[1:], reason, token))
            yield task, times[0], reason, token if len(times) == 1 else None

    async def _report(self, slots: list[tuple[Task, int, str, Token | None]]) -> None:
        calls = [self._call(task, time_us, reason) for task, time_us, reason, _ in slots]
        await asyncio.gather(*[call for call in calls if call is not None])
        for *_, token in slots:
            if token is not None:
                self._opened.close(token)
        await asyncio.sleep(0)

    def _call(self, task: Task, scheduled_us: int, reason: str) -> asyncio.Future[None] | None:
        due = Due(scheduled_us=scheduled_us, lateness_us=max(0, self._now_us() - scheduled_us))
        try:
            result = self._on_missed(task, due, reason)
        except Exception as error:
            _log(task, due, error)
            return None
        return asyncio.ensure_future(_guarded(result, task, due)) if inspect.isawaitable(result) else None


async def _guarded(result: Awaitable[None], task: Task, due: Due) -> None:
    try:
        await result
    except Exception as error:
        _log(task, due, error)


def _log(task: Task, due: Due, error: Exception) -> None:
    fields = {"task": task.id, "scheduled_us": due.scheduled_us}
    log.error("slot.missed_not_recorded", exc_info=error, extra={"fields": fields})
