"""Grains one after another that are alike, as one stretch: what costs nothing to be well costs nothing to be read.

Lossless: a series says of each grain what a mapping would say. A domain that is asked as often in each grain, and is
well for a month, is one stretch.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from probe.core.sla.grains import Grain


@dataclass(frozen=True, slots=True)
class Stretch:
    """Grains from `first` to `last`, both included, each of which is `each`."""

    first: int
    last: int
    each: Grain

    @property
    def grains(self) -> int:
        return self.last - self.first + 1


class Series(Mapping[int, Grain]):
    """Stretches apart from each other, in order: a mapping of the number of a grain to its sums."""

    __slots__ = ("_begins", "stretches")

    def __init__(self, stretches: Iterable[Stretch] = ()) -> None:
        """In order, none of them over another."""
        self.stretches = tuple(stretches)
        self._begins = [one.first for one in self.stretches]

    @classmethod
    def of(cls, grains: Mapping[int, Grain]) -> Series:
        """The same grains."""
        return grains if isinstance(grains, Series) else cls(_stretches(grains))

    def within(self, first: int, end: int) -> Series:
        """Those of [first, end)."""
        if not self.stretches or (first <= self.stretches[0].first and self.stretches[-1].last < end):
            return self
        cut = (
            Stretch(max(one.first, first), min(one.last, end - 1), one.each)
            for one in self.stretches[max(0, bisect_right(self._begins, first) - 1) :]
            if one.first < end
        )
        return Series(one for one in cut if one.first <= one.last)

    def __getitem__(self, number: int) -> Grain:
        at = bisect_right(self._begins, number) - 1
        if at < 0 or self.stretches[at].last < number:
            raise KeyError(number)
        return self.stretches[at].each

    def __iter__(self) -> Iterator[int]:
        for one in self.stretches:
            yield from range(one.first, one.last + 1)

    def __len__(self) -> int:
        return sum(one.grains for one in self.stretches)


@dataclass(frozen=True, slots=True)
class Sums:
    """Of several grains, and how many they are."""

    grains: int
    n: int
    errors: int
    unknown: int
    due: int
    measured: int
    clock_unsure: int

    @classmethod
    def of(cls, series: Series) -> Sums:
        """Stretch by stretch."""
        made = [0] * 7
        for one in series.stretches:
            count, g = one.grains, one.each
            each = (1, g.n, g.errors, g.unknown, g.due, g.measured, g.clock_unsure)
            for place, value in enumerate(each):
                made[place] += count * value
        return cls(*made)


def _stretches(grains: Mapping[int, Grain]) -> Iterator[Stretch]:
    begun: int | None = None
    last, each = 0, None
    for number in sorted(grains):
        found = grains[number]
        if begun is not None and each is not None:
            if number == last + 1 and found == each:
                last = number
                continue
            yield Stretch(begun, last, each)
        begun, last, each = number, number, found
    if begun is not None and each is not None:
        yield Stretch(begun, last, each)
