"""A ceiling on requests a minute: never more than a minute's worth at once, and what was left out is counted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from probe.core.scheduling.rate_ceiling import MINUTE_NS, Ceiling

SECOND_NS = 1_000_000_000


def test_a_minutes_worth_at_once_then_as_time_passes() -> None:
    ceiling = Ceiling(per_minute=6)
    assert [ceiling.admit(0) for _ in range(8)] == [True] * 6 + [False] * 2
    assert ceiling.left_out == 2
    assert not ceiling.admit(9 * SECOND_NS)
    assert ceiling.admit(10 * SECOND_NS)
    assert not ceiling.admit(10 * SECOND_NS)


def test_what_was_not_used_is_not_saved_up() -> None:
    ceiling = Ceiling(per_minute=3)
    assert ceiling.admit(0)
    assert [ceiling.admit(3600 * SECOND_NS) for _ in range(5)] == [True] * 3 + [False] * 2


def test_a_clock_that_stands_or_goes_back_gives_nothing() -> None:
    ceiling = Ceiling(per_minute=1)
    assert ceiling.admit(MINUTE_NS)
    assert not ceiling.admit(0)
    assert not ceiling.admit(MINUTE_NS)
    assert ceiling.admit(2 * MINUTE_NS)


@given(
    st.integers(1, 50),
    st.lists(st.integers(0, 30 * SECOND_NS), min_size=1, max_size=300),
)
def test_in_any_minute_at_most_twice_the_ceiling(per_minute: int, steps: list[int]) -> None:
    ceiling = Ceiling(per_minute=per_minute)
    now, admitted = 0, []
    for step in steps:
        now += step
        if ceiling.admit(now):
            admitted.append(now)
    for start in admitted:
        within = sum(start <= at < start + MINUTE_NS for at in admitted)
        assert within <= 2 * per_minute
    span_minutes = (admitted[-1] - admitted[0]) / MINUTE_NS
    assert len(admitted) <= per_minute * (1 + span_minutes) + 1
