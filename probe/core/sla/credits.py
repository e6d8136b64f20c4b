"""What is owed, in exact money: never a float, rounded once, at the end, as the contract says."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

HOUR_US = 3_600 * 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditRule:
    """For each hour begun beyond `over_us` of the period, `share` of the fee; at most `at_most` of it.

    Contract C: 44 minutes, a thirtieth, the whole fee; reaching 44 minutes triggers and gives no hour.
    """

    over_us: int
    share: Fraction = Fraction(1, 30)
    at_most: Fraction = Fraction(1)
    unit_us: int = HOUR_US


def begun(over_us: int, unit_us: int = HOUR_US) -> int:
    """Units of time, a begun one as a whole one; none for no time."""
    return max(0, -(-over_us // unit_us))


def credit(down_us: int, fee: Fraction, rule: CreditRule) -> Fraction:
    """What is owed for so much time down, unrounded."""
    units = begun(down_us - rule.over_us, rule.unit_us)
    return min(fee * rule.share * units, fee * rule.at_most)


def rounded(amount: Fraction, places: int = 2) -> Fraction:
    """Half up, to hundredths: 0.005 is 0.01. Amounts are not negative."""
    scaled = amount * 10**places
    return Fraction((2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator), 10**places)


def money(amount: Fraction, places: int = 2) -> str:
    """1000 -> `1000.00`."""
    whole = rounded(amount, places) * 10**places
    assert whole.denominator == 1, "it was rounded"
    units, rest = divmod(whole.numerator, 10**places)
    return f"{units}.{rest:0{places}d}" if places else str(units)


def exact_money(amount: Fraction) -> str:
    """What was agreed, with as many digits as that takes, at least two: 1000.005 is not 1000.01."""
    places = next((n for n in range(2, 10) if (amount * 10**n).denominator == 1), 9)
    return money(amount, places)
