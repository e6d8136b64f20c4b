"""The heartbeat ends without a word, at whatever moment it is told to."""

from __future__ import annotations

import asyncio
import logging

import pytest

from probe.schedule.pump import Pump


@pytest.mark.parametrize("turns", range(8))
async def test_it_can_be_stopped_at_any_turn_of_the_loop(
    turns: int, caplog: pytest.LogCaptureFixture
) -> None:
    """APScheduler tells of a job that it cancels as of a failure, with a traceback."""
    caplog.set_level(logging.DEBUG, "apscheduler")
    pump = Pump(lambda: None)
    pump.start()
    for _ in range(turns):
        await asyncio.sleep(0)
    await pump.stop()
    runs = pump.runs
    for _ in range(10):
        await asyncio.sleep(0)
    assert pump.runs == runs, "no beat after the stop"
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
    await pump.stop()
