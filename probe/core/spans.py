"""Rule: what a span adds to what was covered before is named exactly, and nothing is covered twice.

Spans of sequence numbers, both ends included.
"""

from __future__ import annotations

from collections.abc import Iterable

Span = tuple[int, int]


def uncovered(first: int, last: int, covered: Iterable[Span]) -> list[Span]:
    """The parts of first..last that no span of `covered` holds, in order."""
    found: list[Span] = []
    at = first
    for low, high in sorted(covered):
        if low > last:
            break
        if low > at:
            found.append((at, low - 1))
        at = max(at, high + 1)
    if at <= last:
        found.append((at, last))
    return found
