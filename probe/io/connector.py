"""Rule: one fresh connection for one request, made by us so that every phase has its own clock and its own failure.

aiohttp asks its connector for a connection; `OneConnection` hands over the one that was made and refuses a second,
so that nothing can be sent twice however aiohttp feels about retrying. No names, no cache, no pool, no racing.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import weakref
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, cast

from aiohttp import (
    BaseConnector,
    ClientError,
    ClientRequest,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
)
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.tracing import Trace
from yarl import URL

from probe.core.task import VantagePoint
from probe.io.conduit import Conduit
from probe.io.conduit_tls import SecureConduit
from probe.io.dating import Dated
from probe.io.failures import SourceError
from probe.io.line import open_socket
from probe.io.polls import Polls, polls_of
from probe.io.tls import Presented
from probe.io.wire import WireProtocol

if TYPE_CHECKING:
    from probe.io.target import FetchTarget


class SecondRequestError(ClientError):
    """aiohttp was about to send a request again, as it does once after a disconnect, fresh connection or not."""


_ready: ContextVar[WireProtocol | None] = ContextVar("ready", default=None)


class OneConnection(BaseConnector):
    """Gives the connection that its caller made ready, once. Overrides the same hook as aiohttp's UnixConnector.

    One connector serves all fetches at the same time: each runs in a task of its own, and so in its own context.
    """

    def __init__(self) -> None:
        super().__init__(force_close=True, limit=0)

    def make_ready(self, wire: WireProtocol) -> None:
        """What the next request of this task is to be sent over."""
        _ready.set(wire)

    async def _create_connection(
        self, req: ClientRequest, traces: list[Trace], timeout: ClientTimeout
    ) -> ResponseHandler:
        ready = _ready.get()
        if ready is None:
            raise SecondRequestError("a second request was about to be sent for one observation")
        _ready.set(None)
        return ready


class Sessions:
    """One aiohttp session for all fetches of an event loop: no connection outlives its request all the same."""

    def __init__(self, **settings: Any) -> None:
        """`settings`: of `ClientSession`."""
        self._settings = settings
        self._made: tuple[asyncio.AbstractEventLoop, ClientSession, OneConnection] | None = None

    def get(self) -> tuple[ClientSession, OneConnection]:
        """That of the running loop."""
        loop = asyncio.get_running_loop()
        if self._made is None or self._made[0] is not loop:
            self.close()
            connector = OneConnection()
            session = ClientSession(connector=connector, cookie_jar=DummyCookieJar(), **self._settings)
            self._made = loop, session, connector
            self._letting_go = weakref.finalize(self, session.detach)
        return self._made[1:]

    def close(self) -> None:
        """It holds no connection: there is nothing to wait for."""
        if self._made is not None:
            self._letting_go()
            self._made = None


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


class Opening:
    """When a connection was begun (0: it was not) and found to be made; CLOCK_MONOTONIC."""

    __slots__ = ("began_ns", "made")

    def __init__(self) -> None:
        self.began_ns = 0
        self.made: Dated = (0, 0)

    def took(self, handshake_us: int | None) -> Dated:
        """When SYN and ACK came, by the time that the kernel says it took; None: it does not say."""
        noticed_ns, unsure_ns = self.made
        if handshake_us is None:
            return noticed_ns, unsure_ns
        return min(noticed_ns, self.began_ns + handshake_us * 1000), 0


# Makes a connected, non-blocking socket to a target until the loop's time given: directly or through a proxy.
Dial = Callable[["FetchTarget", float, Opening], Awaitable[socket.socket]]


async def connect_tcp(target: FetchTarget, until: float, opening: Opening) -> socket.socket:
    """Straight to the target's address. Raises OSError (TimeoutError among them), SourceError.

    What the making of the socket takes, in another namespace, is no part of the time for connecting: nobody is to be
    blamed for it.
    """
    loop = asyncio.get_running_loop()
    asked = loop.time()
    sock = await _socket_towards(target.vantage, target.address)
    try:
        where = (target.address, target.request.port)
        await _connect(sock, where, until + loop.time() - asked, opening)
    except BaseException:
        sock.close()
        raise
    return sock


async def open_connection(
    vantage: VantagePoint, address: str, port: int, opening: Opening | None = None
) -> socket.socket:
    """A connected, non-blocking socket from the vantage point's source. Raises OSError, SourceError."""
    sock = await _socket_towards(vantage, address)
    try:
        await _connect(sock, (address, port), None, opening or Opening())
    except BaseException:
        sock.close()
        raise
    return sock


async def _socket_towards(vantage: VantagePoint, address: str) -> socket.socket:
    return await open_socket(vantage, 6 if ":" in address else 4, socket.SOCK_STREAM)


async def _connect(
    sock: socket.socket, where: tuple[str, int], until: float | None, opening: Opening
) -> None:
    """As `loop.sock_connect` within a timeout, at a third of the cost. Raises OSError, SourceError."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    opening.began_ns = monotonic_ns()
    try:
        sock.connect(where)
    except (BlockingIOError, InterruptedError):
        pass
    except OSError as exc:
        if exc.errno == errno.EINVAL:  # the source cannot reach such an address, as loopback to elsewhere
            raise SourceError("the source address cannot be used towards this address") from exc
        raise
    else:
        opening.made = (monotonic_ns(), 0)
        return
    noticed_ns, empty_ns = await writable(sock, until)
    opening.made = (noticed_ns, noticed_ns - max(empty_ns, opening.began_ns))
    error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if error:
        raise OSError(error, f"Connect call failed {where}")


async def writable(sock: socket.socket, until: float | None) -> tuple[int, int]:
    """Until the socket can be written to, and is connected then. Raises TimeoutError at `until` (the loop's time).

    When that was noticed, and when it certainly was not so (0: nobody knows).
    """
    loop, number = asyncio.get_running_loop(), sock.fileno()
    waiter: asyncio.Future[tuple[int, int]] = loop.create_future()
    timer = None if until is None else loop.call_at(until, _too_late, waiter)
    polls = polls_of(loop)
    loop.add_writer(number, _wake, waiter, polls, 0 if polls is None else polls.count)
    try:
        return await waiter
    finally:
        loop.remove_writer(number)
        if timer is not None:
            timer.cancel()


def _wake(waiter: asyncio.Future[tuple[int, int]], polls: Polls | None, since: int) -> None:
    if not waiter.done():
        asked_before = polls is not None and (polls.slept or polls.count - since > 1)
        waiter.set_result((monotonic_ns(), polls.empty_ns if polls is not None and asked_before else 0))


def _too_late(waiter: asyncio.Future[tuple[int, int]]) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError())


def attach(sock: socket.socket, wire: WireProtocol) -> None:
    """Put `wire` on a connected socket."""
    Conduit(asyncio.get_running_loop(), sock, wire).begin()


async def attach_tls(
    sock: socket.socket, wire: WireProtocol, context: ssl.SSLContext, server_name: str, seconds: float
) -> SecureConduit:
    """The handshake, then `wire` on top. Raises OSError (ssl.SSLError among them), TimeoutError."""
    try:
        conduit = SecureConduit(asyncio.get_running_loop(), sock, wire, context, server_name)
    except BaseException:
        sock.close()
        raise
    async with asyncio.timeout(seconds):
        await conduit.shake()
    return conduit


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
