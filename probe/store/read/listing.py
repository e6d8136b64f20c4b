"""Rule: a list is read page by page: it needs the memory of one page, and holds no transaction between two."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from heapq import merge

from probe.store.base.part_query import PartQuery
from probe.store.read.sources import places

PAGE = 500
LAST = 2**62


@dataclass(frozen=True, slots=True)
class RowFilter:
    """Which records: of one customer, domain, outcome (None: any), due at or after `since` (as stored)."""

    customer: str | None
    domain: str | None
    outcome: str | None
    since: str | None
    newest_first: bool


def bodies(query: PartQuery, agent: str, wanted: RowFilter) -> Iterator[str]:
    """The lines of one part in the order of storing, or against it."""
    streams = [p.id for p in places(query, agent) if wanted.customer in (None, p.customer)]
    first = 0 if wanted.since is None else _first_id(query, wanted.since)
    # In one stream `seq` has the order of `id`, and an index of its own.
    by_stream = wanted.customer is not None and wanted.domain is None and wanted.outcome is None
    key = "seq" if by_stream else "id"
    compare, order = ("<", "DESC") if wanted.newest_first else (">", "ASC")
    words = query.words
    given: dict[str, str | int] = {}
    if wanted.domain is not None:
        given[words.domain] = wanted.domain
    if wanted.outcome is not None:
        given[words.outcome] = wanted.outcome
    if wanted.since is not None:
        given[f"{words.due} >= ?"] = query.time(wanted.since)
    conditions = [f"{'' if by_stream else '+'}stream IN ({','.join('?' * len(streams))})", "id >= ?", *given]
    sql = (
        f"SELECT {key}, body FROM record WHERE {' AND '.join(conditions)} AND {key} {compare} ?"  # noqa: S608
        f" ORDER BY {key} {order} LIMIT {PAGE}"
    )
    last = LAST if wanted.newest_first else 0
    while page := query.rows_with_line(sql, *streams, first, *given.values(), last):
        last = page[-1][0]
        for _, body in page:
            yield body


def bodies_after(
    query: PartQuery, agent: str, after: Mapping[str, int], heads: Mapping[str, int]
) -> Iterator[str]:
    """The lines of one part after `seq` of each customer up to its head, in the order of storing."""
    pages = [
        _pages(query, place.id, after.get(place.customer, 0), min(place.head, heads.get(place.customer, 0)))
        for place in places(query, agent)
        if place.head > after.get(place.customer, 0)
    ]
    for _, body in merge(*pages, key=lambda pair: pair[0]):
        yield body


def _pages(query: PartQuery, stream: int, after: int, head: int) -> Iterator[tuple[int, str]]:
    sql = "SELECT seq, id, body FROM record WHERE stream = ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?"
    while page := query.rows_with_line(sql, stream, after, head, PAGE):
        after = page[-1][0]
        for _, number, body in page:
            yield number, body


def _first_id(query: PartQuery, earliest: str) -> int:
    sql = f"SELECT min(id) FROM record INDEXED BY record_by_time WHERE {query.words.due} >= ?"  # noqa: S608
    return query.value(sql, query.time(earliest)) or LAST
