"""Rule: what a response over HTTP/2 is depends on its bytes alone, not on how they were cut or when they came.

The reader of one response over HTTP/2 (RFC 9113), which knows no socket and no clock, beside `response_reader`. In: the
bytes of a connection (`feed`). Out: calls of `on_head` and `on_body`; what is to be sent (`to_send`); `complete`; and
`HeadError` for what is no response, with the type of failure that it is.

Theory of operation. The library `h2` keeps the connection: the preface, settings, pings, windows and what else is no
part of the response goes to it, frame by frame, and it says what to answer. The response's own frames are read here,
since `h2` reads nothing after GOAWAY, refuses what browsers take, and copies bodies:

    HEADERS, CONTINUATION   collected up to a bound, decoded by the decoder that `h2` keeps (HPACK), read by
                            `stream_fields`: interim heads, the final one, trailers
    DATA                    passed on as it comes, also in parts of a frame; a window is given back when half is used
    GOAWAY                  below our stream: the request was not processed. Else the response may still come
    RST_STREAM              the end, whatever its code

What comes after the end of the stream is never read. A connection that needs more than `_FRAMES_AT_MOST` frames beside
the body's is ended: no client needs them (RFC 9113 section 10.5).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings

from probe.core.http.head import Framing, Head
from probe.core.http.http2 import frames
from probe.core.http.http2.error_codes import code_name, goaway_error, reset_error
from probe.core.http.http2.frames import (
    CONTINUATION,
    DATA,
    END_STREAM,
    GOAWAY,
    HEAD_BYTES,
    HEADERS,
    PADDED,
    SETTINGS,
    STREAM,
    FrameCutter,
    FrameHead,
    window_update,
)
from probe.core.http.http2.sections import Lines, Sections
from probe.core.http.stream_fields import (
    HTTP_2,
    FieldLines,
    PartialHeadError,
    as_text,
    check_interim,
    check_trailer,
    final_head,
    read_status,
)
from probe.core.http.tolerance import Breaches, HeadError, violation
from probe.core.model.task import BROWSERS_HEAD_BYTES, Limits
from probe.core.records.failure import FailureType

BodySink = Callable[[bytes | memoryview], None]
# Chromium's. A body is not held up by them; who sends faster than we read waits for the socket.
_STREAM_WINDOW = 6 * 1024 * 1024
_CONNECTION_WINDOW = 15 * 1024 * 1024
_FIRST_CONNECTION_WINDOW = 65_535
_FRAMES_AT_MOST = 1_000
_ALTSVC_AT_MOST = 32
_SETTINGS_SENT = {
    h2.settings.SettingCodes.ENABLE_PUSH: 0,
    h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: _STREAM_WINDOW,
    h2.settings.SettingCodes.MAX_HEADER_LIST_SIZE: BROWSERS_HEAD_BYTES,
}
_F = FailureType


@lru_cache(maxsize=1)
def _config() -> h2.config.H2Configuration:
    return h2.config.H2Configuration(
        client_side=True,
        header_encoding=None,
        validate_inbound_headers=False,
        normalize_inbound_headers=False,
        validate_outbound_headers=False,
        normalize_outbound_headers=False,
    )


class Http2Reader:
    """Reads the response to one request with the method `method`, which `request` gives the bytes of.

    `body_bytes`: of the body so far, without framing. Views given to `on_body` hold for the call only. `others`: how
    many frames and interim heads came that are no part of the final head or the body. `followed`: bytes came behind
    the end. `altsvc`: what ALTSVC frames said (RFC 7838 section 4), each with the origin or authority that it is for.
    """

    surplus = False  # what follows the end is not looked at

    def __init__(
        self, limits: Limits, method: str, on_head: Callable[[Head], None], on_body: BodySink
    ) -> None:
        self.head: Head | None = None
        self.begun_head: Head | None = None
        self.complete = False
        self.followed = False
        self.body_bytes = 0
        self.others = 0
        self.altsvc: list[tuple[bytes, bytes]] = []
        self._limits = limits
        self._method = method
        self._on_head = on_head
        self._on_body = on_body
        self._connection = h2.connection.H2Connection(_config())
        # Set before the preface is made: a change to the settings that are there waits for an acknowledgement.
        self._connection.local_settings = h2.settings.Settings(client=True, initial_values=_SETTINGS_SENT)
        self._sections = Sections(self._connection.decoder)
        self._cutter = FrameCutter(self._begins, self._content, self._over, self._whole)
        self._out = b""
        self._frames = 0  # that carry no content
        self._ends = False  # the frame of DATA that is read is the stream's last
        self._empty = False
        self._begun_section = False
        self._greeted = False  # the server's preface came
        self._interim: list[int] = []
        self._breaches = Breaches()
        self._heads: list[FieldLines] = []
        self._used = [0, 0]  # of the connection's window and the stream's, since they were given back
        self._farewell: tuple[int, int] | None = None  # of a GOAWAY: the last stream, the error

    # --- what is sent ----------------------------------------------------------------------------

    def request(self, lines: FieldLines) -> bytes:
        """The client's preface and the request."""
        connection = self._connection
        connection.initiate_connection()
        connection.increment_flow_control_window(_CONNECTION_WINDOW - _FIRST_CONNECTION_WINDOW)
        connection.send_headers(STREAM, list(lines), end_stream=True)
        return connection.data_to_send()

    def to_send(self) -> bytes:
        """What is owed to the server since the last call."""
        out, self._out = self._out, b""
        return out

    # --- what is known ---------------------------------------------------------------------------

    @property
    def raw_head(self) -> bytes:
        """The heads, interim ones too, as text."""
        return b"".join(as_text("HTTP/2", lines) for lines in self._heads)

    @property
    def breaches(self) -> tuple[str, ...]:
        """What was tolerated so far: words of `tolerance.BREACHES`."""
        return self._breaches.words

    @property
    def begun(self) -> bool:
        """Has the final head, or what may be it, begun to arrive? Of a frame cut in its own head nobody knows."""
        return self.head is not None or self._begun_section or self._cutter.unsure

    @property
    def ended_by(self) -> HeadError | None:
        """What a GOAWAY said of a connection that ended before the response did; None: there was none."""
        if self._farewell is None:
            return None
        return HeadError(
            _F.HTTP_GOAWAY, f"GOAWAY ({code_name(self._farewell[1])}), then the end, within the response"
        )

    def end(self) -> bool:
        """The peer closed the connection: the response is complete only if it was before."""
        return self.complete

    def detach(self) -> None:
        """Call nobody any more; what was read stays readable."""
        self._on_head = lambda head: None
        self._on_body = lambda content: None

    # --- what comes ------------------------------------------------------------------------------

    def feed(self, data: bytes | memoryview) -> None:
        """Take bytes of the connection. Raises HeadError; must not be fed again then."""
        at, end, cutter = 0, len(data), self._cutter
        while at < end and not self.complete:
            at += cutter.feed(data[at:] if at else data)
        self.followed = at < end

    def _begins(self, head: FrameHead) -> bool:
        """A frame begins; True: its payload is content, without padding."""
        if not self._greeted:
            if head.kind > CONTINUATION:
                raise violation("no HTTP/2: the server's first frame is none of RFC 9113")
            if head.kind != SETTINGS or head.flags & 1:
                self._breaches.add("no_settings_first")
            self._greeted = True
        if self._sections.open and head.kind != CONTINUATION:
            raise violation("a field section is interrupted by another frame")
        if head.kind == HEADERS and self.head is None:
            self._begun_section = True
        if head.kind != DATA:
            return False
        if head.stream != STREAM:
            raise violation(f"DATA on stream {head.stream}, which nobody opened")
        if self.head is None:
            raise violation("DATA before the head")
        self._ends, self._empty = bool(head.flags & END_STREAM), not head.length
        return not head.flags & PADDED

    def _whole(self, head: FrameHead, frame: bytes) -> None:
        match head.kind:
            case frames.DATA:
                self._padded(frame)
            case frames.HEADERS:
                self._section(self._sections.headers(head, frame))
            case frames.CONTINUATION:
                self._count()
                self._section(self._sections.continuation(head, frame))
            case _:
                self.others += 1
                self._count()
                self._beside(head, frame)

    def _count(self) -> None:
        self._frames += 1
        if self._frames > _FRAMES_AT_MOST:
            raise HeadError(
                _F.HTTP_EXCESSIVE_FRAMES, f"more than {_FRAMES_AT_MOST} frames that carry no content"
            )

    # --- DATA ------------------------------------------------------------------------------------

    def _padded(self, frame: bytes) -> None:
        content = len(frame) - HEAD_BYTES - 1
        padding = frame[HEAD_BYTES] if content >= 0 else 1
        if padding > content:
            raise violation("DATA with more padding than content")
        self._empty = content == padding
        if not self._empty:
            self._content(frame[HEAD_BYTES + 1 : len(frame) - padding])
        self._window_used(padding + 1)
        self._over()

    def _content(self, piece: bytes | memoryview) -> None:
        head = self.head
        assert head is not None, "DATA before the head is refused"
        if head.framing is Framing.NONE:
            self._breaches.add("surplus_bytes")
            return
        self.body_bytes += len(piece)
        self._on_body(piece)
        if head.length_bytes is not None and self.body_bytes > head.length_bytes:
            raise violation(f"more than the {head.length_bytes} bytes that Content-Length declares")
        self._window_used(len(piece))

    def _over(self) -> None:
        if self._ends:
            self._finish()
        elif self._empty:
            self._count()

    def _window_used(self, count: int) -> None:
        """Give windows back once half of them is used."""
        if self._ends:
            return
        for place, (stream, window) in enumerate(((0, _CONNECTION_WINDOW), (STREAM, _STREAM_WINDOW))):
            self._used[place] += count
            if self._used[place] >= window // 2:
                self._out += window_update(stream, self._used[place])
                self._used[place] = 0

    def _finish(self) -> None:
        head = self.head
        assert head is not None, "the stream ends after the head"
        if head.framing is Framing.LENGTH and self.body_bytes < (head.length_bytes or 0):
            detail = f"the stream ended after {self.body_bytes} bytes, {head.length_bytes} were declared"
            raise HeadError(_F.BODY_TRUNCATED, detail)
        self.complete = True

    # --- what is no part of the response ---------------------------------------------------------

    def _beside(self, head: FrameHead, frame: bytes) -> None:
        if head.kind == GOAWAY:
            self._goaway(head, frame)
            return
        try:
            events = self._connection.receive_data(frame)
        except h2.exceptions.H2Error as error:
            raise violation(f"HTTP/2: {str(error)[:200] or type(error).__name__}") from error
        self._out += self._connection.data_to_send()
        for event in events:
            if isinstance(event, h2.events.StreamReset):
                raise reset_error(int(event.error_code or 0), self.body_bytes)
            if (
                isinstance(event, h2.events.AlternativeServiceAvailable)
                and len(self.altsvc) < _ALTSVC_AT_MOST
            ):
                self.altsvc.append((event.origin or b"", event.field_value or b""))

    def _goaway(self, head: FrameHead, frame: bytes) -> None:
        if head.stream or head.length < 8:
            raise violation("a GOAWAY that is none")
        last = int.from_bytes(frame[9:13], "big") & 0x7FFFFFFF
        self._farewell = last, int.from_bytes(frame[13:17], "big")
        if last < STREAM:
            raise goaway_error(self._farewell[1])

    # --- field sections --------------------------------------------------------------------------

    def _section(self, lines: Lines | None) -> None:
        if lines is None:
            return
        if self.head is not None:
            self._trailer(lines)
            return
        self._heads.append(lines)
        if read_status(lines, HTTP_2) < 200:
            self._interim_head(lines)
            return
        try:
            head = final_head(lines, self._method, self._limits, self._interim, self._breaches, HTTP_2)
        except PartialHeadError as error:
            self.begun_head = error.head
            raise
        self.head = head
        self._on_head(head)
        if self._sections.ends:
            self._finish()

    def _interim_head(self, lines: Lines) -> None:
        self.others += 1
        self._begun_section = False
        self._interim.append(read_status(lines, HTTP_2))
        check_interim(self._interim)
        if self._sections.ends:
            raise violation("an interim head that ends the stream")

    def _trailer(self, lines: Lines) -> None:
        if not self._sections.ends:
            raise violation("a second head within the response")
        check_trailer(lines, self._breaches)
        self._finish()
