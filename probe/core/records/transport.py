"""Rule: what the kernel and the handshake showed is kept as they gave it, with its unit and its uncertainty.

The facts of one connection: the instants of W3C Resource Timing, what TLS negotiated, Linux TCP_INFO. Written by
`probe.fetch` and `probe.net`; read by whatever judges or reports times and certificates. `_us` are offsets from the
slot's `started_at` on the monotonic clock, unless a docstring says that it is a duration.
"""

from __future__ import annotations

from probe.core.model.value import Value

UNSURE_US = 1_000  # what is less certain than this is recorded as such


class TimingUncertainty(Value, frozen=True, kw_only=True):
    """By how much the spans of a ResourceTiming may be too long, never too short; durations.

    Either our own program stood still in them, or it looked too late to know. The true span lies between the recorded
    span less this, and the recorded span.
    """

    connect_us: int = 0  # from connect_start to the end of the TCP handshake
    tls_us: int = 0  # from secure_connection_start to connect_end
    response_start_us: int = 0  # from request_start to response_start
    response_end_us: int = 0  # from request_start to response_end

    def until(self, response_us: int) -> int:
        """Of a span from connect_start to an instant of the response, whose own part is `response_us`."""
        return self.connect_us + self.tls_us + response_us


class ResourceTiming(Value, frozen=True, kw_only=True):
    """W3C Resource Timing names; `_us` from slot start, monotonic.

    domain_lookup_* belong to the slot's resolution and are None where an address was given.
    secure_connection_start is None over plain HTTP; it is also taken for the end of the TCP handshake.
    `uncertainty`: None where no part of it is over UNSURE_US.
    """

    domain_lookup_start_us: int | None = None
    domain_lookup_end_us: int | None = None
    connect_start_us: int | None = None
    secure_connection_start_us: int | None = None
    connect_end_us: int | None = None
    request_start_us: int | None = None
    response_start_us: int | None = None
    response_end_us: int | None = None
    uncertainty: TimingUncertainty | None = None

    @property
    def ttfb_us(self) -> int | None:
        """From the request to the first byte; None where one of them was not seen."""
        start_us, first_us = self.request_start_us, self.response_start_us
        return None if start_us is None or first_us is None else first_us - start_us

    @property
    def whole_us(self) -> int | None:
        """From the start of the connection to the last byte; None where one of them was not seen."""
        start_us, end_us = self.connect_start_us, self.response_end_us
        return None if start_us is None or end_us is None else end_us - start_us


class Tls(Value, frozen=True, kw_only=True):
    """What the handshake showed. Certificates by SHA-256 of their DER, leaf first."""

    version: str | None = None  # TLSv1.3
    cipher: str | None = None
    server_name: str | None = None  # the SNI sent
    names: tuple[str, ...] = ()  # dNSName and iPAddress of the leaf
    subject: str | None = None
    issuer: str | None = None
    not_before: str | None = None
    not_after: str | None = None
    chain_sha256: tuple[str, ...] = ()
    verify_error: str | None = None  # OpenSSL's words, for people
    second_connection: bool = False  # seen on a connection made only to read the certificate
    chain_not_after: str | None = None  # the earliest of the chain in use, its trust anchor left out
    chain_not_after_of: str | None = None  # the subject of the certificate that ends so early
    staple: str | None = None  # good, revoked, unknown, invalid, absent; None: not looked at
    must_staple: bool = False  # the certificate demands a stapled response (RFC 7633)
    alpn: str | None = None  # chosen by the server (RFC 7301); None: nothing, or HTTP/1.1 alone was offered


class TcpInfo(Value, frozen=True, kw_only=True):
    """Linux TCP_INFO at the last read. Durations in microseconds."""

    rtt_us: int
    rtt_var_us: int
    retransmits_total: int
    mss_bytes: int


class QuicInfo(Value, frozen=True, kw_only=True):
    """What is known of a QUIC connection at its end (RFC 9000, RFC 9002)."""

    version: int | None = None  # 1: RFC 9000; None: the server was not heard
    rtt_us: int | None = None  # smoothed (RFC 9002 section 5.3)
    lost_packets: int = 0  # of ours
    probes: int = 0  # how often nothing came within the probe timeout (RFC 9002 section 6.2)
    datagrams_sent: int = 0
    datagrams_received: int = 0
    datagrams_dropped_here: int = 0  # our socket had no room for them: our own host was late
    ecn_marked: int = 0  # came with the mark of congestion (RFC 3168)
    unreachable: int = 0  # how often ICMP said that nobody listens: a hint, which can be forged
    address_validation: str | None = None  # retry, handshake; None: the handshake was not finished
    last_received_us: int | None = None  # offset from slot start
    ping_answered: bool | None = (
        None  # in a silence the server was asked whether it is there (PING); None: it was not
    )
