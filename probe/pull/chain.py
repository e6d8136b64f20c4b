"""Rule: a line is believed when what comes after it says so; a line that breaks the chain is named by its number.

One stream (an agent's results for one customer) followed line by line, without any I/O. Each record carries its
number and the SHA-256 of the line before (`probe.core.proof.chain`); a `dropped` line stands for a span whose rows the
agent no longer has.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from probe.core.proof.chain import GENESIS, line_digest
from probe.core.syntax.values import OWN_NAME

LINE_MOST_BYTES = 32 * 1024 * 1024
UNKNOWN = ""  # digest of a line that is no longer known


class TamperedError(Exception):
    """The lines received are not the lines that were stored. `seq`: the first number that shows it."""

    def __init__(self, seq: int, reason: str) -> None:
        super().__init__(f"at {seq}: {reason}")
        self.seq = seq
        self.reason = reason


class BrokenLinkError(TamperedError):
    """The line `seq` does not name the line before it. `digest`: its own, by which the line after it may know it."""

    def __init__(self, seq: int, text: bytes) -> None:
        super().__init__(seq, f"{seq - 1} or {seq} was altered: {seq} follows another line {seq - 1}")
        self.digest = line_digest(text)

    def blamed(self, after: bytes | None) -> TamperedError:
        """Which of the two it was, by the line after both, or by the head of the page that ends there."""
        try:
            line = None if after is None else _LINE.decode(after)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            line = None
        if line is not None and self.digest in (line.previous, line.head and line.head.digest):
            words = f"{self.seq - 1} was altered: {self.seq}, which the line after it vouches for, follows another line"
            return TamperedError(self.seq - 1, words)
        return TamperedError(self.seq, self.reason)


@dataclass(frozen=True, slots=True)
class StreamName:
    """Whose results for whom. Raises ValueError for names that could leave a directory."""

    agent: str
    customer: str

    def __post_init__(self) -> None:
        for name in (self.agent, self.customer):
            if not OWN_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no name: 1 to 63 characters of a-z, 0-9 and -")

    def __str__(self) -> str:
        return f"{self.agent}/{self.customer}"


class Cursor(msgspec.Struct, frozen=True, gc=False):
    """Where a stream was followed to.

    `digest`: of the line `seq`; UNKNOWN where it is not known. `chained`: a line before carried its predecessor's
    digest, so that from now on every one must. `complete_up_to`: the last watermark in a line (RFC 3339).
    """

    seq: int = 0
    digest: str = GENESIS
    chained: bool = False
    complete_up_to: str | None = None


START = Cursor()


class Followed(msgspec.Struct, frozen=True, gc=False):
    """One line that goes on where the one before ended. `day`: UTC date of its time; `kind`: slot, event, dropped."""

    text: bytes
    kind: str
    first_seq: int
    cursor: Cursor
    day: str | None = None


class _Host(msgspec.Struct, gc=False):
    agent: str | None = None


class _Head(msgspec.Struct, gc=False):
    digest: str | None = None


class _Line(msgspec.Struct, gc=False):
    """What the chain needs of a line; the rest is looked at by whoever reads records."""

    kind: str
    seq: int | None = None
    customer: str | None = None
    agent: str | None = None
    host: _Host | None = None
    previous: str | None = None
    complete_up_to: str | None = None
    scheduled_at: str | None = None
    at: str | None = None
    first_seq: int | None = None
    last_seq: int | None = None
    digest: str | None = None
    head: _Head | None = None


_LINE = msgspec.json.Decoder(_Line)


def follow(cursor: Cursor, text: bytes, stream: StreamName) -> Followed:
    """The next line, without its line feed, if it is the next. Raises TamperedError, with the number that was due."""
    due = cursor.seq + 1
    try:
        line = _LINE.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise TamperedError(due, f"no record: {error}") from None
    if line.kind == "dropped":
        return _across(cursor, line, text)
    _number(due, line.seq)
    _owner(due, line, stream)
    _previous(cursor, line.previous, text)
    made = Cursor(
        seq=due,
        digest=line_digest(text),
        chained=cursor.chained or line.previous is not None,
        complete_up_to=line.complete_up_to or cursor.complete_up_to,
    )
    day = (line.scheduled_at or line.at or "")[:10] or None
    return Followed(text, line.kind, due, made, day)


def _across(cursor: Cursor, line: _Line, text: bytes) -> Followed:
    """Behind a span whose rows are gone."""
    due = cursor.seq + 1
    _number(due, line.first_seq)
    if line.last_seq is None or line.last_seq < due:
        raise TamperedError(due, f"a span of dropped rows from {due} to {line.last_seq}")
    digest = line.digest or UNKNOWN
    if digest != UNKNOWN and not _is_digest(digest):
        raise TamperedError(due, "the digest of the last dropped row is none")
    if line.previous and cursor.digest != UNKNOWN and line.previous != cursor.digest:
        raise TamperedError(
            due, f"the dropped rows from {due} on follow another line {cursor.seq} than the one here"
        )
    made = Cursor(
        seq=line.last_seq, digest=digest, chained=cursor.chained, complete_up_to=cursor.complete_up_to
    )
    return Followed(text, "dropped", due, made)


def _number(due: int, seq: int | None) -> None:
    if seq is None:
        raise TamperedError(due, "a line without a number")
    if seq > due:
        missing = f"{due}" if seq == due + 1 else f"{due} to {seq - 1}"
        raise TamperedError(due, f"{missing} missing: the next line is {seq}")
    if seq < due:
        raise TamperedError(due, f"the line {seq} again, or out of order, where {due} was due")


def _owner(due: int, line: _Line, stream: StreamName) -> None:
    agent = line.agent if line.host is None else line.host.agent
    if line.customer != stream.customer or (agent is not None and agent != stream.agent):
        raise TamperedError(due, f"a line of {agent}/{line.customer} in the stream {stream}")


def _previous(cursor: Cursor, previous: str | None, text: bytes) -> None:
    due = cursor.seq + 1
    if previous is None:
        if cursor.chained:
            raise TamperedError(
                due, f"the line {due} does not say which line it follows, and those before did"
            )
    elif previous == cursor.digest != UNKNOWN:
        return
    elif cursor.digest != UNKNOWN:
        if cursor.seq == 0:
            raise TamperedError(due, "the first line says that there was one before it")
        raise BrokenLinkError(due, text)
    elif not _is_digest(previous):
        raise TamperedError(due, "the digest of the line before is none")


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and len(value) == 64 and not value.strip("0123456789abcdef")


@dataclass(slots=True)
class Witnessed:
    """Heads that were seen: number -> digest. A line that comes by must be the one that was seen."""

    heads: dict[int, str] = field(default_factory=dict)

    def check(self, line: Followed) -> None:
        """Raises TamperedError where a head seen before says otherwise."""
        seen = self.heads.get(line.cursor.seq)
        if seen is not None and line.cursor.digest != UNKNOWN and seen != line.cursor.digest:
            raise TamperedError(line.cursor.seq, "a signed head seen before names another line here")

    def add(self, seq: int, digest: str) -> None:
        """One more head. Raises TamperedError where another was seen for this number."""
        if digest != UNKNOWN and self.heads.setdefault(seq, digest) != digest:
            raise TamperedError(seq, "two signed heads name two lines for one number")

    def forget(self, seq: int) -> None:
        """Heads before the line `seq`, which are past. May be called while lines behind `seq` are checked."""
        for known in [known for known in list(self.heads) if known < seq]:
            del self.heads[known]
