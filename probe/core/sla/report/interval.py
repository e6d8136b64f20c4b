"""Between which the period's error rate lies: days are drawn at random, whole, since what fails fails for hours.

With a fixed seed and in whole numbers: the same grains give the same interval. Figures beside a verdict, never in one.
"""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction
from random import Random
from zoneinfo import ZoneInfo

from probe.core.sla.periods import US
from probe.core.sla.report.shown import percent
from probe.core.sla.report.subject import Grains
from probe.core.sla.report.values import Interval

DRAWS = 2_000
SEED = 20_261_101
FEWEST_DAYS = 5
PER = 10**9


def interval(grains: Grains, length_us: int, time_zone: str) -> Interval | None:
    """Of the errors among requests that are known, 95 %; None for fewer than five days."""
    days = _days(grains, length_us, time_zone)
    n = sum(day[1] for day in days)
    if len(days) < FEWEST_DAYS or not n:
        return None
    rates = sorted(_drawn(days, draw) for draw in range(DRAWS))
    return Interval(
        rate=_percent(sum(day[0] for day in days) * PER // n),
        low=_percent(rates[DRAWS * 25 // 1000]),
        high=_percent(rates[DRAWS * 975 // 1000]),
        days=len(days),
    )


def _days(grains: Grains, length_us: int, time_zone: str) -> list[tuple[int, int]]:
    """(errors, requests) of each day of the zone."""
    zone = ZoneInfo(time_zone)
    made: dict[int, tuple[int, int]] = {}
    for number in sorted(grains):
        day = datetime.fromtimestamp(number * length_us // US, zone).toordinal()
        errors, n = made.get(day, (0, 0))
        made[day] = errors + grains[number].errors, n + grains[number].n
    return [made[day] for day in sorted(made)]


def _drawn(days: list[tuple[int, int]], draw: int) -> int:
    chosen = Random(SEED * DRAWS + draw).choices(days, k=len(days))  # noqa: S311 - to be the same again
    n = sum(day[1] for day in chosen)
    return sum(day[0] for day in chosen) * PER // n if n else 0


def _percent(per_billion: int) -> str:
    return percent(Fraction(per_billion, PER), 5)
