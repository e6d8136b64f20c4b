"""Rule: one fresh connection for one request; what it is made of, when its bytes came and how it ended is known here.

A TCP connection to a target, with TLS where the scheme asks for it, on which one exchange takes place. In: the target
and deadlines. Out: the times of connecting (in the `Stopwatch`), the certificates, TCP_INFO, and to the exchange the
bytes as they come (`received`) and the end (`ended`). It knows nothing of HTTP.

What the server sends before the request was written is kept and given to the exchange after it; beyond 64 KiB the
socket is not read any more until then.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from time import monotonic_ns
from typing import Protocol

from probe.core.model.protocols import ALPN, HTTP_1_1
from probe.core.model.value import replace
from probe.core.records.failure import FailureType
from probe.core.records.transport import QuicInfo, Tls
from probe.fetch.connector import Dial, Opening, attach, attach_tls, examine
from probe.fetch.target import FetchTarget
from probe.net.arrival_bounds import ArrivalBounds, BoundedTime
from probe.net.failures import AlpnError
from probe.net.stopwatch import Stopwatch
from probe.net.tcp_info import handshake_us, read_tcp_info
from probe.net.transport import Transport
from probe.tls.client import client_for, describe
from probe.tls.session import TlsClient

_EARLY_BYTES = 64 * 1024


class Receiver(Protocol):
    """What takes the bytes of a connection: an exchange."""

    def received(self, data: bytes | memoryview) -> None:
        """Bytes came; a view holds for the call only."""
        ...

    def ended(self, error: Exception | None) -> None:
        """No more will come. `error`: why, where not in good order."""
        ...


class Connection(asyncio.Protocol):
    """One connection. End it with `close`."""

    def __init__(self, target: FetchTarget, watch: Stopwatch, dial: Dial) -> None:
        """`dial`: how connections to the target are made, directly or through a proxy."""
        self.watch = watch
        self.source: str | None = None  # our address and port
        self.tls: Tls | None = None
        self.certificates: tuple[bytes, ...] = ()  # as the server sent them (DER, leaf first)
        self.tcp_info = b""
        self.quic_info: QuicInfo | None = None  # there is no QUIC
        self.close_notify = False  # TLS only: the peer said that it was done
        self.is_open = False  # it can be used, or could until it ended
        self.ended = False
        self.protocol = HTTP_1_1  # as ALPN names it; spoken without ALPN too
        self.chosen: str | None = None  # by the server, by ALPN
        self._target = target
        self._offered = ALPN[target.request.protocol]
        self._client: TlsClient | None = None
        self._dial = dial
        self._loop = asyncio.get_running_loop()
        self._sock: socket.socket | None = None
        self._transport: Transport | None = None
        self._dates: ArrivalBounds | None = None
        self._looked = False  # TCP_INFO is of this delivery
        self._error: Exception | None = None
        self._early = bytearray()
        self._receiver: Receiver | None = None
        self._all_came = False
        self._closed_by_us = False
        self._lingering: asyncio.Future[None] | None = None

    # --- making it -------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Trust, where TLS needs it. Raises CaFileError, ValueError."""
        if self._target.request.scheme == "https":
            self._client = client_for(self._target.tls, self._offered)

    async def connect(self, until_s: float) -> None:
        """TCP, or a proxy's tunnel. Raises OSError (TimeoutError among them), SourceError, ProxyError."""
        self.watch.connect_start_us = self.watch.now_us()
        opening = Opening()
        try:
            self._sock = await self._dial(self._target, until_s, opening)
        finally:
            self.watch.connect_began(opening.began_ns)
        self.tcp_info = read_tcp_info(self._sock)
        direct = self._target.vantage.proxy is None
        self.watch.connected(opening.took(handshake_us(self.tcp_info)) if direct else (monotonic_ns(), 0))
        host, port, *_ = self._sock.getsockname()
        self.source = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def handshake(self, seconds: float) -> None:
        """TLS, where it is spoken. Raises OSError (ssl.SSLError among them), TimeoutError, AlpnError."""
        if self._client is None:
            self.use_plain()
        else:
            await self.use_tls(self._client, seconds)

    def use_plain(self) -> None:
        """Without TLS: bytes are read from now on."""
        assert self._sock is not None
        attach(self._sock, self)
        self.is_open = True

    async def use_tls(self, client: TlsClient, seconds: float) -> None:
        """The handshake. Raises OSError (ssl.SSLError among them), TimeoutError after so many seconds."""
        assert self._sock is not None
        name = self._target.server_name
        self.watch.tls_follows()
        transport = await attach_tls(self._sock, self, client, name, seconds)
        self.watch.tls_done(transport.hello_ns, (transport.handshake_end_ns, transport.handshake_unsure_ns))
        self.is_open = True
        self.certificates = transport.session.chain()
        chosen = self.chosen = transport.session.alpn()
        if self._offered == (HTTP_1_1,):
            self.tls = describe(transport.session, name, self.certificates)
            return
        self.tls = describe(transport.session, name, self.certificates, alpn=chosen)
        self.protocol = chosen or HTTP_1_1
        if self.protocol not in self._offered:
            raise AlpnError(f"the server chose no protocol of {', '.join(self._offered)} by ALPN")

    async def examine(
        self, error: ssl.SSLCertVerificationError, total_at_s: float
    ) -> tuple[Tls, FailureType | None, tuple[bytes, ...]]:
        """By a second connection: see `probe.fetch.connector.examine`."""
        return await examine(error, self._target, total_at_s, self._dial)

    # --- the request -----------------------------------------------------------------------------

    def send_request(self, data: bytes, receiver: Receiver) -> None:
        """Write the request; what comes, and what came before, goes to `receiver` from now on.

        Nothing is raised: where the connection is over already, `receiver.ended` says so.
        """
        self.watch.request_start_us = self.watch.now_us()
        self._receiver = receiver
        if self._transport is not None and self._dates is not None:
            self._transport.expect_reply()
            self._transport.write(data)
            self.watch.request_sent(self._dates.sent_ns, self._dates.sent_by_ns)
        early, self._early = self._early, bytearray()
        if early:
            receiver.received(bytes(early))
            self.resume_reading()
        if self.ended:
            receiver.ended(self._error)

    def answer(self, data: bytes) -> None:
        """Write what the protocol owes the server after the request; nothing where the connection is over."""
        if self._transport is not None:
            self._transport.write(data)

    def pause_reading(self) -> None:
        """Leave what comes in the socket, so that the server has to wait."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        if self._transport is not None:
            self._transport.resume_reading()

    # --- when it came ----------------------------------------------------------------------------

    def look(self) -> bytes:
        """TCP_INFO, asked once a delivery; once the socket is gone, what was known before."""
        if not self._looked and self._sock is not None:
            self.tcp_info = read_tcp_info(self._sock) or self.tcp_info
            self._looked = True
        return self.tcp_info

    def first_byte(self, *, leading: bool) -> BoundedTime:
        """When the first byte of a head came that is in what was delivered; `leading`: at its beginning."""
        assert self._dates is not None, "bytes come over a transport"
        return self._dates.first(self.look()) if leading else self._dates.amid()

    def last_byte(self, *, ends: bool = True) -> BoundedTime:
        """When the last byte of a response came; `ends`: it is the last of what was delivered."""
        assert self._dates is not None, "bytes come over a transport"
        return self._dates.last(self.look()) if ends else self._dates.amid()

    def not_begun(self) -> None:
        """What was delivered until now is no part of the final head."""
        if self._dates is not None:
            self._dates.look(self.look())

    def head_came(self) -> None:
        """What comes from now on is the body."""
        if self._dates is not None:
            self._dates.awaits = False

    def all_came(self) -> None:
        """The response is whole: TCP_INFO of its last delivery is the one to keep."""
        self._all_came = True

    # --- what the transport says -----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection can be used."""
        assert isinstance(transport, Transport)
        self._transport, self._dates = transport, transport.dates
        transport.views = True

    def data_received(self, data: bytes | memoryview) -> None:
        """Bytes of the application, in a view that holds for the call."""
        self._looked = False
        if self._receiver is not None:
            self._receiver.received(data)
            return
        self._early += data
        if len(self._early) >= _EARLY_BYTES:
            self.pause_reading()

    def eof_received(self) -> None:
        """The peer is done, and may have said so (RFC 8446 section 6.1) or just left."""
        if self._transport is not None:
            self.close_notify = self._transport.announced_end()

    def connection_lost(self, exc: Exception | None) -> None:
        """The end."""
        self._looked, self.ended = False, True
        self._error = self._error or exc
        if self.tls is not None and self.watch.response_start_us is None and not self._closed_by_us:
            # Whether it agreed on HTTP/1.1, or left for want of it.
            self.tls = replace(self.tls, alpn=self.chosen)
        if not self._closed_by_us and not self._all_came:
            self.look()
        self._transport = None
        self._linger_no_more()
        if self._receiver is not None and not self._closed_by_us:
            self._receiver.ended(self._error)

    # --- ending it -------------------------------------------------------------------------------

    async def linger(self, seconds: float) -> None:
        """Wait for the server's own close: it should follow the response, and what precedes it is surplus."""
        if self.ended or seconds <= 0:
            return
        self._lingering = self._loop.create_future()
        timer = self._loop.call_later(seconds, self._linger_no_more)
        try:
            await self._lingering
        finally:
            timer.cancel()
            self._lingering = None

    def _linger_no_more(self) -> None:
        if self._lingering is not None and not self._lingering.done():
            self._lingering.set_result(None)

    def close(self) -> None:
        """End it at once; nobody reads any more. May be called again."""
        if self.ended or self._closed_by_us:
            return
        if self._transport is None:
            if self._sock is not None:
                self._sock.close()  # no transport owns it, or one that has closed it
            return
        self._closed_by_us = True
        self._looked = False
        if not self._all_came:
            self.look()
        self._transport.abort()

    def forget(self) -> None:
        """After `close`, once all was taken: what refers to us is let go, so that nothing goes in a circle."""
        self._receiver = None
