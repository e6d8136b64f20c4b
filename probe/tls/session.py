"""The interface of a TLS connection, whichever library implements it: bytes received, bytes to send, what was agreed.

No socket and no loop: the bytes pass through a buffer that the connection owns (`probe.net.tls_transport`). Two
implementations: `probe.tls.bundled` and `probe.tls.system`. RFC 8446, RFC 5246.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from probe.tls.verified import Verified

RECORD_BYTES = 16 * 1024  # of plaintext in a TLS record (RFC 8446 section 5.1)
OVER = -1  # what `TlsSession.read` gives after the server's close_notify


class TlsSession(Protocol):
    """The client's side of one connection. Whatever fails raises ssl.SSLError, as Python's own sessions do."""

    def feed(self, count: int) -> None:
        """`count` bytes came from the server; they stand at the start of the buffer."""

    def drain(self) -> bytes | bytearray:
        """What is to be sent to the server, which may be nothing."""

    def unread_bytes(self) -> int:
        """Bytes that were fed and not processed yet."""

    def decrypted_bytes(self) -> int:
        """Bytes that a read would give at once, without processing more of what was fed."""

    def handshake(self) -> bool:
        """Continue the handshake; True once it is done and the certificate was verified.

        Raises ssl.SSLCertVerificationError with `verify_code` (X509_V_ERR_*) and `verify_message`: also for a weak key
        or signature, whatever the protocol version, and for a stapled response that says "revoked".
        """

    def read(self, at: int, count: int) -> int:
        """Decrypt up to `count` bytes into the buffer from `at` on; how many, 0: none yet, OVER: no more will come."""

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """Encrypt all of it."""

    def say_end(self) -> None:
        """Our close_notify (RFC 8446 section 6.1); nothing where it cannot be said."""

    def announced_end(self) -> bool:
        """Whether the server's close_notify came. What came before it was read."""

    def version(self) -> str | None:
        """Such as TLSv1.3; None before the handshake is done."""

    def alpn(self) -> str | None:
        """The protocol that the server chose (RFC 7301); None: it chose none."""

    def cipher(self) -> str | None:
        """The cipher suite by OpenSSL's name; None before the handshake is done."""

    def chain(self) -> tuple[bytes, ...]:
        """The certificates as the server sent them (DER, leaf first)."""

    def verified(self) -> Verified:
        """The chain in use and what was stapled, once the handshake is done; empty where nothing was verified."""


class TlsClient(Protocol):
    """What is the same for all connections under one policy."""

    def session(self, server_name: str, room: memoryview) -> TlsSession:
        """For one connection to `server_name`, whose bytes pass through `room`, the view of a whole bytearray.

        An IP literal is verified as such and sends no SNI (RFC 6066 section 3). Raises ValueError for what is no name.
        """

    def verified(self, chain: Sequence[bytes], staple: bytes, server_name: str) -> Verified:
        """What a handshake rests on that another library made (QUIC's): a chain (DER, leaf first) and what was stapled.

        Raises ssl.SSLCertVerificationError as a session's handshake does; ssl.SSLError for what is no certificate.
        NotImplementedError where this library verifies nothing but its own handshakes (`client.verifies_chains`).
        """
