"""Rule: how a QUIC connection ended is one of our types of failure, by numbers and never by the words of a reason.

RFC 9000 sections 10, 19.19 and 20, RFC 9001 section 4.8 (alerts of TLS), RFC 9114 section 8.1.
"""

from __future__ import annotations

from probe.core.records.failure import FailureType
from probe.net.failures import StreamError

_F = FailureType
_CRYPTO_ERROR = 0x100  # and an alert of TLS in the last byte
_VERSION_NEGOTIATION_ERROR = 0x11
_NO_APPLICATION_PROTOCOL = 120  # RFC 7301 section 3.2
# RFC 8446 section 6.2: no common ground; what a server says of the certificate that we do not have.
_NO_COMMON_GROUND = frozenset({40, 70, 71})
_CLIENT_CERTIFICATE = frozenset({42, 43, 44, 45, 46, 48, 116})
_ALERTS = {
    10: "unexpected_message",
    20: "bad_record_mac",
    40: "handshake_failure",
    42: "bad_certificate",
    47: "illegal_parameter",
    48: "unknown_ca",
    50: "decode_error",
    51: "decrypt_error",
    70: "protocol_version",
    71: "insufficient_security",
    80: "internal_error",
    109: "missing_extension",
    110: "unsupported_extension",
    112: "unrecognized_name",
    116: "certificate_required",
    120: "no_application_protocol",
}
_TRANSPORT = {
    0x0: "NO_ERROR",
    0x1: "INTERNAL_ERROR",
    0x2: "CONNECTION_REFUSED",
    0x3: "FLOW_CONTROL_ERROR",
    0x4: "STREAM_LIMIT_ERROR",
    0x5: "STREAM_STATE_ERROR",
    0x6: "FINAL_SIZE_ERROR",
    0x7: "FRAME_ENCODING_ERROR",
    0x8: "TRANSPORT_PARAMETER_ERROR",
    0x9: "CONNECTION_ID_LIMIT_ERROR",
    0xA: "PROTOCOL_VIOLATION",
    0xB: "INVALID_TOKEN",
    0xC: "APPLICATION_ERROR",
    0xD: "CRYPTO_BUFFER_EXCEEDED",
    0xE: "KEY_UPDATE_ERROR",
    0xF: "AEAD_LIMIT_REACHED",
    0x10: "NO_VIABLE_PATH",
    0x11: "VERSION_NEGOTIATION_ERROR",
}
_HTTP = {
    0x33: "H3_DATAGRAM_ERROR",
    0x100: "H3_NO_ERROR",
    0x101: "H3_GENERAL_PROTOCOL_ERROR",
    0x102: "H3_INTERNAL_ERROR",
    0x103: "H3_STREAM_CREATION_ERROR",
    0x104: "H3_CLOSED_CRITICAL_STREAM",
    0x105: "H3_FRAME_UNEXPECTED",
    0x106: "H3_FRAME_ERROR",
    0x107: "H3_EXCESSIVE_LOAD",
    0x108: "H3_ID_ERROR",
    0x109: "H3_SETTINGS_ERROR",
    0x10A: "H3_MISSING_SETTINGS",
    0x10B: "H3_REQUEST_REJECTED",
    0x10C: "H3_REQUEST_CANCELLED",
    0x10D: "H3_REQUEST_INCOMPLETE",
    0x10E: "H3_MESSAGE_ERROR",
    0x10F: "H3_CONNECT_ERROR",
    0x110: "H3_VERSION_FALLBACK",
    0x200: "QPACK_DECOMPRESSION_FAILED",
    0x201: "QPACK_ENCODER_STREAM_ERROR",
    0x202: "QPACK_DECODER_STREAM_ERROR",
}
NO_HTTP_ERROR, FRAME_ERROR, EXCESSIVE_LOAD, ID_ERROR = 0x100, 0x106, 0x107, 0x108
REQUEST_REJECTED, REQUEST_CANCELLED, VERSION_FALLBACK = 0x10B, 0x10C, 0x110
# The alerts that end a handshake of ours (RFC 8446 section 6.2).
ALERT_BAD_CERTIFICATE = _CRYPTO_ERROR + 42
ALERT_NO_APPLICATION_PROTOCOL = _CRYPTO_ERROR + _NO_APPLICATION_PROTOCOL


def http_code(code: int) -> str:
    """An error code of HTTP/3 by its name."""
    return _HTTP.get(code, f"{code:#x}")


def transport_code(code: int) -> str:
    """An error code of the transport by its name; of TLS, by the name of the alert."""
    if code & ~0xFF == _CRYPTO_ERROR:
        alert = code & 0xFF
        return f"the TLS alert {_ALERTS.get(alert, alert)}"
    return _TRANSPORT.get(code, f"{code:#x}")


def peer_closed(code: int, frame_type: int | None, reason: str) -> StreamError:
    """The server's CONNECTION_CLOSE; `frame_type` None: of its application."""
    said = f": {reason[:200]}" if reason else ""
    if frame_type is None:
        return StreamError(
            _F.QUIC_CLOSED_BY_APPLICATION, f"the server closed the connection with {http_code(code)}{said}"
        )
    words = f"the server closed the connection with {transport_code(code)}{said}"
    return StreamError(_of_server(code), words)


def _of_server(code: int) -> FailureType:
    if code & ~0xFF != _CRYPTO_ERROR:
        return _F.QUIC_VERSION_UNSUPPORTED if code == _VERSION_NEGOTIATION_ERROR else _F.QUIC_CLOSED
    alert = code & 0xFF
    if alert == _NO_APPLICATION_PROTOCOL:
        return _F.TLS_NO_APPLICATION_PROTOCOL
    if alert in _NO_COMMON_GROUND:
        return _F.TLS_VERSION_OR_CIPHER_MISMATCH
    return _F.TLS_BAD_CLIENT_AUTH_CERT if alert in _CLIENT_CERTIFICATE else _F.TLS_PROTOCOL_ERROR


def we_closed(code: int, reason: str, *, by_http: bool) -> StreamError:
    """What the server sent broke a protocol: HTTP/3's, QUIC's, or TLS's."""
    said = f": {reason[:200]}" if reason else ""
    if by_http:
        return StreamError(_F.HTTP_PROTOCOL_VIOLATION, f"{http_code(code)}{said}")
    if code & ~0xFF == _CRYPTO_ERROR:
        return StreamError(_F.TLS_PROTOCOL_ERROR, f"we ended it with {transport_code(code)}{said}")
    kind = _F.QUIC_VERSION_UNSUPPORTED if code == _VERSION_NEGOTIATION_ERROR else _F.QUIC_PROTOCOL_ERROR
    return StreamError(kind, f"{transport_code(code)}{said}")


# --- of one stream --------------------------------------------------------------------------------


def stream_reset(code: int) -> StreamError:
    """RESET_STREAM of our stream."""
    if code == REQUEST_REJECTED:
        return StreamError(_F.HTTP_STREAM_REFUSED, "the server rejected our request: it was not processed")
    kind = _F.HTTP_1_1_REQUIRED if code == VERSION_FALLBACK else _F.HTTP_STREAM_RESET
    return StreamError(kind, f"the server reset our stream with {http_code(code)}")


def stopped(code: int) -> StreamError:
    """STOP_SENDING of our stream, and nothing more."""
    words = f"the server stopped reading our request with {http_code(code)}, and gave no whole reply"
    return StreamError(_F.HTTP_STREAM_STOPPED, words)


def goaway() -> StreamError:
    """GOAWAY for our stream too (RFC 9114 section 5.2)."""
    return StreamError(_F.HTTP_STREAM_REFUSED, "GOAWAY: the server does not process our request")


def said_goodbye(error: Exception) -> Exception:
    """The end of a connection, after a GOAWAY for later streams than ours."""
    closed = isinstance(error, StreamError) and error.type is _F.QUIC_CLOSED_BY_APPLICATION
    return StreamError(_F.HTTP_GOAWAY, f"GOAWAY, then {error}") if closed else error


def excessive() -> StreamError:
    """More than `StreamBounds` lets a server make us hold."""
    return StreamError(_F.HTTP_EXCESSIVE_FRAMES, "more beside the response than clients take")
