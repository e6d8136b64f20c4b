"""Rule: sums of five minutes are kept as they come; a page is drawn from them, and rows are never read for it.

Rows of the table `grains`, in any order and partition -> tracks of cells: a domain whole, by HTTP version, by vantage
point, by node and by the latter two. Five minutes of the last day, hours of a month; older ones go. Equal sums are one
value, which cells number.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from operator import itemgetter
from typing import Any

from probe.core.model.protocols import PROTOCOLS, SHOWN
from probe.core.sla.grains import Grain
from probe.core.tables.columns import Row
from probe.page.model.states import NAMES, NOTHING, Counts, added

GRAIN_US = 300_000_000
IN_HOUR = 12
FINE_KEPT = 12 * 26
HOURS_KEPT = 24 * 31
MOST_NODES = 200  # of one domain; the sums of further ones are in its vantage points'
LEAST_VALUES = 50_000  # fewer are not looked through for those that no cell holds any more
_COUNTS = itemgetter(*NAMES)
_FIGURES = ("n", "errors", "unknown", "excluded", "clock_unsure", "due", "measured")


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


class Values:
    """Each sum once, by its number; 0 is nothing."""

    def __init__(self) -> None:
        self.all: list[Counts] = [NOTHING]
        self._numbers: dict[Counts, int] = {NOTHING: 0}

    def number(self, counts: Counts) -> int:
        """Of one that is known, or becomes known."""
        found = self._numbers.get(counts)
        if found is None:
            found = self._numbers[counts] = len(self.all)
            self.all.append(counts)
        return found


class Cells:
    """The newest `kept` cells of one row of time, each the number of its sum; older ones go by themselves."""

    __slots__ = ("_cells", "_kept", "_values", "last")

    def __init__(self, values: Values, kept: int) -> None:
        self._values = values
        self._kept = kept
        self._cells = array("I", bytes(4 * kept))
        self.last: int | None = None

    def add(self, number: int, counts: Counts) -> None:
        """To one cell; nothing where it is too old."""
        last = self.last
        if last is None or number - last >= self._kept:
            self._cells = array("I", bytes(4 * self._kept))
            self.last = number
        elif number > last:
            for gone in range(last + 1, number + 1):
                self._cells[gone % self._kept] = 0
            self.last = number
        elif number <= last - self._kept:
            return
        place = number % self._kept
        before = self._cells[place]
        self._cells[place] = self._values.number(
            added(self._values.all[before], counts) if before else counts
        )

    def get(self, number: int) -> Counts:
        """One cell; NOTHING where there is none."""
        if self.last is None or not self.last - self._kept < number <= self.last:
            return NOTHING
        return self._values.all[self._cells[number % self._kept]]

    def items(self, first: int, end: int) -> Iterator[tuple[int, Counts]]:
        """Those of [first, end) that hold anything."""
        if self.last is not None:
            for number in range(max(first, self.last - self._kept + 1), min(end, self.last + 1)):
                if place := self._cells[number % self._kept]:
                    yield number, self._values.all[place]

    def renumber(self, values: Values, numbers: dict[int, int]) -> None:
        """With other numbers; `numbers`: old -> new, of those that were met so far."""
        old, self._values = self._values.all, values
        for place in set(self._cells):
            if place not in numbers:
                numbers[place] = values.number(old[place])
        self._cells = array("I", map(numbers.__getitem__, self._cells))


@dataclass(slots=True)
class Track:
    """Cells of one thing; `hours` None: of it no more than a day is shown."""

    fine: Cells
    hours: Cells | None
    first: int | None = None  # the oldest grain that anything came of

    def cells(self, span: Span, end: int) -> list[Counts]:
        """The columns up to the grain `end`, which lies in the last one; NOTHING where nothing was due."""
        last = end // span.grains
        columns = range(last - span.columns + 1, last + 1)
        if span.grains == 1 or self.hours is None:
            return [self.fine.get(number) for number in columns]
        hours = span.grains // IN_HOUR
        made = []
        for column in columns:
            cell = NOTHING
            for _, more in self.hours.items(column * hours, (column + 1) * hours):
                cell = more if cell is NOTHING else added(cell, more)
            made.append(cell)
        return made

    def grains(self, first: int, end: int) -> dict[int, Grain]:
        """Of [first, end), as the evaluator's figures take them."""
        return {
            number: Grain(**dict(zip(_FIGURES, counts, strict=False)))
            for number, counts in self.fine.items(first, end)
        }

    def add(self, number: int, counts: Counts) -> None:
        """To the cells of a grain."""
        self.fine.add(number, counts)
        if self.hours is not None:
            self.hours.add(number // IN_HOUR, counts)
        self.first = number if self.first is None else min(self.first, number)


@dataclass(frozen=True, slots=True)
class Place:
    """A vantage point, as its rows declare it."""

    name: str
    region: str | None
    carrier: str | None


@dataclass(slots=True)
class DomainSums:
    """All of one domain. `pairs`: by node and vantage point; `protocols`: by the HTTP version that is asked for."""

    customer: str
    domain: str
    whole: Track
    places: dict[str, Track] = field(default_factory=dict)
    nodes: dict[str, Track] = field(default_factory=dict)
    pairs: dict[tuple[str, str], Track] = field(default_factory=dict)
    protocols: dict[str, Track] = field(default_factory=dict)
    declared: dict[str, Place] = field(default_factory=dict)

    def tracks(self) -> Iterator[Track]:
        """All of them."""
        parts = (self.places, self.nodes, self.pairs, self.protocols)
        return chain((self.whole,), *(part.values() for part in parts))

    def versions(self) -> list[tuple[str, Track]]:
        """Each HTTP version that is asked for, as people call it, where there are several."""
        known = [name for name in PROTOCOLS if name in self.protocols]
        return [(SHOWN[name], self.protocols[name]) for name in known] if len(known) > 1 else []


class Board:
    """Feed it rows of `grains`; each is added to what there is. `detailed_from`: the oldest grain with its parts."""

    def __init__(self) -> None:
        self.domains: dict[tuple[str, str], DomainSums] = {}
        self.last = 0  # the newest grain
        self.detailed_from: int | None = None
        self._values = Values()
        self._trimmed = 0
        self._used = 0

    def add(self, rows: Iterable[Row]) -> None:
        """Sums that are not in it yet."""
        for row in rows:
            self._add(row)

    def add_hours(self, customer: str, sums: Iterable[tuple[str, int, Counts]]) -> None:
        """Of whole domains, each of one hour (its first grain), before anything that `add` was given."""
        for domain, grain, counts in sums:
            whole = self._of(customer, domain).whole
            assert whole.hours is not None
            whole.hours.add(grain // IN_HOUR, counts)

    def of(self, customers: frozenset[str] | None) -> Iterator[DomainSums]:
        """Domains of these customers (None: of all), by name."""
        for key in sorted(self.domains, key=lambda key: (key[1], key[0])):
            if customers is None or key[0] in customers:
                yield self.domains[key]

    def trim(self) -> None:
        """Once in five minutes: let go what is not measured any more, and sums that no cell holds."""
        if self.last == self._trimmed:
            return
        self._trimmed = self.last
        for of in self.domains.values():
            for tracks in (of.places, of.nodes, of.protocols):
                for name in [n for n, t in tracks.items() if self._gone(t, HOURS_KEPT * IN_HOUR)]:
                    del tracks[name]
            for pair in [pair for pair, track in of.pairs.items() if self._gone(track, FINE_KEPT)]:
                del of.pairs[pair]
        if len(self._values.all) > max(LEAST_VALUES, 2 * self._used):
            self._values, numbers = Values(), {0: 0}
            for of in self.domains.values():
                for track in of.tracks():
                    track.fine.renumber(self._values, numbers)
                    if track.hours is not None:
                        track.hours.renumber(self._values, numbers)
            self._used = len(self._values.all)

    def _gone(self, track: Track, kept: int) -> bool:
        return track.fine.last is None or track.fine.last <= self.last - kept

    def _add(self, row: Row) -> None:
        got: Any = row
        counts: Counts = _COUNTS(got)
        number: int = got["grain"]
        self.last = max(self.last, number)
        self.detailed_from = number if self.detailed_from is None else min(self.detailed_from, number)
        of = self._of(got["customer"], got["domain"])
        place, node = got["vantage_point"], got["address"]
        of.whole.add(number, counts)
        version = of.protocols.get(got["protocol"])
        if version is None:
            version = of.protocols[got["protocol"]] = self._track()
        version.add(number, counts)
        known = of.places.get(place)
        if known is None:
            of.declared[place] = Place(place, got["region"], got["carrier"])
            known = of.places[place] = self._track()
        known.add(number, counts)
        if node is None:
            return
        seen = of.nodes.get(node)
        if seen is None:
            if len(of.nodes) >= MOST_NODES:
                return
            seen = of.nodes[node] = self._track()
        seen.add(number, counts)
        pair = of.pairs.get((node, place))
        if pair is None:
            pair = of.pairs[node, place] = Track(Cells(self._values, FINE_KEPT), None)
        pair.add(number, counts)

    def _of(self, customer: str, domain: str) -> DomainSums:
        found = self.domains.get((customer, domain))
        if found is None:
            found = self.domains[customer, domain] = DomainSums(customer, domain, self._track())
        return found

    def _track(self) -> Track:
        return Track(Cells(self._values, FINE_KEPT), Cells(self._values, HOURS_KEPT))
