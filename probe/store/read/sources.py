"""Rule: a reader looks at the parts that there are now, and at no more of them at once than it needs.

The files of a store as a reader sees them: the catalogue, and the parts in order. Connections are kept for the
parts used last; a part that was dropped or replaced meanwhile is noticed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from probe.store.base.part_query import PartQuery
from probe.store.base.parts import EVIDENCE_PARTS, PARTS, Part, parts_of
from probe.store.base.query import Query
from probe.store.base.schema import StoreError, catalogue_file

OPEN_AT_ONCE = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPlace:
    """A stream in one part: its lines there have `seq` from `base` + 1 to `head`."""

    id: int
    customer: str
    base: int
    base_digest: str
    head: int
    digest: str
    complete_up_to: str | None


class Sources:
    """For one thread. Raises StoreError where reading fails."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.catalogue = Query(catalogue_file(directory))
        # Used longest ago first. Keys hash without Python code: Ctrl-C in a Path's hash leaves a mapping half changed.
        self._open: dict[tuple[str, int], PartQuery] = {}
        self._in_use: Counter[PartQuery] = Counter()

    def close(self) -> None:
        """End reading. Safe to call twice."""
        self.catalogue.close()
        while self._open:
            self._open.popitem()[1].close()

    def parts(self, *, newest_first: bool = False) -> Iterator[PartQuery]:
        """The parts that hold records, in order."""
        return self._each(PARTS, newest_first=newest_first)

    def parts_from(self, behind: Callable[[PartQuery], bool]) -> Iterator[PartQuery]:
        """The parts in order from the first one on for which it holds; it holds for all after one that it holds for."""
        parts = parts_of(self._directory)
        low, high = 0, len(parts)
        while low < high:
            middle = (low + high) // 2
            query = self._query(parts[middle])
            if query is None or not behind(query):  # one that was dropped meanwhile is an old one
                low = middle + 1
            else:
                high = middle
            self._trim()
        return self._each_of(parts[low:])

    def evidence(self, within: Collection[Path] | None = None) -> Iterator[PartQuery]:
        """The files of evidence, newest first; only these, if some are named."""
        parts = parts_of(self._directory, EVIDENCE_PARTS)[::-1]
        return self._each_of([part for part in parts if within is None or part.path in within])

    def newest(self) -> PartQuery | None:
        """The part that is written now."""
        return next(self.parts(newest_first=True), None)

    def _each(self, kind: str, *, newest_first: bool) -> Iterator[PartQuery]:
        parts = parts_of(self._directory, kind)
        return self._each_of(parts[::-1] if newest_first else parts)

    def _each_of(self, parts: list[Part]) -> Iterator[PartQuery]:
        for part in parts:
            query = self._query(part)
            if query is not None:
                self._in_use[query] += 1
                try:
                    yield query
                finally:
                    self._in_use[query] -= 1
                    self._trim()

    def _query(self, part: Part) -> PartQuery | None:
        try:
            key = str(part.path), part.path.stat().st_ino
        except FileNotFoundError:
            return None  # dropped since the directory was read
        query = self._open.pop(key, None)
        if query is None:
            try:
                query = PartQuery(part.path)
            except StoreError:
                if not part.path.exists():
                    return None
                raise
        self._open[key] = query
        return query

    def _trim(self) -> None:
        """Close the parts used longest ago, but none that somebody is in the middle of."""
        idle = [key for key, query in self._open.items() if not self._in_use[query]]
        for key in idle[: max(0, len(self._open) - OPEN_AT_ONCE)]:
            query = self._open.pop(key)
            del self._in_use[query]
            query.close()


def places(query: Query, agent: str) -> list[StreamPlace]:
    """The agent's streams in a part."""
    sql = "SELECT id, customer, base, base_digest, head, digest, complete_up_to FROM stream WHERE agent = ? ORDER BY id"
    return [
        StreamPlace(
            id=number,
            customer=customer,
            base=base,
            base_digest=base_digest,
            head=head,
            digest=digest,
            complete_up_to=complete_up_to,
        )
        for number, customer, base, base_digest, head, digest, complete_up_to in query.rows(sql, agent)
    ]


def place_of(query: Query, agent: str, customer: str) -> StreamPlace | None:
    """One customer's stream in a part, if it is there."""
    return next((place for place in places(query, agent) if place.customer == customer), None)
