"""What stamps a store of a test, without a socket."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from probe.agent.events import EventWriter
from probe.core.config.results import TimestampConfig
from probe.seal.stamps.stamper import Stamper
from probe.store.store import Store
from tests.seal.made import AGENT, CUSTOMERS, STATE, SetClock
from tests.support.authority import Pki
from tests.support.rows import HOST


@dataclass
class Direct:
    """An authority without HTTP."""

    pki: Pki

    async def ask(self, request: bytes) -> bytes:
        """Its reply."""
        return await asyncio.to_thread(self.pki.reply, request)


def stamper_of(store: Store, directory: Path, clock: SetClock, pki: Pki) -> Stamper:
    """As an agent would have it, asking that authority."""
    events = EventWriter(store, clock, lambda: HOST, lambda: CUSTOMERS, lambda name: None)
    config = TimestampConfig(url="http://127.0.0.1/", ca=str(pki.ca))
    return Stamper(directory, AGENT, config, clock, events.append, asked=Direct(pki), state=lambda: STATE)
