"""Rule: one fresh connection for one request, made by us so that every phase has its own clock and its own failure.

aiohttp asks its connector for a connection; `OneConnection` hands over the one that was made and refuses a second,
so that nothing can be sent twice however aiohttp feels about retrying. No names, no cache, no pool, no racing.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, cast

from aiohttp import BaseConnector, ClientError, ClientRequest, ClientResponse, ClientTimeout
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.tracing import Trace
from yarl import URL

from probe.core.task import VantagePoint
from probe.io.failures import SourceError
from probe.io.line import open_socket
from probe.io.tls import Presented
from probe.io.wire import WireProtocol

if TYPE_CHECKING:
    from probe.io.target import FetchTarget


class SecondRequestError(ClientError):
    """aiohttp was about to send a request again, as it does once after a disconnect, fresh connection or not."""


class OneConnection(BaseConnector):
    """Gives the connection put into `ready` once. Overrides the same hook as aiohttp's UnixConnector."""

    def __init__(self) -> None:
        super().__init__(force_close=True, limit=0)
        self.ready: WireProtocol | None = None

    async def _create_connection(
        self, req: ClientRequest, traces: list[Trace], timeout: ClientTimeout
    ) -> ResponseHandler:
        ready, self.ready = self.ready, None
        if ready is None:
            raise SecondRequestError("a second request was about to be sent for one observation")
        return ready


class _Path:
    """Stands in for the URL while the request line is written: yarl drops an empty query."""

    def __init__(self, path: str) -> None:
        self.raw_path_qs = path


class ExactRequest(ClientRequest):
    """A request whose target is sent as configured, and whose writing is stamped."""

    async def send(self, conn: Connection) -> ClientResponse:
        """Write the request. `conn` carries a WireProtocol."""
        wire = cast(WireProtocol, conn.protocol)
        url = self.url
        self.url = cast(URL, _Path(wire.path))
        wire.asking()
        try:
            return await super().send(conn)
        finally:
            self.url = url
            wire.asked()


# Makes a connected, non-blocking socket to a target until the loop's time given: directly or through a proxy.
Dial = Callable[["FetchTarget", float], Awaitable[socket.socket]]


async def connect_tcp(target: FetchTarget, until: float) -> socket.socket:
    """Straight to the target's address. Raises OSError (TimeoutError among them), SourceError.

    What the making of the socket takes, in another namespace, is no part of the time for connecting: nobody is to be
    blamed for it.
    """
    loop = asyncio.get_running_loop()
    asked = loop.time()
    sock = await _socket_towards(target.vantage, target.address)
    async with _closed_on_error(sock), asyncio.timeout_at(until + loop.time() - asked):
        await _connect(sock, (target.address, target.request.port))
    return sock


async def open_connection(vantage: VantagePoint, address: str, port: int) -> socket.socket:
    """A connected, non-blocking socket from the vantage point's source. Raises OSError, SourceError."""
    sock = await _socket_towards(vantage, address)
    async with _closed_on_error(sock):
        await _connect(sock, (address, port))
    return sock


async def _socket_towards(vantage: VantagePoint, address: str) -> socket.socket:
    return await open_socket(vantage, 6 if ":" in address else 4, socket.SOCK_STREAM)


@contextlib.asynccontextmanager
async def _closed_on_error(sock: socket.socket) -> AsyncIterator[None]:
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield
    except BaseException:
        sock.close()
        raise


async def _connect(sock: socket.socket, where: tuple[str, int]) -> None:
    try:
        await asyncio.get_running_loop().sock_connect(sock, where)
    except OSError as exc:
        if exc.errno == errno.EINVAL:  # the source cannot reach such an address, as loopback to elsewhere
            raise SourceError("the source address cannot be used towards this address") from exc
        raise


async def attach(sock: socket.socket, wire: WireProtocol) -> None:
    """Put `wire` on a connected socket."""
    await asyncio.get_running_loop().create_connection(lambda: wire, sock=sock)


async def attach_tls(
    sock: socket.socket, wire: WireProtocol, context: ssl.SSLContext, server_name: str, seconds: float
) -> ssl.SSLObject:
    """The handshake, then `wire` on top. Raises OSError (ssl.SSLError among them), TimeoutError."""
    transport = await _handshake(sock, wire, context, server_name, seconds)
    return cast(ssl.SSLObject, transport.get_extra_info("ssl_object"))


async def read_certificates(
    sock: socket.socket, context: ssl.SSLContext, server_name: str, seconds: float
) -> ssl.SSLObject:
    """A handshake made only to read the certificates; the connection is ended without a request."""
    transport = await _handshake(sock, Presented(), context, server_name, seconds)
    session = cast(ssl.SSLObject, transport.get_extra_info("ssl_object"))
    transport.abort()
    return session


async def _handshake(
    sock: socket.socket,
    protocol: asyncio.Protocol,
    context: ssl.SSLContext,
    server_name: str,
    seconds: float,
) -> asyncio.Transport:
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(seconds):
        transport, _ = await loop.create_connection(
            lambda: protocol,
            sock=sock,
            ssl=context,
            server_hostname=server_name,  # an IP literal is verified as such and sends no SNI
            ssl_handshake_timeout=seconds + 60,  # a net below ours, which tells a timeout by its type
        )
    return transport
