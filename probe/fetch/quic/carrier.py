"""Rule: one fresh QUIC connection for one request, behind the same interface as one over TCP.

A `Carrier` (`probe.fetch.exchange`). In: the target and deadlines. Out: the times of connecting, which is one handshake
for transport and TLS (W3C: connectStart is secureConnectionStart), the certificates, `QuicInfo`, and to the exchange
the events of streams. No 0-RTT, no tickets, no migration, no second try: what went wrong once is what was measured.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl

from probe.core.model.protocols import H3
from probe.core.records.failure import FailureType, Phase
from probe.core.records.transport import QuicInfo, Tls
from probe.fetch.connector import Dial
from probe.fetch.quic.closing import NO_HTTP_ERROR, REQUEST_CANCELLED
from probe.fetch.quic.library import SUITES, Quic
from probe.fetch.quic.transport import QuicTransport
from probe.fetch.target import FetchTarget
from probe.net.failures import CHAIN_VERIFY_CODES, SourceError, StreamError
from probe.net.line import open_socket
from probe.net.stopwatch import Stopwatch
from probe.tls.client import chain_verdict, client_for, describe
from probe.tls.session import TlsClient
from probe.tls.verified import NOT_VERIFIED, Verified


class QuicCarrier:
    """One connection. End it with `close`."""

    protocol = H3
    tcp_info = b""  # there is no TCP
    close_notify = True  # QUIC says how it ends

    def __init__(self, target: FetchTarget, watch: Stopwatch, dial: Dial) -> None:
        """`dial` makes TCP connections, and is not used: no proxy of ours carries datagrams."""
        del dial
        self.watch = watch
        self.source: str | None = None
        self.tls: Tls | None = None
        self.certificates: tuple[bytes, ...] = ()
        self.transport: QuicTransport | None = None
        self.whole = False  # the response came to its end
        self._target = target
        self._loop = asyncio.get_running_loop()
        self._total_at_s = self._loop.time() + target.deadlines.total_us / 1e6
        self._first_by_s = 0.0
        self._client: TlsClient | None = None
        self._agreed = _Agreed(None, NOT_VERIFIED)

    def prepare(self) -> None:
        """Trust. Raises CaFileError, ValueError, StreamError where a proxy is to be used."""
        if self._target.vantage.proxy is not None:
            words = "HTTP/3 goes through no proxy: none of ours carries datagrams"
            raise StreamError(FailureType.AGENT_PROTOCOL_UNSUPPORTED, words, Phase.HOST)
        self._client = client_for(self._target.tls)

    async def connect(self, until_s: float) -> None:
        """A socket that is bound to the line and connected; nothing is sent. Raises OSError, SourceError.

        `until_s`: for the server's first word.
        """
        target, port = self._target, self._target.request.port
        self.watch.connect_start_us = self.watch.now_us()
        asked_s = self._loop.time()
        sock = await open_socket(target.vantage, 6 if ":" in target.address else 4, socket.SOCK_DGRAM)
        self._first_by_s = until_s + self._loop.time() - asked_s  # nobody is to be blamed for that
        try:
            sock.connect((target.address, port))
            host, ours, *_ = sock.getsockname()
            self.transport = QuicTransport(sock, (target.address, port), target.server_name, self._verify)
        except OSError as error:
            sock.close()
            if error.errno == errno.EINVAL:
                raise SourceError("the source address cannot be used towards this address") from error
            raise
        except BaseException:
            sock.close()
            raise
        self.source = f"[{host}]:{ours}" if ":" in host else f"{host}:{ours}"

    async def handshake(self, seconds: float) -> None:
        """QUIC's, which is TLS's. Raises OSError (ssl.SSLError among them), StreamError."""
        assert self.transport is not None, "connected before"
        transport, watch = self.transport, self.watch
        try:
            await transport.handshake(self._first_by_s, min(self._first_by_s + seconds, self._total_at_s))
        except BaseException:
            self._began(transport)
            if isinstance(transport.error, StreamError):
                transport.error.at(Phase.TLS if transport.error.type.value.startswith("tls.") else Phase.QUIC)
            raise
        self._began(transport)
        watch.secured(transport.shaken, transport.began_by_ns - transport.began_ns)
        self.tls = describe(self._agreed, self._target.server_name, self.certificates, alpn=H3)

    def _began(self, transport: QuicTransport) -> None:
        self.watch.connect_began(transport.began_ns)
        self.watch.secure_connection_start_us = self.watch.connect_start_us

    def _verify(self, quic: Quic) -> None:
        """Raises ssl.SSLError."""
        assert self._client is not None, "prepared before"
        cipher = quic.get_cipher()
        self.certificates = quic.chain
        self._agreed = _Agreed(None if cipher is None else SUITES.get(int(cipher)), NOT_VERIFIED)
        verified = self._client.verified(self.certificates, quic.staple, self._target.server_name)
        self._agreed = _Agreed(self._agreed.suite, verified)

    async def examine(
        self, error: ssl.SSLCertVerificationError, total_at_s: float
    ) -> tuple[Tls, FailureType | None, tuple[bytes, ...]]:
        """What was presented: it came on this very connection, before it was refused."""
        del total_at_s
        exact = chain_verdict(self.certificates) if error.verify_code in CHAIN_VERIFY_CODES else None
        shown = describe(
            self._agreed,
            self._target.server_name,
            self.certificates,
            verify_error=error.verify_message,
            alpn=H3,
        )
        return shown, exact, self.certificates

    @property
    def quic_info(self) -> QuicInfo | None:
        """What is known of the connection; None before anything was sent."""
        transport = self.transport
        if transport is None or not transport.began_ns:
            return None
        quic, datagrams = transport.quic, transport.datagrams
        made = transport.shaken[0] > 0
        return QuicInfo(
            version=transport.version_seen,
            rtt_us=quic.rtt_us,
            lost_packets=quic.lost_packets,
            probes=quic.probes,
            datagrams_sent=datagrams.sent,
            datagrams_received=datagrams.received,
            datagrams_dropped_here=datagrams.dropped,
            ecn_marked=datagrams.marked,
            unreachable=datagrams.unreachable,
            address_validation=("retry" if quic.retried else "handshake") if made else None,
            ping_answered=transport.ping_answered,
            last_received_us=self.watch.at_us(datagrams.dates.came_ns) if datagrams.received else None,
        )

    def close(self) -> None:
        """End it at once; nobody reads any more. May be called again."""
        if self.transport is not None:
            self.transport.close(NO_HTTP_ERROR if self.whole else REQUEST_CANCELLED)

    def forget(self) -> None:
        """See `Carrier`."""
        if self.transport is not None:
            self.transport.forget()


class _Agreed:
    """What `probe.tls.client.describe` wants to know of a handshake."""

    def __init__(self, suite: str | None, verified: Verified) -> None:
        self.suite = suite
        self._verified = verified

    def version(self) -> str:
        """QUIC has no other (RFC 9001 section 4.2)."""
        return "TLSv1.3"

    def cipher(self) -> str | None:
        """The suite by OpenSSL's name."""
        return self.suite

    def verified(self) -> Verified:
        """The chain in use and what was stapled."""
        return self._verified
