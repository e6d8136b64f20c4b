"""Trouble bounded from both sides: the worked case of the annex, silences, unknown looks, several tracks at once."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.core.sla.deadlines import HOUR_US, Kept, in_time
from probe.core.sla.episodes import Ending, Episode, Look, Sight, Track, at_once, episodes
from probe.core.sla.periods import US, instant_us
from tests.core.sla.test_golden import CASES

MINUTE = 60 * US
W, T, U = Sight.WELL, Sight.TROUBLE, Sight.UNKNOWN


def looks(*sights: Sight, every_us: int = MINUTE) -> list[Look]:
    return [Look(at_us=i * every_us, sight=sight, key=f"acme/{i}") for i, sight in enumerate(sights)]


def told(of: Episode) -> tuple[Any, ...]:
    return of.at_least_us // MINUTE, None if of.at_most_us is None else of.at_most_us // MINUTE, of.ending


def test_the_worked_interruption() -> None:
    sweeps, expect = CASES["B01"]["sweeps"], CASES["B01"]["expect"]["interruption"]
    first, last = instant_us(sweeps["unanswered_from"]), instant_us(sweeps["unanswered_to"])
    step = sweeps["every_s"] * US
    seen = [
        Look(at_us=at, sight=T if first <= at <= last else W)
        for at in range(first - 5 * step, last + 6 * step, step)
    ]
    (found,) = episodes(seen)
    assert found.at_least_us == expect["at_least_s"] * US
    assert found.at_most_us == expect["at_most_s"] * US
    assert found.lasted(10 * MINUTE, strict=True) == (expect["shown"], expect["possible"])
    assert found.lasted(10 * MINUTE, strict=False) == (True, True)


def test_reported_within_24_hours() -> None:
    case = CASES["B03"]
    begin = instant_us(case["incident_from"])
    found = [in_time(begin, [instant_us(at)], 24 * HOUR_US) for at in case["reported_at"]]
    assert [one is Kept.IN_TIME for one in found] == case["expect"]["counts"]


@pytest.mark.parametrize(
    ("declared", "now", "kept"),
    [
        ([], None, Kept.MISSING),
        ([None], 9, Kept.OPEN),
        ([], 11, Kept.MISSING),
        ([None, 40, 10], None, Kept.IN_TIME),
        ([-1], None, Kept.MISSING),
        ([11], 99, Kept.LATE),
    ],
)
def test_deadlines(declared: list[int | None], now: int | None, kept: Kept) -> None:
    assert in_time(0, declared, 10, now) is kept


def test_one_look_shows_a_moment_and_bounds_two_intervals() -> None:
    (found,) = episodes(looks(W, T, W))
    assert told(found) == (0, 2, Ending.WELL)
    assert found.keys == ("acme/1",)
    assert found.shown.length_us == 0


def test_what_nobody_saw_well_has_no_bound() -> None:
    (begun,) = episodes(looks(T, T, W))
    assert told(begun) == (1, None, Ending.WELL)
    assert begun.lasted(10**12, strict=True) == (False, True)
    (going_on,) = episodes(looks(W, T, T))
    assert told(going_on) == (1, None, Ending.OPEN)


def test_an_unknown_look_ends_it_without_a_bound() -> None:
    first, second = episodes(looks(W, T, U, T, W))
    assert told(first) == (0, None, Ending.UNKNOWN)
    assert (second.well_before_us, second.well_after_us) == (0, 4 * MINUTE)


def test_a_long_silence_ends_it_as_unknown() -> None:
    seen = [*looks(W, T), Look(at_us=5 * MINUTE, sight=T), Look(at_us=6 * MINUTE, sight=W)]
    one = episodes(seen)
    assert [told(e) for e in one] == [(4, 6, Ending.WELL)], "without a limit the silence is bridged"
    first, second = episodes(seen, at_most_gap_us=2 * MINUTE)
    assert (told(first), told(second)) == ((0, None, Ending.UNKNOWN), (0, None, Ending.WELL))


def test_the_first_confirmation_is_kept() -> None:
    seen = [
        Look(at_us=0, sight=T), Look(at_us=1, sight=T, confirmed=True), Look(at_us=2, sight=T, confirmed=True)
    ]  # fmt: skip
    assert episodes(seen)[0].confirmed_us == 1


def test_looks_come_in_order() -> None:
    track = Track()
    track.feed(Look(at_us=5, sight=W))
    with pytest.raises(ValueError, match="in order"):
        track.feed(Look(at_us=4, sight=W))


def test_all_at_once_is_the_latest_begin_and_the_earliest_end() -> None:
    here = episodes(looks(W, T, T, T, T, W))
    there = episodes(looks(W, W, T, T, W, W))
    (both,) = at_once([here, there])
    assert (both.first_us, both.last_us) == (2 * MINUTE, 3 * MINUTE)
    assert (both.well_before_us, both.well_after_us) == (MINUTE, 4 * MINUTE)
    assert at_once([here, []]) == []
    assert at_once([here, episodes(looks(W, W, W, W, W, T))]) == []
    assert at_once([]) == []


@given(st.lists(st.sampled_from(Sight), max_size=40))
def test_bounds_hold_whatever_comes(sights: list[Sight]) -> None:
    found = episodes(looks(*sights))
    assert sum(len(e.keys) for e in found) == sights.count(T)
    for one in found:
        assert one.at_most_us is None or one.at_most_us > one.at_least_us
        assert one.well_before_us is None or one.well_before_us < one.first_us
    assert all(a.last_us < b.first_us for a, b in itertools.pairwise(found))
