"""What samples can show, held against figures that were computed elsewhere."""

from __future__ import annotations

from fractions import Fraction

import pytest

from probe.core.sla.binomial import below, least_errors
from probe.core.sla.figures import GrainRule
from probe.core.sla.report.plan import DOUBT, POWER, found_from, resolves, shows, wanted

RULE = GrainRule()


@pytest.mark.parametrize(
    ("rate", "requests"), [("0.002", 4_636), ("0.005", 1_063), ("0.01", 388), ("0.05", 45), ("0.5", 4)]
)
def test_requests_that_show_a_rate_to_be_over_the_admitted_one(rate: str, requests: int) -> None:
    """Figures of the notes that came with the contract (SciPy)."""
    assert wanted(Fraction(rate), RULE.over) == requests


def test_they_are_the_fewest_and_suffice() -> None:
    for rate in (Fraction(1, 1000), Fraction(1, 200)):
        count = wanted(rate, RULE.over)
        assert count is not None

        def power(n: int, rate: Fraction = rate) -> Fraction:
            return 1 - below(least_errors(n, RULE.over, DOUBT), n, rate)[1]

        assert power(count) >= POWER
        assert all(power(n) < POWER for n in (count - 1, count - 2, count // 2))


def test_what_is_not_over_cannot_be_shown_to_be() -> None:
    assert wanted(RULE.over, RULE.over) is None


def test_sixty_a_grain_find_outages_and_not_the_contract_s_rate() -> None:
    sixty = shows(60, RULE)
    assert sixty.least_errors == 2
    assert sixty.found_from is not None
    assert Fraction(63, 1000) < sixty.found_from < Fraction(64, 1000)
    assert Fraction(487, 10_000) < sixty.no_error_shows < Fraction(488, 10_000)
    assert resolves(RULE) == 5_990
    assert found_from(1, 2) is None
