"""Rule: a copy is verified from its files and the agent's public key alone, and the first bad line is named.

What is found: lines edited, taken out, put in, reordered or doubled; files missing; a tail cut off behind what a kept
head counts; heads altered or signed with another key; rows said to be dropped that the agent never said it dropped.
What cannot be found: docs/pulling.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from probe.core.proof.evidence import EvidenceCheck
from probe.core.proof.gaps import DECLARING, Gaps
from probe.evidence.copied import CopiedEvidence
from probe.pull import layout
from probe.pull.chain import UNKNOWN, BrokenLinkError, Cursor, Followed, StreamName, TamperedError
from probe.pull.heads import BadHeadError, Key, WrongKeyError, check_head
from probe.pull.layout import CopyError, KeptHead


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What became of one stream. `first_bad`: the first number at which something is wrong; None: all is well.

    `begins_at`: number of its first line; `ends_at`: of its last. `witnessed_up_to`: the last line that a head with a
    verified signature names, here or by what follows it; 0: none. `dropped`: rows that the agent no longer had.
    """

    stream: StreamName
    rows: int
    begins_at: int
    ends_at: int
    dropped: int
    heads: int
    witnessed_up_to: int
    first_bad: int | None = None
    problem: str | None = None

    @property
    def ok(self) -> bool:
        """Nothing is wrong."""
        return self.problem is None


class _Event(msgspec.Struct):
    event: str
    detail: dict[str, str] = {}


_EVENT = msgspec.json.Decoder(_Event)


@dataclass(slots=True)
class _Walk:
    """What was seen so far."""

    cursor: Cursor
    evidence: EvidenceCheck
    begins_at: int = 1
    rows: int = 0
    dropped: int = 0
    heads: int = 0
    witnessed: int = 0
    gaps: Gaps = field(default_factory=Gaps)


def verify_stream(directory: Path, stream: StreamName) -> Verified:
    """Follow every line of a stream and compare every head with it. Raises OSError."""
    evidence = CopiedEvidence(layout.stream_dir(directory, stream))
    walk = _Walk(Cursor(), EvidenceCheck(evidence.digest_of, whole=False))
    bad: int | None = None
    problem: str | None = None
    try:
        _follow(directory, stream, walk)
    except TamperedError as found:
        bad, problem = found.seq, found.reason
    except CopyError as found:
        bad, problem = walk.cursor.seq + 1, str(found)
    return Verified(
        stream=stream,
        rows=walk.rows,
        begins_at=walk.begins_at,
        ends_at=walk.cursor.seq,
        dropped=walk.dropped,
        heads=walk.heads,
        witnessed_up_to=walk.witnessed,
        first_bad=bad,
        problem=problem,
    )


def _follow(directory: Path, stream: StreamName, walk: _Walk) -> None:
    """Lines and heads side by side, both in the order in which they came."""
    path = layout.stream_dir(directory, stream)
    key = layout.known_key(directory, stream.agent)
    heads = _Heads(layout.kept_heads(path), stream, key, walk)
    files = layout.data_files(path)
    if files and files[0][0] > 1:  # older files were taken away by whoever keeps the copy
        walk.begins_at, walk.cursor = files[0][0], layout.begin_of(files[0][0])
    for first, file in files:
        if first != walk.cursor.seq + 1:
            raise TamperedError(
                walk.cursor.seq + 1, f"{file} begins with {first}: a file before it is missing or cut"
            )
        try:
            for line, _ in layout.follow_file(file, walk.cursor, stream):
                _count(walk, line, file)
                heads.up_to(walk.cursor)
        except BrokenLinkError as problem:  # in the file's last line
            raise heads.blamed(problem, [after for seq, after in files if seq > first]) from None
    heads.end(walk.cursor)
    for altered in walk.evidence.finish()[0]:
        raise TamperedError(altered.seq or 1, altered.words)
    if heads.reached:
        for undeclared in walk.gaps.finish()[1]:
            raise TamperedError(undeclared.seq or 1, undeclared.words)


def _count(walk: _Walk, line: Followed, file: Path) -> None:
    walk.cursor = line.cursor
    walk.evidence.feed(line.text, str(file), 0)
    if line.kind == "dropped":
        walk.dropped += line.cursor.seq - line.first_seq + 1
        walk.gaps.add(line.first_seq, line.cursor.seq, line.cursor.digest, "dropped", str(file), 0)
        return
    walk.rows += 1
    if line.kind == "event":
        with suppress(msgspec.DecodeError, ValueError, KeyError):  # an event without a span declares none
            event = _EVENT.decode(line.text)
            if event.event in DECLARING:
                walk.gaps.declare(event.event, event.detail)


class _Heads:
    """The heads kept, taken one by one as the lines that they name come by."""

    def __init__(self, kept: Iterator[KeptHead], stream: StreamName, key: Key | None, walk: _Walk) -> None:
        self._kept = kept
        self._stream = stream
        self._key = key
        self._walk = walk
        self._waiting: dict[int, tuple[str, bool]] = {}
        self._next: KeptHead | None = next(kept, None)

    @property
    def reached(self) -> bool:
        """No head is known that lies beyond the copy: what an agent said of its dropped rows is here too."""
        return not self._waiting

    def up_to(self, cursor: Cursor) -> None:
        """Compare what is known of this line. Raises TamperedError."""
        while self._next is not None and self._next.seq <= cursor.seq:
            self._take(cursor)
        known = self._waiting.pop(cursor.seq, None)
        if known is not None:
            self._compare(cursor, *known)

    def blamed(self, problem: BrokenLinkError, files: list[Path]) -> TamperedError:
        """Which of two lines that do not fit was altered, by the first line of the next file or by a head."""
        for file in files:
            for text, _ in layout.read_lines(file):
                return problem.blamed(text)
        waiting = [*self._waiting.items()]
        while self._next is not None:
            waiting.append((self._next.seq, (self._next.digest, False)))
            self._next = next(self._kept, None)
        if (problem.seq, problem.digest) in [(seq, digest) for seq, (digest, _) in waiting]:
            return TamperedError(problem.seq - 1, problem.reason)
        return problem

    def end(self, cursor: Cursor) -> None:
        """After the last line: what was kept and is here no more. Raises TamperedError."""
        while self._next is not None:
            if self._next.seq > cursor.seq:
                raise TamperedError(
                    cursor.seq + 1,
                    f"the copy ends at {cursor.seq}, and it had come to {self._next.seq}: its tail was cut",
                )
            self._take(cursor)

    def _take(self, cursor: Cursor) -> None:
        kept = self._next
        assert kept is not None
        due = kept.seq if kept.seq else 1
        try:
            head = check_head(kept.head, self._stream, self._key)
        except (BadHeadError, WrongKeyError) as error:
            raise TamperedError(due, f"a head kept at {kept.received_at}: {error}") from None
        if (
            kept.seq == cursor.seq
            and UNKNOWN not in (kept.digest, cursor.digest)
            and kept.digest != cursor.digest
        ):
            raise TamperedError(due, f"the line {kept.seq} is another than the one that was received")
        self._walk.heads += 1
        if head.seq == cursor.seq:
            self._compare(cursor, head.digest, head.proved)
        elif head.seq > cursor.seq:
            seen = self._waiting.setdefault(head.seq, (head.digest, head.proved))
            if seen[0] != head.digest:
                raise TamperedError(head.seq, "two heads name two lines for one number")
        self._next = next(self._kept, None)

    def _compare(self, cursor: Cursor, digest: str, proved: bool) -> None:
        if UNKNOWN not in (digest, cursor.digest) and digest != cursor.digest:
            raise TamperedError(cursor.seq, f"a head received names another line {cursor.seq}")
        if proved:
            self._walk.witnessed = cursor.seq
