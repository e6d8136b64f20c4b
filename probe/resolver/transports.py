"""Rule: what differs from one DNS transport to the next is said by its class here, and nowhere else.

A `Transport` takes a question, a resolver, a vantage point and a deadline, and gives the first acceptable reply or
raises `ExchangeError`. Its class attributes say how to use it: how often to try, what message id to send,
which transport takes over after a truncated response. A new transport is one class with `@_transport(scheme)` and one
row in `probe.core.syntax.values.RESOLVER_SCHEMES` (default port, what its URL may hold).

Each question has a fresh connection, also over TCP, TLS and HTTPS: a recursive resolver mostly gives the whole chain
in one response, so a second question is rare; and what breaks a connection is then that question's failure, never an
earlier one's.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping
from typing import ClassVar

from probe.core.dns.message import MalformedError, Question, Reply, UnrelatedReplyError, read_reply
from probe.core.model.task import ResolverSpec, VantagePoint
from probe.core.model.value import replace
from probe.net.kernel_timestamps import ask_for_stamps
from probe.resolver.doh import ALPN, post
from probe.resolver.exchange import Datagrams, ExchangeError, Inbox, as_failure, open_socket_to
from probe.resolver.failures import dns_failure

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Transport(ABC):
    """One way to carry a question to a resolver and its response back."""

    scheme: ClassVar[str]
    """As in a resolver's URL, in `ResolverSpec.transport` and in `DnsQuery.transport`."""
    tries: ClassVar[int] = 1
    """How often a lost or malformed message is sent; with more than one, each try has a limit of its own."""
    message_id: ClassVar[int | None] = None
    """The id of every message; None: a random one each time."""
    after_truncation: ClassVar[str | None] = None
    """Scheme of the transport that repeats a question whose response was truncated; None: TC is an error."""

    @abstractmethod
    async def exchange(
        self, question: Question, resolver: ResolverSpec, vantage: VantagePoint, deadline_s: float
    ) -> Reply:
        """The response to `question`, by `deadline_s` on the running loop's clock. Raises ExchangeError."""


_KINDS: dict[str, type[Transport]] = {}


def _transport(scheme: str) -> Callable[[type[Transport]], type[Transport]]:
    def register(kind: type[Transport]) -> type[Transport]:
        kind.scheme = scheme
        _KINDS[scheme] = kind
        return kind

    return register


def make_transports() -> Mapping[str, Transport]:
    """One object a scheme; they keep the TLS contexts that they loaded."""
    return {scheme: kind() for scheme, kind in _KINDS.items()}


# --- datagrams ------------------------------------------------------------------------------------------


@_transport("udp")
class Udp(Transport):
    """RFC 1035 section 4.2.1. Almost every question goes this way, so it does without the streams' layers.

    The socket is connected, so that the kernel drops what other hosts send.
    """

    tries = 2
    after_truncation = "tcp"  # RFC 7766 section 5

    async def exchange(
        self, question: Question, resolver: ResolverSpec, vantage: VantagePoint, deadline_s: float
    ) -> Reply:
        """`sent_s` and `came_s` of the reply are the kernel's times where it stamps datagrams."""
        inbox, operation = Inbox(question), "connect"
        sock = await open_socket_to(resolver, vantage, socket.SOCK_DGRAM, deadline_s)
        try:
            sock.connect((resolver.address, resolver.port))
            operation = "send"
            ask_for_stamps(sock)
            sent_s = asyncio.get_running_loop().time()
            await _send(sock, question.wire, deadline_s)
            operation = "read"
            datagrams = Datagrams(sock, deadline_s)
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


async def _send(sock: socket.socket, wire: bytes, deadline_s: float) -> None:
    """A datagram goes out whole or not at all, and at once unless the host's own buffer is full."""
    try:
        sock.send(wire)
    except (BlockingIOError, InterruptedError):
        async with asyncio.timeout_at(deadline_s):
            await asyncio.get_running_loop().sock_sendall(sock, wire)


# --- streams --------------------------------------------------------------------------------------------


@_transport("tcp")
class Tcp(Transport):
    """RFC 7766: two octets of length before each message."""

    async def exchange(
        self, question: Question, resolver: ResolverSpec, vantage: VantagePoint, deadline_s: float
    ) -> Reply:
        """Connect, handshake where there is TLS, ask, and drop the connection."""
        inbox = Inbox(question)
        with await open_socket_to(resolver, vantage, socket.SOCK_STREAM, deadline_s) as sock:
            try:
                async with asyncio.timeout_at(deadline_s), self._connected(sock, resolver) as streams:
                    return await self._converse(question, resolver, inbox, streams)
            except TimeoutError as error:
                raise ExchangeError(dns_failure(inbox.silence(), "read")) from error

    def _tls_context(self, resolver: ResolverSpec) -> ssl.SSLContext | None:
        """None: the connection is not encrypted."""
        return None

    async def _converse(
        self, question: Question, resolver: ResolverSpec, inbox: Inbox, streams: Streams
    ) -> Reply:
        reader, writer = streams
        with as_failure("send"):
            writer.write(len(question.wire).to_bytes(2, "big") + question.wire)
            await writer.drain()
        with as_failure("read"):
            return await inbox.first_response(lambda: _framed(reader))

    @contextlib.asynccontextmanager
    async def _connected(self, sock: socket.socket, resolver: ResolverSpec) -> AsyncIterator[Streams]:
        with as_failure("connect"):
            await asyncio.get_running_loop().sock_connect(sock, (resolver.address, resolver.port))
        with as_failure("tls_ca"):
            tls = self._tls_context(resolver)
        with as_failure("handshake" if tls else "connect"):
            name = (resolver.tls_name or resolver.address) if tls else None
            reader, writer = await asyncio.open_connection(sock=sock, ssl=tls, server_hostname=name)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()


async def _framed(reader: asyncio.StreamReader) -> bytes:
    length = int.from_bytes(await reader.readexactly(2), "big")
    return await reader.readexactly(length)


@_transport("tls")
class Tls(Tcp):
    """DNS over TLS (RFC 7858): the framing of TCP, and the resolver's certificate is always verified.

    Which authorities may have issued the certificate is the only choice (`tls_ca`). One context an authority file,
    loaded when first needed: what is wrong with the file is then that look-up's failure.
    """

    alpn: ClassVar[tuple[str, ...]] = ("dot",)  # RFC 7858 section 8.1

    def __init__(self) -> None:
        self._contexts: dict[str | None, ssl.SSLContext] = {}

    def _tls_context(self, resolver: ResolverSpec) -> ssl.SSLContext:
        """Raises OSError or ssl.SSLError where the authority file is no good."""
        if resolver.tls_ca not in self._contexts:
            context = ssl.create_default_context(cafile=resolver.tls_ca)
            context.set_alpn_protocols(list(self.alpn))
            self._contexts[resolver.tls_ca] = context
        return self._contexts[resolver.tls_ca]


@_transport("https")
class Https(Tls):
    """DNS over HTTPS (RFC 8484): one request, one response, one message; see `probe.resolver.doh`."""

    alpn = ALPN  # HTTP/2 first (RFC 8484 section 5.2)
    message_id = 0  # RFC 8484 section 4.1: so that responses can be cached

    async def _converse(
        self, question: Question, resolver: ResolverSpec, inbox: Inbox, streams: Streams
    ) -> Reply:
        """The one message of the one response: where it is not ours, no other can follow it."""
        reader, writer = streams
        with as_failure("read"):
            body = await post(reader, writer, resolver, question.wire)
            try:
                return read_reply(bytes(body.content), question, body.age_s)
            except UnrelatedReplyError as error:
                raise MalformedError(f"not the response to this question: {error}") from error
