"""Rule: the bytes of one connection pass to its protocol as they come, with nothing between but TLS where it is spoken.

A transport for one connected socket, as asyncio's own would be, at a smaller price: no second protocol for TLS, one
buffer for all reads, decrypted in large pieces. Order of events as asyncio has it: `connection_made`, data, at most one
`eof_received`, then `connection_lost`, never from within a call of the owner. What OpenSSL gave before an error is
delivered before the error is told; the end of the socket is told after all that was read before it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from typing import Any

from probe.io.arrival import ANCILLARY_BYTES, age_ns, ask_for_stamps

READ_BYTES = 256 * 1024
_RECORD_BYTES = 16 * 1024  # of plaintext in a TLS record (RFC 8446 section 5.1)
_AGAIN = (BlockingIOError, InterruptedError)
_MORE = (ssl.SSLWantReadError, ssl.SSLWantWriteError, ssl.SSLSyscallError)
_room = memoryview(bytearray(READ_BYTES))  # filled and emptied within one call, in the one thread of the loop


class Conduit(asyncio.Transport):
    """The transport of a connected, non-blocking socket, which it owns from now on."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, sock: socket.socket, protocol: asyncio.Protocol
    ) -> None:
        super().__init__()
        self._loop = loop
        self._sock = sock
        self._fd = sock.fileno()
        self._protocol = protocol
        self._closing = False
        self._paused = False
        self._unsent = b""
        self._came_ns = self._first_ns = time.monotonic_ns()
        self.wants_first = True  # it costs a system call more a read
        ask_for_stamps(sock)

    def begin(self) -> None:
        """Tell the protocol, then read."""
        self._protocol.connection_made(self)
        self._loop.add_reader(self._fd, self._readable)

    def ages_ns(self) -> tuple[int, int]:
        """How long ago the kernel had got the first and the last byte of what was read last.

        Of the first one only while `wants_first`; else both are of the last.
        """
        now_ns = time.monotonic_ns()
        last_ns = now_ns - self._came_ns
        return now_ns - self._first_ns if self.wants_first else last_ns, last_ns

    # --- what the protocol and its owner may do -----------------------------------------------------

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Nothing: TCP_NODELAY is set already, and who else asks knows the socket."""
        return default

    def is_closing(self) -> bool:
        """Whether the end has come or was asked for."""
        return self._closing

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """One connection, one protocol."""
        raise NotImplementedError

    def get_protocol(self) -> asyncio.BaseProtocol:
        """The one protocol."""
        return self._protocol

    def is_reading(self) -> bool:
        """Whether what comes is taken from the socket."""
        return not self._paused and not self._closing

    def pause_reading(self) -> None:
        """Leave what comes in the socket."""
        if self.is_reading():
            self._paused = True
            self._loop.remove_reader(self._fd)

    def resume_reading(self) -> None:
        """Go on reading, not before this call has returned."""
        if self._paused and not self._closing:
            self._paused = False
            self._loop.add_reader(self._fd, self._readable)

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """Send; what the socket does not take at once goes out when it can."""
        if self._closing:
            return
        if self._unsent:
            self._unsent += bytes(data)
            return
        try:
            sent = self._sock.send(data)
        except _AGAIN:
            sent = 0
        except OSError as exc:
            self._end(exc)
            return
        if sent < len(data):
            self._unsent = bytes(data[sent:])
            self._loop.add_writer(self._fd, self._writable)

    def can_write_eof(self) -> bool:
        """One request is sent and read from then on: nobody needs it."""
        return False

    def abort(self) -> None:
        """End at once; what was not sent is dropped."""
        self._end(None)

    def close(self) -> None:
        """As `abort`: who closes reads no more, and nothing that matters is unsent then."""
        self._end(None)

    # --- what the socket says ------------------------------------------------------------------------

    def _readable(self) -> None:
        try:
            if self.wants_first:
                _, ancillary, _, _ = self._sock.recvmsg(1, ANCILLARY_BYTES, socket.MSG_PEEK)
                self._first_ns = time.monotonic_ns() - age_ns(ancillary)
            count, ancillary, _, _ = self._sock.recvmsg_into((_room,), ANCILLARY_BYTES)
        except _AGAIN:
            return
        except OSError as exc:
            self._end(exc)
            return
        self._came_ns = time.monotonic_ns() - age_ns(ancillary)
        if count:
            self._came(count)
        else:
            self._over()

    def _came(self, count: int) -> None:
        self._deliver(bytes(_room[:count]))

    def _over(self) -> None:
        """The peer sends nothing more."""
        self._protocol.eof_received()
        self._end(None)

    def _deliver(self, data: bytes) -> None:
        try:
            self._protocol.data_received(data)
        except Exception as exc:  # the protocol's own defect: told, and the connection with it is over
            words = {"message": "a protocol failed", "exception": exc, "protocol": self._protocol}
            self._loop.call_exception_handler(words)
            self._end(exc)

    def _writable(self) -> None:
        try:
            sent = self._sock.send(self._unsent)
        except _AGAIN:
            return
        except OSError as exc:
            self._end(exc)
            return
        self._unsent = self._unsent[sent:]
        if not self._unsent:
            self._loop.remove_writer(self._fd)

    def _end(self, exc: Exception | None) -> None:
        if self._closing:
            return
        self._closing = True
        if not self._paused:
            self._loop.remove_reader(self._fd)
        if self._unsent:
            self._unsent = b""
            self._loop.remove_writer(self._fd)
        self._loop.call_soon(self._lost, exc)

    def _lost(self, exc: Exception | None) -> None:
        try:
            self._protocol.connection_lost(exc)
        finally:
            self._sock.close()


class SecureConduit(Conduit):
    """The same over TLS. `session` is the TLS session; `shake` before anything else."""

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

    async def shake(self) -> None:
        """The handshake, then as `begin`. Raises OSError (ssl.SSLError among them); the socket is closed then."""
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
            self._flush()
        except ssl.SSLError as exc:
            self._end(exc)
        else:
            self._flush()
            shaken, self._shaken = self._shaken, None
            if self._closing or shaken.done():
                return
            self._protocol.connection_made(self)
            shaken.set_result(None)
            self._decrypt()

    def _flush(self) -> None:
        if self._outgoing.pending:
            super().write(self._outgoing.read())

    # --- after it ------------------------------------------------------------------------------------

    def _came(self, count: int) -> None:
        self._incoming.write(_room[:count])
        if self._shaken is not None:
            self._step()
        else:
            self._decrypt()

    def _decrypt(self) -> None:
        """Deliver all that can be decrypted, unless the protocol wants no more for now."""
        more = True
        while more and self.is_reading():
            filled, more = self._fill()
            if filled:
                self._deliver(bytes(_room[:filled]))
        self._flush()  # OpenSSL may have had something to say to it
        if self._peer_done and self.is_reading():
            self._tell_end()

    def _fill(self) -> tuple[int, bool]:
        """Bytes decrypted into the buffer, and whether there may be more at once."""
        filled, read = 0, self.session.read
        try:
            while filled <= READ_BYTES - _RECORD_BYTES:
                count = read(_RECORD_BYTES, _room[filled:])
                if not count:  # close_notify
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
