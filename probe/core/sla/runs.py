"""Time that is bad counts only in runs that are long enough; what is unknown or excluded ends a run.

A run is judged over its whole length, also across the end of a period; of it, what lies in the period is counted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class GrainState(StrEnum):
    """What is known of a grain."""

    GOOD = "good"
    BAD = "bad"
    UNKNOWN = "unknown"
    EXCLUDED = "excluded"


StateOf = Callable[[int], GrainState]


@dataclass(frozen=True, slots=True)
class Run:
    """Bad grains one after another, both ends included."""

    first: int
    last: int

    @property
    def grains(self) -> int:
        return self.last - self.first + 1


def runs_of(state_of: StateOf, first: int, end: int, *, limits: tuple[int, int]) -> list[Run]:
    """The runs of bad grains that touch [first, end), each in its whole length within `limits` (half open)."""
    found: list[Run] = []
    at = first
    while at < end:
        if state_of(at) is not GrainState.BAD:
            at += 1
            continue
        begin = at
        while begin > limits[0] and at == first and state_of(begin - 1) is GrainState.BAD:
            begin -= 1
        while at + 1 < limits[1] and state_of(at + 1) is GrainState.BAD:
            at += 1
        found.append(Run(begin, at))
        at += 1
    return found


def counted(run: Run, first: int, end: int) -> int:
    """How many grains of the run lie in [first, end)."""
    return max(0, min(run.last + 1, end) - max(run.first, first))
