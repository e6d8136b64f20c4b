"""Rule: a line is read once, when it comes; whatever is shown of it later is in the sums then.

Lines of streams, in order -> board, incidents, sources. Nothing here opens anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from probe.core.proof.chain import Line
from probe.core.scheduling.grid import to_us
from probe.core.sla.facts.grain_rows import GrainTable
from probe.core.sla.facts.stream import StreamFacts
from probe.core.tables.rows import rows_of
from probe.page.model.board import GRAIN_US, Board
from probe.page.model.trouble import TroubleBook
from probe.page.model.values import Source


class _Mark(msgspec.Struct):
    complete_up_to: str | None = None


_MARK = msgspec.json.Decoder(_Mark)


@dataclass(slots=True)
class _Stream:
    """How far one stream is read."""

    table: GrainTable
    looks: StreamFacts = field(default_factory=StreamFacts)
    seq: int = 0
    complete_up_to_us: int | None = None
    last_us: int | None = None
    clock: str | None = None


@dataclass(slots=True)
class Feed:
    """Everything that the page shows of some streams."""

    board: Board = field(default_factory=Board)
    book: TroubleBook = field(default_factory=TroubleBook)
    _streams: dict[tuple[str, str], _Stream] = field(default_factory=dict)

    def after(self, agent: str, customer: str) -> int:
        """The seq of the last line that was taken of a stream."""
        found = self._streams.get((agent, customer))
        return 0 if found is None else found.seq

    def take(self, agent: str, customer: str, lines: Iterable[Line]) -> int:
        """The next lines of a stream; how many. Raises CodecError for what is no record."""
        stream = self._streams.get((agent, customer))
        if stream is None:
            stream = self._streams[agent, customer] = _Stream(GrainTable(agent))
        fresh, count = GrainTable.after(stream.table), 0
        for line in lines:
            text = line.text.encode()
            rows = rows_of(agent, customer, text)
            fresh.feed(rows)
            for slot in rows.slots:
                self._slot(stream, slot, rows.requests)
            stream.seq = line.seq
            if (mark := _MARK.decode(text).complete_up_to) is not None:
                stream.complete_up_to_us = to_us(mark)
            count += 1
        if count:
            self.board.add(fresh.rows())
            self.board.trim()
            stream.table = fresh
        return count

    def told(self, agent: str, customer: str, complete_up_to: str | None) -> None:
        """What the living agent says of a stream that is read to its end."""
        stream = self._streams.get((agent, customer))
        if stream is not None and complete_up_to is not None:
            stream.complete_up_to_us = max(stream.complete_up_to_us or 0, to_us(complete_up_to))

    def sources(self, customers: frozenset[str] | None) -> tuple[Source, ...]:
        """Of these customers (None: of all)."""
        return tuple(
            Source(
                agent=agent,
                customer=customer,
                complete_up_to_us=of.complete_up_to_us,
                last_us=of.last_us,
                clock=of.clock,
            )
            for (agent, customer), of in sorted(self._streams.items())
            if customers is None or customer in customers
        )

    @property
    def newest_us(self) -> int:
        """The end of the newest five minutes that anything is of."""
        return (self.board.last + 1) * GRAIN_US

    def _slot(self, stream: _Stream, slot: Any, requests: Any) -> None:
        _, look = stream.looks.slot(slot, requests)
        self.book.feed(look)
        stream.last_us = max(stream.last_us or 0, look.scheduled_us)
        stream.clock = look.clock
