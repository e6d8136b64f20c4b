"""Rule: what a server may make us hold is bounded, and a frame that its stream cut is not taken for a whole one.

`StreamBounds` sees the events of streams before qh3's HTTP/3 does, which keeps whatever is not complete, however long.
In: events. Out: whether they may pass; whether our stream ended within a frame (RFC 9114 section 7.1).
"""

from __future__ import annotations

from qh3.quic.events import QuicEvent, StreamDataReceived

from probe.core.model.task import BROWSERS_HEAD_BYTES

BESIDE_BYTES = 1024 * 1024  # of control, QPACK and unknown streams
UNDELIVERED_BYTES = (
    4 * BROWSERS_HEAD_BYTES + 64 * 1024
)  # of our stream: a field section in Huffman's code, frames
DATA = 0  # the type of a frame (RFC 9114 section 7.2.1)
_OF_SERVER_ONE_WAY = 3  # the last two bits of a stream's number (RFC 9000 section 2.1)
_PUSH = 1  # the type of a stream of pushed content (RFC 9114 section 6.2.2)


class FrameWalk:
    """Where one frame of a stream ends and the next begins. `kind`: of the frame that is being read."""

    def __init__(self) -> None:
        self.kind: int | None = None
        self._head = bytearray()  # of the next frame: its type and length
        self._left = 0

    @property
    def within(self) -> bool:
        """Whether a frame has begun and is not over."""
        return self._left > 0 or bool(self._head)

    def walk(self, data: bytes) -> list[int]:
        """Go on over the next bytes; where in them frames end."""
        at, end, ends = 0, len(data), []
        while at < end:
            if self._left:
                step = min(self._left, end - at)
                self._left -= step
                at += step
            else:
                self._head.append(data[at])
                at += 1
                read = _two_numbers(self._head)
                if read is None:
                    continue
                self.kind, self._left = read
                self._head.clear()
            if not self._left:
                ends.append(at)
        return ends


def _two_numbers(data: bytearray) -> tuple[int, int] | None:
    """Two integers of variable length (RFC 9000 section 16); None: they are not complete."""
    first = 1 << (data[0] >> 6)
    if len(data) <= first or len(data) < first + (1 << (data[first] >> 6)):
        return None
    return _number(data[:first]), _number(data[first:])


def _number(data: bytearray) -> int:
    return int.from_bytes(data, "big") & ((1 << (8 * len(data) - 2)) - 1)


def _pieces(event: QuicEvent, ends: list[int]) -> list[QuicEvent]:
    assert isinstance(event, StreamDataReceived), "only data has frames"
    pieces: list[QuicEvent] = []
    data, begin = event.data, 0
    for end in ends if ends[-1] == len(data) else [*ends, len(data)]:
        last = end == len(data)
        pieces.append(StreamDataReceived(data[begin:end], event.end_stream and last, event.stream_id))
        begin = end
    return pieces


class StreamBounds:
    """What has come and was not delivered."""

    def __init__(self, stream: int) -> None:
        """`stream`: the number of ours."""
        self.frames = FrameWalk()
        self.refused: int | None = None  # a stream of pushed content, to be turned away
        self.passed = False  # more than may be held
        self._stream = stream
        self._beside = self._undelivered = 0
        self._one_way: dict[int, bool] = {}  # the server's streams of one direction: whether they are read

    @property
    def nothing_undelivered(self) -> bool:
        """Whether all that came on our stream had a meaning."""
        return self._undelivered == 0

    def delivered(self) -> None:
        """Something of our stream had a meaning."""
        self._undelivered = 0

    def admit(self, event: QuicEvent) -> list[QuicEvent]:
        """What of it qh3 may have: of our stream frame by frame, so that what is wrong with one spoils none before."""
        number = getattr(event, "stream_id", self._stream)
        data = event.data if isinstance(event, StreamDataReceived) else b""
        self.refused, pieces = None, [event]
        if number == self._stream:
            self._undelivered += len(data)
            ends = self.frames.walk(data)
            if len(ends) > 1 or (ends and ends[0] < len(data)):
                pieces = _pieces(event, ends)
        elif number & _OF_SERVER_ONE_WAY == _OF_SERVER_ONE_WAY:
            if not self._reads(number, data):
                return []
            self._beside += len(data)
        self.passed = self._beside > BESIDE_BYTES or self._undelivered > UNDELIVERED_BYTES
        return [] if self.passed else pieces

    def _reads(self, number: int, data: bytes) -> bool:
        read = self._one_way.get(number)
        if read is None and data:
            read = self._one_way[number] = data[0] != _PUSH
            if not read:
                self.refused = number
        return read is not False
