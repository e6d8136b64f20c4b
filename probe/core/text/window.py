"""Rule: what happened in the last minutes is counted in bounded memory, and forgotten step by step.

Counts by key, and the spread of a duration, over a sliding span. Times are seconds on one monotonic axis and are
passed in; the span moves on in whole steps, so that it covers between `span_s - step_s` and `span_s`.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Hashable
from typing import Generic, TypeVar

SPAN_S = 300
STEP_S = 10
GROWTH = 1.1  # two neighbouring classes of a duration: the quantile shown is right within five per cent

Key = TypeVar("Key", bound=Hashable)


class Window(Generic[Key]):
    """How often each key was counted."""

    def __init__(self, span_s: int = SPAN_S, step_s: int = STEP_S) -> None:
        self._step_s = step_s
        self._steps: deque[tuple[int, Counter[Key]]] = deque()
        self._kept = span_s // step_s
        self.span_s = span_s

    def add(self, at_s: float, key: Key, count: int = 1) -> None:
        """Something happened at that time; times do not go back by more than a step."""
        number = int(at_s // self._step_s)
        if not self._steps or self._steps[-1][0] < number:
            self._steps.append((number, Counter()))
            self._forget(number)
        self._steps[-1][1][key] += count

    def totals(self, at_s: float) -> Counter[Key]:
        """The counts of the span that ends now."""
        self._forget(int(at_s // self._step_s))
        total: Counter[Key] = Counter()
        for _, counts in self._steps:
            total.update(counts)
        return total

    def _forget(self, number: int) -> None:
        while self._steps and self._steps[0][0] <= number - self._kept:
            self._steps.popleft()


class Spread:
    """How a duration was spread over the last minutes, in classes that each are a tenth wider than the one before."""

    def __init__(self, span_s: int = SPAN_S, step_s: int = STEP_S) -> None:
        self._classes: Window[int] = Window(span_s, step_s)
        self.span_s = span_s

    def add(self, at_s: float, value_us: int) -> None:
        """One duration, in microseconds."""
        self._classes.add(at_s, _class_of(value_us))

    def quantiles(self, at_s: float, *shares: float) -> tuple[int, tuple[int | None, ...]]:
        """How many there were, and the upper bound of the class that each share (0 to 1) of them does not exceed."""
        classes = sorted(self._classes.totals(at_s).items())
        total = sum(count for _, count in classes)
        return total, tuple(_quantile(classes, share * total) for share in shares)


class Least:
    """The least value of the last hour or two."""

    def __init__(self, step_s: int = 3600) -> None:
        self._step_s = step_s
        self._steps: deque[tuple[int, float]] = deque(maxlen=2)

    def add(self, at_s: float, value: float) -> None:
        """A value seen at that time."""
        number = int(at_s // self._step_s)
        if self._steps and self._steps[-1][0] == number:
            value = min(value, self._steps.pop()[1])
        self._steps.append((number, value))

    def value(self, at_s: float) -> float | None:
        """None: none was seen."""
        number = int(at_s // self._step_s)
        return min((value for step, value in self._steps if step >= number - 1), default=None)


def _class_of(value_us: int) -> int:
    return 0 if value_us < 1 else 1 + math.ceil(math.log(value_us) / math.log(GROWTH))


def _quantile(classes: list[tuple[int, int]], rank: float) -> int | None:
    seen = 0
    for number, count in classes:
        seen += count
        if seen >= rank:
            return 0 if number == 0 else round(GROWTH ** (number - 1))
    return None
