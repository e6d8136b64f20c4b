"""Rule: a chunked body ends where its own framing says so, and how TCP cut the bytes changes nothing.

A decoder of the chunked transfer coding (RFC 9112 section 7.1) that knows no socket. It takes the bytes after a head,
gives the content of the chunks, and says when the last chunk and its trailer section are over. It raises `HeadError`.

Theory of operation. The coding is a sequence of lines and data:

    SIZE      a line: the size in hexadecimal, then extensions that are ignored      -> DATA, or TRAILER where it is 0
    DATA      as many bytes as the size said                                         -> DATA_END
    DATA_END  an empty line                                                          -> SIZE
    TRAILER   field lines as in a head, which are checked and dropped; an empty line -> done

A line ends with CR LF or, as in a head, with a lone LF (Chromium and curl take it too). An incomplete line is kept
until its end comes, never more of it than its limit. Every error belongs to the first byte that makes it inevitable, so
that all ways to cut the stream give the same content and the same error. Usual chunks are read by one pattern; that
path takes only what the slow one takes too, with the same result.

What follows `;` in a size line is ignored, whatever it is (names, values with white space around `=`, quoted strings):
RFC 9112 section 7.1.1 says so, and browsers deliver such bodies. A bare CR is an error there. What is wrong and
tolerated, in an extension or in the trailer section, is among `breaches`.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from probe.core.http.head import too_long_at
from probe.core.http.tolerance import (
    Breaches,
    HeadError,
    add_field,
    content_of_line,
    too_large,
    too_many,
    violation,
)
from probe.core.model.task import BROWSERS_HEAD_BYTES, Limits
from probe.core.records.failure import FailureType

__all__ = ["ChunkDecoder", "HeadError"]

_SIZE, _DATA, _DATA_END, _TRAILER = range(4)
_USUAL = re.compile(rb"([0-9A-Fa-f]{1,15})\r\n")
_DIGITS = re.compile(rb"[0-9A-Fa-f]*")
_SPACE = re.compile(rb"[ \t]*")
_BROWSERS_SIZE_LINE_BYTES = 16 * 1024  # Chromium's kMaxLineBufLen (net/http/http_chunked_decoder.h)
_LARGEST_DIGITS = 16  # without leading zeros
_LARGEST = 2**63 - 1  # bytes in a chunk: what browsers and curl can count


class ChunkDecoder:
    """Undoes the chunked coding of one body. `done`: the end was reached; must not be fed afterwards."""

    __slots__ = (
        "_has_size",
        "_left",
        "_limits",
        "_line",
        "_line_bytes",
        "_section_bytes",
        "_state",
        "_trailer_bytes",
        "_trailer_fields",
        "_usual",
        "breaches",
        "done",
    )

    def __init__(self, limits: Limits) -> None:
        """Of `limits`: `field_bytes` for a line, `fields_count` and `head_bytes` for the trailer section."""
        self.done = False
        self.breaches = Breaches()
        self._limits = limits
        self._line_bytes = min(limits.field_bytes, BROWSERS_HEAD_BYTES)
        self._section_bytes = min(limits.head_bytes, BROWSERS_HEAD_BYTES)
        self._state = _SIZE
        self._left = 0  # bytes of the present chunk that are still to come
        self._line = bytearray()
        self._has_size = False  # the size in the line is whole and was checked
        self._trailer_bytes = self._trailer_fields = 0
        self._usual = limits.field_bytes >= 15  # else a usual line may be over the limit

    def feed(self, data: bytes, deliver: Callable[[bytes | memoryview], None]) -> int:
        """Take bytes; return how many of them belong to the body (fewer than given once it is over).

        `deliver` is called at most once, with all content in them. Raises HeadError after what came before the error
        was delivered.
        """
        content: list[memoryview] = []
        try:
            return self._decode(data, content)
        finally:
            if content:
                deliver(content[0] if len(content) == 1 else b"".join(content))

    def _decode(self, data: bytes, content: list[memoryview]) -> int:
        at, view = 0, memoryview(data)
        while at < len(data) and not self.done:
            if self._state == _DATA:
                piece = view[at : at + self._left]
                content.append(piece)
                at += len(piece)
                self._left -= len(piece)
                if not self._left:
                    self._state = _DATA_END
            elif (
                self._state == _SIZE and not self._line and (usual := _USUAL.match(data, at)) and self._usual
            ):
                at = self._usual_chunk(data, view, usual, content)
            else:
                at = self._read_line(data, at)
        return at

    def _usual_chunk(
        self, data: bytes, view: memoryview, line: re.Match[bytes], content: list[memoryview]
    ) -> int:
        """A size without extensions and, where all of it is there, its data; returns where that ends."""
        begin, size = line.end(), int(line[1], 16)
        end = begin + size
        if size and data[end : end + 2] == b"\r\n":
            content.append(view[begin:end])
            return end + 2
        self._begin(size)
        return begin

    def _begin(self, size: int) -> None:
        self._left = size
        self._state = _DATA if size else _TRAILER

    def _read_line(self, data: bytes, at: int) -> int:
        end = data.find(b"\n", at)
        stop = len(data) if end < 0 else end + 1
        self._line += data[at:stop]
        if self._state == _DATA_END:
            self._check_data_end()
        elif self._state == _SIZE:
            self._check_size()
        else:
            self._check_trailer()
        if end >= 0:
            line, self._line = bytes(self._line), bytearray()
            self._take(line)
        return stop

    def _take(self, line: bytes) -> None:
        """A whole line that passed the checks that every part of it has to pass."""
        if self._state == _DATA_END:
            self._state = _SIZE
        elif self._state == _SIZE:
            extension = line.partition(b";")[2]
            if b"\0" in extension:
                self.breaches.add("nul_in_chunk_extension")
            content_of_line(line.replace(b"\0", b"") if extension else line, "the size line of a chunk")
            self._begin(int(_digits(line), 16))
            self._has_size = False
        else:
            self._take_trailer(line)

    def _check_data_end(self) -> None:
        if bytes(self._line) not in (b"\r", b"\r\n", b"\n"):
            raise violation("the data of a chunk is longer than its size says")

    def _check_size(self) -> None:
        """The line so far. What comes first in it counts: a character out of place, or the limit."""
        limit = min(self._line_bytes, _BROWSERS_SIZE_LINE_BYTES)
        over = too_long_at(self._line, limit)
        if not self._has_size:
            line = bytes(self._line[:over] if over else self._line)
            _check_size_prefix(line)
            self._has_size = b";" in line
        if over:
            own = FailureType.AGENT_LIMIT_FIELD
            raise too_large("the size line of a chunk", limit, own, _BROWSERS_SIZE_LINE_BYTES)

    def _check_trailer(self) -> None:
        line, limit = self._line, self._line_bytes
        over, room = too_long_at(line, limit), self._section_bytes - self._trailer_bytes
        if len(line) > room and not 0 < over <= room:
            raise too_large("the trailer section", self._section_bytes, FailureType.AGENT_LIMIT_HEAD)
        if over:
            raise too_large("a line of the trailer section", limit, FailureType.AGENT_LIMIT_FIELD)

    def _take_trailer(self, raw: bytes) -> None:
        self._trailer_bytes += len(raw)
        line = content_of_line(raw, "the trailer section", self.breaches)
        if not line:
            self.done = True
            return
        add_field([], line, self.breaches, set())
        self._trailer_fields += 1
        if self._trailer_fields > self._limits.fields_count:
            raise too_many(self._limits.fields_count, "the trailer section")


def _digits(line: bytes) -> bytes:
    match = _DIGITS.match(line)
    assert match is not None, "the pattern matches nothing too"
    return match[0]


def _check_size_prefix(line: bytes) -> None:
    """Raises HeadError where no size line begins so."""
    digits = _digits(line)
    significant = digits.lstrip(b"0")
    if len(significant) > _LARGEST_DIGITS or int(significant or b"0", 16) > _LARGEST:
        raise violation("a chunk size beyond 63 bits")
    if not digits:
        raise violation("a chunk without a size")
    space = _SPACE.match(line, len(digits))
    assert space is not None, "the pattern matches nothing too"
    rest = line[space.end() :]
    if rest and rest[:1] != b";" and rest not in (b"\r", b"\n", b"\r\n"):
        raise violation("a chunk size that is no hexadecimal number")
