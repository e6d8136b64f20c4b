"""Rule: an agent that is told to end ends, also where the disk refuses: what still waits is the store's last try."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from probe.store.store import Health
from probe.telemetry.logs import fields

log = logging.getLogger("probe.agent")

REFUSED_S = 5.0
"""With ten seconds of draining, twice this and the store's thirty it ends before systemd ends it."""
LOOK_S = 0.1


async def drain_or_abandon(
    work: Coroutine[Any, Any, None],
    health: Callable[[], Health],
    *,
    after_s: float = 0.0,
    immediate: asyncio.Event | None = None,
) -> None:
    """Await work that writes; abandon it once writing has been refused for `REFUSED_S`, counted from `after_s` on.

    `immediate`, once set: abandon it as soon as writing is refused. What was handed to the store stays with it.
    """
    doing, loop = asyncio.ensure_future(work), asyncio.get_running_loop()
    well_s = loop.time() + after_s
    try:
        while not (await asyncio.wait({doing}, timeout=LOOK_S))[0]:
            now_s, state = loop.time(), health()
            if state.trouble is None:
                well_s = max(well_s, now_s)
            elif (immediate is not None and immediate.is_set()) or now_s - well_s >= REFUSED_S:
                log.error("agent.ends_unwritten", extra=fields(records=state.queued, trouble=state.trouble))
                return
        doing.result()
    finally:
        doing.cancel()
        await asyncio.wait({doing})
