"""Rule: no socket, task or connection of a listener outlives `close`.

A TCP listener with its own accept loop, so that a lab server can go away and come back on the same port, and can
drop what comes from one source address before a single byte (also of TLS) is exchanged.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Iterable

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

_PORTS = range(15_000, 32_000)  # below what Linux gives to outgoing connections: no port is taken meanwhile
_BACKLOG = 256
_NO_LINGER = struct.pack("ii", 1, 0)  # close with RST
_STREAM_LIMIT = 256 * 1024
_CLOSE_S = 2.0


class LabError(Exception):
    """The lab cannot be built here; the text says why and what to do."""


def free_port(addresses: Iterable[str], *, udp: bool = False) -> int:
    """A port that is free on all these addresses over TCP, and over UDP too if asked. Raises LabError."""
    addresses = tuple(addresses)
    for port in random.sample(_PORTS, k=200):
        if all(_can_bind(address, port, udp=udp) for address in addresses):
            return port
    raise LabError(
        f"no port is free on {', '.join(addresses)}: these loopback addresses must be usable (Linux: 127.0.0.0/8)"
    )


def _can_bind(address: str, port: int, *, udp: bool) -> bool:
    kinds = (socket.SOCK_STREAM, socket.SOCK_DGRAM) if udp else (socket.SOCK_STREAM,)
    for kind in kinds:
        with socket.socket(socket.AF_INET, kind) as sock:
            try:
                sock.bind((address, port))
            except OSError:
                return False
    return True


def bound_udp(address: str, port: int) -> socket.socket:
    """A socket that takes datagrams there, and never blocks. Raises LabError if the port is taken."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.bind((address, port))
    except OSError as error:
        sock.close()
        raise LabError(f"{address}:{port}/udp cannot be bound: {error.strerror}") from error
    return sock


class Listener:
    """TCP on one address and port, with TLS if given a context.

    `blocked` holds source addresses to drop; `tls_for`, by source address, another context for TLS.
    """

    def __init__(self, address: str, port: int, serve: Serve, tls: ssl.SSLContext | None = None) -> None:
        self.address, self.port = address, port
        self.blocked: set[str] = set()
        self.tls_for: dict[str, ssl.SSLContext] = {}
        self._serve = serve
        self._tls = tls
        self._socket: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def listening(self) -> bool:
        """Whether connections are accepted now; if not, they are refused."""
        return self._socket is not None

    def open(self) -> None:
        """Bind and accept. Raises LabError if the port is taken."""
        if self._socket is not None:
            return
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((self.address, self.port))
            sock.listen(_BACKLOG)
        except OSError as error:
            sock.close()
            raise LabError(f"{self.address}:{self.port} cannot be listened on: {error.strerror}") from error
        self._socket = sock
        self._accepting = asyncio.create_task(self._accept(sock))

    async def close(self) -> None:
        """Stop listening and cut every connection. Afterwards connections are refused until `open`."""
        if self._accepting is not None:
            self._accepting.cancel()
            await asyncio.gather(self._accepting, return_exceptions=True)
            self._accepting = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, listening: socket.socket) -> None:
        """Not by `loop.sock_accept`: one that is cancelled just when a connection comes is logged as an error."""
        loop, readable = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(listening.fileno(), readable.set)
        try:
            while True:
                await readable.wait()
                readable.clear()
                with contextlib.suppress(BlockingIOError, InterruptedError, ConnectionAbortedError):
                    self._accepted(*listening.accept())
        finally:
            loop.remove_reader(listening.fileno())

    def _accepted(self, sock: socket.socket, address: tuple[str, int]) -> None:
        sock.setblocking(False)
        if address[0] in self.blocked:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            sock.close()
            return
        task = asyncio.create_task(self._connection(sock, address[0]))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connection(self, sock: socket.socket, source: str) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        tls = None if self._tls is None else self.tls_for.get(source, self._tls)
        try:
            reader, writer = await _streams(sock, tls)
        except OSError:  # the peer closed the connection, or refused our certificate
            sock.close()
            return
        except asyncio.CancelledError:
            sock.close()
            raise
        try:
            if writer.get_extra_info("peername") is None:
                return  # reset before its turn came: who it was is not said any more, getpeername(2)
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                await self._serve(reader, writer)
            await _close(writer)
        finally:
            writer.transport.abort()


async def _streams(
    sock: socket.socket, tls: ssl.SSLContext | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=_STREAM_LIMIT, loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport, _ = await loop.connect_accepted_socket(lambda: protocol, sock, ssl=tls)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


async def _close(writer: asyncio.StreamWriter) -> None:
    """Wait until what was written is sent, then close."""
    writer.close()
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(_CLOSE_S):
            await writer.wait_closed()
