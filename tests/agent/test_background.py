"""What works beside measuring is begun again when it fails, and ends with the agent."""

from __future__ import annotations

import asyncio

import pytest

from probe.agent import background as companions
from probe.agent.background import Service, readers_of, run_with_restart
from probe.core.config.results import ApiConfig
from tests.support.awake import Awake


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

    await asyncio.wait_for(run_with_restart("x", work, stop), 60)
    assert begun == 3
    assert [record.message for record in caplog.records] == ["companion.failed", "companion.ended"]


async def test_it_ends_at_once_while_it_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    stop = asyncio.Event()

    async def work(stop: asyncio.Event) -> None:
        raise OSError("always")

    running = asyncio.ensure_future(run_with_restart("x", work, stop))
    await asyncio.sleep(0)
    stop.set()
    async with Awake() as awake:
        await asyncio.wait_for(running, 60)
    assert awake.seconds < 0.5


async def test_each_follows_its_own_part_of_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(companions, "RECONCILE_S", 0.001)
    told: list[str] = []
    settings: dict[str, object] = {"a": 1, "b": 1}

    def work(name: str, value: object) -> companions.Work:
        async def run(stop: asyncio.Event) -> None:
            told.append(f"{name}{value} begins")
            await stop.wait()
            told.append(f"{name}{value} ends")

        return run

    async def until(count: int) -> None:
        while len(told) < count:
            await asyncio.sleep(0)

    stop = asyncio.Event()
    following = asyncio.ensure_future(
        companions.reconcile(lambda: {n: Service(v, work(n, v)) for n, v in settings.items()}, stop)
    )
    await asyncio.wait_for(until(2), 60)
    settings["b"] = 2
    await asyncio.wait_for(until(4), 60)
    del settings["a"]
    await asyncio.wait_for(until(5), 60)
    stop.set()
    await asyncio.wait_for(following, 60)
    assert told == ["a1 begins", "b1 begins", "b1 ends", "b2 begins", "a1 ends", "b2 ends"]


def test_whose_confirmation_retention_waits_for() -> None:
    api = ApiConfig.model_validate(
        {
            "tokens": [
                {"name": "both", "hash": "1", "customers": ["acme", "bolt"]},
                {"name": "all", "hash": "2", "customers": ["*"], "may": ["results", "ack"]},
                {"name": "looks", "hash": "3", "customers": ["acme"], "may": ["results"]},
            ]
        }
    )
    assert readers_of(api, "acme") == ["both", "all"]
    assert readers_of(api, "other") == ["all"]
