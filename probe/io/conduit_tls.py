"""Rule: between the bytes of one connection and its protocol stands TLS and nothing else.

The transport of `probe.io.conduit` with OpenSSL in it: no second protocol, decrypted in large pieces. What OpenSSL gave
before an error is delivered before the error is told; the end of the socket is told after all that was read before it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from typing import Any

from probe.io.conduit import READ_BYTES, Conduit
from probe.io.tcp_info import read_tcp_info

_RECORD_BYTES = 16 * 1024  # of plaintext in a TLS record (RFC 8446 section 5.1)
_MORE = (ssl.SSLWantReadError, ssl.SSLWantWriteError, ssl.SSLSyscallError)


class SecureConduit(Conduit):
    """A conduit over TLS. `session` is the TLS session; `shake` before anything else."""

    _told_by_poll = False  # session tickets come when they come

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        protocol: asyncio.Protocol,
        context: ssl.SSLContext,
        server_name: str,
    ) -> None:
        """An IP literal is verified as such and sends no SNI. Raises ValueError for what is no name."""
        super().__init__(loop, sock, protocol)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.session = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)
        self._shaken: asyncio.Future[None] | None = None
        self._peer_done = False  # the socket's end was read, and not yet told
        self.hello_ns = self.shaken_ns = self.shaking_unsure_ns = 0

    async def shake(self) -> None:
        """The handshake, then as `begin`. Raises OSError (ssl.SSLError among them); the socket is closed then.

        `hello_ns`: when our first word was sent; `shaken_ns`: when the server's last one came; `shaking_unsure_ns`: how
        much of the time between was or may have been our own, as what we took to answer in the middle of it.
        """
        shaken = self._shaken = self._loop.create_future()
        self._loop.add_reader(self._fd, self._readable)
        try:
            self._step()
            await shaken
        except BaseException:
            self._end(None)
            raise

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """`ssl_object` as asyncio's transports have it."""
        return self.session if name == "ssl_object" else default

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """Encrypt and send."""
        if self._closing:
            return
        try:
            self.session.write(data)
        except ssl.SSLError as exc:
            self._end(exc)
            return
        self._flush()

    def resume_reading(self) -> None:
        """Also what was received and not decrypted yet."""
        if self._paused and not self._closing:
            super().resume_reading()
            self._loop.call_soon(self._resumed)

    def _resumed(self) -> None:
        if self.is_reading():
            self._decrypt()

    # --- the handshake -------------------------------------------------------------------------------

    def _step(self) -> None:
        assert self._shaken is not None
        try:
            self.session.do_handshake()
        except _MORE:
            self._shake_on()
        except ssl.SSLError as exc:
            self._end(exc)
        else:
            self.shaken_ns = self.dates.came_ns
            self.dates.joined = self._incoming.pending > 0
            self.shaking_unsure_ns += self.dates.pausing()[1]
            self._flush()
            shaken, self._shaken = self._shaken, None
            if self._closing or shaken.done():
                return
            self._protocol.connection_made(self)
            shaken.set_result(None)
            self._decrypt()

    def _shake_on(self) -> None:
        """Our next part of it, if there is one: what passed since the server's last came was our own."""
        if not self._outgoing.pending:
            return
        dates, since_ns = self.dates, self.dates.came_ns
        dates.speak()
        self._flush()
        if not self.hello_ns:
            self.hello_ns = since_ns = dates.sent_ns
        self.shaking_unsure_ns += dates.sent_by_ns - since_ns

    def expect_reply(self) -> None:
        """Also counts what came until now."""
        super().expect_reply()
        self.dates.look(read_tcp_info(self._sock))

    def _flush(self) -> None:
        if self._outgoing.pending:
            super().write(self._outgoing.read())

    # --- after it ------------------------------------------------------------------------------------

    def _came(self, count: int) -> None:
        self._incoming.write(self._room[:count])
        if self._shaken is not None:
            self._step()
        else:
            self._decrypt()

    def _decrypt(self) -> None:
        """Deliver all that can be decrypted, unless the protocol wants no more for now."""
        more, self.dates.joined = True, False
        while more and self.is_reading():
            filled, more = self._fill()
            if filled:
                self._deliver(filled)
            elif self.dates.awaits:  # it was something else, or a part that says nothing yet
                self.dates.look(read_tcp_info(self._sock))
        self._flush()  # OpenSSL may have had something to say to it
        if self._peer_done and self.is_reading():
            self._tell_end()

    def _fill(self) -> tuple[int, bool]:
        """Bytes decrypted into the buffer, and whether there may be more at once."""
        filled, read, room = 0, self.session.read, self._room
        try:
            while filled <= READ_BYTES - _RECORD_BYTES:
                if filled and not self._incoming.pending and not self.session.pending():
                    return filled, False  # an exception would say the same, dearly
                count = read(_RECORD_BYTES, room[filled:])
                if not count:  # close_notify
                    self.dates.joined = True
                    self._loop.call_soon(self._announced_end)
                    return filled, False
                filled += int(count)  # a count: a buffer was given
        except _MORE:
            return filled, False
        except ssl.SSLError as exc:
            self._loop.call_soon(self._end, exc)
            return filled, False
        return filled, True

    def _over(self) -> None:
        if self._shaken is not None:
            self._end(ConnectionResetError())  # as asyncio tells it
            return
        self._peer_done = True
        self._decrypt()

    def _announced_end(self) -> None:
        """The peer said that it is done: our own word (RFC 8446 section 6.1), then the end."""
        if self._closing:
            return
        self._protocol.eof_received()
        with contextlib.suppress(ssl.SSLError):  # it may be gone already
            self.session.unwrap()
        self._flush()
        self._end(None)

    def _tell_end(self) -> None:
        if not self._closing:
            self._protocol.eof_received()
            self._end(None)

    def _end(self, exc: Exception | None) -> None:
        shaken, self._shaken = self._shaken, None
        if shaken is None:
            super()._end(exc)
            return
        if not self._closing:  # nobody was told of this connection: nobody is told of its end but who waits
            self._closing = True
            self._loop.remove_reader(self._fd)
            if self._unsent:
                self._loop.remove_writer(self._fd)
            self._sock.close()
        if not shaken.done():
            shaken.set_exception(exc or ConnectionAbortedError())
