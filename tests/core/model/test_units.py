"""Quantities as people type them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.core.model.units import (
    format_duration,
    format_rate,
    format_size,
    parse_duration_us,
    parse_rate_bps,
    parse_size_bytes,
)


@pytest.mark.parametrize(
    ("text", "value_us"),
    [
        ("1us", 1), ("500ms", 500_000), ("60s", 60_000_000), ("5m", 300_000_000), ("2h", 7_200_000_000),
        ("1d", 86_400_000_000), ("1.5s", 1_500_000), ("0.001ms", 1), ("0s", 0),
    ],
)  # fmt: skip
def test_durations(text: str, value_us: int) -> None:
    assert parse_duration_us(text) == value_us


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1000B", 1000), ("500kB", 500_000), ("10MB", 10_000_000), ("1GB", 10**9), ("64KiB", 65_536),
        ("10MiB", 10 << 20), ("1GiB", 1 << 30), ("1.5KiB", 1536),
    ],
)  # fmt: skip
def test_sizes(text: str, value: int) -> None:
    assert parse_size_bytes(text) == value


@pytest.mark.parametrize(
    ("text", "value_bps"),
    [
        ("1bps", 1), ("500kbps", 500_000), ("10Mbps", 10_000_000), ("1Gbps", 10**9), ("1.5Mbps", 1_500_000),
        ("1B/s", 8), ("5MB/s", 40_000_000), ("1MiB/s", 8 << 20), ("2 KiB/s", 16 << 10),
    ],
)  # fmt: skip
def test_rates(text: str, value_bps: int) -> None:
    assert parse_rate_bps(text) == value_bps


@pytest.mark.parametrize(
    "text", ["", "10", "10M", "10Mbit/s", "10MB", "10mbps", "10Mb/s", "10MBps", "1MiB/m", "-1bps", "1MiB/s/s"]
)
def test_no_rates(text: str) -> None:
    with pytest.raises(ValueError, match=r"Mbps, Gbps, B/s.*10Mbps or 1MiB/s"):
        parse_rate_bps(text)


@pytest.mark.parametrize(
    "text", ["", "s", "60", "-5s", "+5s", "5sec", "5S", "1e3s", "1_0s", "٣s", "1h30m", "9" * 40 + "s", ".5s"]
)  # fmt: skip
def test_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match=r"(us, ms, s, m, h, d).*500ms"):
        parse_duration_us(text)


@pytest.mark.parametrize("text", ["", "64", "-1B", "64K", "64kib", "64KIB", "1TB", "64 KiB B"])
def test_no_sizes(text: str) -> None:
    with pytest.raises(ValueError, match=r"KiB, MiB, GiB.*64KiB"):
        parse_size_bytes(text)


@pytest.mark.parametrize("value", [60, 60.0, True, None, [], {}])
def test_a_quantity_without_its_unit_is_refused(value: object) -> None:
    for parse in (parse_duration_us, parse_size_bytes, parse_rate_bps):
        with pytest.raises(ValueError, match=r"unit|write a number"):
            parse(value)


@given(st.integers(min_value=0, max_value=10**17))
def test_what_is_printed_reads_back(value: int) -> None:
    # The numeral is bounded; what a configuration may hold is far below it.
    if len(format_duration(value)) <= 12:
        assert parse_duration_us(format_duration(value)) == value
    if len(format_size(value)) <= 12:
        assert parse_size_bytes(format_size(value)) == value
    if len(format_rate(value)) <= 12:
        assert parse_rate_bps(format_rate(value)) == value
