"""Rule: one fresh connection for one request, made by us so that every phase has its own clock and its own failure.

No names, no cache, no pool, no racing: nothing can be sent twice.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Awaitable, Callable
from time import monotonic_ns
from typing import TYPE_CHECKING

from probe.core.model.protocols import ALPN
from probe.core.model.task import VantagePoint
from probe.core.model.value import replace
from probe.core.records.failure import FailureType
from probe.core.records.transport import Tls
from probe.net.arrival_bounds import BoundedTime
from probe.net.event_loop import Polls, polls_of
from probe.net.failures import CHAIN_VERIFY_CODES, SourceError
from probe.net.line import open_socket
from probe.net.tls_transport import TlsTransport
from probe.net.transport import Transport
from probe.tls.client import Presented, chain_verdict, client_for, describe, sni_of
from probe.tls.session import TlsClient, TlsSession

if TYPE_CHECKING:
    from probe.fetch.target import FetchTarget


class Opening:
    """When a connection was begun (0: it was not) and found to be made; CLOCK_MONOTONIC.

    `socket_s`: how long its socket was waited for before, in another namespace.
    """

    __slots__ = ("began_ns", "made", "socket_s")

    def __init__(self) -> None:
        self.began_ns = 0
        self.made: BoundedTime = (0, 0)
        self.socket_s = 0.0

    def took(self, handshake_us: int | None) -> BoundedTime:
        """When SYN and ACK came, by the time that the kernel says it took; None: it does not say."""
        noticed_ns, unsure_ns = self.made
        if handshake_us is None:
            return noticed_ns, unsure_ns
        return min(noticed_ns, self.began_ns + handshake_us * 1000), 0


# Makes a connected, non-blocking socket to a target until the loop's time given: directly or through a proxy.
Dial = Callable[["FetchTarget", float, Opening], Awaitable[socket.socket]]


async def connect_tcp(target: FetchTarget, until: float, opening: Opening) -> socket.socket:
    """Straight to the target's address. Raises OSError (TimeoutError among them), SourceError."""
    return await open_connection(target.vantage, target.address, target.request.port, opening, until)


async def open_connection(
    vantage: VantagePoint,
    address: str,
    port: int,
    opening: Opening | None = None,
    until: float | None = None,
) -> socket.socket:
    """A connected, non-blocking socket from the vantage point's source. Raises OSError, SourceError.

    `until`: the loop's time at which TimeoutError is raised. What the making of the socket takes, in another
    namespace, is no part of the time for connecting: nobody is to be blamed for it.
    """
    loop, opening = asyncio.get_running_loop(), opening or Opening()
    asked = loop.time()
    sock = await _socket_towards(vantage, address)
    opening.socket_s = loop.time() - asked
    try:
        await _connect(sock, (address, port), None if until is None else until + opening.socket_s, opening)
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


def attach(sock: socket.socket, protocol: asyncio.Protocol) -> None:
    """Put `protocol` on a connected socket."""
    Transport(asyncio.get_running_loop(), sock, protocol).begin()


async def attach_tls(
    sock: socket.socket, protocol: asyncio.Protocol, client: TlsClient, server_name: str, seconds: float
) -> TlsTransport:
    """The handshake, then `protocol` on top. Raises OSError (ssl.SSLError among them), TimeoutError."""
    try:
        transport = TlsTransport(asyncio.get_running_loop(), sock, protocol, client, server_name)
    except BaseException:
        sock.close()
        raise
    await transport.handshake(seconds)
    return transport


# --- a second look after a failed verification ----------------------------------------------------


async def examine(
    exc: ssl.SSLCertVerificationError, target: FetchTarget, total_at: float, dial: Dial
) -> tuple[Tls, FailureType | None, tuple[bytes, ...]]:
    """What the server presented, read over a second connection on which nothing is asked, with the chain (DER).

    Between them a more exact type of failure, where the certificates show one. `total_at`: loop time of the deadline.
    `dial` makes the connection as it made the first one. Whatever goes wrong here, the verdict of the first handshake
    stands: what is looked at only because something failed never changes what was measured.
    """
    message = exc.verify_message
    try:
        session = await _second_handshake(target, total_at, dial)
    except Exception:
        return Tls(server_name=sni_of(target.server_name), verify_error=message), None, ()
    chain = session.chain()
    exact = chain_verdict(chain) if exc.verify_code in CHAIN_VERIFY_CODES else None
    return describe(session, target.server_name, chain, verify_error=message, second=True), exact, chain


async def _second_handshake(target: FetchTarget, total_at: float, dial: Dial) -> TlsSession:
    """A handshake without verification; the connection is ended without a request. Raises OSError and others."""
    loop = asyncio.get_running_loop()
    client = client_for(replace(target.tls, verify=False), ALPN[target.request.protocol])
    until = min(total_at, loop.time() + target.deadlines.connect_us / 1e6)
    sock = await dial(target, until, Opening())
    seconds = min(total_at - loop.time(), target.deadlines.tls_us / 1e6)
    transport = await attach_tls(sock, Presented(), client, target.server_name, seconds)
    transport.abort()
    return transport.session
