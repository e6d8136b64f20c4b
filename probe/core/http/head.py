"""Rule: a response head is judged on the bytes of the wire, before any tolerant parser has smoothed them over.

Incremental and bounded: a scanner is fed what the socket gave, keeps at most `limits.head_bytes`, and either
finds one final head (interim 1xx heads are counted and dropped) or raises `HeadError`. RFC 9112 sections 2 to 6.
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache

from probe.core.model.task import BROWSERS_HEAD_BYTES, Limits
from probe.core.model.value import Value
from probe.core.records.failure import FailureType

INTERIM_LIMIT = 16  # heads with status 1xx before the final one; real servers send one or two
_STATUS_LINE = re.compile(rb"HTTP/1\.([0-9]) ([1-9][0-9][0-9])(?: (.*))?", re.DOTALL)
_PREFIX = b"HTTP/1."
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_LENGTH = re.compile(r"[0-9]{1,18}")
_SHORT = 256  # bytes of a line that is worth remembering
_BODILESS = frozenset({204, 304})


class HeadError(Exception):
    """The head breaks a rule or a limit; `type` says which, `detail` is for people."""

    def __init__(self, type_: FailureType, detail: str) -> None:
        super().__init__(detail)
        self.type = type_
        self.detail = detail


class Framing(StrEnum):
    """How the end of the body is known (RFC 9112 section 6.3)."""

    NONE = "none"  # HEAD, 204, 304
    LENGTH = "length"
    CHUNKED = "chunked"
    CLOSE = "close"  # until the server closes


class Head(Value, frozen=True, kw_only=True):
    """One final response head; `fields` in wire order, names in lower case, values as ISO 8859-1."""

    minor_version: int
    status_code: int
    reason_phrase: str
    fields: tuple[tuple[str, str], ...]
    framing: Framing
    length_bytes: int | None  # of the body, where framing is LENGTH
    interim: tuple[int, ...] = ()  # status codes of the 1xx heads before it

    def values(self, name: str) -> tuple[str, ...]:
        """Every value of the field `name` (lower case), in wire order."""
        return tuple(value for key, value in self.fields if key == name)


def violation(detail: str) -> HeadError:
    """The wire is not one HTTP/1.1 response."""
    return HeadError(FailureType.HTTP_PROTOCOL_VIOLATION, detail)


def too_large(what: str, limit: int, own: FailureType, browsers: int = BROWSERS_HEAD_BYTES) -> HeadError:
    """`what` is over `limit` bytes: the server's failure where browsers refuse it too, else our own limit `own`."""
    if limit >= browsers:
        detail = f"{what} is over {limit} bytes, which browsers refuse"
        return HeadError(FailureType.HTTP_FIELDS_TOO_LARGE, detail)
    return HeadError(own, f"{what} is over our {name_of(own)}: {limit} bytes")


def too_many(limit: int, where: str = "the head") -> HeadError:
    """More fields than we read. Browsers do not count them."""
    own = FailureType.AGENT_LIMIT_FIELDS
    return HeadError(own, f"{where} has more fields than our {name_of(own)}: {limit}")


def name_of(own: FailureType) -> str:
    """A limit of ours as the configuration names it: `limits.head`."""
    return own.value.removeprefix("agent.").replace("limit.", "limits.")


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
        return bytes(self._raw + self._line)

    @property
    def begun(self) -> bool:
        """Has the present head begun to arrive?"""
        return bool(self._line) or self._status is not None or self.head is not None

    def feed(self, data: bytes) -> int:
        """Take bytes; return how many of them belong to heads (fewer than given once the final one is whole).

        Raises HeadError. Must not be called again once `head` is set.
        """
        position = self._whole(data) if self._status is None and not self._line else 0
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
        return position

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
        self._status, self._fields = _status_line(lines[0]), fields
        self._finish()
        return end + 4

    def _check_line(self) -> None:
        line = self._line
        if self._status is None and not line.startswith(_PREFIX) and not _PREFIX.startswith(bytes(line[:7])):
            raise violation("the reply does not begin with an HTTP/1.x status line")
        # The limit that is passed first, whatever else came in the same piece.
        over, room = too_long_at(line, self._field_bytes), self._head_bytes - self._taken
        if len(line) > room and not 0 < over <= room:
            del line[room + 1 :]
            raise too_large("the head", self._head_bytes, FailureType.AGENT_LIMIT_HEAD)
        if over:
            del line[over:]
            raise too_large("a line of the head", self._field_bytes, FailureType.AGENT_LIMIT_FIELD)

    def _take(self, raw: bytes) -> None:
        line = content_of_line(raw, "the head")
        if self._status is None:
            self._status = _status_line(line)
        elif line:
            self._fields.append(parse_field(line))
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
            return
        fields = tuple(self._fields)
        framing, length = _framing(self._method, minor, code, fields)
        self.head = Head(
            minor_version=minor,
            status_code=code,
            reason_phrase=reason,
            fields=fields,
            framing=framing,
            length_bytes=length,
            interim=tuple(self.interim),
        )


def too_long_at(line: bytes | bytearray, limit: int) -> int:
    """At how many bytes of a line it is certain that it is over `limit` bytes without its end; 0: it is not.

    The line may be incomplete: the answer does not depend on how the bytes were cut.
    """
    rest = bytes(line[limit : limit + 2])
    if rest in (b"", b"\n", b"\r", b"\r\n"):
        return 0
    return limit + (2 if rest[:1] == b"\r" else 1)


def content_of_line(raw: bytes, where: str) -> bytes:
    """A line without its end: CR LF or a lone LF (RFC 9112 section 2.2).

    Raises HeadError for NUL and a bare CR; `where` the line stands, for people.
    """
    line = raw[:-2] if raw.endswith(b"\r\n") else raw[:-1]
    if b"\0" in line:
        raise violation(f"a NUL byte in {where}")
    if b"\r" in line:
        raise violation(f"a bare CR in {where}")
    return line


def _status_line(line: bytes) -> tuple[int, int, str]:
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        raise violation(f"not a status line: {_show(line)}")
    return int(match[1]), int(match[2]), (match[3] or b"").decode("latin-1")


@lru_cache(maxsize=4096)
def _usual_field(line: bytes) -> tuple[str, str] | None:
    """Name and value; None where the line is none that needs no second look. Most lines come again and again."""
    name, colon, value = line.partition(b":")
    if not colon or not _TOKEN.fullmatch(name):
        return None
    return name.decode("ascii").lower(), value.strip(b" \t").decode("latin-1")


def parse_field(line: bytes) -> tuple[str, str]:
    """A field line -> name in lower case, value as ISO 8859-1. Raises HeadError (RFC 9112 section 5)."""
    if line[:1] in b" \t":
        raise violation("a folded field line (obs-fold)")
    name, colon, value = line.partition(b":")
    if not colon:
        raise violation(f"a field line without a colon: {_show(line)}")
    if not _TOKEN.fullmatch(name):
        raise violation(f"not a field name: {_show(name)}")
    return name.decode("ascii").lower(), value.strip(b" \t").decode("latin-1")


def _framing(
    method: str, minor: int, code: int, fields: tuple[tuple[str, str], ...]
) -> tuple[Framing, int | None]:
    lengths = [value for name, value in fields if name == "content-length"]
    codings = [value for name, value in fields if name == "transfer-encoding"]
    if len(lengths) > 1:
        raise violation("Content-Length given more than once")
    if lengths and codings:
        raise violation("Content-Length together with Transfer-Encoding")
    if lengths and not _LENGTH.fullmatch(lengths[0]):
        raise violation(f"not a Content-Length: {_show(lengths[0].encode('latin-1'))}")
    if codings and (minor == 0 or ", ".join(codings).lower() != "chunked"):
        raise violation(
            f"a transfer coding that was not asked for: {_show(', '.join(codings).encode('latin-1'))}"
        )
    if method == "HEAD" or code in _BODILESS:
        return Framing.NONE, None
    if codings:
        return Framing.CHUNKED, None
    return (Framing.LENGTH, int(lengths[0])) if lengths else (Framing.CLOSE, None)


def _show(raw: bytes) -> str:
    """A piece of the wire for people: short, printable."""
    text = raw[:60].decode("latin-1").encode("unicode_escape").decode("ascii")
    return f"`{text}{'...' if len(raw) > 60 else ''}`"
