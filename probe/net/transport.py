"""Rule: the bytes of one connection pass to its protocol as they come, with nothing between.

A transport for one connected socket, as asyncio's own would be, at a smaller price: one buffer for all reads. Order of
events as asyncio has it: `connection_made`, data, at most one `eof_received`, then `connection_lost`, never from within
a call of the owner. With TLS: `probe.net.tls_transport`.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from time import monotonic_ns
from typing import Any

from probe.net.arrival_bounds import ArrivalBounds
from probe.net.kernel_timestamps import ANCILLARY_BYTES, arrived_ns, ask_for_stamps

READ_BYTES = 128 * 1024  # more than this falls out of the processor's cache before it is hashed
_AGAIN = (BlockingIOError, InterruptedError)
_of_thread = threading.local()


def _room() -> memoryview:
    """The buffer of all transports of a loop, filled and emptied within one call."""
    made: memoryview | None = getattr(_of_thread, "room", None)
    if made is None:
        made = _of_thread.room = memoryview(bytearray(READ_BYTES))
    return made


class Transport(asyncio.Transport):
    """The transport of a connected, non-blocking socket, which it owns from now on. `dates`: when all of it was."""

    _reply_only = True  # nothing but the reply comes

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
        self._room = _room()
        self.views = False  # whether the protocol is given views of the buffer, that hold for the call only
        self.dates = ArrivalBounds(loop, first_by_poll=self._reply_only)
        ask_for_stamps(sock)

    def begin(self) -> None:
        """Tell the protocol, then read."""
        self._protocol.connection_made(self)
        self._loop.add_reader(self._fd, self._readable)

    def expect_reply(self) -> None:
        """What is written next is the request."""
        self.dates.speak()
        self.dates.awaits = True

    # --- what the protocol and its owner may do -----------------------------------------------------

    def announced_end(self) -> bool:
        """Whether the peer said that it is done, before it left: never without TLS."""
        return False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Nothing: TCP_NODELAY is set already, and who else asks knows the socket."""
        return default

    def is_closing(self) -> bool:
        """Whether the end has come or was asked for."""
        return self._closing

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """One connection, one protocol: nobody may exchange it. Raises NotImplementedError, as asyncio's base does."""
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
            self.dates.unwatched()
            self._loop.add_reader(self._fd, self._readable)

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """Send; what the socket does not take at once goes out when it can."""
        if self._closing:
            return
        if self._unsent:
            self._unsent += bytes(data)
            return
        begun_ns = monotonic_ns()
        try:
            sent = self._sock.send(data)
        except _AGAIN:
            sent = 0
        except OSError as exc:
            self._end(exc)
            return
        self.dates.spoken(begun_ns)
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
            count, ancillary, _, _ = self._sock.recvmsg_into((self._room,), ANCILLARY_BYTES)
        except _AGAIN:
            return
        except OSError as exc:
            self._end(exc)
            return
        if count:
            self.dates.received(arrived_ns(ancillary))
            self._came(count)
        else:
            self._over()

    def _came(self, count: int) -> None:
        self._deliver(count)

    def _over(self) -> None:
        """The peer sends nothing more."""
        self._protocol.eof_received()
        self._end(None)

    def _deliver(self, count: int) -> None:
        """What the buffer begins with."""
        data = self._room[:count]
        try:  # asyncio's protocols are said to take bytes alone; who asked for views takes those
            self._protocol.data_received(data if self.views else bytes(data))  # type: ignore[arg-type]
        except Exception as exc:  # a defect of the protocol: logged, and the connection ends
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
