"""Rule: sums are read as they were kept; no row is scanned for them.

The sums of five minutes of one stream, added up over the parts that hold some (`store.base.grains`). They hold up to a
record, which is the last one or at most some minutes behind it: `Summed` says which.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from probe.core.model.value import Value
from probe.core.sla.facts.grain_rows import SUMS, added
from probe.core.tables.columns import Row
from probe.store.base.grains import Span, detail_rows, end_in, has_grains
from probe.store.base.query import Query
from probe.store.read.sources import Sources, place_of

_TOTALS = ", ".join(f"SUM({name})" for name in SUMS)


class DomainGrain(Value, frozen=True, kw_only=True):
    """Sums of a domain over one or more grains, from `grain` on: of slots `due` and `measured`, of requests the rest.

    As the columns of the table `grains` (docs/tables.md), over all objects, vantage points and addresses.
    """

    domain: str
    grain: int
    due: int
    measured: int
    n: int
    errors_cdn: int
    errors_origin: int
    errors_other: int
    unknown: int
    excluded: int
    clock_unsure: int
    ok: int
    slow: int
    stale: int
    inconclusive: int
    failed_cdn: int
    failed_origin: int
    failed_customer: int
    failed_path: int
    failed_vantage: int
    failed_agent: int
    failed_unknown: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Summed:
    """Of which records there are sums: `spans` of `seq`, in order, joined where nothing lies between them.

    `complete_up_to`: every slot that was due before is in them, where rows still are that say so.
    """

    spans: tuple[tuple[int, int], ...]
    complete_up_to: str | None


def without(whole: Span, holes: Iterable[Span]) -> Iterator[Span]:
    """The spans of `whole` that are left; `holes` in order."""
    first, last = whole
    for begins, ends in holes:
        if first < begins:
            yield first, min(begins - 1, last)
        first = max(first, ends + 1)
    if first <= last:
        yield first, last


@dataclass(frozen=True, slots=True)
class Grains:
    """The sums of one stream; `Reader.grains` makes it. Spans are whole grains, [first, end). Raises StoreError."""

    sources: Sources
    agent: str
    customer: str

    def summed(self) -> Summed:
        """Up to where they hold."""
        spans: list[tuple[int, int]] = []
        complete: str | None = None
        for query in self.sources.parts():
            end = end_in(query, self.agent, self.customer)
            if end is None:
                continue
            complete = end.complete_up_to or complete
            for first, last in without((end.first_seq, end.seq), end.unseen):
                if spans and first <= spans[-1][1] + 1:
                    spans[-1] = spans[-1][0], max(last, spans[-1][1])
                else:
                    spans.append((first, last))
        return Summed(spans=tuple(spans), complete_up_to=complete)

    def next(self, first: int, end: int) -> int | None:
        """The first grain from `first` on, and before `end`, that there are sums of."""
        sql = "SELECT min(grain) FROM grain WHERE stream = ? AND grain >= ? AND grain < ?"
        found = [query.value(sql, number, first, end) for query, number in self._parts()]
        return min((grain for grain in found if grain is not None), default=None)

    def rows(self, first: int, end: int, domain: str | None = None) -> list[Row]:
        """Rows of the table `grains`, one a key, sorted by key, null first."""
        which = "stream = ? AND grain >= ? AND grain < ?" + (" AND domain = ?" if domain is not None else "")
        sql = f"SELECT domain, grain, body FROM grain WHERE {which} ORDER BY grain"  # noqa: S608
        wanted = (first, end) if domain is None else (first, end, domain)
        return list(added(self._rows(sql, wanted)))

    def _rows(self, sql: str, wanted: tuple[object, ...]) -> Iterator[Row]:
        for query, number in self._parts():
            for found in query.rows(sql, number, *wanted):
                yield from detail_rows(query, self.agent, self.customer, found)

    def by_domain(self, first: int, end: int, width: int = 1) -> list[DomainGrain]:
        """One for each domain and `width` grains (from multiples of it on) with any sums, by domain, then time."""
        sql = (
            f"SELECT domain, grain - grain % ?, {_TOTALS} FROM grain"  # noqa: S608 (names of ours)
            " WHERE stream = ? AND grain >= ? AND grain < ? GROUP BY 1, 2"
        )
        found: dict[tuple[str, int], list[int]] = {}
        for query, number in self._parts():
            for domain, grain, *sums in query.rows(sql, width, number, first, end):
                known = found.get((domain, grain))
                found[domain, grain] = (
                    sums if known is None else [a + b for a, b in zip(known, sums, strict=True)]
                )
        return [
            DomainGrain(domain=domain, grain=grain, **dict(zip(SUMS, sums, strict=True)))
            for (domain, grain), sums in sorted(found.items())
        ]

    def _parts(self) -> Iterator[tuple[Query, int]]:
        """Each part with sums, and the stream's number in it."""
        for query in self.sources.parts():
            place = place_of(query, self.agent, self.customer) if has_grains(query) else None
            if place is not None:
                yield query, place.id
