"""Rule: what works beside measuring may fail by itself, is begun again, and never stops a measurement.

The parts of the daemon that are not the agent: the store's housekeeping and whatever else runs for as long as it does.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from probe.agent import Agent
from probe.io.clock import Clock
from probe.io.store import Store
from probe.keeping import Keeper
from probe.logs import fields

log = logging.getLogger("probe.companions")

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0

Work = Callable[[asyncio.Event], Awaitable[None]]  # runs until the event is set


@asynccontextmanager
async def beside(agent: Agent, store: Store, clock: Clock) -> AsyncIterator[None]:
    """Run every companion of the agent until the block is left."""
    stop = asyncio.Event()
    running = [
        asyncio.create_task(kept_running(name, work, stop), name=name)
        for name, work in companions(agent, store, clock).items()
    ]
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(*running)


def companions(agent: Agent, store: Store, clock: Clock) -> Mapping[str, Work]:
    """By name; those that the configuration asks for."""
    config = agent.config.agent
    directory = Path(config.results)
    return {"keeper": Keeper(directory, store, config.keep, clock, agent.record_event).run}


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
