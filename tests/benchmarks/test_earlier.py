"""Two versions in turns: who begins changes, and the ratio is of each round."""

from __future__ import annotations

from benchmarks.earlier import compared


class Told:
    """A version that takes what it is told to take."""

    def __init__(self, name: str, times_us: list[float], asked: list[str]) -> None:
        self._name = name
        self._times_us = iter(times_us)
        self._asked = asked

    def us_a_slot(self, slots: int) -> float:
        assert slots == 7
        self._asked.append(self._name)
        return next(self._times_us)


def test_the_ratio_is_of_each_round_and_who_begins_changes() -> None:
    asked: list[str] = []
    now, then = Told("now", [100, 300, 90], asked), Told("then", [200, 300, 100], asked)
    found = compared(now, then, 7, 3)
    assert asked == ["now", "then", "then", "now", "now", "then"]
    assert found == {"now_us": 100, "then_us": 200, "ratio": 0.9, "least": 0.5, "most": 1.0}
