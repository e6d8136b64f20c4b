"""Rule: the bytes behind an observation are kept while their slot lasts, bounded, and redacted before they are seen.

The pipeline opens a `Collector` for a slot; fetches and look-ups made within it, also in tasks started there, add what
crossed the wire. Without a collector nothing is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from probe.core.records.dns import DnsQuery
from probe.core.records.observation import Observation
from probe.core.results.bundle import BODY_HEAD_BYTES, HEAD_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """What crossed the wire for one observation. `body`: the first decoded bytes; `whole`: that is all of it.

    `source`, `address`, `port` are the connection's ends, by which its observation is found again.
    """

    source: str | None
    address: str
    port: int
    request_head: str
    response_head: bytes
    body: bytes
    whole: bool
    certificates: tuple[bytes, ...]

    def belongs_to(self, observation: Observation) -> bool:
        """Whether this is the connection of that observation."""
        ends = observation.source, observation.address, observation.port
        return self.source is not None and (self.source, self.address, self.port) == ends


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturedMessages:
    """One DNS question and its response as they crossed the wire, with the record made of them."""

    query: DnsQuery
    sent: bytes
    received: bytes | None


@dataclass(slots=True)
class Collector:
    """What one slot keeps. `body_bytes`: how much of each body; raised before bodies are to be compared."""

    body_bytes: int = BODY_HEAD_BYTES
    messages: list[CapturedMessages] = field(default_factory=list)
    _exchanges: list[Callable[[], Captured]] = field(default_factory=list)

    def keep(self, captured: Callable[[], Captured]) -> None:
        """One exchange; it is put together only if the slot's evidence is wanted, as that of few slots is."""
        self._exchanges.append(captured)

    @property
    def exchanges(self) -> list[Captured]:
        """All that was kept, in the order in which it ended."""
        return [captured() for captured in self._exchanges]


_collector: ContextVar[Collector | None] = ContextVar("collector", default=None)


def collector() -> Collector | None:
    """The collector of the slot that is being measured here, if any."""
    return _collector.get()


@contextmanager
def collecting() -> Iterator[Collector]:
    """Collect what is fetched and looked up within, by this task and those that it starts."""
    made = Collector()
    token = _collector.set(made)
    try:
        yield made
    finally:
        _collector.reset(token)


def cut(head: bytes) -> bytes:
    """A head as it is kept."""
    return head[:HEAD_BYTES]
