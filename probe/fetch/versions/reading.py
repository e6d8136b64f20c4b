"""Rule: one request is written to one connection, once; the response is read by a reader and goes to its body.

What the exchanges of all versions over a `probe.fetch.connection.Connection` share. In: a reader without I/O, the
bytes of the connection. Out: the head, the body's bytes, and when the first and the last byte came (in the
connection's `Stopwatch`).

Theory of operation. The reader decides what the bytes mean; this class moves them and waits.

    received -> reader -> on_head: the body is made, whoever waits in `ask` is woken
                       -> on_body: to the body at once, or (where content codings are to be undone, which may take
                          long) into a queue that `read` empties; the socket is not read while the queue is full
    ended    -> whole where the framing is "until close", else the reason why it is not

The first error counts and is raised by `ask` or `read`, after everything that came before it was passed on. Dates are
taken once a delivery, while the head is read before the reader sees it: a later look would know less.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar
from typing import Protocol as Interface

from probe.core.http.head import Framing, Head, HeadError, violation
from probe.fetch.body import Body
from probe.fetch.connection import Connection
from probe.net.deadline import Alarm
from probe.net.failures import BodyTruncatedError, ClosedError

_QUEUE_BYTES = (
    512 * 1024
)  # of a coded body, from which on the socket is not read; 128 KiB more may be on the way
_LINGER_S = 0.05  # for the server's own close after a complete response


class Reader(Interface):
    """The reader of a version, without I/O: `core.http.response_reader` says what its members mean."""

    head: Head | None
    complete: bool
    surplus: bool
    followed: bool
    body_bytes: int

    @property
    def others(self) -> int: ...

    @property
    def begun(self) -> bool: ...

    @property
    def begun_head(self) -> Head | None: ...

    @property
    def raw_head(self) -> bytes: ...

    @property
    def breaches(self) -> tuple[str, ...]: ...

    def feed(self, data: bytes | memoryview) -> None: ...

    def end(self) -> bool: ...

    def detach(self) -> None: ...


R = TypeVar("R", bound=Reader)


class ReaderExchange(Generic[R]):
    """One request and its response: `Exchange` but for `protocol`, `shown` and what the request's bytes are.

    A subclass sets `_reader`, with `_on_head` and `_on_body` for its calls. `_of_segments`: where one segment brought
    all of a delivery, its time is that of a head that begins within it.
    """

    _reader: R
    _of_segments = False
    _lingers = True

    def __init__(self, connection: Connection, body_of: Callable[[Head], Body]) -> None:
        self.body: Body | None = None
        self._connection = connection
        self._body_of: Callable[[Head], Body] | None = body_of
        self._loop = asyncio.get_running_loop()
        self._alarm = Alarm(self._loop)
        self._deadlines_s = (0.0, 0.0)  # for the first byte, for all
        self._begun = False  # the alarm is set for a head that has begun
        self._error: Exception | None = None
        self._surplus = False
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._waiter: asyncio.Future[None] | None = None

    @property
    def head(self) -> Head | None:
        """The final head, once it came."""
        return self._reader.head

    @property
    def begun_head(self) -> Head | None:
        """What was read of a final head that was not read to its end."""
        return self._reader.begun_head

    @property
    def raw_head(self) -> bytes:
        """The heads as they came, before anything was made of them."""
        return self._reader.raw_head

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
        request = self._request(method, path, fields)
        self._deadlines_s = first_byte_at_s, total_at_s
        self._alarm.set(first_byte_at_s, self._late)
        try:
            self._connection.send_request(request, self)
            while self._reader.head is None and self._error is None:
                await self._wait()
        finally:
            self._alarm.end()
        if self._reader.head is None:
            assert self._error is not None
            raise self._error
        return self._reader.head

    def _request(self, method: str, path: str, fields: list[tuple[str, str]]) -> bytes:
        """The bytes of the request. Raises ValueError for what cannot stand in one."""
        raise NotImplementedError

    async def read(self, until_s: float) -> None:
        """See `Exchange`."""
        if not self._over():
            timer = self._loop.call_at(until_s, self._late)
            try:
                await self._read_all()
            finally:
                timer.cancel()
        else:
            await self._read_all()
        if self._lingers:
            await self._connection.linger(min(_LINGER_S, max(until_s - self._loop.time(), 0)))
            self._check_surplus()

    async def _read_all(self) -> None:
        while True:
            await self._empty_queue()
            if self._over():
                break
            await self._wait()
        if self._error is not None:
            raise self._error

    def _over(self) -> bool:
        return not self._queue and (self._reader.complete or self._error is not None)

    async def _empty_queue(self) -> None:
        """Undo the codings of what came, and let others run meanwhile."""
        body = self.body
        while self._queue and body is not None:
            piece = self._queue.popleft()
            self._queued_bytes -= len(piece)
            for _ in body.take(piece):
                await asyncio.sleep(0)
        self._connection.resume_reading()

    def _check_surplus(self) -> None:
        """The server's own close should have followed the response. Clients pass over what comes instead.

        Not where it is doubtful how long the body is: then it may be part of it.
        """
        if self._reader.surplus and "invalid_content_length" in self._reader.breaches:
            raise violation("bytes after the length that a malformed Content-Length begins with")
        self._surplus = self._reader.surplus

    @property
    def breaches(self) -> tuple[str, ...]:
        """See `Exchange`. Surplus counts only where the whole response was read and its end waited for."""
        return (*self._reader.breaches, "surplus_bytes") if self._surplus else self._reader.breaches

    @property
    def altsvc(self) -> tuple[str, ...]:
        """See `Exchange`: HTTP/1.1 has no such frame."""
        return ()

    async def _wait(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, error: Exception) -> None:
        self._error = self._error or error
        self._wake()

    def _late(self) -> None:
        if not self._reader.complete:  # else only we are late, with undoing codings
            self._fail(TimeoutError())

    def forget(self) -> None:
        """See `Exchange`."""
        self._reader.detach()
        self._body_of = self._waiter = None

    # --- the connection --------------------------------------------------------------------------

    def received(self, data: bytes | memoryview) -> None:
        """Bytes of the response, which may be any part of it."""
        if isinstance(self._error, HeadError):
            return
        was_whole = self._reader.complete
        try:
            if self._reader.head is None:
                self._read_head(data)
            else:
                self._reader.feed(data)
        except HeadError as error:
            self._fail(error)
            self._connection.close()
        if self._reader.complete and not was_whole:
            self._whole()

    def _read_head(self, data: bytes | memoryview) -> None:
        reader, connection = self._reader, self._connection
        others = reader.others
        connection.look()
        try:
            reader.feed(data)
        finally:
            leading = reader.others == others  # else it began somewhere behind an interim head or what else
            if reader.begun and not (self._begun and leading):
                connection.watch.response_start(connection.first_byte(leading=leading or self._of_segments))
            elif not reader.begun:
                connection.not_begun()
            if reader.begun != self._begun:
                self._head_has_begun(begun=reader.begun)

    def _head_has_begun(self, *, begun: bool) -> None:
        """Or an interim one is over, and the next may be waited for as long as the first."""
        self._begun = begun
        if not begun:
            self._connection.watch.response_start_us = None
        if self._reader.head is None:
            self._alarm.set(self._deadlines_s[1] if begun else self._deadlines_s[0], self._late)

    def _on_head(self, head: Head) -> None:
        assert self._body_of is not None, "bytes come before all is forgotten"
        self._connection.head_came()
        self.body = self._body_of(head)
        self._wake()

    def _on_body(self, content: bytes | memoryview) -> None:
        """Views hold for this call: what is not taken at once is copied."""
        body = self.body
        if self._error is not None or body is None:
            return
        if body.is_coded:
            self._queue.append(bytes(content))
            self._queued_bytes += len(content)
            if self._queued_bytes >= _QUEUE_BYTES:
                self._connection.pause_reading()
            self._wake()
            return
        try:
            body.add(content)
        except Exception as error:
            self._fail(error)

    def _whole(self) -> None:
        self._connection.watch.response_end(self._connection.last_byte(ends=not self._reader.followed))
        self._connection.all_came()
        self._wake()

    def ended(self, error: Exception | None) -> None:
        """No more will come."""
        reader = self._reader
        if reader.complete:
            return
        if (reason := self._reason_of_end()) is not None:
            self._fail(reason)
        elif error is not None:
            self._fail(error)
        elif reader.head is None:
            self._fail(ClosedError("the server closed the connection without a whole reply"))
        elif reader.end():
            self._whole()
        else:
            self._fail(BodyTruncatedError(self._missing(reader.head)))

    def _reason_of_end(self) -> Exception | None:
        """What the server itself said of an end before the response was whole."""
        return None

    def _missing(self, head: Head) -> str:
        declared = head.framing is Framing.LENGTH
        end = "final chunk" if head.framing is Framing.CHUNKED else "end of the stream"
        missing = f"{head.length_bytes} were declared" if declared else f"the {end} did not come"
        return f"closed after {self._reader.body_bytes} bytes, {missing}"
