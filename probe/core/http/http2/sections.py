"""Rule: a field section is collected up to the size that browsers take, and decoded once it is whole (RFC 9113 4.3).

HEADERS and CONTINUATION of our stream in, field lines out. What is over the limit is over it also for browsers.
"""

from __future__ import annotations

from hpack import Decoder
from hpack.exceptions import HPACKError, OversizedHeaderListError

from probe.core.http.http2.frames import (
    END_HEADERS,
    END_STREAM,
    HEAD_BYTES,
    PADDED,
    PRIORITY,
    STREAM,
    FrameHead,
)
from probe.core.http.tolerance import HeadError, too_large, violation
from probe.core.model.task import BROWSERS_HEAD_BYTES
from probe.core.records.failure import FailureType

Lines = list[tuple[bytes, bytes]]


class Sections:
    """Collects one section after the other. `open`: one has begun and is not whole. `ends`: it is the stream's last."""

    def __init__(self, decoder: Decoder) -> None:
        """`decoder` is the connection's; its limit is set here."""
        decoder.max_header_list_size = BROWSERS_HEAD_BYTES
        self._decoder = decoder
        self._block: bytearray | None = None
        self.ends = False

    @property
    def open(self) -> bool:
        return self._block is not None

    def headers(self, head: FrameHead, frame: bytes) -> Lines | None:
        """A HEADERS frame: the lines, once the section is whole. Raises HeadError."""
        if head.stream != STREAM:
            raise violation(f"HEADERS on stream {head.stream}, which nobody opened")
        start, stop = HEAD_BYTES, len(frame)
        if head.flags & PADDED:
            stop -= frame[HEAD_BYTES] if stop > HEAD_BYTES else 0
            start += 1
        start += 5 if head.flags & PRIORITY else 0
        if start > stop:
            raise violation("HEADERS with more padding than content")
        self._block, self.ends = bytearray(frame[start:stop]), bool(head.flags & END_STREAM)
        return self._lines() if head.flags & END_HEADERS else None

    def continuation(self, head: FrameHead, frame: bytes) -> Lines | None:
        """A CONTINUATION frame, likewise."""
        if self._block is None or head.stream != STREAM:
            raise violation("CONTINUATION without a field section that goes on")
        self._block += frame[HEAD_BYTES:]
        if len(self._block) > BROWSERS_HEAD_BYTES:
            raise _too_large()
        return self._lines() if head.flags & END_HEADERS else None

    def _lines(self) -> Lines:
        block, self._block = bytes(self._block or b""), None
        try:
            return [(bytes(line[0]), bytes(line[1])) for line in self._decoder.decode(block, raw=True)]
        except OversizedHeaderListError:
            raise _too_large() from None
        except HPACKError as error:
            raise violation(
                f"fields that are no HPACK: {str(error)[:200] or type(error).__name__}"
            ) from error


def _too_large() -> HeadError:
    return too_large("the head", BROWSERS_HEAD_BYTES, FailureType.AGENT_LIMIT_HEAD)
