"""Time that is bad counts only in runs that are long enough; what is unknown or excluded ends a run.

A run is judged over its whole length, also across the end of a period; of it, what lies in the period is counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from probe.core.model.value import Value


class GrainState(StrEnum):
    """What is known of a grain."""

    GOOD = "good"
    BAD = "bad"
    UNKNOWN = "unknown"
    EXCLUDED = "excluded"


class Run(Value, frozen=True):
    """Bad grains one after another, both ends included."""

    first: int
    last: int

    @property
    def grains(self) -> int:
        return self.last - self.first + 1


def joined(bad: Iterable[tuple[int, int]]) -> list[Run]:
    """Bad grains, in order and both ends included, as runs: those that touch are one."""
    found: list[Run] = []
    begun: int | None = None
    until = 0
    for first, last in bad:
        if begun is None:
            begun, until = first, last
        elif first <= until + 1:
            until = max(last, until)
        else:
            found.append(Run(begun, until))
            begun, until = first, last
    if begun is not None:
        found.append(Run(begun, until))
    return found


def counted(run: Run, first: int, end: int) -> int:
    """How many grains of the run lie in [first, end)."""
    return max(0, min(run.last + 1, end) - max(run.first, first))
