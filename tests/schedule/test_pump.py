"""The heartbeat of the schedule: at least four times a second, on the monotonic clock, whatever happens in it."""

from __future__ import annotations

import asyncio

import pytest

from probe.schedule.pump import HEARTBEAT_S, Pump
from tests.support.virtual import VirtualTime, run


@pytest.mark.parametrize("turns", range(4))
async def test_it_can_be_stopped_at_any_turn_of_the_loop(turns: int) -> None:
    pump = Pump(lambda: 0.0)
    pump.start()
    for _ in range(turns):
        await asyncio.sleep(0)
    pump.stop()
    runs = pump.runs
    for _ in range(10):
        await asyncio.sleep(0)
    assert pump.runs == runs, "no beat after the stop"
    pump.stop()


def test_a_beat_that_stops_it_is_the_last() -> None:
    time = VirtualTime()

    async def script() -> None:
        pump = Pump(lambda: pump.stop())
        pump.start()
        await asyncio.sleep(2)
        assert pump.runs == 1

    run(time, script())


@pytest.mark.parametrize(
    ("wish_s", "beats"), [(None, 8), (3600.0, 8), (HEARTBEAT_S, 8), (0.1, 20), (0.0, 1000), (-5.0, 1000)]
)
def test_at_least_each_heartbeat_earlier_where_wished_and_never_without_a_pause(
    wish_s: float | None, beats: int
) -> None:
    time = VirtualTime()

    async def script() -> None:
        pump = Pump(lambda: wish_s)
        pump.start()
        await asyncio.sleep(2)
        pump.stop()
        assert beats - 1 <= pump.runs <= beats + 1

    run(time, script())


def test_setting_the_wall_clock_changes_no_beat() -> None:
    time = VirtualTime()

    async def script() -> None:
        pump = Pump(lambda: None)
        pump.start()
        for step_s in (-3600, 366 * 86400):
            time.wall_offset_us += step_s * 1_000_000
            await asyncio.sleep(10)
        pump.stop()
        assert 79 <= pump.runs <= 81

    run(time, script())


def test_a_beat_that_fails_is_not_the_last() -> None:
    time = VirtualTime()
    seen: list[object] = []

    def broken() -> None:
        raise RuntimeError("a defect")

    async def script() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, about: seen.append(about["exception"]))
        pump = Pump(broken)
        pump.start()
        await asyncio.sleep(2)
        pump.stop()
        assert len(seen) == pump.runs >= 8

    run(time, script())
