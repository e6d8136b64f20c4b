"""Numbers as a report writes them: a bound from above is never written smaller than it is."""

from __future__ import annotations

import pytest

from probe.core.sla.report.shown import duration_up, quantiles, speed, speed_up
from probe.core.sla.report.values import QuantilesShown

S = 1_000_000
D = 86_400 * S


@pytest.mark.parametrize(
    ("time_us", "text"),
    [
        (0, "0s"), (1, "1ms"), (989, "1ms"), (1_000, "1ms"), (1_001, "2ms"), (999_001, "1s"), (S, "1s"),
        (S + 1, "2s"), (3_599 * S + 1, "1h"), (D - 1, "1d"), (30 * D - 16 * S, "30d"), (30 * D - 61 * S, "29d 23h 59m"),
        (29 * D + 5 * S, "29d 1m"),
    ],
)  # fmt: skip
def test_a_time_at_most_is_rounded_up(time_us: int, text: str) -> None:
    assert duration_up(time_us) == text


@pytest.mark.parametrize(
    ("speed_at_most", "text"),
    [(0, "0 B/s"), (999, "999 B/s"), (1_000, "1.0 kB/s"), (1_001, "1.1 kB/s"), (789_999_999, "790.0 MB/s"),
     (999_999_999, "1.0 GB/s")],
)  # fmt: skip
def test_a_speed_at_most_is_rounded_up(speed_at_most: int, text: str) -> None:
    assert speed_up(speed_at_most) == text
    assert speed(speed_at_most) <= text or text.endswith("GB/s")


def test_quantiles_are_in_the_unit_of_what_they_are_of() -> None:
    made = QuantilesShown(
        quantity="throughput", part="", samples=1, p05=(780_000_000, 789_999_999), p50=(1, 1), p95=(S, S)
    )
    assert quantiles(made) == ("780.0 MB/s – 790.0 MB/s", "1 B/s – 1 B/s", "1.0 MB/s – 1.0 MB/s")
    times = QuantilesShown(quantity="propagation", part="", samples=1, p05=(1, 1), p50=(S, S + 1), p95=(0, 0))
    assert quantiles(times) == ("0ms – 1ms", "1s – 2s", "0s – 0s")
