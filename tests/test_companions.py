"""What works beside measuring is begun again when it fails, and ends with the agent."""

from __future__ import annotations

import asyncio

import pytest

from probe import companions
from probe.companions import kept_running


async def test_a_companion_that_fails_is_begun_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(companions, "FIRST_PAUSE_S", 0.001)
    stop = asyncio.Event()
    begun = 0

    async def work(stop: asyncio.Event) -> None:
        nonlocal begun
        begun += 1
        if begun == 1:
            raise RuntimeError("once")
        if begun == 2:
            return
        stop.set()

    await asyncio.wait_for(kept_running("x", work, stop), 5)
    assert begun == 3
    assert [record.message for record in caplog.records] == ["companion.failed", "companion.ended"]


async def test_it_ends_at_once_while_it_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    stop = asyncio.Event()

    async def work(stop: asyncio.Event) -> None:
        raise OSError("always")

    running = asyncio.ensure_future(kept_running("x", work, stop))
    await asyncio.sleep(0)
    stop.set()
    await asyncio.wait_for(running, 0.5)
