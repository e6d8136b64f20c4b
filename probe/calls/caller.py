"""Rule: targets are told beside one another, of each incident in order; nothing but this waits for any of them."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable

from probe.calls.sender import CallError, Sends
from probe.core.calls.queue import CallQueue, Told
from probe.core.results.live_state import CallState
from probe.host.clock import Clock
from probe.telemetry.logs import fields

log = logging.getLogger("probe.calls")

A_ROUND = 200  # deliveries to one target
AGAIN_S = 1.0  # while one does not answer, the others are told so often

Record = Callable[[Told], Awaitable[None]]


class Caller:
    """Sends what is due. `run` is to be called every second or so."""

    def __init__(self, queue: CallQueue, send: Sends, clock: Clock, record: Record) -> None:
        """`record`: puts on record what became of a call."""
        self._queue = queue
        self._send = send
        self._clock = clock
        self._record = record
        self._delivered: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._problems: dict[str, str] = {}

    def states(self) -> tuple[CallState, ...]:
        """Each target's."""
        return tuple(
            CallState(
                target=name,
                delivered=self._delivered[name],
                failed=self._failed[name],
                waiting=waiting,
                problem=self._problems.get(name),
            )
            for name, waiting in self._queue.waiting().items()
        )

    async def run(self) -> str | None:
        """One round; what could not be delivered, in words.

        Lasts until the slowest target answered, or did not in time; what comes up meanwhile is told to the others.
        """
        telling: dict[str, asyncio.Task[None]] = {}
        try:
            while True:
                for name in self._queue.names:
                    if name not in telling:
                        telling[name] = asyncio.create_task(self._tell(name))
                if telling:
                    await asyncio.wait(telling.values(), timeout=AGAIN_S)
                for name in [name for name, task in telling.items() if task.done()]:
                    telling.pop(name).result()
                if not telling:
                    break
        finally:
            for task in telling.values():
                task.cancel()
            await asyncio.gather(*telling.values(), return_exceptions=True)
        self._problems = {name: why for name, why in self._problems.items() if name in self._queue.names}
        return "; ".join(f"{name}: {why}" for name, why in sorted(self._problems.items())) or None

    async def _tell(self, name: str) -> None:
        for _ in range(A_ROUND):
            now_us = self._clock.time_ns() // 1000
            delivery = self._queue.due(name, now_us) if name in self._queue.names else None
            if delivery is None:
                return
            try:
                await self._send(delivery, now_us)
            except CallError as error:
                now_us = self._clock.time_ns() // 1000
                told = self._queue.failed(
                    delivery, now_us, str(error), refused=error.refused, pause_us=error.pause_us
                )
                self._failed[name] += 1
                self._problems[name] = str(error)
                if not told and delivery.stage is None:
                    log.warning("call.not_repeated", extra=fields(target=name, error=str(error)))
            else:
                told = self._queue.delivered(delivery, self._clock.time_ns() // 1000)
                self._problems.pop(name, None)
                self._delivered[name] += 1
            for each in told:
                await self._record(each)
