"""Rule: what works beside measuring may fail by itself, is begun again, and never stops a measurement.

The parts of the daemon that are not the agent: the store's housekeeping, the socket it is asked over, the sealing of
segments, the API's process.
Each follows its own part of agent.yaml: when that changes with a reload, it is ended and begun anew.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from probe.agent.agent import Agent
from probe.agent.housekeeping import ROUND_S, Keeper
from probe.agent.live import Live
from probe.api.process import ApiProcess
from probe.control.server import ControlServer
from probe.core.config.results import ApiConfig
from probe.host.clock import Clock
from probe.schedule.jobs import Job, Jobs
from probe.seal.sealer import Sealer
from probe.store.confirmations import Confirmations
from probe.store.store import Store
from probe.telemetry.logs import fields

log = logging.getLogger("probe.companions")

LOOK_S = 1.0
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0

Work = Callable[[asyncio.Event], Awaitable[None]]  # runs until the event is set


@dataclass(frozen=True, slots=True)
class Companion:
    """`settings`: what of the configuration it was made from; when they differ, it is made anew."""

    settings: object
    work: Work


Companions = Callable[[], Mapping[str, Companion]]


@asynccontextmanager
async def beside(agent: Agent, store: Store, clock: Clock, config_file: Path | None) -> AsyncIterator[None]:
    """Run every companion of the agent until the block is left."""
    stop, live = asyncio.Event(), Live(agent, store, clock)
    following = asyncio.create_task(follow(lambda: companions(agent, store, clock, config_file, live), stop))
    try:
        yield
    finally:
        stop.set()
        await following


def companions(
    agent: Agent, store: Store, clock: Clock, config_file: Path | None, live: Live
) -> Mapping[str, Companion]:
    """By name; those that the configuration in force asks for. The API reads its tokens itself, at each request."""
    config = agent.config.agent
    directory = Path(config.results)
    found: dict[str, Companion] = {}
    keeper = Keeper(directory, store, config.keep, clock, agent.record_event, lambda: confirmed(agent))
    housekeeping = partial(agent.parts.jobs.add, "housekeeping", keeper.run, lambda: ROUND_S, first_s=0.0)
    found["housekeeping"] = Companion(
        config.keep, partial(_recurring, agent.parts.jobs, partial(housekeeping, end_run=keeper.end_run))
    )
    found["control"] = Companion(None, ControlServer(directory, live.handlers()).run)
    if config.segments is not None:
        sealer = Sealer(directory, config.segments, clock)
        sealing = partial(agent.parts.jobs.add, "sealing", sealer.run, sealer.delay_s, end_run=sealer.end_run)
        found["sealing"] = Companion(config.segments, partial(_recurring, agent.parts.jobs, sealing))
    if config.api is not None and config_file is not None:
        api = ApiProcess(config_file)
        settings = config.api.listen, config.api.tls
        found["api"] = Companion(settings, lambda stop: _serving(api, stop))
    return found


async def _recurring(jobs: Jobs, add: Callable[[], Job], stop: asyncio.Event) -> None:
    """A job of the agent's until `stop`."""
    job = add()
    try:
        await stop.wait()
    finally:
        await jobs.remove(job)


def confirmed(agent: Agent) -> Mapping[str, int]:
    """Customer -> `seq` up to which all readers have confirmed that may; without a customer that nobody confirms."""
    config = agent.config.agent
    if config.api is None:
        return {}
    confirmations = Confirmations(Path(config.results), config.agent)
    found = {}
    for customer in agent.plan.customers:
        readers = readers_of(config.api, customer)
        if readers:
            found[customer] = confirmations.confirmed(customer, readers)
    return found


def readers_of(api: ApiConfig, customer: str) -> list[str]:
    """Names of the tokens whose holder may confirm the customer's results."""
    return [
        token.name
        for token in api.tokens
        if "ack" in token.may and (customer in token.customers or "*" in token.customers)
    ]


async def follow(wanted: Companions, stop: asyncio.Event) -> None:
    """Keep those running that are wanted, each as its settings are now, until `stop`."""
    running: dict[str, tuple[object, asyncio.Event, asyncio.Task[None]]] = {}
    while not stop.is_set():
        now = wanted()
        for name, (settings, ending, task) in list(running.items()):
            if name not in now or now[name].settings != settings:
                ending.set()
                await task
                del running[name]
        for name, companion in now.items():
            if name not in running:
                ending = asyncio.Event()
                task = asyncio.create_task(kept_running(name, companion.work, ending), name=name)
                running[name] = companion.settings, ending, task
        try:
            await asyncio.wait_for(stop.wait(), LOOK_S)
        except TimeoutError:
            continue
    for _, ending, _ in running.values():
        ending.set()
    await asyncio.gather(*(task for _, _, task in running.values()))


async def kept_running(name: str, work: Work, stop: asyncio.Event) -> None:
    """Until `stop`: a companion that ends or fails before is begun again, after longer and longer pauses."""
    pause_s = FIRST_PAUSE_S
    while not stop.is_set():
        try:
            await work(stop)
            if stop.is_set():
                return
            log.error("companion.ended", extra=fields(name=name, again_in_s=pause_s))
        except Exception as error:
            log.error("companion.failed", exc_info=error, extra=fields(name=name, again_in_s=pause_s))
        try:
            await asyncio.wait_for(stop.wait(), pause_s)
        except TimeoutError:
            pause_s = min(LONGEST_PAUSE_S, 2 * pause_s)


async def _serving(api: ApiProcess, stop: asyncio.Event) -> None:
    api.start()
    try:
        await stop.wait()
    finally:
        await api.stop()
