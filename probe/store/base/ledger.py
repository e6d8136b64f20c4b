"""Rule: the ledger is read from what is stored, never kept beside it.

When each task's slots were due that have rows, and what became of them; answered from one index.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter
from typing import Any

from probe.core.records.rows import State
from probe.core.results.coverage import Coverage, LedgerRow, summarise
from probe.core.scheduling.grid import to_us
from probe.store.base.query import Query

# Every task by one look in the index each, instead of a walk over all rows.
TASKS = """WITH RECURSIVE known (task) AS (
  SELECT min(task) FROM record WHERE task IS NOT NULL
  UNION ALL SELECT (SELECT min(task) FROM record WHERE task > known.task) FROM known WHERE task IS NOT NULL
) SELECT task FROM known WHERE task IS NOT NULL"""
EARLIEST, LATEST = "", "~"


Parts = Iterator[tuple[Query, list[int]]]  # a part, and the numbers that the streams asked for have in it


def last_scheduled(parts: Iterable[Query], until: str) -> dict[str, str]:
    """Task id -> when its last row not after `until` was due; whichever agent wrote it.

    `parts`: newest first. Looks back until a part holds no task that is not known from later ones.
    """
    sql = "SELECT max(scheduled_at) FROM record WHERE task = ? AND scheduled_at <= ?"
    found: dict[str, str] = {}
    for query in parts:
        before = len(found)
        for (task,) in query.rows(TASKS):
            last = query.value(sql, task, until)
            if last is not None:
                found[task] = max(last, found.get(task, EARLIEST))
        if found and before == len(found):
            break
    return found


def recent_scheduled(parts: Iterable[Query], until: str, slots: int) -> dict[str, list[int]]:
    """Task id -> when its last rows not after `until` were due, in microseconds since the epoch.

    `parts`: newest first. Looks back as far as the tasks of the newest one need.
    """
    sql = (
        "SELECT scheduled_at FROM record WHERE task = ? AND scheduled_at <= ?"
        " ORDER BY scheduled_at DESC LIMIT ?"
    )
    found: dict[str, list[int]] = {}
    for query in parts:
        before = len(found), sum(map(len, found.values()))
        for (task,) in query.rows(TASKS):
            have = found.setdefault(task, [])
            wanted = slots - len(have)
            have += [to_us(text) for (text,) in query.rows(sql, task, until, wanted)] if wanted > 0 else []
        if before == (len(found), sum(map(len, found.values()))) and found:
            break
    return found


def coverage(
    parts: Parts,
    *,
    task: str | None,
    since: str | None,
    until: str | None,
    due: Mapping[str, range],
) -> dict[str, Coverage]:
    """Task id -> what became of its slots due in [since, until), of the streams given."""
    sql = (
        "SELECT scheduled_at, state, reason, id FROM record WHERE task = ? AND scheduled_at >= ?"
        " AND scheduled_at < ? AND +stream IN (SELECT value FROM json_each(?)) ORDER BY scheduled_at"
    )
    rows: dict[str, list[LedgerRow]] = {}
    for query, streams in parts:
        for name in [task] if task is not None else [name for (name,) in query.rows(TASKS)]:
            found_here = query.each(sql, name, since or EARLIEST, until or LATEST, json.dumps(streams))
            # In the order of storing: of several rows for one time the first counts.
            rows.setdefault(name, []).extend(map(_ledger_row, sorted(found_here, key=itemgetter(3))))
    found: dict[str, Coverage] = {}
    for name in sorted(rows.keys() | due.keys()):
        sums = summarise(rows.pop(name, ()), due.get(name))
        if sums.due or name in due:
            found[name] = sums
    return found


def counts(parts: Parts, since: str | None, until: str | None) -> dict[str, dict[str, int]]:
    """How many slots of each `state`, `outcome` and `reason`, due in [since, until), of the streams given."""
    sql = (
        "SELECT state, outcome, reason, count(*) FROM record WHERE kind = 'slot' AND scheduled_at >= ?"
        " AND scheduled_at < ? AND +stream IN (SELECT value FROM json_each(?))"
        " GROUP BY state, outcome, reason"
    )
    found: dict[str, dict[str, int]] = {"state": {}, "outcome": {}, "reason": {}}
    for query, streams in parts:
        for *values, number in query.rows(sql, since or EARLIEST, until or LATEST, json.dumps(streams)):
            for name, value in zip(found, values, strict=True):
                if value is not None:
                    found[name][value] = found[name].get(value, 0) + number
    return found


def _ledger_row(row: tuple[Any, ...]) -> LedgerRow:
    scheduled_at, state, reason, _ = row
    missed = None if state == State.MEASURED else reason
    return LedgerRow(scheduled_us=to_us(scheduled_at), state=State(state), missed_reason=missed)
