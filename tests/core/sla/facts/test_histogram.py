"""The fixed histogram: every number lies in its bucket, buckets are narrow, and quantiles are bounded by them."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from probe.core.sla.facts.histogram import bounds_of, bucket_of, quantile

numbers = st.integers(0, 10**12)


@given(numbers)
def test_a_number_lies_in_its_bucket_which_is_a_tenth_wide_at_most(value: int) -> None:
    low, high = bounds_of(bucket_of(value))
    assert low <= value <= high
    assert 10 * (high - low) <= max(low, 10)


@given(
    st.lists(numbers, min_size=1),
    st.sampled_from((Fraction(1, 2), Fraction(95, 100), Fraction(1), Fraction(0))),
)
def test_the_bounds_hold_the_exact_quantile(values: list[int], share: Fraction) -> None:
    place = max(1, -(-share.numerator * len(values) // share.denominator))
    exact = sorted(values)[place - 1]
    bounds = quantile(Counter(map(bucket_of, values)), share)
    assert bounds is not None
    assert bounds[0] <= exact <= bounds[1]


def test_of_nothing_there_is_none() -> None:
    assert quantile({}, Fraction(1, 2)) is None
