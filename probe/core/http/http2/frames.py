"""Rule: frames are found in the bytes whatever the cuts; content of DATA is passed on as it comes, the rest whole.

Bounded: a frame over the size that we allow is refused by its head, and no more than one frame is kept (RFC 9113
section 4).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from probe.core.http.tolerance import violation

STREAM = 1  # ours, and the only one
DATA, HEADERS, SETTINGS, GOAWAY, CONTINUATION = 0, 1, 4, 7, 9
END_STREAM, END_HEADERS, PADDED, PRIORITY = 0x1, 0x4, 0x8, 0x20
HEAD_BYTES = 9  # of a frame's own head
_FRAME_BYTES = 16_384  # SETTINGS_MAX_FRAME_SIZE at its initial value, as browsers leave it


@dataclass(frozen=True, slots=True)
class FrameHead:
    """The nine bytes before a frame's payload."""

    length: int
    kind: int
    flags: int
    stream: int


def head_of(data: bytes | bytearray) -> FrameHead:
    """The head at the beginning of `data`."""
    stream = int.from_bytes(data[5:9], "big") & 0x7FFFFFFF
    return FrameHead(int.from_bytes(data[:3], "big"), data[3], data[4], stream)


def window_update(stream: int, count: int) -> bytes:
    """A WINDOW_UPDATE frame."""
    return b"\0\0\x04\x08\0" + stream.to_bytes(4, "big") + count.to_bytes(4, "big")


class FrameCutter:
    """Cuts bytes into frames for its owner's calls.

    `begins`: a frame's head is known; it returns whether its payload is content that is passed on as it comes, with
    `content` for each piece (a view that holds for the call) and `over` at its end. Else `whole` gets the frame.
    """

    def __init__(
        self,
        begins: Callable[[FrameHead], bool],
        content: Callable[[bytes | memoryview], None],
        over: Callable[[], None],
        whole: Callable[[FrameHead, bytes], None],
    ) -> None:
        self._begins, self._content, self._over, self._whole = begins, content, over, whole
        self._partial = bytearray()  # of a frame's head, or of a frame that is taken whole
        self._head: FrameHead | None = None  # of the frame that is collected
        self._content_left = 0

    @property
    def unsure(self) -> bool:
        """Whether a frame has begun of which the kind is not known."""
        return self._head is None and bool(self._partial)

    @property
    def kept_bytes(self) -> int:
        """How much is held of a frame that is not whole."""
        return len(self._partial)

    def feed(self, data: bytes | memoryview) -> int:
        """Take bytes up to the end of a frame, a piece of content or `data`; how many. Raises HeadError."""
        if self._content_left:
            piece = data[: self._content_left]
            self._content_left -= len(piece)
            self._content(piece)
            if not self._content_left:
                self._over()
            return len(piece)
        if self._head is None:
            return self._feed_head(data)
        return self._feed_payload(self._head, data)

    def _feed_head(self, data: bytes | memoryview) -> int:
        taken = data[: HEAD_BYTES - len(self._partial)]
        self._partial += taken
        if len(self._partial) == HEAD_BYTES:
            head = head_of(self._partial)
            if head.length > _FRAME_BYTES:
                raise violation(f"a frame of {head.length} bytes, over the {_FRAME_BYTES} that are allowed")
            if self._begins(head):
                self._partial.clear()
                self._content_left = head.length
                if not head.length:
                    self._over()
            elif head.length:
                self._head = head
            else:
                self._take(head)
        return len(taken)

    def _feed_payload(self, head: FrameHead, data: bytes | memoryview) -> int:
        taken = data[: HEAD_BYTES + head.length - len(self._partial)]
        self._partial += taken
        if len(self._partial) == HEAD_BYTES + head.length:
            self._take(head)
        return len(taken)

    def _take(self, head: FrameHead) -> None:
        frame = bytes(self._partial)
        self._partial.clear()
        self._head = None
        self._whole(head, frame)
