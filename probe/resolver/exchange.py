"""Rule: one call is one question to one resolver over one fresh socket, over by its deadline whatever comes back.

Sockets are connected, so that the kernel drops what other hosts send, and bound to the vantage point's source
address or interface; the port is the kernel's random choice (RFC 5452 section 9). What is not the response to this
question is ignored until the deadline. Raises `ExchangeError` carrying the failure.

One fresh connection a question also over TCP, TLS and HTTPS: a recursive resolver mostly tells the whole chain in one
response, so a second question is rare; and what breaks a connection is then that question's, never an earlier one's.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

from probe.core.dns.message import MalformedError, Question, Reply, StrayError, read_reply
from probe.core.model.task import ResolverSpec, VantagePoint
from probe.core.model.value import replace
from probe.core.records.failure import Failure
from probe.net.failures import SourceError
from probe.net.kernel_timestamps import ANCILLARY_BYTES, arrived_ns, ask_for_stamps
from probe.net.line import open_socket
from probe.resolver.bootstrap import is_address
from probe.resolver.doh import post
from probe.resolver.failures import SilenceError, dns_failure

_MAX_MESSAGE_BYTES = 65535
_IGNORED_LIMIT = 256  # a flood of rubbish must not cost a whole deadline of CPU


class ExchangeError(Exception):
    """No acceptable response came; `failure` says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.type.value)
        self.failure = failure


class _as_failure:  # noqa: N801 - used as a statement, like those of contextlib
    """What is raised within becomes an ExchangeError of this operation."""

    __slots__ = ("_operation",)

    def __init__(self, operation: str) -> None:
        self._operation = operation

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, ExchangeError):
            raise ExchangeError(dns_failure(error, self._operation)) from error


class _Inbox:
    """Reads messages until one is the response; counts the others."""

    def __init__(self, question: Question) -> None:
        self._question = question
        self._malformed = 0
        self._strays = 0
        self._last = ""

    async def first_response(self, receive: Callable[[], Awaitable[bytes]]) -> Reply:
        while self._malformed + self._strays < _IGNORED_LIMIT:
            wire = await receive()
            try:
                return read_reply(wire, self._question)
            except StrayError as error:
                self._strays += 1
                self._last = str(error)
            except MalformedError as error:
                self._malformed += 1
                self._last = str(error)
            await asyncio.sleep(0)  # datagrams at hand are read without waiting: let the deadline pass
        raise self.silence()

    def silence(self) -> SilenceError:
        return SilenceError(self._malformed, self._strays, self._last)


async def exchange(
    question: Question,
    resolver: ResolverSpec,
    vantage: VantagePoint,
    transport: str,
    deadline_s: float,
    context: Callable[[], ssl.SSLContext],
) -> Reply:
    """Ask over `transport` (udp, tcp, tls, https); `deadline_s` on the running loop's clock. Raises ExchangeError.

    `context` gives the TLS context when it is needed.
    """
    if transport == "udp":
        return await _over_udp(question, resolver, vantage, deadline_s)
    inbox = _Inbox(question)
    with await _open_socket(resolver, vantage, socket.SOCK_STREAM, deadline_s) as sock:
        try:
            async with asyncio.timeout_at(deadline_s):
                tls = context if transport in ("tls", "https") else None
                async with _stream(sock, resolver, tls) as (reader, writer):
                    if transport == "https":
                        return await _over_https(question, resolver, reader, writer)
                    return await _over_stream(question, inbox, reader, writer)
        except TimeoutError as error:
            raise ExchangeError(dns_failure(inbox.silence(), "read")) from error


async def _open_socket(
    resolver: ResolverSpec, vantage: VantagePoint, kind: socket.SocketKind, deadline_s: float
) -> socket.socket:
    """In at most half of the time that is left, so that no resolver is blamed for what the making of it took."""
    now_s = asyncio.get_running_loop().time()
    with _as_failure("locate"):
        if not is_address(resolver.address):  # a name that was not found; asking it here would stop the loop
            raise OSError(errno.EHOSTUNREACH, "the host's own resolver knows no such resolver")
    with _as_failure("bind"):
        version = 6 if ":" in resolver.address else 4
        if vantage.netns is None:  # made here and now, nothing is waited for
            return await open_socket(vantage, version, kind)
        try:
            async with asyncio.timeout_at((now_s + deadline_s) / 2 if now_s < deadline_s else None):
                return await open_socket(vantage, version, kind)
        except TimeoutError:
            raise SourceError("no socket was made in time") from None


async def _over_udp(
    question: Question, resolver: ResolverSpec, vantage: VantagePoint, deadline_s: float
) -> Reply:
    """The way of almost every question, so that it does without the streams' layers."""
    inbox, operation = _Inbox(question), "connect"
    sock = await _open_socket(resolver, vantage, socket.SOCK_DGRAM, deadline_s)
    try:
        sock.connect((resolver.address, resolver.port))
        operation = "send"
        ask_for_stamps(sock)
        sent_s = asyncio.get_running_loop().time()
        await _sent(sock, question.wire, deadline_s)
        operation = "read"
        datagrams = _Datagrams(sock, deadline_s)
        try:
            reply = await inbox.first_response(datagrams.next)
            return replace(reply, sent_s=sent_s, came_s=datagrams.came_s)
        finally:
            datagrams.close()
    except TimeoutError as error:
        raise ExchangeError(dns_failure(inbox.silence(), "read")) from error
    except Exception as error:
        raise ExchangeError(dns_failure(error, operation)) from error
    finally:
        sock.close()


async def _sent(sock: socket.socket, wire: bytes, deadline_s: float) -> None:
    """A datagram goes out whole or not at all, and at once unless the host's own buffer is full."""
    try:
        sock.send(wire)
    except (BlockingIOError, InterruptedError):
        async with asyncio.timeout_at(deadline_s):
            await asyncio.get_running_loop().sock_sendall(sock, wire)


class _Datagrams:
    """What comes in on a connected socket, one datagram after the other. `close` before the socket is closed."""

    def __init__(self, sock: socket.socket, deadline_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._sock = sock
        self._waiter: asyncio.Future[bytes] | None = None
        self._timer = self._loop.call_at(deadline_s, self._late)
        self._is_late = False
        self.came_s = 0.0  # of the last one, on the clock of the loop
        self._loop.add_reader(sock.fileno(), self._readable)

    async def next(self) -> bytes:
        """The next one. Raises TimeoutError at the deadline, OSError."""
        if self._is_late:
            raise TimeoutError
        self._waiter = self._loop.create_future()
        return await self._waiter

    def _readable(self) -> None:
        if self._waiter is None or self._waiter.done():
            return
        try:
            wire, ancillary, _, _ = self._sock.recvmsg(_MAX_MESSAGE_BYTES, ANCILLARY_BYTES)
            came_ns = arrived_ns(ancillary)
            self.came_s = self._loop.time() if came_ns is None else came_ns / 1e9
            self._waiter.set_result(wire)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._waiter.set_exception(error)

    def _late(self) -> None:
        self._is_late = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(TimeoutError())

    def close(self) -> None:
        """Nobody waits any more."""
        self._timer.cancel()
        self._loop.remove_reader(self._sock.fileno())


@contextlib.asynccontextmanager
async def _stream(
    sock: socket.socket, resolver: ResolverSpec, context: Callable[[], ssl.SSLContext] | None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to the resolver; with `context` its certificate is verified (RFC 7858, RFC 8484)."""
    with _as_failure("connect"):
        await asyncio.get_running_loop().sock_connect(sock, (resolver.address, resolver.port))
    with _as_failure("tls_ca"):
        tls = context() if context else None
    with _as_failure("handshake" if tls else "connect"):
        name = (resolver.tls_name or resolver.address) if tls else None
        reader, writer = await asyncio.open_connection(sock=sock, ssl=tls, server_hostname=name)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def _over_stream(
    question: Question, inbox: _Inbox, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> Reply:
    """RFC 7766 framing: two octets of length before each message; over TLS as RFC 7858."""
    with _as_failure("send"):
        writer.write(len(question.wire).to_bytes(2, "big") + question.wire)
        await writer.drain()
    with _as_failure("read"):
        return await inbox.first_response(lambda: _framed(reader))


async def _over_https(
    question: Question, resolver: ResolverSpec, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> Reply:
    """The one message of the one response: where it is not ours, no other can follow it."""
    with _as_failure("read"):
        body = await post(reader, writer, resolver, question.wire)
        try:
            return read_reply(bytes(body.content), question, body.age_s)
        except StrayError as error:
            raise MalformedError(f"not the response to this question: {error}") from error


async def _framed(reader: asyncio.StreamReader) -> bytes:
    length = int.from_bytes(await reader.readexactly(2), "big")
    return await reader.readexactly(length)
