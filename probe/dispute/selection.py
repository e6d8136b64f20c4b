"""Rule: the records in dispute go on to a head that signs them, and what is gone of them to the event that says so.

From a stream that somebody keeps (`Stream`) and a span to the `Contents` of a dispute file. Nothing is left out in
silence: a bundle that is missing, and that nothing the agent wrote says is gone, refuses the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

import msgspec

from probe.core.proof.chain import Line, line_digest
from probe.core.proof.evidence import Declared, NamedEvidence, evidence_named
from probe.core.proof.gaps import DECLARING
from probe.core.proof.line import ReadLine, detail_of
from probe.core.proof.signed_head import SignedHead, canonical
from probe.core.proof.stamp import STAMPED, Stamp
from probe.dispute.contents import Contents, Span

LINES_MOST = 100_000
BYTES_MOST = 256 << 20
STAMP_BEHIND_MOST = 5_000  # so many lines more are taken, on either side, to reach what a third party stamped


class SelectionError(ValueError):
    """No dispute file can be made of this; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One stream as somebody keeps it. `lines(after)`: those behind a number, in order, up to the end.

    `heads`: verified, of this stream. `sign_end`: a head of the stream's last line, signed now; None: it cannot be.
    `evidence(identifier, sha256)`: the text of a bundle as its row names it, None where it is not here.
    `how_to_have`: what to do where evidence is missing.
    """

    agent: str
    customer: str
    lines: Callable[[int], Iterator[Line]]
    heads: Sequence[SignedHead]
    stamps: Sequence[Stamp]
    evidence: Callable[[str, str], bytes | None]
    key: bytes | None
    sign_end: Callable[[], SignedHead | None]
    how_to_have: str


class _Line(ReadLine):
    scheduled_at: str | None = None
    at: str | None = None


_LINE = msgspec.json.Decoder(_Line)


@dataclass(frozen=True, slots=True)
class _Lines:
    """The first `count` lines of a stream behind `after`, read anew each time that they are gone through."""

    stream: Stream
    after: int
    count: int

    def __iter__(self) -> Iterator[bytes]:
        return (line.text.encode() for line in islice(self.stream.lines(self.after), self.count))


class _Kept(Mapping[str, tuple[int, bytes]]):
    """Id -> (record, text) of bundles that are there: each is read when it is asked for."""

    def __init__(self, stream: Stream, named: Mapping[str, NamedEvidence]) -> None:
        self._stream = stream
        self._named = named

    def __getitem__(self, identifier: str) -> tuple[int, bytes]:
        named = self._named[identifier]
        text = self._stream.evidence(identifier, named.sha256 or "")
        if text is None:
            raise SelectionError(
                f"the evidence of record {named.seq} went while the file was made: make it again"
            )
        return named.seq, text

    def __iter__(self) -> Iterator[str]:
        return iter(self._named)

    def __len__(self) -> int:
        return len(self._named)

    def __contains__(self, identifier: object) -> bool:
        return identifier in self._named


@dataclass(slots=True)
class _Read:
    """Lines of one span: where dropped rows are, which evidence and stamps are named, which heads sign its lines."""

    lines: _Lines
    first_seq: int = 0
    last_seq: int = 0
    gone: list[tuple[int, int]] = field(default_factory=list)
    named: list[NamedEvidence] = field(default_factory=list)
    stamps: set[str] = field(default_factory=set)
    declared: Declared = field(default_factory=Declared)
    heads: list[SignedHead] = field(default_factory=list)


def seqs_between(lines: Iterable[Line], since: str | None, until: str | None) -> tuple[int, int]:
    """Numbers of the first and the last record due, or event that happened, in [since, until), UTC as stored.

    Raises SelectionError where there is none.
    """
    found: list[int] = []
    for line in lines:
        told = _decoded(line)
        time = told.scheduled_at or told.at
        if time is not None and (since is None or time >= since) and (until is None or time < until):
            found.append(line.seq)
    if not found:
        raise SelectionError("there is no record in that span; `results list` shows what there is")
    return min(found), max(found)


def select(stream: Stream, first: int, last: int) -> Contents:
    """What a dispute file of the records `first` to `last` holds; lines and evidence are read from the stream as they
    are asked for, so that it has to stay open. Raises SelectionError.
    """
    heads = [*stream.heads]
    read = _read(stream, _stamped_before(stream, first), last, heads)
    if not read.lines.count or read.first_seq > first or read.last_seq < last:
        raise SelectionError(
            f"the records {first} to {last} are not all here: {read.first_seq or 'none'} to {read.last_seq} are"
        )
    evidence, missing = _evidence(stream, read, first, last)
    declared, declared_heads = _declared(stream, heads, read, missing)
    return Contents(
        agent=stream.agent,
        customer=stream.customer,
        first_seq=first,
        last_seq=last,
        records=Span(read.first_seq, read.lines),
        declared=tuple(declared),
        heads=tuple(_head_lines(read.heads)),
        declared_heads=tuple(_head_lines(declared_heads)),
        stamps=tuple(
            stamp.line()
            for stamp in stream.stamps
            if read.first_seq <= stamp.head.seq <= read.last_seq or stamp.sha256 in read.stamps
        ),
        evidence=evidence,
        key=stream.key,
    )


def _stamped_before(stream: Stream, first: int) -> int:
    """Where to begin: the nearest event that names a stamp, so that it is known what the records are not older than."""
    found, known = first, {stamp.sha256 for stamp in stream.stamps}
    if known:
        for line in stream.lines(max(0, first - 1 - STAMP_BEHIND_MOST)):
            if line.seq > first:
                break
            told = _decoded(line)
            if told.event == STAMPED and _detail(told).get("sha256") in known:
                found = line.seq
    return found


def _read(stream: Stream, first: int, least: int, heads: list[SignedHead]) -> _Read:
    """The lines from `first` on to the nearest behind `least` that a head signs, and to a stamped one that is near.

    Where none does yet, the end is signed now, and the head added to `heads`.
    """
    signing = {(head.seq, head.digest) for head in heads}
    stamped = {
        (s.head.seq, s.head.digest) for s in stream.stamps if least <= s.head.seq <= least + STAMP_BEHIND_MOST
    }
    last = b""
    count = bare = end = size = 0  # how many lines lead up to `least`, and how many to a line that is signed
    for count, line in enumerate(stream.lines(first - 1), 1):
        last = line.text.encode()
        size += len(last)
        if count > LINES_MOST or size > BYTES_MOST:
            if end:
                break
            raise SelectionError(
                f"this needs more than {LINES_MOST} records or {BYTES_MOST} bytes: choose a shorter span"
            )
        if line.seq < least:
            continue
        bare = bare or count
        place = line.seq, _digest(line)
        if place in stamped or (place in signing and not end):
            end = count
        if end and (place in stamped or not stamped or line.seq > max(stamped)[0]):
            break
    if not end and count and (made := stream.sign_end()) is not None:
        heads.append(made)
        end = count if made.digest == line_digest(last) else 0
    return _looked_at(_Lines(stream, first - 1, end or bare or count), heads)


def _looked_at(lines: _Lines, heads: Sequence[SignedHead]) -> _Read:
    read = _Read(lines)
    by_place = {(head.seq, head.digest): head for head in heads}
    for data in lines:
        line = Line(0, data.decode())
        told = _decoded(line)
        seq = told.last_seq or told.seq or 0
        read.first_seq = read.first_seq or told.first_seq or told.seq or 0
        read.last_seq = seq
        if told.kind == "dropped":
            read.gone.append((told.first_seq or 0, seq))
        if (named := evidence_named(data)) is not None:
            read.named.append(named)
        if told.event == STAMPED and (sha256 := _detail(told).get("sha256")) is not None:
            read.stamps.add(sha256)
        if (head := by_place.get((seq, _digest(line)))) is not None:
            read.heads.append(head)
        read.declared.look(data)
    return read


def _digest(line: Line) -> str:
    """Of a line, or of the last one that it stands for."""
    told = _decoded(line)
    return told.digest or "" if told.kind == "dropped" else line_digest(line.text.encode())


def _evidence(stream: Stream, read: _Read, first: int, last: int) -> tuple[_Kept, list[NamedEvidence]]:
    """The bundles of the records in dispute, and those that are not here."""
    found: dict[str, NamedEvidence] = {}
    missing: list[NamedEvidence] = []
    for named in read.named:
        if named.sha256 is not None and first <= named.seq <= last:
            if stream.evidence(named.identifier, named.sha256) is None:
                missing.append(named)
            else:
                found[named.identifier] = named
    return _Kept(stream, found), missing


def _declared(
    stream: Stream, heads: list[SignedHead], read: _Read, missing: list[NamedEvidence]
) -> tuple[list[Span], list[SignedHead]]:
    """Later spans that say what is gone of the records and their evidence. Raises SelectionError where nothing does."""
    left = [named for named in missing if not read.declared.has(named)]
    if not left and not read.gone:
        return [], []
    spans: list[Span] = []
    signed: list[SignedHead] = []
    covered = read.last_seq
    for line in stream.lines(read.last_seq):
        if line.seq <= covered or not _declares(line, left, read.gone):
            continue
        span = _read(stream, line.seq, line.seq, heads)
        spans.append(Span(span.first_seq, span.lines))
        signed += span.heads
        covered = span.last_seq
        left = [named for named in left if not span.declared.has(named)]
        if not left and not read.gone:
            break
    if left:
        some = ", ".join(str(named.seq) for named in left[:10])
        more = f" and {len(left) - 10} more" if len(left) > 10 else ""
        raise SelectionError(f"the evidence of records {some}{more} is not here: {stream.how_to_have}")
    return spans, signed


def _declares(line: Line, missing: list[NamedEvidence], gone: list[tuple[int, int]]) -> bool:
    declared = Declared()
    if declared.look(line.text.encode()) and any(declared.has(named) for named in missing):
        return True
    told = _decoded(line)
    if told.event not in DECLARING or not gone:
        return False
    detail = _detail(told)
    try:
        first, last = int(detail["first_seq"]), int(detail["last_seq"])
    except (KeyError, ValueError):
        return False
    return any(first <= high and low <= last for low, high in gone)


def _head_lines(heads: Iterable[SignedHead]) -> Iterator[bytes]:
    for head in sorted(set(heads), key=lambda each: (each.seq, each.at)):
        yield canonical(head.to_json())


def _decoded(line: Line) -> _Line:
    try:
        return _LINE.decode(line.text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise SelectionError(
            f"record {line.seq} cannot be read: {error}; `results verify` says more"
        ) from None


def _detail(told: _Line) -> dict[str, str]:
    try:
        return detail_of(told)
    except (msgspec.DecodeError, UnicodeError):
        return {}
