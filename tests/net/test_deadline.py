"""One timer for all deadlines of an attempt: it rings when the last one set has come, and not before."""

from __future__ import annotations

import asyncio

import pytest

from probe.net.deadline import Alarm
from tests.support.virtual import VirtualTime, run


def _timers() -> int:
    return len([t for t in asyncio.get_running_loop()._scheduled if not t.cancelled()])  # type: ignore[attr-defined]


def test_it_rings_once_at_its_time() -> None:
    async def work() -> None:
        loop, times = asyncio.get_running_loop(), list[float]()
        began_s = loop.time()
        Alarm(loop).set(began_s + 0.02, lambda: times.append(loop.time() - began_s))
        await asyncio.sleep(0.05)
        assert times == [pytest.approx(0.02, abs=1e-5)]
        assert _timers() == 0

    run(VirtualTime(), work())


def test_what_was_put_off_rings_later_and_what_was_brought_forward_earlier() -> None:
    async def work() -> None:
        loop, told = asyncio.get_running_loop(), list[str]()
        began_s = loop.time()
        alarm = Alarm(loop)
        alarm.set(began_s + 0.01, lambda: told.append("first"))
        alarm.set(began_s + 0.05, lambda: told.append("second"))  # later: no timer is touched
        assert _timers() == 1
        await asyncio.sleep(0.03)
        assert told == []
        alarm.set(loop.time() + 60, lambda: told.append("third"))
        alarm.set(loop.time() + 0.01, lambda: told.append("fourth"))
        await asyncio.sleep(0.02)
        assert told == ["fourth"]
        await asyncio.sleep(100)
        assert told == ["fourth"]
        assert _timers() == 0

    run(VirtualTime(), work())


def test_after_its_end_it_is_silent() -> None:
    async def work() -> None:
        loop, told = asyncio.get_running_loop(), list[str]()
        alarm = Alarm(loop)
        alarm.set(loop.time() + 0.01, lambda: told.append("rung"))
        alarm.end()
        assert _timers() == 0
        await asyncio.sleep(0.02)
        assert told == []

    run(VirtualTime(), work())
