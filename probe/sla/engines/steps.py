"""Rule: what is alike for weeks is added up as an interval with two ends, and single grains on top of it.

Intervals of grains that are alike, and sums of single grains (which may be negative: what an interval says of a grain
in which it was otherwise) -> the stretches of a series, exactly; and of a part what `part_of` makes of its grains.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from probe.core.sla.grains import Grain, Part, Series, Stretch
from probe.core.sla.periods import Span, union
from probe.sla.engines import sql

# n, errors, unknown, excluded, due, measured, clock_unsure (as `sql.SUMS`), and how many rows these are of.
Raw = tuple[int, ...]
Well = tuple[int, int, int]  # requests, slots due, slots measured
Plain = tuple[int, int, Raw]  # the first grain, the last one, the sums of each
NOTHING: Raw = (0,) * (len(sql.SUMS) + 1)
ROWS = 7


@dataclass(slots=True)
class Pieces:
    """Of one group: `intervals` in any order, over each other as they come, and `single` grains."""

    intervals: list[Plain] = field(default_factory=list)
    single: dict[int, Raw] = field(default_factory=dict)

    def looked_at(self, width: int) -> set[int]:
        """Grains of `width` short ones of which every row is here: single ones, and intervals of what is not well."""
        made = {number // width for number in self.single}
        for first, last, (_, errors, unknown, excluded, _, _, unsure, _) in self.intervals:
            if errors or unknown or excluded or unsure:
                made.update(range(first // width, last // width + 1))
        return made


def plus(one: Raw, other: Raw) -> Raw:
    """Both together; written out, since it is done for each grain that is not well."""
    a, b, c, d, e, f, g, h = one
    i, j, k, l, m, n, o, p = other  # noqa: E741
    return a + i, b + j, c + k, d + l, e + m, f + n, g + o, h + p


def short_spans(excluded: Sequence[Span], step_us: int) -> list[tuple[int, int]]:
    """Declared spans as short grains, half open, in order and apart."""
    cut = (Span(span.from_us // step_us, span.to_us // step_us) for span in excluded)
    return [(span.from_us, span.to_us) for span in union(cut)]


def raw_stretches(of: Pieces) -> Iterator[Plain]:
    """What has a row, in order, none over another. Neighbours may be alike."""
    singles, at = sorted(of.single.items()), 0
    for first, end, base in _steps(of.intervals):
        while at < len(singles) and (number := singles[at][0]) < end:
            sums = singles[at][1]
            at += 1
            if first < number and base[ROWS]:
                yield first, number - 1, base
            if number >= first:
                sums = plus(base, sums)
                first = number + 1
            if sums[ROWS]:
                yield number, number, sums
        if first < end and base[ROWS]:
            yield first, end - 1, base
    for number, sums in singles[at:]:
        if sums[ROWS]:
            yield number, number, sums


def _steps(intervals: Iterable[Plain]) -> Iterator[tuple[int, int, Raw]]:
    """Half open, without a gap from the first begin until the last end."""
    changes: dict[int, Raw] = {}
    for first, last, sums in intervals:
        changes[first] = plus(changes.get(first, NOTHING), sums)
        changes[last + 1] = plus(changes.get(last + 1, NOTHING), tuple([-one for one in sums]))
    sums, begun = NOTHING, None
    for number in sorted(changes):
        if begun is not None:
            yield begun, number, sums
        begun, sums = number, plus(sums, changes[number])


def series_of(of: Pieces, excluded: Sequence[tuple[int, int]], width: int) -> Series:
    """Grains `width` times as long. `excluded`: declared, half open, in short grains, in order and apart.

    What was tagged when it was measured is unknown unless the contract excludes it.
    """
    told = _counted(_cut(raw_stretches(of), excluded), excluded)
    if width > 1:
        told = _widened(told, width)
    known: dict[Raw, Grain] = {}  # few of them differ
    made: list[Stretch] = []
    begun, last, before = 0, 0, None
    for first, end, sums in told:
        if sums == before and first == last + 1:
            last = end
            continue
        if before is not None:
            made.append(Stretch(begun, last, known[before]))
        if sums not in known:
            known[sums] = Grain(**dict(zip(sql.SUMS, sums, strict=False)))
        begun, last, before = first, end, sums
    if before is not None:
        made.append(Stretch(begun, last, known[before]))
    return Series(made)


def _cut(stretches: Iterator[Plain], excluded: Sequence[tuple[int, int]]) -> Iterator[Plain]:
    """Where what is excluded begins and ends, a stretch does."""
    if not excluded:
        return stretches
    edges = sorted({edge for span in excluded for edge in span})

    def pieces() -> Iterator[Plain]:
        for first, last, sums in stretches:
            for edge in edges[bisect_right(edges, first) : bisect_right(edges, last)]:
                yield first, edge - 1, sums
                first = edge
            yield first, last, sums

    return pieces()


def _counted(stretches: Iterator[Plain], excluded: Sequence[tuple[int, int]]) -> Iterator[Plain]:
    """As a contract counts; from here on all that has a row has one."""
    begins = [begin for begin, _ in excluded]
    known: dict[Raw, Raw] = {}
    for first, last, sums in stretches:
        at = bisect_right(begins, first) - 1 if begins else -1
        if at >= 0 and first < excluded[at][1]:
            n, _, unknown, tagged, due, measured, _, _ = sums
            yield first, last, (0, 0, 0, n + unknown + tagged, due, measured, 0, 1)
            continue
        told = known.get(sums)
        if told is None:
            n, errors, unknown, tagged, due, measured, unsure, _ = sums
            told = known[sums] = n, errors, unknown + tagged, 0, due, measured, unsure, 1
        yield first, last, told


def _widened(stretches: Iterator[Plain], width: int) -> Iterator[Plain]:
    """Each long grain is the sum of the short ones in it; the middle of a long stretch stays one."""
    number, held = None, NOTHING
    for first, last, sums in stretches:
        while first <= last:
            wide = first // width
            if wide != number:
                if number is not None:
                    yield number, number, (*held[:ROWS], 1)
                number, held = wide, NOTHING
                behind = (last + 1) // width  # the last long grain that ends in this stretch
                if first == wide * width and behind > wide:
                    yield wide, behind - 1, (*[one * width for one in sums[:ROWS]], 1)
                    number, first = None, behind * width
                    continue
            end = min(last + 1, (wide + 1) * width)
            count = end - first
            held = plus(held, tuple([one * count for one in sums]))
            first = end
    if number is not None:
        yield number, number, (*held[:ROWS], 1)


class PartSeries:
    """A part's grains of all time, from which the part of a period is taken.

    `least`: requests that a grain must have. `all_here`: whether the series has all that it says it has; where it has
    not, what is missing is well, and only grains that `near` holds are asked how many requests they have.
    """

    def __init__(self, series: Series, least: int, all_here: bool, near: Callable[[int], bool]) -> None:
        bad: list[Stretch] = []
        self._well: list[Stretch] = []
        # Of those that are well: requests, slots due and measured before each, and at last of all.
        self._upto: list[Well] = [(0, 0, 0)]
        for one in series.stretches:
            each = one.each
            few = each.n < least
            if each.errors or each.unknown or each.excluded or (few and all_here):
                bad.append(one)
            elif few and any(map(near, range(one.first, one.last + 1))):
                for number in range(one.first, one.last + 1):
                    if near(number):
                        bad.append(Stretch(number, number, each))
                    else:
                        self._take(Stretch(number, number, each))
            else:
                self._take(one)
        self._bad = Series(bad)
        self._begins = [one.first for one in self._well]

    def _take(self, one: Stretch) -> None:
        count, each = one.last - one.first + 1, one.each
        n, due, measured = self._upto[-1]
        self._well.append(one)
        self._upto.append((n + count * each.n, due + count * each.due, measured + count * each.measured))

    def part(self, first: int, end: int, bounds: tuple[int, int], beside: Iterable[Well]) -> Part | None:
        """Troubled grains in [first, end), and the others within `bounds`; `beside`: sums that the series has not.

        None: it has nothing there.
        """
        bad = self._bad.within(first, end)
        begun, done = self._until(bounds[0]), self._until(max(bounds))
        sums = [until - before for before, until in zip(begun, done, strict=True)]
        for more in beside:
            sums = [one + other for one, other in zip(sums, more, strict=True)]
        n, due, measured = sums
        return Part(troubled=bad, rest=Grain(n=n, due=due, measured=measured)) if bad or any(sums) else None

    def _until(self, end: int) -> Well:
        """Of all grains before `end` that are well."""
        at = bisect_left(self._begins, end)
        found = self._upto[at]
        if at and (over := self._well[at - 1].last + 1 - end) > 0:
            each = self._well[at - 1].each
            found = found[0] - over * each.n, found[1] - over * each.due, found[2] - over * each.measured
        return found
