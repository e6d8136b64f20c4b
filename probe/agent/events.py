"""Rule: what happened to the agent stands in the stream of each customer whom it concerns, before what followed it.

`EventWriter.append` writes an event into streams and waits until it is stored; `append_soon` does not wait. Events
are stored in the order of these calls, and before rows that are handed over later.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from probe.core.model.value import replace
from probe.core.records.surroundings import HostFacts
from probe.core.results.rows import event_row
from probe.host.clock import Clock, rfc3339
from probe.store.store import Store
from probe.telemetry.logs import fields

log = logging.getLogger("probe.agent")

LOGGED_CHARACTERS = 500
OnEvent = Callable[[str, dict[str, str]], None]


class EventWriter:
    """Writes events into streams, and to the log. For the event loop's thread."""

    def __init__(
        self,
        store: Store | None,
        clock: Clock,
        facts: Callable[[], HostFacts],
        customers: Callable[[], Iterable[str]],
        complete_up_to: Callable[[str], str | None],
    ) -> None:
        """`facts`: of this host now; `customers`: who is measured; `complete_up_to(customer)`: as in a record."""
        self._store = store
        self._clock = clock
        self._facts = facts
        self._customers = customers
        self._complete_up_to = complete_up_to
        self._writes: set[asyncio.Task[None]] = set()
        self.on_event: list[OnEvent] = []

    async def append(
        self,
        event: str,
        detail: dict[str, str],
        customers: Iterable[str] | None = None,
        level: int = logging.INFO,
        *,
        agent: str | None = None,
    ) -> None:
        """Append the same event to every customer's stream: a reader of one stream sees it too. Stored on return.

        `customers`: only to their streams, where it does not concern the others. `agent`: to the streams of an earlier
        name of this agent, which the event then bears.
        """
        assert self._store is not None, "only who keeps results has streams"
        for on_event in self.on_event:
            on_event(event, detail)
        host, now = self._facts(), rfc3339(self._clock.time_ns())
        earlier = None if agent == host.agent else agent
        if earlier is not None:
            host = replace(host, agent=earlier)
        if customers is None:
            customers = self._customers()
        writes: list[Coroutine[Any, Any, object]] = []
        for name in customers:
            row = event_row(name, now, event, detail, host)
            complete_up_to = self._complete_up_to(name) if earlier is None else None
            writes.append(self._store.append([row], complete_up_to, earlier))
        if writes:
            log.log(
                level, event, extra=fields(**_logged(detail))
            )  # at once: the disk may be what is in trouble
            await asyncio.gather(*writes)

    def spawn(self, work: Coroutine[None, None, None]) -> None:
        """Have it done without waiting for it."""
        task = asyncio.ensure_future(work)
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)

    def append_soon(
        self,
        event: str,
        detail: dict[str, str],
        customers: Iterable[str] | None = None,
        level: int = logging.INFO,
    ) -> None:
        """`append`, without waiting for it."""
        self.spawn(self.append(event, detail, customers, level))

    async def drain(self) -> None:
        """Until all that was spawned is done."""
        while self._writes:
            await asyncio.gather(*self._writes)


def _logged(detail: dict[str, str]) -> dict[str, str]:
    """For a line of the log, which has to be read and forwarded: the event in the stream has each value whole."""
    return {name: _cut(value) for name, value in detail.items()}


def _cut(value: str) -> str:
    """Behind its last whole word that fits."""
    if len(value) <= LOGGED_CHARACTERS:
        return value
    begin = value[:LOGGED_CHARACTERS].rsplit(" ", 1)[0]
    return f"{begin} ... ({len(value)} characters in the event)"
