"""Rule: all that is used of qh3 is named here; what it keeps private is read here alone, and its upgrade looked at.

`make` gives a `Quic` for one connection as a client: HTTP/3 by ALPN, no 0-RTT, no tickets, no migration, large flow
control windows, and no verification: the certificates are verified by the same OpenSSL as over TCP
(`TlsClient.verified`). Whoever imports this module needs the extra `http3`; `probe.fetch.quic.installed` says
whether it is there. Private parts: docs/decisions/0019, tests/libraries/test_qh3.py.
"""

from __future__ import annotations

import logging
import ssl
from typing import Any

import qh3.h3.connection
import qh3.tls
from qh3 import QuicConfiguration, QuicConnection
from qh3.tls import SignatureAlgorithm

from probe.fetch.quic.hellos import offer, push_client_hello
from probe.tls.client import sni_of

DATAGRAM_BYTES = 1200  # the least that every path of QUIC carries (RFC 9000 section 14)
IDLE_S = 120.0  # beyond every deadline: it is the server's idle timeout that counts
_CONNECTION_WINDOW = 24 * 1024 * 1024
_STREAM_WINDOW = 16 * 1024 * 1024
# What is signed with, as TLS over TCP admits it (`probe.tls.offer`): nothing of SHA-1, and EdDSA too.
_SIGNATURES: list[int] = [
    SignatureAlgorithm.ECDSA_SECP256R1_SHA256,
    SignatureAlgorithm.RSA_PSS_RSAE_SHA256,
    SignatureAlgorithm.ECDSA_SECP384R1_SHA384,
    SignatureAlgorithm.RSA_PSS_RSAE_SHA384,
    SignatureAlgorithm.RSA_PSS_RSAE_SHA512,
    SignatureAlgorithm.ED25519,
]
SUITES = {
    0x1301: "TLS_AES_128_GCM_SHA256",
    0x1302: "TLS_AES_256_GCM_SHA384",
    0x1303: "TLS_CHACHA20_POLY1305_SHA256",
}

# qh3 warns of what a peer does; that is a fact for the record, and nothing for our log.
for _name in ("quic", "http3"):
    logging.getLogger(_name).propagate = False
# A compressed certificate is expanded without a bound (RFC 8879): it is not offered.
setattr(qh3.tls, "_brotli", None)  # noqa: B010
setattr(qh3.tls, "push_client_hello", push_client_hello)  # noqa: B010


def _status_of(section: list[tuple[bytes, bytes]]) -> int:
    """Of a response, which we read ourselves (`core.http.stream_fields`); qh3 asks whether another head follows."""
    status = next((value for name, value in section if name == b":status"), b"")
    return int(status) if len(status) == 3 and status.isdigit() else 200


def _any_trailer(section: list[tuple[bytes, bytes]]) -> None:
    """As above."""


# qh3 refuses what Chromium delivers (docs/decisions/0025).
setattr(qh3.h3.connection, "validate_response_headers", _status_of)  # noqa: B010
setattr(qh3.h3.connection, "validate_trailers", _any_trailer)  # noqa: B010


class Quic(QuicConnection):
    """A client's connection, and what is known of it beyond qh3's public interface."""

    closed_by_us: tuple[int, str] | None = None

    def close(self, error_code: int = 0, frame_type: int | None = None, reason_phrase: str = "") -> None:
        """End it; why is kept."""
        if self.closed_by_us is None:
            self.closed_by_us = int(error_code), reason_phrase
        super().close(error_code, frame_type, reason_phrase)

    def send_stream_data(self, stream_id: int, data: Any, end_stream: bool = False) -> None:
        """Nothing where the end has come: what came before it is read all the same, and would be answered."""
        if self.end is None:
            super().send_stream_data(stream_id, data, end_stream)

    def _create_tls(self, remote_source_cid: bytes | None) -> Any:
        made = super()._create_tls(remote_source_cid)
        offer(made.tls)
        return made

    def receive_many(self, datagrams: list[bytes], now_s: float) -> None:
        """Datagrams of a connection that was made, from where all of it comes; qh3 asks again for each."""
        core: Any = getattr(self, "_core", None)
        core.receive_many_datagrams(datagrams, getattr(self, "_remote_addr", None), now_s)
        drain: Any = getattr(self, "_drain_core", None)
        drain()

    def to_send(self, now_s: float) -> list[bytes]:
        """The datagrams that are to leave now."""
        core: Any = getattr(self, "_core", None)
        made: list[bytes] = []
        while core is not None and (next_one := core.poll_transmit(now_s)) is not None:
            made.append(next_one[0])
        return made

    @property
    def end(self) -> tuple[int, int | None, str] | None:
        """Error code, frame type (None: of an application) and reason of what ended or is ending it; None: nothing."""
        event: Any = getattr(self, "_close_event", None)
        return None if event is None else (int(event.error_code), event.frame_type, event.reason_phrase)

    @property
    def core_state(self) -> str:
        """first_flight, connected, closing (by us), draining (by the peer), terminated."""
        core: Any = getattr(self, "_core", None)
        return "first_flight" if core is None else core.state

    @property
    def rtt_us(self) -> int | None:
        """The smoothed round trip (RFC 9002 section 5.3)."""
        core: Any = getattr(self, "_core", None)
        rtt_s = None if core is None else core.smoothed_rtt
        return None if rtt_s is None else round(rtt_s * 1e6)

    @property
    def lost_packets(self) -> int:
        """Packets of ours that were declared lost (RFC 9002 section 6.1)."""
        core: Any = getattr(self, "_core", None)
        return 0 if core is None else int(core.loss_total)

    @property
    def probes(self) -> int:
        """How often nothing came within the probe timeout (RFC 9002 section 6.2)."""
        core: Any = getattr(self, "_core", None)
        return 0 if core is None else int(core.pto_total)

    @property
    def retried(self) -> bool:
        """Whether the server had our address validated by a Retry packet (RFC 9000 section 8.1.2)."""
        return bool(getattr(self, "_retry_count", 0))

    @property
    def staple(self) -> bytes:
        """The OCSP response that came with the certificate; empty: none did."""
        return getattr(self.tls, "_ocsp_response", None) or b""

    @property
    def chain(self) -> tuple[bytes, ...]:
        """The certificates as the server sent them (DER, leaf first)."""
        leaf = self.get_peercert()
        if leaf is None:
            return ()
        return (leaf.public_bytes(), *(each.public_bytes() for each in self.get_issuercerts()))


def make(server_name: str) -> Quic:
    """A connection to be: nothing is sent yet. An IP literal sends no SNI (RFC 6066 section 3)."""
    return Quic(
        configuration=QuicConfiguration(
            alpn_protocols=["h3"],
            server_name=sni_of(server_name),
            verify_mode=ssl.CERT_NONE,
            idle_timeout=IDLE_S,
            max_data=_CONNECTION_WINDOW,
            max_stream_data=_STREAM_WINDOW,
            max_datagram_size=DATAGRAM_BYTES,
            probe_datagram_size=False,
            signature_algorithms=_SIGNATURES,
            offer_certificate_status_request=True,
            offer_ec_key_shares=True,
        )
    )
