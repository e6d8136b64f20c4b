"""Between which the period's error rate lies: days are drawn at random, whole, since what fails fails for hours.

With a fixed seed and in whole numbers: the same grains give the same interval. Figures beside a verdict, never in one.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime, time, timedelta
from fractions import Fraction
from functools import lru_cache
from operator import mul
from random import Random
from zoneinfo import ZoneInfo

from probe.core.sla.grains import Series
from probe.core.sla.periods import US
from probe.core.sla.report.shown import percent
from probe.core.sla.report.values import Interval

DRAWS, BITS = 2_000, 64
SEED = 20_261_101
FEWEST_DAYS = 5
PER = 10**9
A_DAY = timedelta(days=1)


def interval(grains: Series, length_us: int, time_zone: str) -> Interval | None:
    """Of the errors among requests that are known, 95 %; None for fewer than five days."""
    days = by_days(grains, length_us, time_zone)
    n = sum(day[1] for day in days)
    if len(days) < FEWEST_DAYS or not n:
        return None
    rates = _rates(days)
    return Interval(
        rate=_percent(sum(day[0] for day in days) * PER // n),
        low=_percent(rates[DRAWS * 25 // 1000]),
        high=_percent(rates[DRAWS * 975 // 1000]),
        days=len(days),
    )


def by_days(grains: Series, length_us: int, time_zone: str) -> list[tuple[int, int]]:
    """(errors, requests) of each day of the zone that has grains; a grain is of the day that it begins in."""
    if not grains.stretches:
        return []
    begins = _begins(grains.stretches[0].first, grains.stretches[-1].last, length_us, time_zone)
    made: dict[int, tuple[int, int]] = {}
    for one in grains.stretches:
        first, day = one.first, bisect_right(begins, one.first) - 1
        while first <= one.last:
            end = min(one.last + 1, begins[day + 1])
            errors, n = made.get(day, (0, 0))
            count = end - first
            if count:
                made[day] = errors + count * one.each.errors, n + count * one.each.n
            first, day = end, day + 1
    return [made[day] for day in sorted(made)]


@lru_cache(maxsize=64)
def _begins(first: int, last: int, length_us: int, time_zone: str) -> list[int]:
    """The first grain of each day, from `first` until that behind `last`; of most subjects the same."""
    zone = ZoneInfo(time_zone)
    day = datetime.fromtimestamp(first * length_us // US, zone).date()
    begins = [first]
    while begins[-1] <= last:
        day += A_DAY
        next_us = int(datetime.combine(day, time.min, zone).timestamp()) * US
        begins.append(-(-next_us // length_us))
    return begins


def _rates(days: list[tuple[int, int]]) -> list[int]:
    """What each draw comes to, in parts of a billion, in order."""
    errors, requests = [day[0] for day in days], [day[1] for day in days]
    if not any(errors):
        return [0] * DRAWS
    draws = zip(_drawn(errors), _drawn(requests), strict=True)
    return sorted(bad * PER // n if n else 0 for bad, n in draws)


def _drawn(of_days: list[int]) -> Sequence[int]:
    """The sum of each draw. All draws are added up at once, as the digits of one number, each of 64 bits."""
    if sum(of_days) * len(of_days) >> BITS:
        raise OverflowError("more requests than the sums of draws have room for")
    together = sum(map(mul, _times(len(of_days)), of_days))
    return memoryview(together.to_bytes(DRAWS * BITS // 8, sys.byteorder)).cast("Q")


@lru_cache(maxsize=8)
def _times(days: int) -> list[int]:
    """Of each day, how often each draw has it (a digit): of every subject the same."""
    numbers = range(days)
    digits = [array("Q", bytes(DRAWS * BITS // 8)) for _ in numbers]
    for draw in range(DRAWS):
        chosen = Random(SEED * DRAWS + draw).choices(numbers, k=days)  # noqa: S311 - to be the same again
        for day in chosen:
            digits[day][draw] += 1
    return [int.from_bytes(one.tobytes(), sys.byteorder) for one in digits]


def _percent(per_billion: int) -> str:
    return percent(Fraction(per_billion, PER), 5)
