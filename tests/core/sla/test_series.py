"""Grains alike as one stretch: nothing of a mapping is lost, and days are cut where the zone's midnight is."""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction
from itertools import pairwise
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probe.core.sla.grains import Grain, Series, Sums
from probe.core.sla.periods import US
from probe.core.sla.report.interval import DRAWS, PER, SEED, by_days, interval
from probe.core.sla.report.shown import percent
from tests.support.sizes import scaled

GRAINS = st.dictionaries(
    st.integers(-30, 30),
    st.builds(Grain, n=st.integers(0, 2), errors=st.integers(0, 1), due=st.integers(0, 1)),
)
LENGTH_US = 300 * US


@given(GRAINS, st.integers(-35, 35), st.integers(-35, 35))
def test_a_series_is_the_mapping_that_it_was_made_of(grains: dict[int, Grain], first: int, end: int) -> None:
    series = Series.of(grains)
    assert dict(series) == grains
    assert len(series) == len(grains)
    cut = series.within(first, end)
    inside = {number: grain for number, grain in grains.items() if first <= number < end}
    assert dict(cut) == inside
    assert all(one.each != two.each or one.last + 1 < two.first for one, two in pairwise(series.stretches))
    sums = Sums.of(cut)
    assert (sums.grains, sums.n, sums.errors, sums.due) == (
        len(inside),
        sum(grain.n for grain in inside.values()),
        sum(grain.errors for grain in inside.values()),
        sum(grain.due for grain in inside.values()),
    )


def test_what_is_well_for_a_month_is_one_stretch() -> None:
    assert (
        len(Series.of({number: Grain(n=36, due=12, measured=12) for number in range(8_640)}).stretches) == 1
    )


@pytest.mark.parametrize(
    ("zone", "around"),
    [
        ("Asia/Shanghai", "2026-11-01T00:00:00+00:00"),
        ("America/Havana", "2026-03-08T05:00:00+00:00"),  # from 00:00 to 01:00
        ("America/Havana", "2026-11-01T05:00:00+00:00"),  # from 01:00 to 00:00
        ("America/Asuncion", "2023-03-26T03:00:00+00:00"),  # from 00:00 to 23:00 of the day before
        ("Asia/Kathmandu", "2026-11-01T00:00:00+00:00"),
        ("Australia/Lord_Howe", "2026-04-04T15:00:00+00:00"),  # by half an hour
    ],
)
def test_each_grain_belongs_to_the_day_of_its_begin(zone: str, around: str) -> None:
    middle = int(datetime.fromisoformat(around).timestamp()) * US // LENGTH_US
    grains = {number: Grain(n=2, errors=1) for number in range(middle - 700, middle + 700)}
    slowly: dict[int, int] = {}
    for number in grains:
        day = datetime.fromtimestamp(number * LENGTH_US // US, ZoneInfo(zone)).toordinal()
        slowly[day] = slowly.get(day, 0) + 1
    assert by_days(Series.of(grains), LENGTH_US, zone) == [
        (count, 2 * count) for _, count in sorted(slowly.items())
    ]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 10**12)), min_size=5, max_size=40))
@settings(max_examples=scaled(60, 5), deadline=None)
def test_the_interval_is_that_of_days_drawn_one_by_one(days: list[tuple[int, int]]) -> None:
    a_day = 288
    grains = {
        number * a_day: Grain(n=max(errors, n), errors=errors) for number, (errors, n) in enumerate(days)
    }
    sums = [(one.errors, one.n) for one in grains.values()]
    rates = []
    for draw in range(DRAWS):
        chosen = Random(SEED * DRAWS + draw).choices(range(len(sums)), k=len(sums))
        n = sum(sums[day][1] for day in chosen)
        rates.append(sum(sums[day][0] for day in chosen) * PER // n if n else 0)
    rates.sort()
    found = interval(Series.of(grains), LENGTH_US, "UTC")
    if not any(n for _, n in sums):
        assert found is None
        return
    assert found is not None
    low, high = rates[DRAWS * 25 // 1000], rates[DRAWS * 975 // 1000]
    assert (found.low, found.high) == (percent(Fraction(low, PER), 5), percent(Fraction(high, PER), 5))
