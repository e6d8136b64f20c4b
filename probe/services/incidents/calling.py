"""Rule: one incident over many hosts is one call; what was told, and what is still to be told, survives a restart.

The directory of state holds `incidents.json`, which is written anew after each round that told something, and
`calls.ndjson`, to which is added what was delivered and what failed.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import msgspec

from probe.calls.caller import Caller
from probe.calls.sender import Sends
from probe.core.calls.queue import CallQueue, Told
from probe.core.calls.target import Target
from probe.core.incidents.incident import Transition
from probe.core.incidents.tracker import Tracker
from probe.host.clock import Clock, rfc3339
from probe.host.files import write_whole
from probe.services.incidents.copies import CopyIncidents
from probe.telemetry.logs import fields

log = logging.getLogger("probe.incidents")

STATE, RECORD = "incidents.json", "calls.ndjson"


class _Kept(msgspec.Struct):
    tracker: msgspec.Raw
    calls: msgspec.Raw
    seqs: list[tuple[str, str, int]]


class Calling:
    """Tells targets what copies come to. `round` is to be called every few seconds."""

    def __init__(
        self, copies: CopyIncidents, targets: list[Target], directory: Path, send: Sends, clock: Clock
    ) -> None:
        """Goes on where the last run ended. Raises OSError where the directory cannot be used."""
        self._copies = copies
        self._clock = clock
        self._directory = directory
        self.queue = CallQueue(targets)
        self.caller = Caller(self.queue, send, clock, self._record)
        self._news = True
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._restore()

    async def put(self, told: Transition) -> None:
        """Have it told, and written down with the next round."""
        self._news = True
        for failed in self.queue.put(told, self._clock.time_ns() // 1000):
            await self._record(failed)

    async def round(self) -> str | None:
        """Send what is due, and write down what is known; what could not be delivered, in words."""
        if self._news:
            self._save()  # first: what was found is told once
        problem = await self.caller.run()
        if self._news:
            self._save()
        return problem

    async def _record(self, told: Told) -> None:
        self._news = True
        line = {"at": rfc3339(self._clock.time_ns()), "event": told.event, **told.detail}
        await asyncio.to_thread(self._add, msgspec.json.encode(line) + b"\n")
        log.warning(told.event, extra=fields(**told.detail))

    def _add(self, line: bytes) -> None:
        with open(self._directory / RECORD, "ab") as file:
            file.write(line)

    def _save(self) -> None:
        self._news = False
        seqs = [(agent, customer, seq) for (agent, customer), seq in self._copies.seqs.items()]
        kept = _Kept(msgspec.Raw(self._copies.tracker.state()), msgspec.Raw(self.queue.state()), seqs)
        write_whole(self._directory / STATE, msgspec.json.encode(kept) + b"\n", 0o600)

    def _restore(self) -> None:
        try:
            kept = msgspec.json.decode((self._directory / STATE).read_bytes(), type=_Kept)
            tracker = Tracker.restored(self._copies.tracker.rules, bytes(kept.tracker))
            self.queue.restore(bytes(kept.calls))
        except FileNotFoundError:
            return
        except ValueError as error:
            raise OSError(
                f"{self._directory / STATE}: {error}; move it away, and all that is open is told anew"
            ) from None
        self._copies.tracker = tracker
        self._copies.seqs = {(agent, customer): seq for agent, customer, seq in kept.seqs}
