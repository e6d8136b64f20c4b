"""Tails of the binomial distribution against exact fractions, and the counts that the contract's rule rests on."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.core.sla.binomial import (
    below,
    least_errors,
    rate_at_most,
    samples_to_resolve,
    shown_at_most,
    tail_at_most,
)

RATE, SIGNIFICANCE = Fraction(1, 2000), Fraction(1, 1000)
rates = st.fractions(min_value=Fraction(1, 10_000), max_value=Fraction(9_999, 10_000), max_denominator=10_000)


def exactly(errors: int, n: int, rate: Fraction) -> Fraction:
    """P(X < errors), term by term."""
    return sum((comb(n, k) * rate**k * (1 - rate) ** (n - k) for k in range(min(errors, n + 1))), Fraction(0))


@given(n=st.integers(1, 40), errors=st.integers(0, 42), rate=rates)
def test_the_bounds_hold_the_exact_value_and_are_narrow(n: int, errors: int, rate: Fraction) -> None:
    low, high = below(errors, n, rate)
    assert low <= exactly(errors, n, rate) <= high
    assert high - low < Fraction(1, 2**100)


@given(n=st.integers(1, 40), errors=st.integers(0, 42), rate=rates)
def test_a_tail_is_compared_exactly_also_with_itself(n: int, errors: int, rate: Fraction) -> None:
    tail = 1 - exactly(errors, n, rate)
    for significance in (Fraction(1, 1000), Fraction(1, 3), tail, tail - Fraction(1, 10**200)):
        if 0 < significance < 1:
            assert tail_at_most(errors, n, rate, significance) == (tail <= significance)


@pytest.mark.parametrize(
    ("n", "rate", "significance", "least"), [(3, "1/10", "1/1000", 3), (101, "1/2", "1/2", 51)]
)
def test_what_is_just_as_rare_as_is_asked_shows(n: int, rate: str, significance: str, least: int) -> None:
    """Three requests in a grain of a contract that admits a tenth of errors: no bound ever tells these apart."""
    assert least_errors(n, Fraction(rate), Fraction(significance)) == least
    assert 1 - exactly(least, n, Fraction(rate)) == Fraction(significance)


@pytest.mark.timeout(60)
def test_half_of_very_many_is_decided_without_their_sum() -> None:
    n = 1_000_001
    assert tail_at_most((n + 1) // 2, n, Fraction(1, 2), Fraction(1, 2))
    assert not tail_at_most((n + 1) // 2, n, Fraction(1, 2), Fraction(1, 2) - Fraction(1, 10**12))


@pytest.mark.timeout(60)
def test_nothing_is_so_rare_that_it_never_comes() -> None:
    """Of a significance of 0 only what cannot be is rare enough; of 1 a single error is."""
    assert least_errors(100_000, RATE, Fraction(0)) == 100_001
    assert least_errors(100_000, RATE, Fraction(1)) == 1


@given(n=st.integers(1, 40), errors=st.integers(0, 42), rate=rates)
def test_few_errors_are_compared_exactly_also_with_their_own_chance(
    n: int, errors: int, rate: Fraction
) -> None:
    chance = exactly(errors + 1, n, rate)
    for doubt in (Fraction(1, 20), chance, chance - Fraction(1, 10**200)):
        if errors < n and 0 < doubt < 1:
            assert shown_at_most(errors, n, rate, doubt) == (chance <= doubt)
    assert shown_at_most(n, n, Fraction(1), Fraction(1, 20))
    assert not shown_at_most(n, n, rate, Fraction(1, 20))


@pytest.mark.parametrize(
    ("n", "least"), [(1, 1), (2, 1), (3, 2), (5, 2), (60, 2), (300, 3), (600, 4), (2000, 6), (6000, 11)]
)
def test_the_fewest_errors_that_show_a_rate_over_one_in_2000(n: int, least: int) -> None:
    assert least_errors(n, RATE, SIGNIFICANCE) == least
    assert 1 - exactly(least, n, RATE) <= SIGNIFICANCE < 1 - exactly(least - 1, n, RATE)


def test_millions_of_samples_are_no_trouble() -> None:
    """Close to the normal approximation: 500 and three standard deviations."""
    assert 569 <= least_errors(1_000_000, RATE, SIGNIFICANCE) <= 573


def test_no_rate_at_all_is_shown_by_one_error() -> None:
    assert least_errors(7, Fraction(0), SIGNIFICANCE) == 1


@pytest.mark.parametrize(("n", "percent"), [(60, "5.96"), (2000, "0.184"), (43_200, "0.0085")])
def test_the_upper_bound_of_no_error(n: int, percent: str) -> None:
    places = len(percent.partition(".")[2])
    assert f"{float(rate_at_most(0, n, Fraction(1, 40)) * 100):.{places}f}" == percent


def test_an_upper_bound_leaves_no_more_doubt_than_it_says() -> None:
    for errors, n in ((0, 50), (3, 50), (49, 50)):
        bound = rate_at_most(errors, n, Fraction(1, 20))
        step = Fraction(1, 10**9)
        assert exactly(errors + 1, n, bound) <= Fraction(1, 20) < exactly(errors + 1, n, bound - 2 * step)
    assert rate_at_most(50, 50, Fraction(1, 20)) == 1


def test_how_many_samples_resolve_a_rate() -> None:
    assert samples_to_resolve(RATE) == 5_990


@pytest.mark.parametrize("n", [1, 2, 98])
def test_the_search_for_a_bound_begins_well_in_every_tail(n: int) -> None:
    for errors in range(0, n, max(1, n // 50)):
        for doubt in (Fraction(1, 20), Fraction(1, 40), Fraction(1, 10**6)):
            found = rate_at_most(errors, n, doubt)
            assert found == 1 or exactly(errors + 1, n, found) <= doubt


@given(
    n=st.integers(1, 400), share=st.fractions(0, 1), doubt=st.sampled_from((Fraction(1, 20), Fraction(1, 40)))
)
def test_an_upper_bound_is_the_least_that_leaves_the_doubt(n: int, share: Fraction, doubt: Fraction) -> None:
    """Wherever the search begins: a billionth less leaves more."""
    errors = min(n - 1, int(n * share))
    found = rate_at_most(errors, n, doubt)
    assert found == 1 or exactly(errors + 1, n, found) <= doubt
    assert exactly(errors + 1, n, found - Fraction(1, 10**9)) > doubt
