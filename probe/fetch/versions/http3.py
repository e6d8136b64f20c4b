"""Rule: one request on one stream of one QUIC connection, once; the response is read within our own limits.

The HTTP/3 exchange (RFC 9114): a row of `probe.fetch.exchange.EXCHANGES`. In: the request, and the events of streams
from a `QuicTransport`, each with the time at which its datagram came. Out: the head, the body's bytes, and when the
first and the last byte came.

Theory of operation. qh3 reads frames and field sections (QPACK); `Http3Exchange` bounds what it may hold, makes a head
of the fields, counts the body against its length, and waits.

    received -> `StreamBounds`: pushed streams are turned away; what is kept and not delivered is bounded
             -> qh3 -> HEADERS: interim, final, trailers
                       DATA: to the body at once, or, coded, into a queue that `read` empties
    ended    -> whole where the declared length is there, else the reason why it is not

The end of the response is the end of the stream; where the length was declared and is there, its FIN may be late.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic_ns

from qh3.h3.connection import H3Connection
from qh3.h3.events import (
    DataReceived,
    GoawayReceived,
    H3Event,
    HeadersReceived,
    InformationalHeadersReceived,
    StopSending,
)
from qh3.h3.events import StreamReset as H3StreamReset
from qh3.quic.events import QuicEvent, StreamDataReceived

from probe.core.http.head import Framing, Head, HeadError, violation
from probe.core.http.stream_fields import FieldLines, request_lines
from probe.core.model.protocols import H3
from probe.core.model.task import Limits
from probe.fetch.body import Body
from probe.fetch.quic import closing
from probe.fetch.quic.carrier import QuicCarrier
from probe.fetch.quic.silence import Silence
from probe.fetch.quic.stream_bounds import DATA, StreamBounds
from probe.fetch.versions.coded_queue import CodedQueue
from probe.fetch.versions.stream_heads import StreamHeads, request_as_text
from probe.net.arrival_bounds import BoundedTime
from probe.net.deadline import Alarm
from probe.net.failures import BodyTruncatedError

_NEAR_BYTES = 128 * 1024
_FIN_LATE_S = 0.05  # after the whole length came


class Http3Exchange:
    """One request and its response."""

    protocol = H3

    def __init__(
        self, carrier: QuicCarrier, limits: Limits, method: str, body_of: Callable[[Head], Body]
    ) -> None:
        assert carrier.transport is not None, "the handshake is done"
        self.body: Body | None = None
        self.breaches: tuple[str, ...] = ()
        self.altsvc: tuple[str, ...] = ()  # HTTP/3 has no such frame
        self._carrier = carrier
        self._transport = carrier.transport
        self._http: H3Connection | None = None
        self._stream = 0
        self._heads = StreamHeads("HTTP/3", method, limits)
        self._body_of: Callable[[Head], Body] | None = body_of
        self._loop = asyncio.get_running_loop()
        self._alarm = Alarm(self._loop)
        self._deadlines_s = (0.0, 0.0)  # for the first byte, for all
        self._body_bytes = 0
        self._begun = self._fin = False  # bytes of a head came; the end did
        self._error: Exception | None = None
        self._stopped: int | None = None  # STOP_SENDING, and why
        self._bounds = StreamBounds(0)
        self._stream_ended = self._goaway = False
        self._queue = CodedQueue()
        self._waiter: asyncio.Future[None] | None = None
        self._silence = Silence(self._transport)

    @property
    def head(self) -> Head | None:
        """The final head, once it came."""
        return self._heads.final

    @property
    def begun_head(self) -> Head | None:
        """What is kept of a final head that passed a limit."""
        return self._heads.begun

    @property
    def raw_head(self) -> bytes:
        """See `Exchange`."""
        return self._heads.raw

    def shown(self, method: str, path: str, fields: list[tuple[str, str]]) -> list[str]:
        """See `Exchange`."""
        return request_as_text("HTTP/3", method, path, fields)

    # --- the owner -------------------------------------------------------------------------------

    async def ask(
        self,
        method: str,
        path: str,
        fields: list[tuple[str, str]],
        *,
        first_byte_at_s: float,
        total_at_s: float,
    ) -> Head:
        """See `Exchange`."""
        section = request_lines(method, "https", path, fields)
        self._deadlines_s = first_byte_at_s, total_at_s
        self._alarm.set(first_byte_at_s, self._late)
        try:
            self._send(section)
            while self.head is None and self._error is None:
                await self._wait()
        finally:
            self._alarm.end()
            self._silence.listen(total_at_s)
        if self.head is None:
            raise self._error or TimeoutError
        return self.head

    def _send(self, section: FieldLines) -> None:
        transport, watch = self._transport, self._carrier.watch
        watch.request_start_us = watch.now_us()
        self._http = H3Connection(transport.quic)
        self._stream = transport.quic.get_next_available_stream_id()
        self._bounds = StreamBounds(self._stream)
        self._http.send_headers(self._stream, list(section), end_stream=True)
        transport.dates.speak()
        transport.flush()
        watch.request_sent(transport.dates.sent_ns, monotonic_ns())
        self._silence.listen(self._deadlines_s[0])
        transport.attach(self)

    async def read(self, until_s: float) -> None:
        """See `Exchange`."""
        timer = self._loop.call_at(until_s, self._late)
        try:
            while True:
                await self._queue.empty(self.body)
                if self._over():
                    break
                await self._wait()
        finally:
            timer.cancel()
            self._silence.end()
        if self._error is not None:
            raise self._error
        if not self._fin:
            await self._wait(min(_FIN_LATE_S, until_s - self._loop.time()))
            if isinstance(self._error, HeadError):
                raise self._error
        self._carrier.whole = True

    def _over(self) -> bool:
        return self._queue.is_empty and (self._fin or self._length_came or self._error is not None)

    async def _wait(self, seconds: float | None = None) -> None:
        """Until something happens, or at most so long."""
        self._waiter = self._loop.create_future()
        timer = None if seconds is None else self._loop.call_later(max(seconds, 0), self._wake)
        try:
            await self._waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, error: Exception) -> None:
        self._error = self._error or error
        self._wake()

    def _late(self) -> None:
        if self._fin or self._length_came:
            return  # only we are late, with undoing codings
        if self._stream_ended:
            self._fail(violation("the stream ended without a whole response"))
        elif self._stopped is not None:
            self._fail(closing.stopped(self._stopped))
        else:
            self._fail(TimeoutError())

    @property
    def _length_came(self) -> bool:
        return self.head is not None and self._body_bytes == self.head.length_bytes

    def forget(self) -> None:
        """See `Exchange`."""
        self._silence.end()
        self._body_of = self._waiter = self._http = None

    # --- the connection --------------------------------------------------------------------------

    def received(self, event: QuicEvent, came: BoundedTime) -> None:
        """Of a stream; what it means is qh3's to say, what may be held is ours."""
        if self._error is not None or self._fin or self._http is None:
            return
        try:
            for piece in self._admitted(event, came):
                for happened in self._http.handle_event(piece):
                    self._happened(happened, came)
            self._check_end(event)
        except HeadError as error:
            self._fail(error)
        except (ValueError, IndexError) as error:
            self._transport.broke(closing.FRAME_ERROR, f"malformed: {error.__class__.__name__}")
        except Exception as error:
            self._fail(error)
        if (broken := self._transport.quic.closed_by_us) is not None:
            self._transport.broke(*broken)

    def ended(self, error: Exception) -> None:
        """No more will come."""
        if not self._fin and not self._length_came:
            self._fail(closing.said_goodbye(error) if self._goaway else error)
        self._wake()

    def _admitted(self, event: QuicEvent, came: BoundedTime) -> list[QuicEvent]:
        """What of it qh3 may have. Pushed content ends it, as in browsers: nobody allowed it (RFC 9114 section 4.6)."""
        bounds = self._bounds
        pieces = bounds.admit(event)
        if bounds.refused is not None:
            self._transport.broke(closing.ID_ERROR, "pushed content, which nobody allowed")
        if bounds.passed:
            self._fail(closing.excessive())
            self._transport.quic.close(closing.EXCESSIVE_LOAD)
        ours = isinstance(event, StreamDataReceived) and event.stream_id == self._stream and bool(event.data)
        if pieces and ours and not self._begun and self.head is None:
            self._head_has_begun(came)
        return pieces

    def _check_end(self, event: QuicEvent) -> None:
        """Of our stream, which may end where no message does. Raises HeadError."""
        if (
            not isinstance(event, StreamDataReceived)
            or event.stream_id != self._stream
            or not event.end_stream
        ):
            return
        self._stream_ended = True
        if self._bounds.frames.within and self._bounds.frames.kind == DATA:
            self._fin = False
            self._fail(BodyTruncatedError(f"ended after {self._body_bytes} bytes, within a DATA frame"))
        elif self._bounds.frames.within or (self.head is None and self._bounds.nothing_undelivered):
            self._fin = False
            raise violation("the stream ended without a whole response")

    def _head_has_begun(self, came: BoundedTime) -> None:
        self._begun = True
        self._carrier.watch.response_start(came)
        self._alarm.set(self._deadlines_s[1], self._late)

    def _happened(self, event: H3Event, came: BoundedTime) -> None:
        self._bounds.delivered()
        if isinstance(event, DataReceived):
            self._on_data(event, came)
        elif isinstance(event, HeadersReceived):
            self._on_section(event, came)
        elif isinstance(event, InformationalHeadersReceived):
            self._on_interim(event.headers)
        elif isinstance(event, H3StreamReset) and event.stream_id == self._stream:
            self.ended(closing.stream_reset(event.error_code))
        elif isinstance(event, StopSending) and event.stream_id == self._stream:
            self._stopped = event.error_code if event.error_code != closing.NO_HTTP_ERROR else None
        elif isinstance(event, GoawayReceived):
            self._goaway = True
            if event.stream_id <= self._stream:
                self.ended(closing.goaway())

    def _on_interim(self, section: FieldLines) -> None:
        self._heads.take_interim(section)
        self._begun = False
        self._carrier.watch.response_start_us = None
        self._alarm.set(self._deadlines_s[0], self._late)

    def _on_section(self, event: HeadersReceived, came: BoundedTime) -> None:
        if self.head is not None:
            self.breaches = (*self.breaches, *self._heads.take_trailer(event.headers))
            if event.stream_ended:
                self._end(came)
            return
        assert self._body_of is not None, "fields come before all is forgotten"
        head = self._heads.take_final(event.headers)
        self.breaches = head.breaches
        self.body = self._body_of(head)
        if head.framing is Framing.NONE or head.length_bytes == 0:
            self._carrier.watch.response_end(came)
        self._set_exact(head)
        if event.stream_ended:
            self._end(came)
        self._wake()

    def _on_data(self, event: DataReceived, came: BoundedTime) -> None:
        body, head = self.body, self.head
        if body is None or head is None:
            return
        if event.data and head.framing is Framing.NONE:
            self.breaches = tuple(dict.fromkeys((*self.breaches, "surplus_bytes")))
        elif event.data:
            self._body_bytes += len(event.data)
            if head.length_bytes is not None and self._body_bytes > head.length_bytes:
                raise violation(f"more content than the {head.length_bytes} bytes that were declared")
            self._take(body, event.data)
            self._set_exact(head)
            if self._length_came:
                self._carrier.watch.response_end(came)
                self._wake()
        if event.stream_ended:
            self._end(came)

    def _set_exact(self, head: Head) -> None:
        """Far from the end of a body datagrams are read many at a time, which costs a third."""
        left = None if head.length_bytes is None else head.length_bytes - self._body_bytes
        self._transport.exact = left is not None and left < _NEAR_BYTES

    def _take(self, body: Body, data: bytes) -> None:
        if self._error is not None:
            return
        try:
            self._queue.take(body, data)
        except Exception as error:
            self._fail(error)
        if body.is_coded:
            self._wake()

    def _end(self, came: BoundedTime) -> None:
        """The end of the stream. Of a length that was declared the last byte counts, and not the end behind it."""
        head = self.head
        if head is not None and head.framing is Framing.LENGTH and not self._length_came:
            self._fail(
                BodyTruncatedError(f"ended after {self._body_bytes} bytes, {head.length_bytes} were declared")
            )
            return
        if head is not None and head.framing is Framing.STREAM:
            self._carrier.watch.response_end(came)
        self._fin = True
        self._wake()
