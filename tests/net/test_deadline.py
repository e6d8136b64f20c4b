"""One timer for all deadlines of an attempt: it rings when the last one set has come, and not before."""

from __future__ import annotations

import asyncio
import time

from probe.net.deadline import Alarm


def _timers() -> int:
    return len([t for t in asyncio.get_running_loop()._scheduled if not t.cancelled()])  # type: ignore[attr-defined]


async def test_it_rings_once_at_its_time() -> None:
    loop, rung = asyncio.get_running_loop(), asyncio.Event()
    times: list[float] = []
    alarm = Alarm(loop)
    began = time.monotonic()
    alarm.set(loop.time() + 0.02, lambda: (times.append(time.monotonic() - began), rung.set()))  # type: ignore[func-returns-value]
    await asyncio.wait_for(rung.wait(), 60)
    await asyncio.sleep(0.03)
    assert len(times) == 1
    assert times[0] >= 0.019
    assert _timers() == 0


async def test_what_was_put_off_rings_later_and_what_was_brought_forward_earlier() -> None:
    loop, told = asyncio.get_running_loop(), []
    began, over = loop.time(), asyncio.Event()
    alarm = Alarm(loop)
    alarm.set(began + 0.01, lambda: told.append("first"))
    alarm.set(began + 0.05, lambda: told.append("second"))  # later: no timer is touched
    assert _timers() == 1
    await asyncio.sleep(0.03)
    assert told == []
    alarm.set(loop.time() + 60, lambda: told.append("third"))
    alarm.set(loop.time() + 0.01, lambda: (told.append("fourth"), over.set()))  # type: ignore[func-returns-value]
    await asyncio.wait_for(over.wait(), 60)
    await asyncio.sleep(0.05)
    assert told == ["fourth"]
    assert _timers() == 0


async def test_after_its_end_it_is_silent() -> None:
    loop, told = asyncio.get_running_loop(), []
    alarm = Alarm(loop)
    alarm.set(loop.time() + 0.01, lambda: told.append("rung"))
    alarm.end()
    assert _timers() == 0
    await asyncio.sleep(0.02)
    assert told == []
