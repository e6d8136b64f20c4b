"""Rule: what works beside measuring may fail by itself, is begun again, and never stops a measurement.

The services of the daemon beside the agent: the control socket, the API's process, and jobs of the agent's
(`probe.schedule.jobs`): housekeeping, a look at the store's files, sealing, time stamps, what readers received. Each is
made from its own part of agent.yaml: when that changes with a reload, it is ended and begun anew. One that ends or
fails by itself is begun again after longer and longer pauses.
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
from probe.agent.beside.first_pulls import ROUND_S as PULLS_S
from probe.agent.beside.first_pulls import FirstPulls
from probe.agent.beside.incidents import ROUND_S as INCIDENTS_S
from probe.agent.beside.incidents import Incidents
from probe.agent.housekeeping import LOOK_S, ROUND_S, Housekeeping
from probe.agent.live import Live
from probe.api.process import ApiProcess
from probe.calls.caller import Caller
from probe.calls.sender import HttpSender
from probe.control.server import ControlServer
from probe.core.config.results import ApiConfig
from probe.core.results.retention import Stream
from probe.host.clock import Clock
from probe.schedule.jobs import Job, Jobs
from probe.seal.sealer import Sealer
from probe.seal.stamps.stamper import Stamper
from probe.store.confirmations import Confirmations
from probe.store.read.reader import Reader
from probe.store.store import Store
from probe.telemetry.logs import fields

log = logging.getLogger("probe.companions")

RECONCILE_S = 1.0
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0

Work = Callable[[asyncio.Event], Awaitable[None]]  # runs until the event is set


@dataclass(frozen=True, slots=True)
class Service:
    """`settings`: what of the configuration it was made from; when they differ, it is made anew."""

    settings: object
    work: Work


Wanted = Callable[[], Mapping[str, Service]]


@asynccontextmanager
async def run_services(
    agent: Agent, store: Store, clock: Clock, config_file: Path | None
) -> AsyncIterator[None]:
    """Run every service of the agent until the block is left."""
    stop, live = asyncio.Event(), Live(agent, store, clock)
    told = incidents_of(agent, clock, live)
    running = asyncio.create_task(
        reconcile(lambda: services(agent, store, clock, config_file, live, told), stop)
    )
    try:
        yield
    finally:
        stop.set()
        await running


@dataclass(frozen=True, slots=True)
class Telling:
    """Incidents, and who is called about them. They are begun with the agent and go on over reloads."""

    incidents: Incidents
    caller: Caller


def incidents_of(agent: Agent, clock: Clock, live: Live) -> Telling:
    """From now on they are shown what the agent stores."""
    parts, config = agent.parts, agent.config.agent
    incidents = Incidents(
        Path(config.results), lambda: agent.config, lambda: agent.plan, clock, parts.events.append
    )
    caller = Caller(incidents.queue, HttpSender(config.agent), clock, incidents.record)
    parts.on_row.append(incidents.row)
    parts.events.on_event.append(incidents.event)
    live.incidents, live.calls = incidents.open, caller.states
    return Telling(incidents, caller)


def services(
    agent: Agent, store: Store, clock: Clock, config_file: Path | None, live: Live, told: Telling
) -> Mapping[str, Service]:
    """By name; those that the configuration in force asks for. The API reads its tokens itself, at each request."""
    config = agent.config.agent
    directory = Path(config.results)
    found: dict[str, Service] = {}
    keeping = Housekeeping(directory, store, config.keep, clock, agent.record_event, lambda: confirmed(agent))
    housekeeping = partial(agent.parts.jobs.add, "housekeeping", keeping.run, lambda: ROUND_S, first_s=0.0)
    found["housekeeping"] = Service(
        config.keep, partial(_recurring, agent.parts.jobs, partial(housekeeping, end_run=keeping.end_run))
    )
    looking = partial(agent.parts.jobs.add, "store", partial(_look, keeping, live), lambda: LOOK_S)
    found["store"] = Service(config.keep, partial(_recurring, agent.parts.jobs, looking))
    finding = partial(agent.parts.jobs.add, "incidents", told.incidents.run, lambda: INCIDENTS_S)
    found["incidents"] = Service(None, partial(_recurring, agent.parts.jobs, finding))
    if config.calls:
        calling = partial(agent.parts.jobs.add, "calls", told.caller.run, lambda: INCIDENTS_S)
        found["calls"] = Service(None, partial(_recurring, agent.parts.jobs, calling))
    found["control"] = Service(None, ControlServer(directory, live.handlers()).run)
    if config.segments is not None:
        sealer = Sealer(directory, config.segments, clock)
        sealing = partial(agent.parts.jobs.add, "sealing", sealer.run, sealer.delay_s, end_run=sealer.end_run)
        found["sealing"] = Service(config.segments, partial(_recurring, agent.parts.jobs, sealing))
    if config.timestamp is not None:
        stamper = Stamper(directory, config.agent, config.timestamp, clock, agent.record_event)
        found["stamping"] = Service(
            (config.timestamp, config.agent),
            partial(
                _stamping,
                live,
                stamper,
                partial(agent.parts.jobs.add, "stamping", stamper.run, stamper.delay_s),
                agent.parts.jobs,
            ),
        )
    if config.api is not None and config_file is not None:
        pulls = FirstPulls(directory, config.agent, clock, agent.record_event)
        looking = partial(agent.parts.jobs.add, "readers", pulls.run, lambda: PULLS_S)
        found["readers"] = Service(config.agent, partial(_recurring, agent.parts.jobs, looking))
        api = ApiProcess(config_file)
        settings = config.api.listen, config.api.tls
        found["api"] = Service(settings, lambda stop: _serving(api, stop))
    return found


async def _look(keeping: Housekeeping, live: Live) -> str | None:
    """At the store's files, and whether the disk answers."""
    live.unanswered.look()
    return await keeping.look()


async def _recurring(jobs: Jobs, add: Callable[[], Job], stop: asyncio.Event) -> None:
    """A job of the agent's until `stop`."""
    job = add()
    try:
        await stop.wait()
    finally:
        await jobs.remove(job)


async def _stamping(
    live: Live, stamper: Stamper, add: Callable[[], Job], jobs: Jobs, stop: asyncio.Event
) -> None:
    """As a job until `stop`; meanwhile its state is part of the agent's."""
    live.stamps = stamper.state
    try:
        await _recurring(jobs, add, stop)
    finally:
        live.stamps = None


def confirmed(agent: Agent) -> Mapping[Stream, int]:
    """Stream -> `seq` up to which all readers have confirmed that may; without one that nobody may confirm.

    Streams of earlier names of the agent wait for their own confirmations.
    """
    config = agent.config.agent
    if config.api is None:
        return {}
    directory, found = Path(config.results), dict[Stream, int]()
    with Reader.open(directory) as reader:
        agents = {config.agent, *(name for name, _, _ in reader.streams())}
    for customer in agent.plan.customers:
        if readers := readers_of(config.api, customer):
            for name in agents:
                found[name, customer] = Confirmations(directory, name).confirmed(customer, readers)
    return found


def readers_of(api: ApiConfig, customer: str) -> list[str]:
    """Names of the tokens whose holder may confirm the customer's results."""
    return [
        token.name
        for token in api.tokens
        if "ack" in token.may and (customer in token.customers or "*" in token.customers)
    ]


async def reconcile(wanted: Wanted, stop: asyncio.Event) -> None:
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
                task = asyncio.create_task(run_with_restart(name, companion.work, ending), name=name)
                running[name] = companion.settings, ending, task
        try:
            async with asyncio.timeout(RECONCILE_S):
                await stop.wait()
        except TimeoutError:
            continue
    for _, ending, _ in running.values():
        ending.set()
    await asyncio.gather(*(task for _, _, task in running.values()))


async def run_with_restart(name: str, work: Work, stop: asyncio.Event) -> None:
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
            async with asyncio.timeout(pause_s):
                await stop.wait()
        except TimeoutError:
            pause_s = min(LONGEST_PAUSE_S, 2 * pause_s)


async def _serving(api: ApiProcess, stop: asyncio.Event) -> None:
    api.start()
    try:
        await stop.wait()
    finally:
        await api.stop()
