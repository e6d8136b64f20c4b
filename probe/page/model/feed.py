"""Rule: a line is read once, when it comes; whatever is shown of it later is in the sums then.

Lines of streams, in order, and sums that were kept -> board, incidents, facts, sources. Nothing here opens anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from probe.core.proof.chain import Line
from probe.core.records.codec import decode, dropped_span
from probe.core.records.rows import EventRecord, Record, SlotRecord, State
from probe.core.scheduling.grid import to_us
from probe.core.sla.facts.grain_rows import GrainTable
from probe.core.tables.columns import Row
from probe.core.tables.rows import rows_of
from probe.page.model.board import GRAIN_US, Board
from probe.page.model.book import Book
from probe.page.model.facts import DomainFacts
from probe.page.model.values import Source

TookTrouble = Callable[[str, SlotRecord], None]


@dataclass(slots=True)
class _Stream:
    """How far one stream is read."""

    table: GrainTable
    seq: int = 0
    complete_up_to_us: int | None = None
    last_us: int | None = None
    clock: str | None = None


@dataclass(slots=True)
class Feed:
    """Everything that the page shows of some streams. `on_trouble`: is given each row in trouble, with its agent.

    `several`: of several agents, whose incidents are one where they are one.
    """

    several: bool = False
    on_trouble: TookTrouble | None = None
    board: Board = field(default_factory=Board)
    facts: dict[tuple[str, str], DomainFacts] = field(default_factory=dict)
    book: Book = field(init=False)
    _streams: dict[tuple[str, str], _Stream] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.book = Book(self.several)

    def after(self, agent: str, customer: str) -> int:
        """The seq of the last line that was taken of a stream."""
        found = self._streams.get((agent, customer))
        return 0 if found is None else found.seq

    def seed(self, agent: str, customer: str, rows: Iterable[Row], seq: int) -> None:
        """Kept sums of the lines up to `seq`, which are not taken any more."""
        stream = self._of(agent, customer)
        made = list(rows)
        self.board.add(made)
        for row in made:
            got: Any = row
            if got["address"] is not None and sum(got["ttfb_counts"]):
                facts = self.facts.setdefault((customer, got["domain"]), DomainFacts())
                at_us = got["grain"] * GRAIN_US
                facts.add_first_bytes((got["region"], got["carrier"]), at_us, got["ttfb_counts"])
        stream.seq = max(stream.seq, seq)

    def recall(self, agent: str, record: Record) -> None:
        """A record whose sums were given by `seed`: what else is shown of it. `settle` then."""
        if isinstance(record, EventRecord):
            self.book.event(record)
            return
        if record.state is State.MEASURED:
            facts = self.facts.setdefault((record.customer, record.domain), DomainFacts())
            facts.take(record, summed=True)
        if self.book.row(record) and self.on_trouble is not None:
            self.on_trouble(agent, record)

    def take(self, agent: str, customer: str, lines: Iterable[Line]) -> int:
        """The next lines of a stream; how many. `settle` then. Raises CodecError for what is no record."""
        stream = self._of(agent, customer)
        fresh, count = GrainTable.after(stream.table), 0
        for line in lines:
            self._line(stream, fresh, customer, line)
            stream.seq = line.seq
            count += 1
        if count:
            self.board.add(fresh.rows())
            self.board.trim()
            stream.table = fresh
        return count

    def settle(self, now_us: int | None = None, *, up_to_us: int | None = None) -> None:
        """What was taken of all streams is one story; up to a time that all have reached, where more is to come."""
        self.book.settle(now_us, up_to_us=up_to_us)

    def reached_us(self, agent: str, customer: str) -> int:
        """When the newest row was due that was taken of a stream; 0: none was."""
        found = self._streams.get((agent, customer))
        return 0 if found is None else found.last_us or 0

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

    def _of(self, agent: str, customer: str) -> _Stream:
        found = self._streams.get((agent, customer))
        if found is None:
            found = self._streams[agent, customer] = _Stream(GrainTable(agent))
        return found

    def _line(self, stream: _Stream, table: GrainTable, customer: str, line: Line) -> None:
        text = line.text.encode()
        if dropped_span(text) is not None:
            table.feed(rows_of(table.agent, customer, text))
            return
        record = decode(text)
        table.see(record)
        if record.complete_up_to is not None:
            stream.complete_up_to_us = to_us(record.complete_up_to)
        if isinstance(record, EventRecord):
            self.book.event(record)
            return
        stream.last_us = max(stream.last_us or 0, to_us(record.scheduled_at))
        stream.clock = None if record.clock is None else record.clock.vouched_by
        if record.state is State.MEASURED:
            self.facts.setdefault((customer, record.domain), DomainFacts()).take(record)
        if self.book.row(record) and self.on_trouble is not None:
            self.on_trouble(table.agent, record)
