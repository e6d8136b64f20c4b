"""Times in a fixed histogram: whole numbers by their first two digits: any engine counts alike, and counts add up.

A bucket is at most a tenth of its value wide. A quantile is told as the bounds of the bucket that holds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from fractions import Fraction

LEADING = 2
BASE = 100
DIGITS = 19  # of the longest number in 64 bits

Histogram = Mapping[int, int]
"""Bucket -> how many."""


class Quantity(StrEnum):
    """What is told in quantiles: microseconds, bytes a second of a body's transfer, and how late a node was at most."""

    FIRST_BYTE = "first_byte"
    THROUGHPUT = "throughput"
    PROPAGATION = "propagation"


def bucket_of(value: int) -> int:
    """Of a whole number >= 0: its number of digits times a hundred, and its first two digits."""
    digits = str(value)
    return len(digits) * BASE + int(digits[:LEADING])


def bounds_of(bucket: int) -> tuple[int, int]:
    """The least and the greatest number in a bucket."""
    digits, lead = divmod(bucket, BASE)
    scale = 10 ** max(0, digits - LEADING)
    return lead * scale, (lead + 1) * scale - 1


def bucket_sql(column: str, divide: str) -> str:
    """The same as an expression of SQL, in whole numbers; `divide`: how a dialect writes their quotient."""
    steps = "".join(
        f" WHEN {column} < {10**digits} THEN {digits * BASE}"
        f" + {column} {divide} {10 ** max(0, digits - LEADING)}"
        for digits in range(1, DIGITS)
    )
    return f"CASE{steps} ELSE {DIGITS * BASE} + {column} {divide} {10 ** (DIGITS - LEADING)} END"


def quantile(histogram: Histogram, share: Fraction) -> tuple[int, int] | None:
    """Bounds of the smallest value that at least this share of all do not exceed; None for none at all."""
    total = sum(histogram.values())
    wanted = -(-share.numerator * total // share.denominator)
    reached = 0
    for bucket in sorted(histogram, key=bounds_of):
        reached += histogram[bucket]
        if reached >= max(1, wanted):
            return bounds_of(bucket)
    return None
