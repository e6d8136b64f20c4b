"""Rule: this is the one place where a foreign exception becomes one of our failures, by its type or code.

Never by the words of a message. Whatever is not in the tables is our own defect (`agent.internal_error`) and never
booked against a server. Names follow W3C Network Error Logging section 6.
"""

from __future__ import annotations

import asyncio
import errno
import os
import ssl

from probe.core.http.content_coding import DecodedTooLargeError, DecodeError
from probe.core.http.head import HeadError
from probe.core.proxy.dialogue import ProxyError
from probe.core.records.failure import Failure, FailureType, Phase
from probe.settings.secrets import SecretError
from probe.tls.client import CaFileError
from probe.tls.errors import WANTED

_F = FailureType


class BodyTooLargeError(Exception):
    """The body passed the cap on wire bytes."""


class BodyTruncatedError(Exception):
    """The body's declared framing and the bytes that came do not agree."""


class ClosedError(Exception):
    """The server closed the connection in good order before it was done."""


class SourceError(Exception):
    """The source address or interface of the vantage point cannot be used."""


class AlpnError(Exception):
    """The server agreed on none of the protocols that were offered (RFC 7301)."""


class StreamError(Exception):
    """The server ended our stream, or the connection under it, by HTTP/2's or HTTP/3's own means; `type` says how.

    `phase`: where it is known better than by the step that was being taken.
    """

    def __init__(self, type_: FailureType, detail: str, phase: Phase | None = None) -> None:
        super().__init__(detail)
        self.type = type_
        self.phase = phase

    def at(self, phase: Phase) -> None:
        """It was in this phase."""
        self.phase = phase


class SocketLateError(OSError):
    """This host made no socket in time: a delay of its own, which says nothing of the vantage point's line."""


_BY_ERRNO: dict[int, tuple[FailureType, Phase | None]] = {
    errno.ECONNREFUSED: (_F.TCP_REFUSED, None),
    errno.EHOSTUNREACH: (_F.TCP_ADDRESS_UNREACHABLE, None),
    errno.EHOSTDOWN: (_F.TCP_ADDRESS_UNREACHABLE, None),
    errno.ENETUNREACH: (_F.VANTAGE_NETWORK_DOWN, Phase.HOST),
    errno.ENETDOWN: (_F.VANTAGE_NETWORK_DOWN, Phase.HOST),
    errno.EAFNOSUPPORT: (_F.VANTAGE_NETWORK_DOWN, Phase.HOST),  # the host has no such IP version
    errno.EACCES: (_F.VANTAGE_NETWORK_DOWN, Phase.HOST),  # this host's own packet filter
    errno.EPERM: (_F.VANTAGE_NETWORK_DOWN, Phase.HOST),
    errno.EADDRNOTAVAIL: (_F.VANTAGE_SOURCE_UNAVAILABLE, Phase.HOST),  # gone, or no free local port
    errno.EADDRINUSE: (_F.VANTAGE_SOURCE_UNAVAILABLE, Phase.HOST),
    errno.ENODEV: (_F.VANTAGE_SOURCE_UNAVAILABLE, Phase.HOST),
    errno.EMFILE: (_F.AGENT_DESCRIPTORS_EXHAUSTED, Phase.HOST),
    errno.ENFILE: (_F.AGENT_DESCRIPTORS_EXHAUSTED, Phase.HOST),
    errno.ENOMEM: (_F.AGENT_MEMORY_EXHAUSTED, Phase.HOST),
    errno.ENOBUFS: (_F.AGENT_MEMORY_EXHAUSTED, Phase.HOST),
}

_TIMED_OUT = {
    Phase.TCP: _F.TCP_TIMED_OUT,
    Phase.TLS: _F.TLS_TIMED_OUT,
    Phase.HTTP: _F.HTTP_TIMED_OUT,
    Phase.BODY: _F.BODY_TIMED_OUT,
}
_RESETS = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError)
_RESET_NUMBERS = frozenset({errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE})
_CLOSED = {Phase.TLS: _F.TLS_CLOSED, Phase.BODY: _F.BODY_TRUNCATED}

# OpenSSL's verification results (openssl/x509_vfy.h, X509_V_ERR_*).
_BY_VERIFY_CODE = {
    9: _F.TLS_CERT_DATE_INVALID,  # not yet valid
    10: _F.TLS_CERT_DATE_INVALID,  # expired
    13: _F.TLS_CERT_DATE_INVALID,  # notBefore is no time
    14: _F.TLS_CERT_DATE_INVALID,  # notAfter is no time
    18: _F.TLS_CERT_SELF_SIGNED,
    2: _F.TLS_CERT_AUTHORITY_INVALID,
    19: _F.TLS_CERT_AUTHORITY_INVALID,
    20: _F.TLS_CERT_AUTHORITY_INVALID,  # tls.chain_verdict distinguishes an incomplete chain
    21: _F.TLS_CERT_AUTHORITY_INVALID,
    27: _F.TLS_CERT_AUTHORITY_INVALID,  # not trusted for this use
    23: _F.TLS_CERT_REVOKED,
    62: _F.TLS_CERT_NAME_INVALID,  # host name
    64: _F.TLS_CERT_NAME_INVALID,  # IP address
}
CHAIN_VERIFY_CODES = frozenset({2, 20, 21})

# OpenSSL's reasons (ssl.SSLError.reason) of a handshake that found no common ground.
_MISMATCH = frozenset(
    {
        "UNSUPPORTED_PROTOCOL",
        "TLSV1_ALERT_PROTOCOL_VERSION",
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
        "TLSV1_ALERT_INSUFFICIENT_SECURITY",
        "NO_SHARED_CIPHER",
        "NO_PROTOCOLS_AVAILABLE",
        "NO_CIPHERS_AVAILABLE",
        "WRONG_SSL_VERSION",
        "WRONG_CIPHER_RETURNED",
        "UNKNOWN_CIPHER_RETURNED",
        "UNKNOWN_SSL_VERSION",
        "DH_KEY_TOO_SMALL",
    }
)
_NO_PROTOCOL = "TLSV1_ALERT_NO_APPLICATION_PROTOCOL"  # RFC 7301 3.2; `fetch.attempt` knows what was offered
_CLIENT_CERTIFICATE = frozenset(
    {
        WANTED,  # TLS 1.2: see `probe.tls.errors`
        "TLSV13_ALERT_CERTIFICATE_REQUIRED",
        "SSLV3_ALERT_NO_CERTIFICATE",
        "SSLV3_ALERT_BAD_CERTIFICATE",
        "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
        "SSLV3_ALERT_CERTIFICATE_REVOKED",
        "SSLV3_ALERT_CERTIFICATE_EXPIRED",
        "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
        "TLSV1_ALERT_UNKNOWN_CA",
    }
)


def failure_of(exc: BaseException, phase: Phase, operation: str) -> Failure:
    """The failure that `exc`, raised in `phase` by `operation`, stands for; CancelledError is raised again."""
    if isinstance(exc, asyncio.CancelledError | KeyboardInterrupt | SystemExit):
        raise exc
    type_, at = _classify(exc, phase)
    return Failure(phase=at or phase, type=type_, operation=operation, detail=_detail(exc, type_))


def is_mapped(exc: BaseException) -> bool:
    """Is this a foreign exception that the tables know (and not a defect of our own)?"""
    return _classify(exc, Phase.HTTP)[0] is not _F.AGENT_INTERNAL_ERROR


def _classify(exc: BaseException, phase: Phase) -> tuple[FailureType, Phase | None]:
    match exc:
        case HeadError():
            return exc.type, Phase.HOST if exc.type is _F.AGENT_PROTOCOL_UNSUPPORTED else None
        case ProxyError():
            return exc.type, Phase.HOST if exc.type.value.startswith(("vantage.", "agent.")) else Phase.TCP
        case DecodedTooLargeError():
            return _F.BODY_DECODED_TOO_LARGE, None
        case DecodeError():
            return _F.BODY_DECODE_FAILED, None
        case BodyTooLargeError():
            return _F.BODY_TOO_LARGE, None
        case BodyTruncatedError():
            return _F.BODY_TRUNCATED, None
        case StreamError():
            return exc.type, exc.phase
        case AlpnError():
            return _F.TLS_NO_APPLICATION_PROTOCOL, Phase.TLS
        case SourceError():
            return _F.VANTAGE_SOURCE_UNAVAILABLE, Phase.HOST
        case SocketLateError():
            return _F.AGENT_SOCKET_LATE, Phase.HOST
        case SecretError():
            return _F.AGENT_SECRET_MISSING, Phase.HOST
        case CaFileError():
            return _F.AGENT_TRUST_MISSING, Phase.HOST
        case MemoryError():
            return _F.AGENT_MEMORY_EXHAUSTED, Phase.HOST
        case ssl.SSLError():
            return _classify_tls(exc, phase)
        case TimeoutError():
            return _TIMED_OUT.get(phase, _F.TCP_TIMED_OUT), None
        case ClosedError() | asyncio.IncompleteReadError():
            return _CLOSED.get(phase, _F.TCP_CLOSED), None
        case OSError():
            return _classify_os(exc, phase)
        case _:
            return _F.AGENT_INTERNAL_ERROR, Phase.HOST


def _classify_tls(exc: ssl.SSLError, phase: Phase) -> tuple[FailureType, Phase | None]:
    if isinstance(exc, ssl.SSLCertVerificationError):
        code = getattr(exc, "verify_code", None)  # only OpenSSL's own errors carry it
        return _BY_VERIFY_CODE.get(code or 0, _F.TLS_CERT_INVALID), Phase.TLS
    reason = _reason(exc)
    if isinstance(exc, ssl.SSLEOFError | ssl.SSLZeroReturnError) or reason == "UNEXPECTED_EOF_WHILE_READING":
        return _CLOSED.get(phase, _F.TCP_CLOSED), None
    if reason == _NO_PROTOCOL:
        return _F.AGENT_PROTOCOL_UNSUPPORTED, Phase.HOST
    if reason in _MISMATCH:
        return _F.TLS_VERSION_OR_CIPHER_MISMATCH, Phase.TLS
    if reason in _CLIENT_CERTIFICATE:
        # In TLS 1.3 the server's verdict on the client arrives after our own handshake is done.
        return _F.TLS_BAD_CLIENT_AUTH_CERT, Phase.TLS
    return _F.TLS_PROTOCOL_ERROR, None


def _reason(exc: ssl.SSLError) -> str | None:
    return getattr(exc, "reason", None)


def _classify_os(exc: OSError, phase: Phase) -> tuple[FailureType, Phase | None]:
    # By number too: an OSError may carry it without being of the subclass.
    if isinstance(exc, _RESETS) or exc.errno in _RESET_NUMBERS:
        return (_F.TLS_CLOSED if phase is Phase.TLS else _F.TCP_RESET), None
    if exc.errno in _BY_ERRNO:
        return _BY_ERRNO[exc.errno]
    return _F.TCP_FAILED, None


def _detail(exc: BaseException, type_: FailureType) -> str:
    """Words for people. The caller redacts them."""
    if isinstance(exc, ssl.SSLCertVerificationError):
        return str(getattr(exc, "verify_message", exc))
    if isinstance(exc, ssl.SSLError):
        return _reason(exc) or exc.__class__.__name__
    if isinstance(exc, OSError) and exc.errno:
        return os.strerror(exc.errno) + (f": {exc.filename}" if exc.filename else "")
    if type_ is _F.AGENT_INTERNAL_ERROR:
        return f"{exc.__class__.__name__}: {exc}"
    return str(exc) or exc.__class__.__name__
