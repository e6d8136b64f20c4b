"""Rule: an evaluator reads what was pulled, in order and whole, with a record of each span that is missing.

Reads a directory that `pull` writes, beside it or after; never writes. Of a line that is being written nothing is seen.
docs/pulling.md shows how grains and coverage are computed from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from probe.core.proof.chain import Line
from probe.core.records.codec import CodecError, decode
from probe.core.records.rows import EventRecord, Record, SlotRecord, State
from probe.core.results.coverage import Coverage, LedgerRow, summarise
from probe.core.scheduling.grid import to_us
from probe.evidence.copied import CopiedEvidence
from probe.pull import layout
from probe.pull.chain import StreamName
from probe.pull.layout import CopyError
from probe.pull.verify import Verified, verify_stream


@dataclass(frozen=True, slots=True, kw_only=True)
class CopiedStream:
    """One stream of a copy. `seq`: number of its last line, 0 where there is none yet."""

    agent: str
    customer: str
    seq: int
    complete_up_to: str | None
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """Rows that the agent no longer had when they were asked for; both ends included."""

    first_seq: int
    last_seq: int
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyCoverage:
    """The denominators of a span. `tasks`: task id -> due, measured, missed and gaps, from the rows that there are.

    `complete`: every slot due in the span has its row here, or is named by `gaps` or `dropped`. `gaps`: the agent's own
    `ledger.gap` events that touch the span, slots without a row. `dropped`: spans of rows that are not in the copy;
    when those were due is not known.
    """

    tasks: dict[str, Coverage]
    complete: bool
    gaps: tuple[EventRecord, ...]
    dropped: tuple[Dropped, ...]


class _Time(msgspec.Struct):
    kind: str
    scheduled_at: str | None = None
    at: str | None = None


class _Slot(msgspec.Struct):
    kind: str
    task: str = ""
    scheduled_at: str = ""
    state: State = State.MISSED
    missed_reason: str | None = None
    event: str | None = None


class _Mark(msgspec.Struct):
    kind: str
    seq: int | None = None
    last_seq: int | None = None
    complete_up_to: str | None = None


class _Gone(msgspec.Struct):
    first_seq: int
    last_seq: int
    reason: str | None = None


_TIME = msgspec.json.Decoder(_Time)
_SLOT = msgspec.json.Decoder(_Slot)
_MARK = msgspec.json.Decoder(_Mark)
_GONE = msgspec.json.Decoder(_Gone)


class Copy:
    """A directory that `pull` wrote. Methods raise CopyError where it cannot be read, ValueError for a wrong time."""

    def __init__(self, directory: str | Path) -> None:
        self._directory = Path(directory)

    def streams(self) -> list[CopiedStream]:
        """What there is, by agent and customer."""
        return [self._stream(name) for name in layout.streams_in(self._directory)]

    def lines(self, agent: str, customer: str, after: int = 0) -> Iterator[Line]:
        """The lines as the agent stored them, in order, those of dropped spans too; from number `after` + 1 on.

        Read them in binary if you compute digests: `line.text.encode()` is the line.
        """
        files = self._files(agent, customer)
        for number, (_, file) in enumerate(files):
            if number + 1 < len(files) and files[number + 1][0] <= after + 1:
                continue
            for text, _ in layout.read_lines(file):
                mark = _mark(text, file)
                seq = mark.last_seq or mark.seq or 0
                if seq > after:
                    yield Line(seq, text.decode("utf-8"))

    def lines_backwards(self, agent: str, customer: str) -> Iterator[Line]:
        """The same from the last line to the first."""
        for _, file in reversed(self._files(agent, customer)):
            for text in layout.lines_backwards(file):
                mark = _mark(text, file)
                yield Line(mark.last_seq or mark.seq or 0, text.decode("utf-8"))

    def records(
        self, agent: str, customer: str, since: str | None = None, until: str | None = None
    ) -> Iterator[Record]:
        """Slots due, and events that happened, in [since, until) (RFC 3339), in the order in which they were stored.

        Not sorted by time: a row of an outage is stored after it. Reads one line at a time.
        """
        span = _Span(since, until)
        for text, file in self._texts(agent, customer):
            try:
                if span.holds(text):
                    yield decode(text)
            except (CodecError, msgspec.DecodeError, UnicodeError, ValueError) as error:
                raise CopyError(f"{file}: {error}") from None

    def dropped(self, agent: str, customer: str) -> list[Dropped]:
        """Spans whose rows the agent no longer had: results that are lost to this copy."""
        found = []
        for text, file in self._texts(agent, customer):
            if text.startswith(b'{"kind":"dropped"'):
                try:
                    gone = _GONE.decode(text)
                except (msgspec.DecodeError, UnicodeError) as error:
                    raise CopyError(f"{file}: {error}") from None
                found.append(Dropped(first_seq=gone.first_seq, last_seq=gone.last_seq, reason=gone.reason))
        return found

    def coverage(self, agent: str, customer: str, since: str, until: str) -> CopyCoverage:
        """What became of the slots due in [since, until) (RFC 3339)."""
        span = _Span(since, until)
        rows: dict[str, list[LedgerRow]] = {}
        gaps: list[EventRecord] = []
        for text, file in self._texts(agent, customer):
            try:
                slot = _SLOT.decode(text)
                if slot.kind == "slot" and span.has(slot.scheduled_at):
                    made = LedgerRow(
                        scheduled_us=to_us(slot.scheduled_at),
                        state=slot.state,
                        missed_reason=slot.missed_reason,
                    )
                    rows.setdefault(slot.task, []).append(made)
                elif slot.event == "ledger.gap" and span.touches(event := decode(text)):
                    assert isinstance(event, EventRecord)
                    gaps.append(event)
            except (CodecError, msgspec.DecodeError, UnicodeError, ValueError) as error:
                raise CopyError(f"{file}: {error}") from None
        told = self.complete_up_to(agent, customer)
        return CopyCoverage(
            tasks={task: summarise(found) for task, found in sorted(rows.items())},
            complete=told is not None and to_us(told) >= to_us(until),
            gaps=tuple(gaps),
            dropped=tuple(self.dropped(agent, customer)),
        )

    def complete_up_to(self, agent: str, customer: str) -> str | None:
        """Every slot due before this time (RFC 3339) has its row in the copy. None: nothing says so."""
        return self._stream(StreamName(agent, customer)).complete_up_to

    def evidence(self, agent: str, row: SlotRecord) -> bytes | None:
        """The text of a row's bundle, where the pull brought evidence; None: it is not here.

        Raises BundleError where it is not the one that the row names.
        """
        if row.evidence_id is None:
            return None
        path = layout.stream_dir(self._directory, StreamName(agent, row.customer))
        return CopiedEvidence(path).text(row.evidence_id, row.evidence_sha256)

    def verify(self) -> list[Verified]:
        """Each stream followed from its first line to its last, against all heads and the agent's public key."""
        return [verify_stream(self._directory, name) for name in layout.streams_in(self._directory)]

    # --- how --------------------------------------------------------------------------------------

    def _files(self, agent: str, customer: str) -> list[tuple[int, Path]]:
        path = layout.stream_dir(self._directory, StreamName(agent, customer))
        if not path.is_dir():
            raise CopyError(f"{path}: nothing of {agent}/{customer} was pulled here")
        return layout.data_files(path)

    def _texts(self, agent: str, customer: str) -> Iterator[tuple[bytes, Path]]:
        for _, file in self._files(agent, customer):
            for text, _ in layout.read_lines(file):
                yield text, file

    def _stream(self, name: StreamName) -> CopiedStream:
        seq, complete = 0, None
        files = self._files(name.agent, name.customer)
        for text in (text for _, file in reversed(files) for text in layout.lines_backwards(file)):
            mark = _mark(text, layout.stream_dir(self._directory, name))
            seq, complete = seq or mark.last_seq or mark.seq or 0, mark.complete_up_to
            if mark.kind != "dropped":
                break
        return CopiedStream(
            agent=name.agent,
            customer=name.customer,
            seq=seq,
            complete_up_to=complete,
            path=layout.stream_dir(self._directory, name),
        )


class _Span:
    """[since, until), None: open."""

    def __init__(self, since: str | None, until: str | None) -> None:
        self._since_us = None if since is None else to_us(since)
        self._until_us = None if until is None else to_us(until)

    def has(self, time: str) -> bool:
        """Whether a time (RFC 3339) lies in it."""
        if self._since_us is None and self._until_us is None:
            return True
        us = to_us(time)
        return (self._since_us is None or us >= self._since_us) and (
            self._until_us is None or us < self._until_us
        )

    def holds(self, text: bytes) -> bool:
        """Whether a line is a record of this span."""
        line = _TIME.decode(text)
        return line.kind != "dropped" and self.has(line.scheduled_at or line.at or "")

    def touches(self, event: Record) -> bool:
        """Whether slots that a `ledger.gap` speaks of may lie in it: by its first and last time if it has them."""
        assert not isinstance(event, SlotRecord)
        last = event.detail.get("last", event.at)
        first = event.detail.get("first")
        ends = self._since_us is None or to_us(last) >= self._since_us
        return ends and (first is None or self._until_us is None or to_us(first) < self._until_us)


def _mark(text: bytes, where: Path) -> _Mark:
    try:
        return _MARK.decode(text)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise CopyError(f"{where}: {error}") from None
