"""What a report says of a period by its grains."""

from __future__ import annotations

from fractions import Fraction

import pytest

from probe.core.sla.binomial import shown_at_most
from probe.core.sla.report.by_grains import DOUBT, _rate_bound


@pytest.mark.parametrize(
    ("errors", "n"),
    [(5_001, 5_001), (5_001, 5_002), (5_001, 5_100), (5_001, 10_002), (6_000, 20_000), (5_001, 10**7)],
)
def test_the_bound_of_very_many_errors_is_one_and_is_near(errors: int, n: int) -> None:
    """Once it was a hundred-thousandth above the rate, however many requests there were: under the rate of chance."""
    bound = _rate_bound(errors, n)
    assert shown_at_most(errors, n, bound, DOUBT)
    assert bound <= 1
    nearer = bound - Fraction(errors, n) * Fraction(1, 200)
    assert errors == n or nearer <= Fraction(errors, n) or not shown_at_most(errors, n, nearer, DOUBT)


@pytest.mark.timeout(30)
def test_the_bound_of_a_million_errors_takes_no_time() -> None:
    bound = _rate_bound(1_000_000, 10**9)
    assert Fraction(1_001_644, 10**9) < bound < Fraction(1_001_710, 10**9)
