"""Rule: nothing is computed from what was not verified, unless somebody says so in words, and the report prints them.

Paths -> what was proved of each, and the facts of one customer's rows in them, each row once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from probe.core.proof.findings import Problem, StreamReport
from probe.core.sla.facts.row import FactRow, SlotLook
from probe.core.sla.facts.stream import FirstPull, Lost, StreamFacts
from probe.core.tables.rows import rows_of
from probe.seal.proofs import Stream
from probe.services.verification import Verification, verify
from probe.sla.lines import streams_in

Tick = Callable[[int], None]
BATCH = 2_000
Take = Callable[[Sequence[FactRow], Sequence[SlotLook]], None]


class _Mark(msgspec.Struct):
    complete_up_to: str | None = None


MARK = msgspec.json.Decoder(_Mark)


class UnverifiedError(Exception):
    """An input is altered, incomplete or signed by nobody; `lines`: what, and where."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = tuple(lines)
        super().__init__("\n".join(self.lines))


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRead:
    """What was read of one stream."""

    agent: str
    customer: str
    rows: int
    complete_up_to: str | None
    last_us: int | None
    lost: tuple[Lost, ...]
    pulls: tuple[FirstPull, ...]


@dataclass(slots=True)
class Reading:
    """All inputs together."""

    verifications: list[Verification] = field(default_factory=list)
    streams: list[StreamRead] = field(default_factory=list)
    customers: set[str] = field(default_factory=set)


def verified(
    paths: Iterable[Path],
    keys: Sequence[Path],
    heads: Sequence[Path],
    customer: str | None,
    *,
    stamp_ca: Path | None = None,
    unverified: bool,
    tick: Tick,
) -> list[Verification]:
    """Verify every input; of other customers' rows only that nothing is wrong. `customer` None: all are wanted.

    Raises UnverifiedError, unless that is `unverified`; and what `verify` raises.
    """
    found = [verify(path, keys, heads, stamp_ca=stamp_ca, tick=tick) for path in paths]
    if not unverified and (lines := [line for one in found for line in _doubts(one, customer)]):
        raise UnverifiedError(lines)
    return found


def _doubts(found: Verification, customer: str | None) -> Iterable[str]:
    yield from (_placed(found, problem) for problem in found.problems)
    for stream in found.streams:
        yield from (_placed(found, problem) for problem in stream.problems)
        if stream.more_problems:
            yield f"{found.path}: and {stream.more_problems} problems more"
        unsigned = stream.signed_head is None and not stream.problems
        if customer in (None, stream.customer) and stream.lines and unsigned:
            yield f"{found.path}: nothing signed fits the records of {_named(stream)}"


def _named(stream: StreamReport) -> str:
    return f"{stream.customer} of agent {stream.agent}"


def _placed(found: Verification, problem: Problem) -> str:
    if problem.file is None:
        return f"{found.path}: {problem.words}"
    below = Path(found.path) / problem.file
    elsewhere = not below.exists() and Path(problem.file).exists()  # that of `--heads`, as it was given
    place = str(below) if Path(found.path).is_dir() and not elsewhere else problem.file
    return f"{place}:{problem.line}: {problem.words}" if problem.line else f"{place}: {problem.words}"


def read_facts(paths: Iterable[Path], customer: str, take: Take, tick: Tick) -> Reading:
    """Feed `take` with the facts of this customer's rows. Raises CodecError, LinesError, ForkedError, StoreError."""
    reading = Reading()
    for stream, lines in streams_in(paths).items():
        reading.customers.add(stream[1])
        if stream[1] == customer:
            reading.streams.append(_read(stream, (text for _, text in lines), take, tick))
    return reading


def _read(stream: Stream, lines: Iterable[bytes], take: Take, tick: Tick) -> StreamRead:
    made, rows = StreamFacts(), 0
    facts: list[FactRow] = []
    looks: list[SlotLook] = []
    complete_up_to: str | None = None
    for line in lines:
        of = rows_of(*stream, line)
        rows += 1
        for slot in of.slots:
            counted, look = made.slot(slot, of.requests)
            facts += counted
            looks.append(look)
        facts += made.events(of.events)
        if len(facts) >= BATCH:
            take(facts, looks)
            tick(len(looks))
            facts, looks = [], []
        complete_up_to = MARK.decode(line).complete_up_to or complete_up_to
    take(facts, looks)
    tick(len(looks))
    return StreamRead(
        agent=stream[0],
        customer=stream[1],
        rows=rows,
        complete_up_to=complete_up_to,
        last_us=made.last_us,
        lost=tuple(made.lost),
        pulls=tuple(made.pulls),
    )
