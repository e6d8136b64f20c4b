"""Counts, spreads and least values of the last minutes, on an axis that the test moves."""

from __future__ import annotations

import random

import pytest

from probe.core.text.window import Least, Spread, Window


def test_what_is_older_than_the_span_is_forgotten_step_by_step() -> None:
    window: Window[str] = Window(span_s=60, step_s=10)
    for at_s in range(0, 100, 10):
        window.add(at_s, "a")
    assert window.totals(99) == {"a": 6}
    assert window.totals(130) == {"a": 2}
    assert window.totals(1000) == {}


def test_keys_are_counted_apart() -> None:
    window: Window[tuple[str, str]] = Window()
    window.add(5, ("acme", "ok"), 3)
    window.add(5, ("acme", "failed"))
    assert window.totals(6) == {("acme", "ok"): 3, ("acme", "failed"): 1}


def test_memory_is_bounded_by_the_span() -> None:
    window: Window[str] = Window(span_s=60, step_s=10)
    for at_s in range(100_000):
        window.add(at_s, "a")
    assert len(window._steps) <= 6


def test_quantiles_are_right_within_a_tenth() -> None:
    rng = random.Random(7)
    values = [rng.lognormvariate(8, 2) for _ in range(20_000)]
    spread = Spread()
    for value in values:
        spread.add(0, round(value))
    count, found = spread.quantiles(1, 0.5, 0.99, 1.0)
    assert count == len(values)
    values.sort()
    for share, value in zip((0.5, 0.99, 1.0), found, strict=True):
        exact = values[min(len(values) - 1, round(share * len(values)))]
        assert value == pytest.approx(exact, rel=0.11)


def test_nothing_was_seen() -> None:
    assert Spread().quantiles(0, 0.5) == (0, (None,))
    spread = Spread()
    spread.add(0, 0)
    assert spread.quantiles(0, 0.5, 1.0) == (1, (0, 0))
    assert spread.quantiles(10_000, 0.5) == (0, (None,))


def test_the_least_of_the_last_hours() -> None:
    least = Least(step_s=100)
    assert least.value(0) is None
    least.add(0, 5.0)
    least.add(50, 7.0)
    assert least.value(50) == 5.0
    least.add(150, 9.0)
    assert least.value(150) == 5.0
    least.add(250, 8.0)
    assert least.value(250) == 8.0
    assert least.value(1000) is None
