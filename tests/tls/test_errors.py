"""A server's part of a handshake before ChangeCipherSpec: does it ask for a client certificate?"""

from __future__ import annotations

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.tls.errors import WANTED, asked_for_certificate, explained, ssl_error


def message(kind: int, size: int) -> bytes:
    return bytes([kind]) + size.to_bytes(3, "big") + bytes(size)


def record(data: bytes, kind: int = 22) -> bytes:
    return bytes([kind, 3, 3]) + len(data).to_bytes(2, "big") + data


HELLO, CERTIFICATE, ASKS, DONE = (message(*m) for m in ((2, 70), (11, 3000), (13, 40), (14, 0)))


@pytest.mark.parametrize(
    ("received", "asked"),
    [
        (b"", False),
        (record(HELLO + CERTIFICATE + DONE), False),
        (record(HELLO + CERTIFICATE + ASKS + DONE), True),
        (record(HELLO) + record(CERTIFICATE) + record(ASKS) + record(DONE), True),
        (record((HELLO + CERTIFICATE + ASKS)[:1000]) + record((HELLO + CERTIFICATE + ASKS)[1000:]), True),
        (record(HELLO) + record(b"\x01", kind=20) + record(ASKS, kind=23), False),  # encrypted from there on
        (record(b"\x02\x28", kind=21), False),
        (record(message(11, 200)[:-1] + b"\x0d"), False),
    ],
)
def test_what_a_server_sent(received: bytes, asked: bool) -> None:
    assert asked_for_certificate(received) is asked
    error = explained(ssl_error("SSL", "ssl/tls alert handshake failure"), received)
    assert (error.reason == WANTED) is asked
    other = explained(ssl_error("SSL", "tlsv1 alert protocol version"), received)
    assert other.reason == "TLSV1_ALERT_PROTOCOL_VERSION"


@given(st.binary(max_size=300))
def test_any_bytes_are_read(received: bytes) -> None:
    assert asked_for_certificate(received) in (True, False)
    assert isinstance(explained(ssl.SSLError(1, "x"), received), ssl.SSLError)
