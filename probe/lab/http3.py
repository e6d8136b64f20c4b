"""Rule: over HTTP/3 the same handlers answer; without the extra `http3` the lab has no HTTP/3 and goes on.

A listener over UDP at an edge's port, beside that of TCP (RFC 9114). QUIC is qh3's, so that the lab needs nothing that
the agent does not have; what is refused, dropped or captured by source address is what a `Listener` does over TCP.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from qh3.asyncio.protocol import QuicConnectionProtocol
from qh3.asyncio.server import QuicServer
from qh3.h3.connection import H3Connection
from qh3.h3.events import HeadersReceived
from qh3.quic.configuration import QuicConfiguration
from qh3.quic.connection import QuicConnection, QuicConnectionError
from qh3.quic.events import ConnectionTerminated, ProtocolNegotiated, QuicEvent

from probe.lab.servers.http1 import Reply, Request
from probe.lab.servers.listener import bound_udp

_READ_BYTES = 65_536
_AT_ONCE = 64  # datagrams
Answer = Callable[[Request], Awaitable[Reply]]


def configuration(certificate: Path) -> QuicConfiguration:
    """Of a server with this leaf (PEM, certificate and key)."""
    # qh3 announces HTTP's datagrams in SETTINGS, which stand on those of QUIC (RFC 9297 section 2.1.1).
    made = QuicConfiguration(is_client=False, alpn_protocols=["h3"], max_datagram_frame_size=_READ_BYTES)
    text = certificate.read_text()
    key = text.rindex("-----BEGIN")
    made.load_cert_chain(text[:key], text[key:])
    return made


class Http3Listener:
    """HTTP/3 on one address and port. `blocked` and `tls_for` hold source addresses whose datagrams are dropped."""

    def __init__(self, address: str, port: int, answer: Answer, made: QuicConfiguration) -> None:
        self.address, self.port = address, port
        self.blocked: set[str] = set()
        self.tls_for: dict[str, ssl.SSLContext] = {}  # whom a portal has captured: it carries no UDP
        self._answer, self._configuration = answer, made
        self._socket: socket.socket | None = None
        self._server: QuicServer | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def listening(self) -> bool:
        """Whether datagrams are taken now; if not, the kernel answers them with ICMP."""
        return self._socket is not None

    def open(self) -> None:
        """Bind and listen. Raises LabError if the port is taken."""
        if self._socket is not None:
            return
        self._socket = sock = bound_udp(self.address, self.port)
        self._server = QuicServer(configuration=self._configuration, create_protocol=self._connection)
        self._server.connection_made(_Sending(sock))
        asyncio.get_running_loop().add_reader(sock.fileno(), self._readable, sock, self._server)

    async def close(self) -> None:
        """Stop listening and forget every connection, without a word to its client."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = self._server = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _readable(self, sock: socket.socket, server: QuicServer) -> None:
        for _ in range(_AT_ONCE):
            try:
                data, source = sock.recvfrom(_READ_BYTES)
            except OSError:  # nothing more, or ICMP's word of a client that has gone
                return
            if source[0] not in self.blocked and source[0] not in self.tls_for:
                server.datagram_received(data, source)

    def _connection(self, quic: QuicConnection, **_: object) -> QuicConnectionProtocol:
        return _Connection(quic, self._serve)

    def _serve(self, connection: _Connection, stream: int, request: Request) -> None:
        task = asyncio.get_running_loop().create_task(self._reply(connection, stream, request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reply(self, connection: _Connection, stream: int, request: Request) -> None:
        reply = await self._answer(request)
        with contextlib.suppress(QuicConnectionError):  # the client has gone
            connection.reply(stream, request, reply)


class _Sending(asyncio.DatagramTransport):
    """What QUIC sends by. What the socket has no room for, or what is closed, is lost as on any network."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__()
        self._sock = sock

    def sendto(self, data: Any, addr: Any = None) -> None:
        with contextlib.suppress(OSError):
            self._sock.sendto(data, addr)

    def close(self) -> None:
        return None

    def is_closing(self) -> bool:
        return self._sock.fileno() < 0


class _Connection(QuicConnectionProtocol):
    """One connection of a client; `serve` is called with each request."""

    def __init__(self, quic: QuicConnection, serve: Callable[[_Connection, int, Request], None]) -> None:
        super().__init__(quic)
        self._connection, self._serve = quic, serve
        self._http: H3Connection | None = None
        self._source = ""

    def datagram_received(self, data: bytes | str, addr: tuple[str, int]) -> None:
        self._source = addr[0]
        super().datagram_received(data, addr)

    def transmit(self) -> None:
        with contextlib.suppress(QuicConnectionError):  # the client has gone, and with it the room to send
            super().transmit()

    def quic_event_received(self, event: QuicEvent) -> None:
        if isinstance(event, ProtocolNegotiated):
            self._http = H3Connection(self._connection)
        elif isinstance(event, ConnectionTerminated):
            self._http = None
        if self._http is None:
            return
        for said in self._http.handle_event(event):
            if isinstance(said, HeadersReceived):
                lines = {name.decode(): value.decode("latin-1") for name, value in said.headers}
                self._serve(self, said.stream_id, Request.of_stream(lines, self._source))

    def reply(self, stream: int, request: Request, reply: Reply) -> None:
        """Send it, if the client is still there."""
        if self._http is None:
            return
        body, sent = reply.content_for(request)
        head = [(name.encode(), value.encode("latin-1")) for name, value in reply.stream_head()]
        self._http.send_headers(stream, head, end_stream=not body)
        if body:
            self._http.send_data(stream, sent, end_stream=True)
        self.transmit()
