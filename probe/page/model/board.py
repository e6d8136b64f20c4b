"""Rule: sums of five minutes are kept as they come; a page is drawn from them, and rows are never read for it.

Rows of the table `grains`, in any order and partition -> tracks of cells: a domain whole, by vantage point and by node.
Five minutes of the last days, hours of a month; older ones go. Equal sums are one object.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, TypeVar

from probe.core.sla.grains import Grain
from probe.core.tables.columns import Row
from probe.page.model.states import NAMES, NOTHING, Counts, added

Name = TypeVar("Name", str, tuple[str, str])
GRAIN_US = 300_000_000
IN_HOUR = 12
_COUNTS = itemgetter(*NAMES)
FINE_KEPT = 12 * 26  # of vantage points and nodes; of whole domains as long as hours
HOURS_KEPT = 24 * 31
MOST_NODES = 200  # of one domain; the sums of further ones are in its vantage points'


@dataclass(frozen=True, slots=True)
class Span:
    """What a map shows: `columns` of `grains` five minutes each."""

    name: str
    columns: int
    grains: int

    @property
    def column_us(self) -> int:
        return self.grains * GRAIN_US


SPANS = {span.name: span for span in (Span("24h", 288, 1), Span("7d", 168, 12), Span("30d", 180, 48))}


@dataclass(slots=True)
class Track:
    """Cells of one thing. `fine`: grain -> counts; `hours`: number of the hour -> counts."""

    fine: dict[int, Counts] = field(default_factory=dict)
    hours: dict[int, Counts] = field(default_factory=dict)
    first: int | None = None

    def cells(self, span: Span, end: int) -> list[Counts]:
        """The columns up to the grain `end`, which lies in the last one; NOTHING where nothing was due."""
        last = end // span.grains
        if span.grains == 1:
            return [self.fine.get(number, NOTHING) for number in range(last - span.columns + 1, last + 1)]
        hours = span.grains // IN_HOUR
        made = []
        for column in range(last - span.columns + 1, last + 1):
            cell = NOTHING
            for hour in range(column * hours, (column + 1) * hours):
                if (more := self.hours.get(hour)) is not None:
                    cell = more if cell is NOTHING else added(cell, more)
            made.append(cell)
        return made

    def grains(self, first: int, end: int) -> dict[int, Grain]:
        """Of [first, end), as the evaluator's figures take them."""
        names = ("n", "errors", "unknown", "excluded", "clock_unsure", "due", "measured")
        return {
            number: Grain(**dict(zip(names, counts, strict=False)))
            for number, counts in self.fine.items()
            if first <= number < end
        }


@dataclass(frozen=True, slots=True)
class Place:
    """A vantage point, as its rows declare it."""

    name: str
    region: str | None
    carrier: str | None


@dataclass(slots=True)
class DomainSums:
    """All of one domain."""

    customer: str
    domain: str
    whole: Track = field(default_factory=Track)
    places: dict[str, Track] = field(default_factory=dict)
    nodes: dict[str, Track] = field(default_factory=dict)
    pairs: dict[tuple[str, str], Track] = field(default_factory=dict)  # (node, vantage point)
    declared: dict[str, Place] = field(default_factory=dict)


class Board:
    """Feed it rows of `grains`; each is added to what there is."""

    def __init__(self) -> None:
        self.domains: dict[tuple[str, str], DomainSums] = {}
        self.last = 0  # the newest grain
        self._same: dict[Counts, Counts] = {}

    def add(self, rows: Iterable[Row]) -> None:
        """Sums that are not in it yet."""
        for row in rows:
            self._add(row)
        if len(self._same) > 100_000:  # those in use stay alive in their tracks
            self._same.clear()

    def of(self, customers: frozenset[str] | None) -> Iterator[DomainSums]:
        """Domains of these customers (None: of all), by name."""
        for key in sorted(self.domains, key=lambda key: (key[1], key[0])):
            if customers is None or key[0] in customers:
                yield self.domains[key]

    def trim(self) -> None:
        """Let go what is older than any page shows."""
        oldest, hour = self.last - FINE_KEPT, self.last // IN_HOUR - HOURS_KEPT
        for of in self.domains.values():
            _cut(of.whole.fine, hour * IN_HOUR)
            _cut(of.whole.hours, hour)
            _trim(of.places, oldest, hour)
            _trim(of.nodes, oldest, hour)
            _trim(of.pairs, oldest, hour)

    def _add(self, row: Row) -> None:
        got: Any = row
        counts = self._one(_COUNTS(got))
        number: int = got["grain"]
        self.last = max(self.last, number)
        key = got["customer"], got["domain"]
        of = self.domains.get(key)
        if of is None:
            of = self.domains[key] = DomainSums(*key)
        place, node = got["vantage_point"], got["address"]
        of.declared[place] = Place(place, got["region"], got["carrier"])
        self._into(of.whole, number, counts)
        self._into(of.places.setdefault(place, Track()), number, counts)
        if node is not None and (node in of.nodes or len(of.nodes) < MOST_NODES):
            self._into(of.nodes.setdefault(node, Track()), number, counts)
            self._into(of.pairs.setdefault((node, place), Track()), number, counts)

    def _into(self, track: Track, number: int, counts: Counts) -> None:
        hour = number // IN_HOUR
        track.fine[number] = self._sum(track.fine.get(number), counts)
        track.hours[hour] = self._sum(track.hours.get(hour), counts)
        track.first = number if track.first is None else min(track.first, number)

    def _sum(self, before: Counts | None, counts: Counts) -> Counts:
        return counts if before is None else self._one(added(before, counts))

    def _one(self, counts: Counts) -> Counts:
        return self._same.setdefault(counts, counts)


def _trim(tracks: dict[Name, Track], oldest: int, hour: int) -> None:
    for name, track in list(tracks.items()):
        _cut(track.fine, oldest)
        _cut(track.hours, hour)
        if not track.hours:
            del tracks[name]


def _cut(cells: dict[int, Counts], oldest: int) -> None:
    for number in [number for number in cells if number < oldest]:
        del cells[number]
