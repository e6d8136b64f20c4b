"""Rule: aiohttp undoes the transfer coding; what was on the wire, when, and how it ended we see for ourselves.

`WireProtocol` stands between the transport and aiohttp's parser. The head is judged by `core.http_head`. A body that
can go straight to its reader goes past aiohttp; for all others it is given a head rebuilt from nothing but the framing,
then the body's bytes. Bytes after a declared length never reach it. The end of the connection is told to it only when
the bytes before it have been read.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from functools import lru_cache
from time import monotonic_ns
from typing import Any, cast

from aiohttp import ClientPayloadError, StreamReader
from aiohttp.client_proto import ResponseHandler

from probe.core.http.head import Framing, Head, HeadError, HeadScanner, violation
from probe.fetch.direct_body import Straight, Take
from probe.net.arrival_bounds import Dated, Dating
from probe.net.stopwatch import Stopwatch
from probe.net.tcp_info import read_tcp_info
from probe.net.transport import Conduit

_BUFFER_BYTES = 512 * 1024  # aiohttp stops reading the socket at twice this
_EARLY_BYTES = 64 * 1024  # kept of what a server says before it was asked
_PAST_AIOHTTP: Any = None  # the message that its queue gives then: what matters is `head`


class WireProtocol(ResponseHandler):
    """One connection, one request, one response. Closed by its owner with `hang_up`."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, sock: socket.socket, scanner: HeadScanner, watch: Stopwatch
    ) -> None:
        super().__init__(loop=loop)
        self.head: Head | None = None
        self.content: StreamReader | None = None
        self.consumed = 0  # body bytes that the reader took
        self.surplus = 0  # bytes after the end of the response
        self.ended_by: Exception | None = None  # why the connection ended, where not in good order
        self.close_notify = False  # TLS only: the peer said that it was done
        self.tcp_info = b""
        self.on_begun: Callable[[bool], None] | None = None
        self.on_head: Callable[[Head], Take | None] | None = None  # gives what the body may go to straight
        self.straight: Straight | None = None
        self.bodiless = False  # whatever the head says: the answer to HEAD
        self._sock = sock
        self._scanner = scanner
        self._watch = watch
        self._dates: Dating | None = None
        self._looked = False
        self._asked = False
        self._early = b""
        self._begun = False
        self._left = 0  # bytes still due, where the length was declared
        self._violation: HeadError | None = None
        self._abandoned = False
        self._told = False
        self.closed_event = asyncio.Event()
        self._lingering: asyncio.Future[None] | None = None
        self.closed_by_us = False  # the connection still stood when we hung up

    @property
    def raw_head(self) -> bytes:
        """The heads as they came, before anything was made of them."""
        return self._scanner.raw

    # --- the request -----------------------------------------------------------------------------

    def asking(self) -> None:
        """The request is about to be written."""
        self._watch.request_start_us = self._watch.now_us()
        if self._dates is not None:
            cast(Conduit, self.transport).expect_reply()

    def asked(self) -> None:
        """The request was written: what came before it may now be looked at."""
        self._asked = True
        if self._dates is not None:
            self._watch.asked(self._dates.sent_ns, self._dates.sent_by_ns)
        early, self._early = self._early, b""
        if early:
            self.data_received(early)

    # --- what the transport says -----------------------------------------------------------------

    def data_received(self, data: bytes | memoryview) -> None:
        """Bytes of the application; empty: aiohttp's parser goes on with what it holds.

        A view, that holds for the call, once the body goes straight to its reader.
        """
        self._looked = False
        if self.straight is not None and data:
            self._goes_straight(self.straight, data)
            return
        assert isinstance(data, bytes)
        if not data:
            self._feed(data)
        elif not self._asked:
            self._early = (self._early + data)[:_EARLY_BYTES]
        elif self.ended_by is None:
            try:
                self._received(data)
            except HeadError as exc:
                self._refuse(exc)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection can be used."""
        super().connection_made(transport)
        if isinstance(transport, Conduit):
            self._dates = transport.dates

    def _look(self) -> bytes:
        """What the kernel knows of the connection, asked once a delivery; once the socket is gone, what it knew."""
        if not self._looked:
            self.tcp_info = read_tcp_info(self._sock) or self.tcp_info
            self._looked = True
        return self.tcp_info

    def _first(self, *, alone: bool) -> Dated:
        """When the head's first byte came, of what is being delivered; not `alone`: not at its beginning."""
        if self._dates is None:
            return monotonic_ns(), 0
        info = self._look()
        return self._dates.first(info) if alone else self._dates.amid()

    def _last(self) -> Dated:
        """When the last byte of it came."""
        return self._dates.last(self._look()) if self._dates is not None else (monotonic_ns(), 0)

    def _received(self, data: bytes) -> None:
        if self.head is None:
            data = data[self._scan(data) :]
            if (head := self._scanner.head) is None:
                return
            self.head = head
            take = self.on_head(head) if self.on_head is not None else None
            if take is not None and head.length_bytes is not None:
                self._straighten(take, head.length_bytes)
            else:
                self._parse(head)
        if not data:
            return
        if self.straight is not None:
            self._goes_straight(self.straight, data)
        else:
            self._body(self.head, data)

    def _straighten(self, take: Take, length_bytes: int) -> None:
        self.straight = Straight(take, length_bytes)
        if isinstance(self.transport, Conduit):
            self.transport.views = True
        self.feed_data(_PAST_AIOHTTP)
        self.feed_eof()

    def _parse(self, head: Head) -> None:
        self.set_response_params(
            skip_payload=self.bodiless,
            read_until_eof=True,
            auto_decompress=False,  # we digest what was on the wire
            read_bufsize=_BUFFER_BYTES,
        )
        self._feed(_rebuilt(head.status_code, head.framing, head.length_bytes))
        self.content = self._payload

    def _goes_straight(self, straight: Straight, data: bytes | memoryview) -> None:
        count = straight.came(data)
        self.consumed += count
        self.surplus += len(data) - count
        if count and not straight.left:
            self._watch.response_end(self._last())

    def _scan(self, data: bytes) -> int:
        interim = len(self._scanner.interim)
        used = self._scanner.feed(data)
        begun = self._scanner.begun
        if begun and (not self._begun or len(self._scanner.interim) != interim):
            alone = len(self._scanner.interim) == interim  # else it began somewhere behind the interim heads
            self._watch.response_start(self._first(alone=alone))
        elif self._dates is not None and not begun:
            self._dates.look(self._look())
        if begun != self._begun:
            self._begun = begun
            if not begun:
                self._watch.response_start_us = None
            if self.on_begun is not None:
                self.on_begun(begun)
        if (head := self._scanner.head) is not None:
            self._left = head.length_bytes or 0
            if self._dates is not None:
                self._dates.awaits = False
            if used == len(data):
                self._watch.response_end(self._last())
        return used

    def _body(self, head: Head, data: bytes) -> None:
        if head.framing is Framing.LENGTH:
            due, rest = data[: self._left], data[self._left :]
            self._left -= len(due)
        elif head.framing is Framing.NONE or (self.content is not None and self.content.is_eof()):
            due, rest = b"", data
        else:
            due, rest = data, b""
        self.surplus += len(rest)
        if due:
            self._feed(due)
            self._check_parser(head)
            if self.all_came():  # else more comes, and the end is dated then
                self._watch.response_end(self._last())

    def _feed(self, data: bytes) -> None:
        super().data_received(data)

    def _check_parser(self, head: Head) -> None:
        """aiohttp reports a broken chunk to nobody who reads the body, and data after the last chunk likewise."""
        if head.framing is not Framing.CHUNKED or self.exception() is None:
            return
        if self.content is not None and self.content.is_eof():
            self.surplus += 1  # at least
        else:
            raise violation("the chunked transfer coding is malformed")

    def _refuse(self, exc: HeadError) -> None:
        self.ended_by = self._violation = exc
        self.set_exception(exc)
        self._tell_violation()
        if self.transport is not None:
            self.transport.abort()

    def _tell_violation(self) -> None:
        if self._violation is not None and self.content is not None and self._all_taken():
            self.content.set_exception(self._violation)

    def all_came(self) -> bool:
        """Whether the whole body is there."""
        if self.straight is not None:
            return not self.straight.left
        return self.content is not None and self.content.is_eof()

    def _all_taken(self) -> bool:
        return self.straight is not None or self.content is None or self.content.total_bytes == self.consumed

    def eof_received(self) -> None:
        """The peer is done, and may have said so (RFC 8446 section 6.1) or just left."""
        if isinstance(self.transport, Conduit):
            self.close_notify = self.transport.announced_end()
        super().eof_received()

    def connection_lost(self, exc: BaseException | None) -> None:
        """The end; aiohttp hears of it once the bytes before it were read."""
        self._looked = False
        if isinstance(exc, Exception) and self.ended_by is None:
            self.ended_by = exc
        if self.head is not None and self.head.framing is Framing.CLOSE:
            self._watch.response_end(self._last())
        elif not self._abandoned and not self.all_came():
            self._look()
        if self.straight is not None and self.straight.left:
            self.straight.fail(self.ended_by or ClientPayloadError("closed before all of it came"))
        self.closed_event.set()
        self._linger_no_more()
        if self._abandoned or self._all_taken():
            self.tell_end()

    # --- the owner -------------------------------------------------------------------------------

    @property
    def waits(self) -> bool:
        """Whether a reader of the body would have to wait: nothing is there, and its end is not either."""
        content = self.content
        return content is not None and content.total_bytes == self.consumed and not content.is_eof()

    def took(self, count: int) -> None:
        """The reader took `count` bytes of the body."""
        self.consumed += count
        self._tell_violation()
        if self._all_taken():
            self.tell_end()

    def tell_end(self) -> None:
        """Pass the end of the connection on to aiohttp, once."""
        if self.closed_event.is_set() and not self._told:
            self._told = True
            super().connection_lost(self.ended_by)

    async def linger(self, seconds: float) -> None:
        """Wait for the server's own close: it should follow the response, and what precedes it is surplus."""
        if self.closed_event.is_set() or seconds <= 0:
            return
        self._lingering = self._loop.create_future()
        timer = self._loop.call_later(seconds, self._linger_no_more)
        try:
            await self._lingering
        finally:
            timer.cancel()
            self._lingering = None

    def _linger_no_more(self) -> None:
        if self._lingering is not None and not self._lingering.done():
            self._lingering.set_result(None)

    def late(self) -> None:
        """The reply's head did not come in time: whoever waits for it hears of that."""
        self.set_exception(TimeoutError())

    def hang_up(self) -> None:
        """End the connection at once; nobody reads any more."""
        self.closed_by_us = self.closed_by_us or not self.closed_event.is_set()
        self._abandoned = True
        self._looked = False
        if not self.all_came():
            self._look()
        if self.closed_event.is_set():
            self.tell_end()
        elif self.transport is not None:
            self.transport.abort()

    def forget(self) -> None:
        """After `hang_up`, once all was asked of it: what refers to us is let go, so that nothing goes in a circle."""
        self.content = self.straight = None


@lru_cache(maxsize=1024)
def _rebuilt(status_code: int, framing: Framing, length_bytes: int | None) -> bytes:
    """A head that says how the body is framed and nothing else."""
    framed = {
        Framing.NONE: "content-length: 0\r\n",
        Framing.LENGTH: f"content-length: {length_bytes}\r\n",
        Framing.CHUNKED: "transfer-encoding: chunked\r\n",
        Framing.CLOSE: "",
    }[framing]
    return f"HTTP/1.1 {status_code} -\r\n{framed}connection: close\r\n\r\n".encode("ascii")
