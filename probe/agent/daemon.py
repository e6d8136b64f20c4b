"""Rule: only wiring: the store is opened before anything is measured and closed after everything is written.

SIGTERM and SIGINT drain: no new slots, running ones are finished within a deadline, the rest is marked aborted; a
second one ends the waiting. SIGHUP takes changed files over.
The service manager is notified when measuring and draining begin, and its watchdog is fed (`probe.agent.watchdog`).
"""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from pathlib import Path
from typing import Literal

from probe.agent.agent import Agent
from probe.agent.background import run_services
from probe.agent.housekeeping import limits_of
from probe.agent.parts import build
from probe.agent.row_sink import OnRow
from probe.agent.watchdog import Progress, watchdog_fed
from probe.core.config.load import Config
from probe.core.content.check_kind import Kinds
from probe.host.clock import SystemClock
from probe.host.gc import settle
from probe.host.memory import given_back, keep_little
from probe.host.systemd import Notifier
from probe.net.event_loop import on_signals, run
from probe.seal.keys import KeyFileError, Keys
from probe.seal.known_ends import known_ends
from probe.settings.permissions import not_our_own
from probe.store.store import Store, StoreError
from probe.telemetry.logs import fields

log = logging.getLogger("probe.agent")

LAST_TRY_S, IMMEDIATE_S = 30.0, 2.0  # for what waits for the disk when the agent ends


def serve(
    config: Config, kinds: Kinds, *, seconds: float | None = None, config_file: Path | None = None
) -> None:
    """Run the agent until a signal comes, or for `seconds`. Raises StoreError if its store cannot be opened.

    `config_file`: where `config` was read from, to reload it.
    """
    run(_serve(config, kinds, seconds, config_file))


async def _serve(config: Config, kinds: Kinds, seconds: float | None, config_file: Path | None) -> None:
    notifier = Notifier.from_environment()
    stop, hangup = Stop(notifier), asyncio.Event()
    loop = asyncio.get_running_loop()
    timer = loop.call_later(seconds, stop.set) if seconds is not None else None
    settle()
    keep_little()
    with on_signals((signal.SIGTERM, signal.SIGINT), stop.set), on_signals((signal.SIGHUP,), hangup.set):
        try:
            async with given_back():
                await run_until(
                    config, kinds, stop, notifier=notifier, config_file=config_file, hangup=hangup
                )
        finally:
            if timer is not None:
                timer.cancel()


class Stop(asyncio.Event):
    """The event that ends the agent. The agent waits for it once it measures: that is when it is ready."""

    def __init__(self, notifier: Notifier) -> None:
        super().__init__()
        self._notifier = notifier
        self.immediate = asyncio.Event()

    async def wait(self) -> Literal[True]:
        """Ready, unless it was set before."""
        if not self.is_set():
            self._notifier.ready()
        return await super().wait()

    def set(self) -> None:
        """Draining begins; a second call ends the waiting for what runs."""
        if self.is_set():
            self.immediate.set()
        self._notifier.stopping()
        super().set()


async def run_until(
    config: Config,
    kinds: Kinds,
    stop: asyncio.Event,
    *,
    on_row: OnRow | None = None,
    notifier: Notifier | None = None,
    config_file: Path | None = None,
    hangup: asyncio.Event | None = None,
) -> None:
    """Open the store, run the agent until `stop`, close the store. For the daemon, the demo and tests.

    Each time `hangup` is set, the agent reloads from `config_file`.
    """
    clock, immediate = SystemClock(), getattr(stop, "immediate", None)
    limits = limits_of(config.agent.keep)
    if (problem := not_our_own(Path(config.agent.results))) is not None:
        raise StoreError(problem)
    results = Path(config.agent.results)
    store = Store.open(results, config.agent.agent, clock, limits=limits, known=known_ends(results))
    try:
        make_key(results)
        shown = () if on_row is None else (on_row,)
        parts = build(config, kinds, store=store, clock=clock, on_row=shown)
        agent = Agent(parts, config_file=config_file)
        notifier = notifier or Notifier()
        progress = Progress(lambda: store.health, lambda: agent.plan.tasks, time.monotonic)
        async with watchdog_fed(notifier, progress):
            reloading = asyncio.create_task(_reload_on(hangup, agent, notifier))
            try:
                async with run_services(agent, store, clock, config_file):
                    await agent.run(stop, immediate=immediate)
            finally:
                reloading.cancel()
                at_once = immediate is not None and immediate.is_set()
                # Within: closing may take as long as a watchdog's period.
                await store.close(within_s=IMMEDIATE_S if at_once else LAST_TRY_S)
    finally:
        await store.close()


def make_key(directory: Path) -> None:
    """Every agent has its key from its first start on: who pulls or seals later has the same one from the beginning.

    A key that cannot be used keeps nobody from measuring: whoever needs it (sealing, the API) says so again.
    """
    try:
        Keys.open(directory)
    except KeyFileError as error:
        log.error("keys.not_usable", extra=fields(error=str(error)))


async def _reload_on(hangup: asyncio.Event | None, agent: Agent, notifier: Notifier) -> None:
    """The manager hears of the beginning and the end of each reload."""
    while hangup is not None:
        await hangup.wait()
        hangup.clear()
        with notifier.reloading():
            await agent.reload()
