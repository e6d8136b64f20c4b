"""What samples can show before any is taken: the rate that one grain shows, and how many would show the contract's.

Exact, and in whole numbers, as the report's own figures.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from probe.core.sla.binomial import (
    PER_BILLION,
    below,
    least_errors,
    rate_at_most,
    samples_to_resolve,
    tail_at_most,
)
from probe.core.sla.figures import GrainRule

POWER = Fraction(9, 10)
DOUBT = Fraction(1, 20)
MOST = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Shows:
    """What so many requests in a grain show. `least_errors`: the fewest that show it to be bad.

    `found_from`: an error rate from which on nine of ten such grains are shown to be bad; None: none is.
    `no_error_shows`: the rate that a grain without any error shows at most (95 %).
    """

    requests: int
    least_errors: int
    found_from: Fraction | None
    no_error_shows: Fraction


def shows(requests: int, rule: GrainRule) -> Shows:
    """Of a grain with so many requests; at least one."""
    least = least_errors(requests, rule.over, rule.significance)
    return Shows(
        requests=requests,
        least_errors=least,
        found_from=found_from(requests, least),
        no_error_shows=rate_at_most(0, requests, DOUBT),
    )


@lru_cache(maxsize=1_024)
def found_from(requests: int, least: int) -> Fraction | None:
    """The least rate, to a part of a billion, at which `least` errors or more come with 90 %."""
    if least > requests:
        return None
    low, high = 0, PER_BILLION
    while high - low > 1:
        middle = (low + high) // 2
        if below(least, requests, Fraction(middle, PER_BILLION))[1] <= 1 - POWER:
            high = middle
        else:
            low = middle
    return Fraction(high, PER_BILLION)


@lru_cache(maxsize=1_024)
def wanted(rate: Fraction, over: Fraction, significance: Fraction = DOUBT) -> int | None:
    """The fewest requests that show a true rate to be over the admitted one, with 90 %; None: not a billion do."""
    if rate <= over:
        return None
    errors, last = 1, 0
    while True:
        most = _most(errors, over, significance)
        if most > last and below(errors, most, rate)[1] <= 1 - POWER:
            low, high = last, most
            while high - low > 1:
                middle = (low + high) // 2
                if below(errors, middle, rate)[1] <= 1 - POWER:
                    high = middle
                else:
                    low = middle
            return high
        if most > MOST:
            return None
        errors, last = errors + 1, max(most, last)


def _most(errors: int, over: Fraction, significance: Fraction) -> int:
    """The most requests among which so many errors are still rare enough; 0: not even among as many."""
    if not tail_at_most(errors, errors, over, significance):
        return 0
    low, high = errors, errors * 2
    while tail_at_most(errors, high, over, significance):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        if tail_at_most(errors, middle, over, significance):
            low = middle
        else:
            high = middle
    return low


def resolves(rule: GrainRule) -> int:
    """The requests of a grain that, without an error, show at most the contract's rate (95 %)."""
    return samples_to_resolve(rule.over, DOUBT)
