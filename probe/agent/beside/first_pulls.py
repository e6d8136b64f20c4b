"""Rule: what was reported to whom, and by when, stands in the stream itself, where nobody can change it afterwards.

Contracts count only what was reported within a day. The API's process notes which lines each reader received
(`probe.store.acks`); from there it becomes the event `reader.first_pulled`, an hour apart at most for each reader and
stream, at once for the first. Its `pulled_at` is when the last of the lines had been received: none was later. How far
that has been told is kept in `_first_pulls.json`; where it is lost, it is told again, which contradicts nothing.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from pathlib import Path

from probe.agent.housekeeping import Event
from probe.core.model.times import epoch_s
from probe.core.results.witnessing import FIRST_PULLED, any_news
from probe.host.clock import Clock, rfc3339
from probe.host.files import write_whole
from probe.store.base.schema import StoreError
from probe.store.confirmations import ApiDbError, Confirmations, Received
from probe.store.read.reader import Reader
from probe.telemetry.logs import fields

log = logging.getLogger("probe.agent")

FILE = "_first_pulls.json"
ROUND_S = 60.0
EVERY_S = 3600.0  # between two events of one reader in one stream
LOOKED_AT = 16  # lines: more than these are news anyway


class FirstPulls:
    """Of one results directory. `run` is to be called every `ROUND_S`."""

    def __init__(self, directory: Path, agent: str, clock: Clock, event: Event) -> None:
        self._directory = directory
        self._agent = agent
        self._clock = clock
        self._event = event
        self._told: dict[str, tuple[int, str]] | None = (
            None  # reader and span -> up to where, and when it was told
        )

    async def run(self) -> str | None:
        """One look; what could not be read or written, in words."""
        try:
            for received, first in await asyncio.to_thread(lambda: list(self._untold())):
                detail = {
                    "reader": received.reader,
                    "first_seq": str(first),
                    "last_seq": str(received.last),
                    "pulled_at": received.at,
                }
                await self._event(FIRST_PULLED, detail, (received.customer,), agent=received.agent)
                await asyncio.to_thread(self._note, received)
        except (ApiDbError, StoreError, OSError) as error:
            log.error("readers.failed", extra=fields(error=str(error)))
            return str(error)
        return None

    def _untold(self) -> Iterator[tuple[Received, int]]:
        """What was received and is not told yet, with the first line of it."""
        told = self._told = _read(self._directory / FILE) if self._told is None else self._told
        now_s = self._clock.time_ns() / 1e9
        waiting = []
        for received in Confirmations(self._directory, self._agent).received():
            last, at = told.get(_key(received), (received.first - 1, None))
            if received.last > last and (at is None or abs(now_s - epoch_s(at)) >= EVERY_S):
                waiting.append((received, last + 1))
        if not waiting:
            return
        with Reader.open(self._directory, self._agent) as reader:
            for received, first in waiting:
                reader.agent = received.agent
                count = min(LOOKED_AT, received.last - first + 1)
                lines = reader.lines(received.customer, first - 1, count)
                if received.last - first >= LOOKED_AT or any_news(line.text.encode() for line in lines):
                    yield received, first

    def _note(self, received: Received) -> None:
        assert self._told is not None
        self._told[_key(received)] = received.last, rfc3339(self._clock.time_ns())
        data = {key: {"last": last, "at": at} for key, (last, at) in sorted(self._told.items())}
        write_whole(self._directory / FILE, json.dumps(data, indent=1).encode() + b"\n", 0o600)


def _key(received: Received) -> str:
    return f"{received.agent}/{received.customer}/{received.reader}/{received.first}"


def _read(path: Path) -> dict[str, tuple[int, str]]:
    """What was told; nothing where the file is not there or is damaged."""
    try:
        found = json.loads(path.read_bytes())
        return {str(key): (int(value["last"]), str(value["at"])) for key, value in found.items()}
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return {}
