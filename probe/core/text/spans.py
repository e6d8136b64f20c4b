"""Rule: adding a span returns exactly the numbers that were not covered before.

Spans of sequence numbers, both ends included.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

Span = tuple[int, int]


def union(spans: Iterable[Span]) -> list[Span]:
    """As few spans as hold the same numbers, in order."""
    made: list[Span] = []
    for first, last in sorted(spans):
        if made and first <= made[-1][1] + 1:
            made[-1] = made[-1][0], max(made[-1][1], last)
        else:
            made.append((first, last))
    return made


def uncovered(first: int, last: int, covered: Sequence[Span]) -> list[Span]:
    """The parts of first..last that no span of `covered` holds, in order. `covered`: as `union` gives them."""
    found: list[Span] = []
    at = first
    for low, high in covered[max(0, bisect_right(covered, (first, 0)) - 1) :]:
        if low > last:
            break
        if low > at:
            found.append((at, low - 1))
        at = max(at, high + 1)
    if at <= last:
        found.append((at, last))
    return found
