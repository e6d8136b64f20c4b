"""How much samples can show: exact tails of the binomial distribution, without floating point.

A tail is held between two whole-number bounds of `BITS` bits, each rounded outwards; where the bounds do not decide a
question, it is asked again with twice as many bits, and at last without rounding: bounds never decide what is equal. So
every answer is exact, and cheap for millions of samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import exp
from statistics import NormalDist

BITS = 128
PER_BILLION = 10**9


@dataclass(frozen=True, slots=True)
class _Bound:
    """mantissa * 2**exponent, rounded to `bits` in one direction."""

    mantissa: int
    exponent: int
    bits: int
    up: bool

    def times(self, numerator: int, denominator: int = 1) -> _Bound:
        """This, times a fraction of whole numbers >= 0."""
        product = self.mantissa * numerator << self.bits
        quotient, rest = divmod(product, denominator)
        return self._rounded(quotient + (1 if rest and self.up else 0), self.exponent - self.bits)

    def plus(self, other: _Bound) -> _Bound:
        """The sum of two bounds in one direction."""
        low = min(self.exponent, other.exponent)
        total = (self.mantissa << self.exponent - low) + (other.mantissa << other.exponent - low)
        return self._rounded(total, low)

    def squared(self) -> _Bound:
        """This, times itself."""
        return self._rounded(self.mantissa * self.mantissa, 2 * self.exponent)

    def product(self, other: _Bound) -> _Bound:
        """This, times another bound in the same direction."""
        return self._rounded(self.mantissa * other.mantissa, self.exponent + other.exponent)

    def fraction(self) -> Fraction:
        """As an exact number."""
        if self.exponent >= 0:
            return Fraction(self.mantissa << self.exponent)
        return Fraction(self.mantissa, 1 << -self.exponent)

    def _rounded(self, mantissa: int, exponent: int) -> _Bound:
        drop = mantissa.bit_length() - self.bits
        if drop > 0:
            rest = mantissa & ((1 << drop) - 1)
            mantissa = (mantissa >> drop) + (1 if rest and self.up else 0)
            exponent += drop
        return _Bound(mantissa, exponent, self.bits, self.up)


def _power(base: _Bound, exponent: int) -> _Bound:
    result = _Bound(1, 0, base.bits, base.up)
    while exponent:
        if exponent & 1:
            result = result.product(base)
        base, exponent = base.squared(), exponent >> 1
    return result


def below(errors: int, n: int, rate: Fraction, bits: int = BITS) -> tuple[Fraction, Fraction]:
    """Bounds of P(X < errors), X of `n` samples that each err with `rate`; 0 < rate < 1."""
    good, bad = rate.denominator - rate.numerator, rate.numerator
    bounds = []
    for up in (False, True):
        one = _Bound(1, 0, bits, up)
        term = _power(one.times(good, rate.denominator), n)
        total = _Bound(0, 0, bits, up)
        for k in range(min(errors, n + 1)):
            total = total.plus(term)
            term = term.times((n - k) * bad, (k + 1) * good)
        bounds.append(total.fraction())
    return bounds[0], min(bounds[1], Fraction(1))


def tail_at_most(errors: int, n: int, rate: Fraction, significance: Fraction) -> bool:
    """Whether so many errors or more are as rare as `significance` at this rate: P(X >= errors) <= significance."""
    if errors <= 0:
        return significance >= 1
    if errors > n or rate == 0:
        return True
    if rate >= 1 or significance <= 0:
        return significance >= 1
    return _against(errors, n, rate, 1 - significance) >= 0


def shown_at_most(errors: int, n: int, rate: Fraction, doubt: Fraction) -> bool:
    """Whether so few errors show that the rate is no greater than this one: P(X <= errors) <= doubt at it."""
    if errors >= n or rate <= 0:
        return rate >= 1
    return rate >= 1 or _against(errors + 1, n, rate, doubt) <= 0


def _against(errors: int, n: int, rate: Fraction, chance: Fraction) -> int:
    """P(X < errors) is less than this chance (-1), equal (0), or more (1); 0 < errors <= n, 0 < rate < 1."""
    if 2 * rate == 1 and 2 * errors == n + 1:  # both halves alike, however many samples: no bound would tell
        return _sign(Fraction(1, 2) - chance)
    bits = BITS
    while True:
        low, high = below(errors, n, rate, bits)
        if low > chance or high < chance:
            return 1 if low > chance else -1
        if bits > n * rate.denominator.bit_length():  # whole numbers of that size are exact
            return _sign(_exactly_below(errors, n, rate) - chance)
        bits *= 2


def _sign(number: Fraction) -> int:
    return (number > 0) - (number < 0)


def _exactly_below(errors: int, n: int, rate: Fraction) -> Fraction:
    good, bad = rate.denominator - rate.numerator, rate.numerator
    term, total = good**n, 0
    for k in range(errors):
        total += term
        term = term * (n - k) * bad // ((k + 1) * good)
    return Fraction(total, rate.denominator**n)


@lru_cache(maxsize=65_536)
def least_errors(n: int, rate: Fraction, significance: Fraction) -> int:
    """The fewest errors among `n` samples that show a rate above `rate`. n = 60, 1/2000, 1/1000: 2."""
    high = 1
    while not tail_at_most(high, n, rate, significance):
        high *= 2
    low = high // 2 + 1
    while low < high:
        middle = (low + high) // 2
        if tail_at_most(middle, n, rate, significance):
            high = middle
        else:
            low = middle + 1
    return high


@lru_cache(maxsize=4_096)
def rate_at_most(errors: int, n: int, doubt: Fraction) -> Fraction:
    """The upper bound of Clopper and Pearson, rounded up to a part of a billion.

    No greater rate leaves so few errors with a chance above `doubt` (1/20: one-sided 95 %, 1/40: two-sided).
    """
    if errors >= n:
        return Fraction(1)
    # The search may begin anywhere: what it finds is decided exactly, and chances only fall as the rate grows.
    high = _near(errors, n, doubt)
    step = 1
    while high < PER_BILLION and not _leaves(errors, n, high, doubt):
        high, step = min(PER_BILLION, high + step), step * 2
    low, step = high - 1, 1
    while low > 0 and _leaves(errors, n, low, doubt):
        high, low, step = low, max(0, low - step), step * 2
    while high - low > 1:
        middle = (low + high) // 2
        if _leaves(errors, n, middle, doubt):
            high = middle
        else:
            low = middle
    return Fraction(high, PER_BILLION)


def _leaves(errors: int, n: int, per_billion: int, doubt: Fraction) -> bool:
    """Whether this rate leaves so few errors with a chance of at most `doubt`."""
    return per_billion >= PER_BILLION or at_least(errors, n, Fraction(per_billion, PER_BILLION))[0] <= doubt


def at_least(errors: int, n: int, rate: Fraction, bits: int = BITS) -> tuple[Fraction, Fraction]:
    """Lower bounds of P(X <= errors) and of P(X = errors), as near as `below` and cheaper; errors < n."""
    good, bad = rate.denominator - rate.numerator, rate.numerator
    first = _power(_Bound(1, 0, bits, up=False).times(good, rate.denominator), n)
    term, total = first.mantissa, first.mantissa
    for k in range(errors):
        term = term * ((n - k) * bad) // ((k + 1) * good)
        total += term
    scale = Fraction(1, 1 << -first.exponent) if first.exponent < 0 else Fraction(1 << first.exponent)
    return total * scale, term * scale


def _near(errors: int, n: int, doubt: Fraction) -> int:
    """Where to begin, in parts of a billion: by the root of a chi-squared quantile, mended by Newton's steps."""
    m = errors + 1
    mean = m * (1 - 1 / (9 * m) + NormalDist().inv_cdf(1 - float(doubt)) / (3 * m**0.5)) ** 3
    rate = 1 - exp(-mean / n)
    for _ in range(3):
        place = min(max(1, round(rate * PER_BILLION)), PER_BILLION - 1)
        chance, last = at_least(errors, n, Fraction(place, PER_BILLION))
        slope = (n - errors) * float(last) / (1 - place / PER_BILLION)
        if slope <= 0:
            break
        better = place / PER_BILLION + (float(chance) - float(doubt)) / slope
        if not 0 < better < 1:
            break  # far in a tail, where it is flat
        rate = better
    return min(max(1, round(rate * PER_BILLION)), PER_BILLION - 1)


@lru_cache(maxsize=64)
def samples_to_resolve(rate: Fraction, doubt: Fraction = Fraction(1, 20)) -> int:
    """The fewest samples that, without a single error, show at most this rate. 1/2000: 5,990."""
    low, high = 1, 1
    while below(1, high, rate)[1] > doubt:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        if below(1, middle, rate)[1] > doubt:
            low = middle
        else:
            high = middle
    return high
