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
from probe.store.base.part_query import EARLIEST, LATEST, PartQuery

Parts = Iterator[tuple[PartQuery, list[int]]]  # a part, and the numbers that the streams asked for have in it


def last_scheduled(parts: Iterable[PartQuery], until: str) -> dict[str, str]:
    """Task id -> when its last row not after `until` was due; whichever agent wrote it.

    `parts`: newest first. Looks back until a part holds no task that is not known from later ones.
    """
    found: dict[str, str] = {}
    for query in parts:
        before, due = len(found), query.words.due
        sql = f"SELECT max({due}) FROM record WHERE {query.words.task} AND {due} <= ?"  # noqa: S608
        for task in query.tasks():
            last = query.value(sql, task, query.time(until))
            if last is not None:
                found[task] = max(query.time_text(last), found.get(task, EARLIEST))
        if found and before == len(found):
            break
    return found


def recent_scheduled(parts: Iterable[PartQuery], until: str, slots: int) -> dict[str, list[int]]:
    """Task id -> when its last rows not after `until` were due, in microseconds since the epoch.

    `parts`: newest first. Looks back as far as the tasks of the newest one need.
    """
    found: dict[str, list[int]] = {}
    for query in parts:
        before, due = (len(found), sum(map(len, found.values()))), query.words.due
        sql = (
            f"SELECT {due} FROM record WHERE {query.words.task} AND {due} <= ?"  # noqa: S608
            f" ORDER BY {due} DESC LIMIT ?"
        )
        for task in query.tasks():
            have = found.setdefault(task, [])
            if (wanted := slots - len(have)) > 0:
                have += [query.time_us(at) for (at,) in query.rows(sql, task, query.time(until), wanted)]
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
    rows: dict[str, list[LedgerRow]] = {}
    for query, streams in parts:
        due_at = query.words.due
        sql = (
            f"SELECT id, {due_at}, {{verdict}} FROM record WHERE {query.words.task} AND {due_at} >= ?"  # noqa: S608
            f" AND {due_at} < ? AND +stream IN (SELECT value FROM json_each(?)) ORDER BY {due_at}"
        )
        span = query.time(since or EARLIEST), query.time(until or LATEST), json.dumps(streams)
        for name in [task] if task is not None else query.tasks():
            # In the order of storing: of several rows for one time the first counts.
            found_here = sorted(query.verdicts(sql, name, *span), key=itemgetter(0))
            rows.setdefault(name, []).extend(_ledger_row(query, *row[1:]) for row in found_here)
    found: dict[str, Coverage] = {}
    for name in sorted(rows.keys() | due.keys()):
        sums = summarise(rows.pop(name, ()), due.get(name))
        if sums.due or name in due:
            found[name] = sums
    return found


def counts(parts: Parts, since: str | None, until: str | None) -> dict[str, dict[str, int]]:
    """How many slots of each `state`, `outcome` and `reason`, due in [since, until), of the streams given."""
    found: dict[str, dict[str, int]] = {"state": {}, "outcome": {}, "reason": {}}
    for query, streams in parts:
        due = query.words.due
        sql = (
            f"SELECT count(*), {{verdict}} FROM record WHERE {query.words.slot} AND {due} >= ?"  # noqa: S608
            f" AND {due} < ? AND +stream IN (SELECT value FROM json_each(?)) GROUP BY {{verdict}}"
        )
        span = query.time(since or EARLIEST), query.time(until or LATEST)
        for number, state, outcome, _, reason in query.verdicts(sql, *span, json.dumps(streams)):
            for name, value in zip(found, (state, outcome, reason), strict=True):
                if value is not None:
                    found[name][value] = found[name].get(value, 0) + number
    return found


def _ledger_row(
    query: PartQuery, due: Any, state: str, outcome: str | None, fault: str | None, reason: str | None
) -> LedgerRow:
    missed = None if state == State.MEASURED else reason
    return LedgerRow(scheduled_us=query.time_us(due), state=State(state), missed_reason=missed)
