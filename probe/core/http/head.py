"""Rule: a response head is judged on the bytes of the wire, before any tolerant parser has smoothed them over.

Incremental and bounded: a scanner is fed what the socket gave, keeps at most `limits.head_bytes`, and either
finds one final head (interim 1xx heads are counted and dropped) or raises `HeadError`. RFC 9112 sections 2 to 6; what
is tolerated of lines that break them stands in `tolerance`.
"""

from __future__ import annotations

import re
from functools import lru_cache

from probe.core.http.tolerance import (
    LEADING_BYTES,
    Breaches,
    Framing,
    HeadError,
    add_field,
    content_of_line,
    framing_of,
    start_of_status_line,
    status_of_line,
    too_large,
    too_many,
    violation,
)
from probe.core.model.task import BROWSERS_HEAD_BYTES, Limits
from probe.core.model.value import Value
from probe.core.records.failure import FailureType

__all__ = ["Framing", "Head", "HeadError", "HeadScanner", "too_long_at", "violation"]

INTERIM_LIMIT = 16  # heads with status 1xx before the final one; real servers send one or two
_STATUS_LINE = re.compile(rb"HTTP/1\.([0-9]) ([1-9][0-9][0-9])(?: (.*))?", re.DOTALL)
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_SHORT = 256  # bytes of a line that is worth remembering


class Head(Value, frozen=True, kw_only=True):
    """One final response head; `fields` in wire order, names in lower case, values as ISO 8859-1."""

    minor_version: int
    status_code: int
    reason_phrase: str
    fields: tuple[tuple[str, str], ...]
    framing: Framing
    length_bytes: int | None  # of the body, where framing is LENGTH
    interim: tuple[int, ...] = ()  # status codes of the 1xx heads before it
    breaches: tuple[str, ...] = ()  # words of `tolerance.BREACHES`

    def values(self, name: str) -> tuple[str, ...]:
        """Every value of the field `name` (lower case), in wire order."""
        return tuple(value for key, value in self.fields if key == name)


class HeadScanner:
    """Finds the final head in a stream of bytes.

    `begun` says whether a byte of the head now being read has arrived (it falls back after an interim head).
    """

    def __init__(self, limits: Limits, method: str = "GET") -> None:
        self.head: Head | None = None
        self.interim: list[int] = []
        self._limits = limits
        self._method = method
        self._taken = 0  # bytes of complete lines, over all heads
        self._line = bytearray()  # the line now being read
        self._raw = bytearray()  # the lines before it
        self._status: tuple[int, int, str] | None = None
        self._fields: list[tuple[str, str]] = []
        self._head_bytes = min(limits.head_bytes, BROWSERS_HEAD_BYTES)
        self._field_bytes = min(limits.field_bytes, BROWSERS_HEAD_BYTES)
        self._spaced: set[str] = set()  # names with white space before their colon
        self._breaches = Breaches()
        self._lead = bytearray()  # what came before it is certain where the status line begins

    @property
    def begun_head(self) -> Head | None:
        """Of a final head that was not read to its end: its status, and the fields that were read."""
        if self.head is not None or self._status is None or self._status[1] < 200:
            return None
        minor, code, reason = self._status
        return Head(
            minor_version=minor,
            status_code=code,
            reason_phrase=reason,
            fields=tuple(self._fields),
            framing=Framing.NONE,
            length_bytes=None,
            interim=tuple(self.interim),
        )

    @property
    def raw(self) -> bytes:
        """Every byte of heads that came, interim ones too; at most `limits.head_bytes` and a line."""
        return bytes(self._raw + self._lead + self._line)

    @property
    def begun(self) -> bool:
        """Has the present head begun to arrive?"""
        return bool(self._line or self._lead) or self._status is not None or self.head is not None

    def feed(self, data: bytes) -> int:
        """Take bytes; return how many of them belong to heads (fewer than given once the final one is whole).

        Raises HeadError. Must not be called again once `head` is set.
        """
        at_start = self._status is None and not self._line
        position = self._whole(data) if at_start and not self._lead else 0
        if at_start and self.head is None and position < len(data):
            position = self._find_start(data, position)
        while self.head is None and position < len(data):
            end = data.find(b"\n", position)
            stop = len(data) if end < 0 else end + 1
            self._line += data[position:stop]
            position = stop
            self._check_line()
            if end >= 0:
                self._taken += len(self._line)
                line, self._line = bytes(self._line), bytearray()
                self._raw += line
                self._take(line)
                if self._between_heads and position < len(data):
                    position = self._find_start(data, position)
        return position

    @property
    def _between_heads(self) -> bool:
        return self._status is None and self.head is None

    def _find_start(self, data: bytes, position: int) -> int:
        """Pass over the few bytes that may stand before a status line; what belongs to that begins the line."""
        room = LEADING_BYTES + 4 - len(self._lead)
        taken = data[position : position + room]
        self._lead += taken
        start = start_of_status_line(self._lead)
        if start is None:
            return position + len(taken)
        if start:
            self._breaches.add("leading_bytes")
            self._raw += self._lead[:start]
            self._taken += start
        self._line += self._lead[start:]
        self._lead = bytearray()
        end = self._line.find(b"\n")
        if end < 0:
            return position + len(taken)
        surplus = len(self._line) - end - 1  # a whole line already: the rest is of the next one
        del self._line[end:]
        return position + len(taken) - surplus - 1

    def _whole(self, data: bytes) -> int:
        """A whole head at the beginning of `data` that is as it should be, taken at once; 0 where it is not.

        Only what the line by line reading takes as well, with the same result; all else is left to that.
        """
        end = data.find(b"\r\n\r\n")
        block = data[: end + 2]
        if end < 0 or self._taken + end + 4 > self._head_bytes or b"\0" in block:
            return 0
        lines = block.split(b"\r\n")[:-1]
        if block.count(b"\r") != len(lines) or block.count(b"\n") != len(lines):
            return 0
        status = _STATUS_LINE.fullmatch(lines[0])
        if status is None or not 1 <= len(lines) <= self._limits.fields_count + 1:
            return 0
        if max(map(len, lines)) > self._field_bytes:
            return 0
        fields = []
        for line in lines[1:]:
            field = (_usual_field if len(line) <= _SHORT else _usual_field.__wrapped__)(line)
            if field is None:
                return 0
            fields.append(field)
        self._taken += end + 4
        self._raw += data[: end + 4]
        reason = (status[3] or b"").decode("latin-1")
        self._status, self._fields = (int(status[1]), int(status[2]), reason), fields
        self._finish()
        return end + 4

    def _check_line(self) -> None:
        line = self._line
        # The limit that is passed first, whatever else came in the same piece.
        over, room = too_long_at(line, self._field_bytes), self._head_bytes - self._taken
        if len(line) > room and not 0 < over <= room:
            del line[room + 1 :]
            raise too_large("the head", self._head_bytes, FailureType.AGENT_LIMIT_HEAD)
        if over:
            del line[over:]
            raise too_large("a line of the head", self._field_bytes, FailureType.AGENT_LIMIT_FIELD)

    def _take(self, raw: bytes) -> None:
        if self._status is None:
            self._status = status_of_line(content_of_line(raw, "the head"), self._breaches)
            return
        line = content_of_line(raw, "the head", self._breaches)
        if line:
            add_field(self._fields, line, self._breaches, self._spaced)
            if len(self._fields) > self._limits.fields_count:
                raise too_many(self._limits.fields_count)
        else:
            self._finish()

    def _finish(self) -> None:
        assert self._status is not None
        minor, code, reason = self._status
        if code == 101:
            raise violation("101 Switching Protocols, which was not asked for")
        if code < 200:
            self.interim.append(code)
            if len(self.interim) > INTERIM_LIMIT:
                raise violation(f"more than {INTERIM_LIMIT} interim (1xx) heads")
            self._status, self._fields = None, []
            self._spaced.clear()
            return
        fields = tuple(self._fields)
        framing, length = framing_of(self._method, minor, code, fields, self._breaches, self._spaced)
        self.head = Head(
            minor_version=minor,
            status_code=code,
            reason_phrase=reason,
            fields=fields,
            framing=framing,
            length_bytes=length,
            interim=tuple(self.interim),
            breaches=self._breaches.words,
        )


def too_long_at(line: bytes | bytearray, limit: int) -> int:
    """At how many bytes of a line it is certain that it is over `limit` bytes without its end; 0: it is not.

    The line may be incomplete: the answer does not depend on how the bytes were cut.
    """
    rest = bytes(line[limit : limit + 2])
    if rest in (b"", b"\n", b"\r", b"\r\n"):
        return 0
    return limit + (2 if rest[:1] == b"\r" else 1)


@lru_cache(maxsize=4096)
def _usual_field(line: bytes) -> tuple[str, str] | None:
    """Name and value; None where the line is none that needs no second look. Most lines come again and again."""
    name, colon, value = line.partition(b":")
    if not colon or not _TOKEN.fullmatch(name):
        return None
    return name.decode("ascii").lower(), value.strip(b" \t").decode("latin-1")
