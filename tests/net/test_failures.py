"""Foreign exceptions become ours by type and code; none that a library publishes is left unmapped."""

from __future__ import annotations

import asyncio
import errno
import inspect
import ssl

import pytest

from probe.core.http.tolerance import too_large, violation
from probe.core.records.failure import FailureType, Phase
from probe.net.failures import BodyTruncatedError, ClosedError, SocketLateError, failure_of, is_mapped

F = FailureType


@pytest.mark.parametrize(
    "kind",
    [
        kind
        for _, kind in inspect.getmembers(ssl, inspect.isclass)
        if issubclass(kind, Exception) and kind.__module__ in ("ssl", "_ssl")
    ],
    ids=lambda kind: kind.__name__,
)
def test_no_exception_of_ssl_is_unmapped(kind: type[BaseException]) -> None:
    assert is_mapped(kind(1, "words"))


def test_no_errno_is_unmapped() -> None:
    assert [name for number, name in errno.errorcode.items() if not is_mapped(OSError(number, "words"))] == []


def certificate_error(code: int) -> ssl.SSLCertVerificationError:
    exc = ssl.SSLCertVerificationError(1, "words")
    exc.verify_code, exc.verify_message = code, "words"
    return exc


@pytest.mark.parametrize(
    ("code", "type_"),
    [
        (9, F.TLS_CERT_DATE_INVALID),
        (10, F.TLS_CERT_DATE_INVALID),
        (18, F.TLS_CERT_SELF_SIGNED),
        (19, F.TLS_CERT_AUTHORITY_INVALID),
        (20, F.TLS_CERT_AUTHORITY_INVALID),
        (21, F.TLS_CERT_AUTHORITY_INVALID),
        (23, F.TLS_CERT_REVOKED),
        (26, F.TLS_CERT_INVALID),
        (62, F.TLS_CERT_NAME_INVALID),
        (64, F.TLS_CERT_NAME_INVALID),
        (66, F.TLS_CERT_INVALID),
    ],
)
def test_certificates_by_code(code: int, type_: FailureType) -> None:
    assert failure_of(certificate_error(code), Phase.TLS, "handshake").type is type_


@pytest.mark.parametrize(
    ("exc", "phase", "type_", "at"),
    [
        (ClosedError(), Phase.HTTP, F.TCP_CLOSED, Phase.HTTP),
        (ClosedError(), Phase.BODY, F.BODY_TRUNCATED, Phase.BODY),
        (BodyTruncatedError(), Phase.BODY, F.BODY_TRUNCATED, Phase.BODY),
        (violation("words"), Phase.BODY, F.HTTP_PROTOCOL_VIOLATION, Phase.BODY),
        (too_large("words", 1 << 18, F.AGENT_LIMIT_HEAD), Phase.BODY, F.HTTP_FIELDS_TOO_LARGE, Phase.BODY),
        (TimeoutError(), Phase.TCP, F.TCP_TIMED_OUT, Phase.TCP),
        (TimeoutError(), Phase.TLS, F.TLS_TIMED_OUT, Phase.TLS),
        (TimeoutError(), Phase.HTTP, F.HTTP_TIMED_OUT, Phase.HTTP),
        (TimeoutError(), Phase.BODY, F.BODY_TIMED_OUT, Phase.BODY),
        (ConnectionResetError(), Phase.TLS, F.TLS_CLOSED, Phase.TLS),
        (ConnectionResetError(), Phase.BODY, F.TCP_RESET, Phase.BODY),
        (ssl.SSLEOFError(8, "words"), Phase.TLS, F.TLS_CLOSED, Phase.TLS),
        (ssl.SSLEOFError(8, "words"), Phase.BODY, F.BODY_TRUNCATED, Phase.BODY),
        (ssl.SSLError(1, "words"), Phase.BODY, F.TLS_PROTOCOL_ERROR, Phase.BODY),
        (SocketLateError("not entered within 1 s"), Phase.TCP, F.AGENT_SOCKET_LATE, Phase.HOST),
        (OSError(errno.EMFILE, "words"), Phase.TCP, F.AGENT_DESCRIPTORS_EXHAUSTED, Phase.HOST),
        (OSError(errno.ENFILE, "words"), Phase.TCP, F.AGENT_DESCRIPTORS_EXHAUSTED, Phase.HOST),
        (MemoryError(), Phase.BODY, F.AGENT_MEMORY_EXHAUSTED, Phase.HOST),
        (KeyError("words"), Phase.BODY, F.AGENT_INTERNAL_ERROR, Phase.HOST),
    ],
)
def test_by_type_and_phase(exc: Exception, phase: Phase, type_: FailureType, at: Phase) -> None:
    failure = failure_of(exc, phase, "read")
    assert (failure.type, failure.phase, failure.operation) == (type_, at, "read")
    assert failure.detail


@pytest.mark.parametrize("kind", [asyncio.CancelledError, KeyboardInterrupt, SystemExit])
def test_what_ends_the_program_is_raised_again(kind: type[BaseException]) -> None:
    with pytest.raises(kind):
        failure_of(kind(), Phase.BODY, "read")


def test_words_decide_nothing() -> None:
    misleading = OSError(errno.ECONNREFUSED, "connection timed out, certificate has expired")
    assert failure_of(misleading, Phase.TCP, "connect").type is F.TCP_REFUSED
