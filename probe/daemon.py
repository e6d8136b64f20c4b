"""Rule: only wiring: the store is opened before anything is measured and closed after everything is written.

SIGTERM and SIGINT drain: no new slots, running ones are finished within a deadline, the rest is marked aborted.
"""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from probe.agent import Agent, OnRow
from probe.core.config import Config
from probe.core.kinds import Kinds
from probe.io.clock import SystemClock
from probe.io.store import Store


def serve(config: Config, kinds: Kinds, *, seconds: float | None = None) -> None:
    """Run the agent until a signal comes, or for `seconds`. Raises StoreError if its store cannot be opened."""
    asyncio.run(_serve(config, kinds, seconds))


async def _serve(config: Config, kinds: Kinds, seconds: float | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    timer = loop.call_later(seconds, stop.set) if seconds is not None else None
    try:
        await run_until(config, kinds, stop)
    finally:
        if timer is not None:
            timer.cancel()


async def run_until(
    config: Config, kinds: Kinds, stop: asyncio.Event, *, on_row: OnRow | None = None
) -> None:
    """Open the store, run the agent until `stop`, close the store. For the daemon, the demo and tests."""
    clock = SystemClock()
    store = Store.open(Path(config.agent.results), config.agent.agent, clock)
    try:
        await Agent(config, kinds, store=store, clock=clock, on_row=on_row).run(stop)
    finally:
        await store.close()
