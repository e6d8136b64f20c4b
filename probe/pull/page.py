"""Rule: a page is kept only once all of it is verified; of a transfer that was cut, the lines that a next line
confirms.

Bytes of one `GET /v1/results` in, verified lines out; without any I/O. A page is stored lines and one last line of
kind `page` that says where it ended and carries the signed head of the stream.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from probe.pull.chain import (
    LINE_MOST_BYTES,
    UNKNOWN,
    BrokenLinkError,
    Cursor,
    Followed,
    StreamName,
    TamperedError,
    Witnessed,
    follow,
)
from probe.pull.heads import BadHeadError, Key, SeenHead, check_head, is_moment

PAGE_MARK = b'"page"'
MARK_WITHIN = 64  # bytes


class TruncatedError(Exception):
    """The transfer ended before the page did. The puller asks for the rest again."""


class PageTooLargeError(TruncatedError):
    """The page is larger than the limit. The puller asks again for fewer lines."""


@dataclass(frozen=True, slots=True)
class Page:
    """A verified page. `lines`: those that are vouched for; `cursor`: behind the last of them.

    `held_back`: the last line sent has no witness yet and is asked again. `raw_head`: the head as it was handed out.
    `complete_up_to`: what the page says, which is the agent's word alone; the lines and heads say it too.
    """

    lines: tuple[Followed, ...]
    cursor: Cursor
    head: SeenHead
    raw_head: dict[str, Any]
    complete_up_to: str | None
    held_back: bool


class _Kind(msgspec.Struct):
    kind: str


class _PageLine(msgspec.Struct):
    kind: str
    agent: str
    customer: str
    next: int
    head: dict[str, Any]
    complete_up_to: str | None = None
    rows: int | None = None


_KIND = msgspec.json.Decoder(_Kind)
_PAGE = msgspec.json.Decoder(_PageLine)


class PageReader:
    """For one transfer. `most_bytes`, `most_lines`: the most that is held of a page; no more lines were asked for."""

    def __init__(
        self,
        stream: StreamName,
        cursor: Cursor,
        key: Key | None = None,
        witnessed: Witnessed | None = None,
        most_bytes: int = 256 * 1024 * 1024,
        most_lines: int = 10_000,
    ) -> None:
        self._stream = stream
        self._begun = cursor
        self._cursor = cursor
        self._key = key
        self._witnessed = witnessed or Witnessed()
        self._most_bytes = most_bytes
        self._most_lines = most_lines
        self._lines: list[Followed] = []
        self._rest: list[bytes] = []
        self._rest_bytes = 0
        self._unfitting: BrokenLinkError | None = None
        self._end: tuple[_PageLine, SeenHead] | None = None
        self.held_bytes = 0
        self.broken = b""  # the line that failed

    @property
    def rows(self) -> int:
        """Lines so far."""
        return len(self._lines)

    def feed(self, data: bytes) -> None:
        """Decoded bytes of the body. Raises TamperedError, TruncatedError; WrongKeyError for another key."""
        self.held_bytes += len(data)
        *whole, rest = data.split(b"\n")
        if whole:
            whole[0] = b"".join((*self._rest, whole[0]))
            self._rest, self._rest_bytes = [], 0
            for text in whole:
                self._line(text)
        if rest:
            self._rest.append(rest)
            self._rest_bytes += len(rest)
        if self._rest_bytes > LINE_MOST_BYTES:
            raise TamperedError(self._cursor.seq + 1, f"a line of more than {LINE_MOST_BYTES} bytes")
        if self.held_bytes > self._most_bytes:
            raise PageTooLargeError(f"a page of more than {self._most_bytes} bytes")

    def finish(self) -> Page:
        """The page, after the body's end. Raises TruncatedError where its last line never came, and TamperedError."""
        if self._unfitting is not None:
            raise self._unfitting
        if self._end is None:
            raise TruncatedError("the transfer ended before the page did")
        if self._rest:
            self.broken = b"".join(self._rest)
            raise TamperedError(self._cursor.seq + 1, "bytes after the end of the page")
        said, head = self._end
        self._witnessed.add(head.seq, head.digest)
        lines, held_back = tuple(self._lines), False
        if lines and head.seq > self._cursor.seq:
            lines, held_back = lines[:-1], True
        cursor = lines[-1].cursor if lines else self._begun
        return Page(lines, cursor, head, said.head, said.complete_up_to, held_back)

    def vouched(self) -> tuple[Followed, ...]:
        """After a cut: the lines that have a line behind them."""
        return tuple(self._lines[:-1])

    def text(self) -> bytes:
        """What was received, the line that failed included, as far as it is held."""
        return b"".join(line.text + b"\n" for line in self._lines) + self.broken + b"".join(self._rest)

    def _line(self, text: bytes) -> None:
        if self._unfitting is not None:
            raise self._unfitting.blamed(text)
        self.broken = text
        if len(text) > LINE_MOST_BYTES:
            raise TamperedError(self._cursor.seq + 1, f"a line of more than {LINE_MOST_BYTES} bytes")
        if self._end is not None:
            raise TamperedError(self._cursor.seq + 1, "a line after the end of the page")
        # An agent says first what a line is: the rest of a long line need not be looked through.
        if text.find(PAGE_MARK, 0, MARK_WITHIN) >= 0 and _kind(text) == "page":
            self._end = self._ending(text)
        elif len(self._lines) >= self._most_lines:
            raise TruncatedError(
                f"more than the {self._most_lines} lines that were asked for; the rest is left"
            )
        else:
            try:
                line = follow(self._cursor, text, self._stream)
            except BrokenLinkError as problem:
                if self._lines:
                    self._unfitting = problem  # the line after it shows which of the two it was
                    return
                raise
            except TamperedError:
                if _kind(text) != "page":
                    raise
                self._end = self._ending(text)
                self.broken = b""
                return
            self._witnessed.check(line)
            self._lines.append(line)
            self._cursor = line.cursor
        self.broken = b""

    def _ending(self, text: bytes) -> tuple[_PageLine, SeenHead]:
        due = self._cursor.seq + 1
        try:
            said = _PAGE.decode(text)
            if not is_moment(said.complete_up_to):
                raise ValueError("its watermark is no time")
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise TamperedError(due, f"the page's last line cannot be read: {error}") from None
        if (said.agent, said.customer) != (self._stream.agent, self._stream.customer):
            raise TamperedError(due, f"a page of {said.agent}/{said.customer} for the stream {self._stream}")
        if said.next != self._cursor.seq or said.rows not in (None, len(self._lines)):
            raise TamperedError(
                due, f"the page says that it ends at {said.next}, and its last line is {self._cursor.seq}"
            )
        return said, self._head(said.head)

    def _head(self, value: dict[str, Any]) -> SeenHead:
        due = self._cursor.seq + 1
        try:
            head = check_head(value, self._stream, self._key)
        except BadHeadError as error:
            raise TamperedError(due, str(error)) from None
        if head.seq < self._cursor.seq:
            raise TamperedError(
                due, f"the head says that the stream ends at {head.seq}, before this page does"
            )
        same = head.digest == self._cursor.digest or UNKNOWN in (head.digest, self._cursor.digest)
        if head.seq == self._cursor.seq and not same:
            raise TamperedError(head.seq, f"the signed head names another line {head.seq} than the one sent")
        return head


def _kind(text: bytes) -> str | None:
    try:
        return _KIND.decode(text).kind
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
