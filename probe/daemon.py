"""Rule: only wiring: the store is opened before anything is measured and closed after everything is written.

SIGTERM and SIGINT drain: no new slots, running ones are finished within a deadline, the rest is marked aborted.
The service manager is told when measuring and draining begin, and its watchdog is fed (`probe.watchdog`).
"""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path
from typing import Literal

from probe.agent import Agent, OnRow
from probe.core.config import Config
from probe.core.kinds import Kinds
from probe.io.clock import SystemClock
from probe.io.notify import Notifier
from probe.io.store import Store
from probe.watchdog import Progress, fed


def serve(config: Config, kinds: Kinds, *, seconds: float | None = None) -> None:
    """Run the agent until a signal comes, or for `seconds`. Raises StoreError if its store cannot be opened."""
    asyncio.run(_serve(config, kinds, seconds))


async def _serve(config: Config, kinds: Kinds, seconds: float | None) -> None:
    notifier = Notifier.from_environment()
    stop = Stop(notifier)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    timer = loop.call_later(seconds, stop.set) if seconds is not None else None
    try:
        await run_until(config, kinds, stop, notifier=notifier)
    finally:
        if timer is not None:
            timer.cancel()


class Stop(asyncio.Event):
    """The event that ends the agent. The agent waits for it once it measures: that is when it is ready."""

    def __init__(self, notifier: Notifier) -> None:
        super().__init__()
        self._notifier = notifier

    async def wait(self) -> Literal[True]:
        """Ready, unless it was set before."""
        if not self.is_set():
            self._notifier.ready()
        return await super().wait()

    def set(self) -> None:
        """Draining begins. Safe to call twice."""
        self._notifier.stopping()
        super().set()


async def run_until(
    config: Config,
    kinds: Kinds,
    stop: asyncio.Event,
    *,
    on_row: OnRow | None = None,
    notifier: Notifier | None = None,
) -> None:
    """Open the store, run the agent until `stop`, close the store. For the daemon, the demo and tests."""
    clock = SystemClock()
    store = Store.open(Path(config.agent.results), config.agent.agent, clock)
    try:
        agent = Agent(config, kinds, store=store, clock=clock, on_row=on_row)
        progress = Progress(lambda: store.health, lambda: agent.plan.tasks, time.monotonic)
        async with fed(notifier or Notifier(), progress):
            try:
                await agent.run(stop)
            finally:
                await store.close()  # within: closing may take as long as a watchdog's period
    finally:
        await store.close()
