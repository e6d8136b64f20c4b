"""Rule: between the bytes of one connection and its protocol stands TLS and nothing else.

The transport of `probe.net.transport` with OpenSSL in it. In: a connected socket, a `TlsClient` and the server's name.
Out: the handshake with its times, then plaintext to the protocol as if there were no TLS.

Theory of operation. The session (`probe.tls.session`) knows no socket: what was read from the socket is fed to it from
the shared buffer, what it wants sent is drained from it.

    handshake  `handshake` -> feed, step, drain, until the session says that it is done. The protocol does
               not get the connection before that; a failure raises from `handshake`, and the socket is closed.
    open       what was read is decrypted in large pieces and delivered, unless the protocol paused. Our last message of
               the handshake waits until the end of the loop's turn, so that it leaves in one segment with the request.
    ending     close_notify: `eof_received` is called, we answer with our own, the end follows. The end of
               the socket without it is reported after all data read before it was delivered; an error of TLS, after
               what OpenSSL gave before it.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Any

from probe.net.tcp_info import read_tcp_info
from probe.net.transport import READ_BYTES, Transport
from probe.tls.errors import KEPT_BYTES, explained
from probe.tls.session import OVER, RECORD_BYTES, TlsClient


class TlsTransport(Transport):
    """A transport over TLS. `session` is the TLS session; `shake` before anything else."""

    _reply_only = False  # session tickets come when they come

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        protocol: asyncio.Protocol,
        client: TlsClient,
        server_name: str,
    ) -> None:
        """Raises ValueError for what is no name."""
        super().__init__(loop, sock, protocol)
        self.session = client.session(server_name, self._room)
        self._shaken: asyncio.Future[None] | None = None
        self._owed: bytes | bytearray = b""
        self._received = bytearray()  # of the handshake
        self._peer_announced = False  # its close_notify was read
        self._peer_done = False  # the socket's end was read, and not yet reported to the protocol
        self.hello_ns = self.handshake_end_ns = self.handshake_unsure_ns = 0

    async def handshake(self, seconds: float) -> None:
        """The handshake, then as `begin`. Raises OSError (ssl.SSLError, TimeoutError after so many seconds).

        The socket is closed then.

        `hello_ns`: when our first message was sent; `handshake_end_ns`: when the server's last one came;
        `handshake_unsure_ns`: how much of the time between was or may have been our own, as what we took to answer in
        the middle of it.
        """
        shaken = self._shaken = self._loop.create_future()
        self._loop.add_reader(self._fd, self._readable)
        late = self._loop.call_later(seconds, self._late)
        try:
            self._step()
            await shaken
        except BaseException:
            self._end(None)
            raise
        finally:
            late.cancel()

    def announced_end(self) -> bool:
        """Whether the server said that it is done, and did not just leave (RFC 8446 section 6.1)."""
        return self.session.announced_end()

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """Encrypt and send."""
        if self._closing:
            return
        try:
            self.session.write(data)
        except ssl.SSLError as exc:
            self._end(exc)
            return
        owed, self._owed = self._owed, b""
        super().write(owed + self.session.drain())

    def resume_reading(self) -> None:
        """Also what was received and not decrypted yet."""
        if self._paused and not self._closing:
            super().resume_reading()
            self._loop.call_soon(self._resumed)

    def _resumed(self) -> None:
        if self.is_reading():
            self._decrypt()

    # --- the handshake -------------------------------------------------------------------------------

    def _late(self) -> None:
        if self._shaken is not None:  # else it was done in the very turn in which its time was up
            self._end(TimeoutError())

    def _step(self) -> None:
        assert self._shaken is not None
        try:
            done = self.session.handshake()
        except ssl.SSLError as exc:
            self._end(explained(exc, bytes(self._received)))
        else:
            ours = self.session.drain()
            if done:
                self._handshake_done(self._shaken, ours)
            elif ours:
                self._handshake_goes_on(ours)

    def _handshake_done(self, shaken: asyncio.Future[None], ours: bytes | bytearray) -> None:
        self.handshake_end_ns = self.dates.came_ns
        self.dates.joined = self.session.unread_bytes() > 0
        self.handshake_unsure_ns += self.dates.pausing()[1]
        self._shaken, self._owed = None, ours
        self._received.clear()
        if shaken.done():
            return
        self._protocol.connection_made(self)
        shaken.set_result(None)
        self._loop.call_soon(self._flush)  # unless who waited asks at once: then both go out as one
        self._decrypt()

    def _handshake_goes_on(self, ours: bytes | bytearray) -> None:
        """Our next part of it: what passed since the server's last came was our own."""
        dates, since_ns = self.dates, self.dates.came_ns
        dates.speak()
        super().write(ours)
        if not self.hello_ns:
            self.hello_ns = since_ns = dates.sent_ns
        self.handshake_unsure_ns += dates.sent_by_ns - since_ns

    def expect_reply(self) -> None:
        """Also counts what came until now."""
        super().expect_reply()
        self.dates.look(read_tcp_info(self._sock))

    def _flush(self) -> None:
        owed, self._owed = self._owed, b""
        ours = owed + self.session.drain()
        if ours:
            super().write(ours)

    # --- after it ------------------------------------------------------------------------------------

    def _came(self, count: int) -> None:
        if self._shaken is not None:
            self._received += self._room[: min(count, KEPT_BYTES - len(self._received))]
            self.session.feed(count)
            self._step()
        else:
            self.session.feed(count)
            self._decrypt()

    def _decrypt(self) -> None:
        """Deliver all that can be decrypted, unless the protocol wants no more for now."""
        more = True
        while more and self.is_reading():
            filled, more = self._fill()
            if filled:
                self._deliver(filled)
            elif self.dates.awaits:  # it was something else, or a part that says nothing yet
                self.dates.look(read_tcp_info(self._sock))
        if not self._owed:
            self._flush()  # OpenSSL may have had something to say to it
        if self._peer_announced:
            self._announced_end()
        elif self._peer_done and self.is_reading():
            self._tell_end()

    def _fill(self) -> tuple[int, bool]:
        """Bytes decrypted into the buffer, and whether there may be more at once.

        `dates.joined`: something came behind them that is none of them, a record without content or a part of one: the
        kernel's stamp may be its.
        """
        filled, session = 0, self.session
        self.dates.joined = False
        try:
            while filled <= READ_BYTES - RECORD_BYTES:
                if filled and not session.unread_bytes() and not session.decrypted_bytes():
                    return filled, False  # a read would say the same, dearly
                count = session.read(filled, RECORD_BYTES)
                if count <= 0:
                    self._peer_announced |= count == OVER
                    self.dates.joined = True
                    return filled, False
                filled += count
        except ssl.SSLError as exc:
            self._loop.call_soon(self._end, exc)
            return filled, False
        self.dates.joined = session.unread_bytes() > 0
        return filled, True

    def _over(self) -> None:
        if self._shaken is not None:
            self._end(ConnectionResetError())  # as asyncio reports it
            return
        self._peer_done = True
        self._decrypt()

    def _announced_end(self) -> None:
        """The peer said that it is done: our own word (RFC 8446 section 6.1), then the end."""
        if self._closing:
            return
        self._protocol.eof_received()
        self.session.say_end()
        self._flush()
        self._end(None)

    def _tell_end(self) -> None:
        if not self._closing:
            self._protocol.eof_received()
            self._end(None)

    def _end(self, exc: Exception | None) -> None:
        shaken, self._shaken = self._shaken, None
        if shaken is None:
            if self._owed:  # what was agreed is agreed for the server too
                self._flush()
            super()._end(exc)
            return
        if not self._closing:  # the protocol never got this connection: only the waiter gets its end
            self._closing = True
            self._loop.remove_reader(self._fd)
            if self._unsent:
                self._loop.remove_writer(self._fd)
            self._sock.close()
        if not shaken.done():
            shaken.set_exception(exc or ConnectionAbortedError())
