"""Rule: the ledger is read from what is stored, never kept beside it.

When each task's slots were due that have rows, and what became of them; answered from one index.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from probe.core.coverage import Coverage, LedgerRow, summarise
from probe.core.grid import to_us
from probe.core.records import State
from probe.io.store_query import Query

# Every task by one look in the index each, instead of a walk over all rows.
TASKS = """WITH RECURSIVE known (task) AS (
  SELECT min(task) FROM record WHERE task IS NOT NULL
  UNION ALL SELECT (SELECT min(task) FROM record WHERE task > known.task) FROM known WHERE task IS NOT NULL
) SELECT task FROM known WHERE task IS NOT NULL"""
EARLIEST, LATEST = "", "~"


def last_scheduled(query: Query, until: str) -> dict[str, str]:
    """Task id -> when its last row not after `until` was due; whichever agent wrote it."""
    sql = "SELECT max(scheduled_at) FROM record WHERE task = ? AND scheduled_at <= ?"
    found = {task: query.value(sql, task, until) for (task,) in query.rows(TASKS)}
    return {task: last for task, last in found.items() if last is not None}


def recent_scheduled(query: Query, until: str, slots: int) -> dict[str, list[int]]:
    """Task id -> when its last rows not after `until` were due, in microseconds since the epoch."""
    sql = (
        "SELECT scheduled_at FROM record WHERE task = ? AND scheduled_at <= ?"
        " ORDER BY scheduled_at DESC LIMIT ?"
    )
    found: dict[str, list[int]] = {}
    for (task,) in query.rows(TASKS):
        found[task] = [to_us(text) for (text,) in query.rows(sql, task, until, slots)]
    return found


def coverage(
    query: Query,
    streams: Mapping[int, str],
    *,
    task: str | None,
    since: str | None,
    until: str | None,
    due: Mapping[str, range],
) -> dict[str, Coverage]:
    """Task id -> what became of its slots due in [since, until), of the streams given (id -> customer)."""
    known = {name for (name,) in query.rows(TASKS)} if task is None else {task}
    sql = (
        "SELECT scheduled_at, state, reason FROM record WHERE task = ? AND scheduled_at >= ?"
        " AND scheduled_at < ? AND +stream IN (SELECT value FROM json_each(?)) ORDER BY scheduled_at"
    )
    found: dict[str, Coverage] = {}
    for name in sorted(known | due.keys()):
        rows = query.each(sql, name, since or EARLIEST, until or LATEST, json.dumps(list(streams)))
        sums = summarise(map(_ledger_row, rows), due.get(name))
        if sums.due or name in due:
            found[name] = sums
    return found


def counts(
    query: Query, streams: Mapping[int, str], since: str | None, until: str | None
) -> dict[str, dict[str, int]]:
    """How many slots of each `state`, `outcome` and `reason`, due in [since, until), of the streams given."""
    sql = (
        "SELECT state, outcome, reason, count(*) FROM record WHERE kind = 'slot' AND scheduled_at >= ?"
        " AND scheduled_at < ? AND +stream IN (SELECT value FROM json_each(?))"
        " GROUP BY state, outcome, reason"
    )
    found: dict[str, dict[str, int]] = {"state": {}, "outcome": {}, "reason": {}}
    for *values, number in query.rows(sql, since or EARLIEST, until or LATEST, json.dumps(list(streams))):
        for name, value in zip(found, values, strict=True):
            if value is not None:
                found[name][value] = found[name].get(value, 0) + number
    return found


def _ledger_row(row: tuple[Any, ...]) -> LedgerRow:
    scheduled_at, state, reason = row
    missed = None if state == State.MEASURED else reason
    return LedgerRow(scheduled_us=to_us(scheduled_at), state=State(state), missed_reason=missed)
