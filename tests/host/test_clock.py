"""Agent time: steps move nothing at once, drift is followed slowly."""

from __future__ import annotations

import time

import pytest

from probe.host.clock import AgentTime, SystemClock, rfc3339
from tests.support.virtual import WALL_US, VirtualTime


def test_agent_time_is_the_wall_clock_carried_on() -> None:
    clock = VirtualTime()
    agent = AgentTime(clock)
    begin = agent.now_us()
    assert begin == clock.time_ns() // 1000
    clock.now_us += 5_000_000
    assert agent.now_us() == begin + 5_000_000
    assert agent.stepped_us() is None


@pytest.mark.parametrize(
    ("step", "expected"),
    [(2_000_000, None), (2_000_001, 2_000_001), (-3_600_000_000, -3_600_000_000)],
)
def test_a_step_is_a_difference_of_more_than_two_seconds(step: int, expected: int | None) -> None:
    clock = VirtualTime()
    agent = AgentTime(clock)
    before = agent.now_us()
    clock.wall_offset_us = step
    assert agent.now_us() == before
    assert agent.stepped_us() == expected
    agent.reanchor()
    assert agent.now_us() == before + step
    assert agent.behind_us() == 0


@pytest.mark.parametrize("offset", [1_500_000, -1_500_000])
def test_a_small_difference_is_followed_and_time_never_goes_back(offset: int) -> None:
    clock = VirtualTime()
    agent = AgentTime(clock)
    clock.wall_offset_us = offset
    last = agent.now_us()
    for _ in range(2_000):
        clock.now_us += 250_000
        agent.follow()
        now = agent.now_us()
        assert 249_000 <= now - last <= 251_000
        last = now
    assert agent.behind_us() == 0


def test_following_loses_no_fraction() -> None:
    clock = VirtualTime()
    agent = AgentTime(clock)
    for _ in range(10_000):
        clock.now_us += 1
        agent.follow()
    assert agent.now_us() == clock.time_ns() // 1000


def test_the_time_of_a_suspension_passes() -> None:
    clock = VirtualTime()
    slept = 0
    clock.elapsed_ns = lambda: (clock.now_us + slept) * 1000  # type: ignore[attr-defined]
    agent = AgentTime(clock)
    before = agent.now_us()
    slept = clock.wall_offset_us = 3_600_000_000
    assert agent.now_us() == before + slept
    assert agent.stepped_us() is None


def test_the_system_clock_is_the_hosts() -> None:
    clock = SystemClock()
    assert time.time_ns() <= clock.time_ns() <= time.time_ns()
    assert time.monotonic_ns() <= clock.monotonic_ns() <= time.monotonic_ns()
    first = clock.elapsed_ns()
    assert clock.elapsed_ns() >= first


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (WALL_US * 1000 + 1_999, "2023-11-14T22:13:20.000001Z"),
        (1_795_999_999_999_999_999, "2026-11-30T00:53:19.999999Z"),
    ],
)
def test_times_are_rfc_3339_in_utc_and_never_rounded_up(ns: int, text: str) -> None:
    assert rfc3339(ns) == text
