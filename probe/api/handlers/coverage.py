"""Rule: the denominator is shown: what was due by the plan, what became of it, and which gaps there are and why.

`GET /v1/coverage`. A task's grid comes from the plan that is configured now; where rows of the span do not lie on it
(the period was another one then) the rows alone count, and `grid` is null. What was due later than the stream is
complete is not counted yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from probe.api.http.problem import Refused, json_response
from probe.api.request.calls import Call
from probe.core.model.task import Task
from probe.core.model.times import utc_text
from probe.core.records.rows import SlotRecord
from probe.core.results.coverage import Coverage
from probe.core.scheduling.grid import due_between, to_us
from probe.store.read.reader import Reader

DAY_US = 86_400_000_000
SPAN_MOST_US = 32 * DAY_US
SLOTS_MOST = 2_000_000
FIRST_ROWS = 2000

Spans = list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class _Span:
    """[since, until), microseconds since the epoch."""

    since_us: int
    until_us: int


async def coverage(call: Call) -> web.StreamResponse:
    """Due, measured, missed and gaps of each task of a customer."""
    customer, only = call.values["customer"], call.values["task"]
    await call.services.require_stream(call.caller, customer)
    span = _span(call)
    tasks = {task.id: task for task in await call.services.known.tasks(customer) if only in (None, task.id)}
    _bounded(tasks.values(), span)
    view = await call.services.link.view()
    live = None if view is None else view.complete_up_to.get(customer)

    def read(reader: Reader) -> tuple[dict[str, Coverage], dict[str, range], str | None, Spans]:
        head = reader.head(customer)
        complete = max((t for t in (head.complete_up_to, live) if t is not None), key=to_us, default=None)
        return *_read(reader, customer, only, tasks, span, complete), complete, reader.dropped(customer)

    found, grids, complete, dropped = await call.services.sums.run(read)
    found_tasks = [_task(name, sums, tasks.get(name), name in grids) for name, sums in sorted(found.items())]
    return json_response(
        {
            "customer": customer,
            "since": utc_text(span.since_us / 1e6),
            "until": utc_text(span.until_us / 1e6),
            "complete_up_to": complete,
            "dropped": [{"first_seq": first, "last_seq": last} for first, last in dropped],
            "tasks": found_tasks,
        }
    )


def _span(call: Call) -> _Span:
    until = call.values["until"]
    until_us = call.services.clock.time_ns() // 1000 if until is None else to_us(until)
    since_us = until_us - DAY_US if call.values["since"] is None else to_us(call.values["since"])
    if since_us >= until_us:
        raise Refused(400, "since is not before until")
    if until_us - since_us > SPAN_MOST_US:
        raise Refused(400, "a span is at most 32 days: ask month by month")
    return _Span(since_us, until_us)


def _bounded(tasks: Iterable[Task], span: _Span) -> None:
    slots = sum((span.until_us - span.since_us) // task.period_us for task in tasks)
    if slots > SLOTS_MOST:
        raise Refused(
            400, f"{slots} slots are due in this span, more than {SLOTS_MOST}: ask for less, or for one task"
        )


def _read(
    reader: Reader,
    customer: str,
    only: str | None,
    tasks: Mapping[str, Task],
    span: _Span,
    complete: str | None,
) -> tuple[dict[str, Coverage], dict[str, range]]:
    since, until = utc_text(span.since_us / 1e6), utc_text(span.until_us / 1e6)
    until_us = span.since_us if complete is None else max(span.since_us, min(span.until_us, to_us(complete)))
    # Without a watermark it is not known up to when the grid must have rows.
    starts = {} if complete is None else _starts(reader, customer, since, span.since_us)
    grids = {
        name: due_between(task.period_us, task.phase_us, starts[name] - 1, until_us - 1)
        for name, task in tasks.items()
        if name in starts
    }
    found = reader.coverage(task=only, customer=customer, since=since, until=until, due=grids)
    for name in [name for name, sums in found.items() if sums.off_grid and name in grids]:
        # The grid was cut at `until_us`; rows after it count like all others.
        if _beyond(reader, customer, name, until_us, span) == found[name].off_grid:
            continue
        del grids[name]
        found.update(reader.coverage(task=name, customer=customer, since=since, until=until))
    return {name: sums for name, sums in found.items() if sums.due}, grids


def _beyond(reader: Reader, customer: str, task: str, until_us: int, span: _Span) -> int:
    """Rows of the task due after its grid was cut."""
    if until_us >= span.until_us:
        return 0
    since, until = utc_text(max(until_us, span.since_us) / 1e6), utc_text(span.until_us / 1e6)
    sums = reader.coverage(task=task, customer=customer, since=since, until=until).get(task)
    return 0 if sums is None else sums.due


def _starts(reader: Reader, customer: str, since: str, since_us: int) -> dict[str, int]:
    """Task id -> from when its slots are due in the span: its beginning, or the task's first row in it."""
    starts = dict.fromkeys(reader.last_scheduled(since), since_us)
    for row in reader.list(customer=customer, since=since, newest_first=False, limit=FIRST_ROWS):
        if isinstance(row, SlotRecord):
            at = to_us(row.scheduled_at)
            starts[row.task] = min(starts.get(row.task, at), at)
    return starts


def _task(name: str, sums: Coverage, task: Task | None, on_grid: bool) -> dict[str, Any]:
    grid = {"period_us": task.period_us, "phase_us": task.phase_us} if task is not None and on_grid else None
    return {
        "task": name,
        "domain": None if task is None else task.domain,
        "path": None if task is None else task.request.shown_path,
        "vantage_point": None if task is None else task.vantage_point.name,
        "ip_version": None if task is None else task.ip_version,
        "grid": grid,
        "due": sums.due,
        "measured": sums.measured,
        "missed": sums.missed,
        "aborted": sums.aborted,
        "unaccounted": sums.unaccounted,
        "doubled": sums.doubled,
        "measured_share": sums.measured_share,
        "reasons": dict(sums.reasons),
        "gaps": [
            {
                "first": utc_text(gap.first_us / 1e6),
                "last": utc_text(gap.last_us / 1e6),
                "slots": gap.slots,
                "reason": gap.reason,
            }
            for gap in sums.gaps
        ],
    }
