"""Rule: TLS by Python's own `ssl`, where the OpenSSL that `cryptography` brings cannot be used.

Slower, and the same in all that is judged: the suite holds it against `probe.tls.bundled`.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Sequence
from typing import Any

from probe.tls.chains import sent_chain, verified_chain
from probe.tls.session import OVER
from probe.tls.verified import NOT_VERIFIED, Verified, refuse, verified_by

_MORE = (ssl.SSLWantReadError, ssl.SSLWantWriteError, ssl.SSLSyscallError)


class SystemClient:
    """A `TlsClient` of an SSLContext."""

    def __init__(self, context: ssl.SSLContext, *, any_strength: bool = False) -> None:
        self.context = context
        self._any_strength = any_strength

    def session(self, server_name: str, room: memoryview) -> SystemSession:
        """As the protocol says."""
        return SystemSession(self.context, server_name, room, any_strength=self._any_strength)

    def verified(self, chain: Sequence[bytes], staple: bytes, server_name: str) -> Verified:
        """As the protocol says: this library cannot."""
        raise NotImplementedError


class SystemSession:
    """A `TlsSession` of an SSLObject."""

    def __init__(
        self, context: ssl.SSLContext, server_name: str, room: memoryview, *, any_strength: bool
    ) -> None:
        self._name, self._any_strength = server_name, any_strength
        self._verify = context.verify_mode is not ssl.CERT_NONE
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)
        self._room = room
        self._verified = NOT_VERIFIED

    def feed(self, count: int) -> None:
        """As the protocol says, like all the others."""
        self._incoming.write(self._room[:count])

    def drain(self) -> bytes:
        return self._outgoing.read() if self._outgoing.pending else b""

    def unread_bytes(self) -> int:
        return self._incoming.pending

    def decrypted_bytes(self) -> int:
        return self._object.pending()

    def handshake(self) -> bool:
        try:
            self._object.do_handshake()
        except _MORE:
            return False
        if self._verify:
            self._verified = verified_by(self)
            refuse(self._verified, self._name, any_strength=self._any_strength)
        return True

    def read(self, at: int, count: int) -> int:
        try:
            return int(self._object.read(count, self._room[at:])) or OVER  # a count: a buffer was given
        except ssl.SSLZeroReturnError:
            return OVER
        except _MORE:
            return 0

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        self._object.write(data)

    def say_end(self) -> None:
        with contextlib.suppress(ssl.SSLError):
            self._object.unwrap()

    def announced_end(self) -> bool:
        try:
            return self._object.read(1) == b""
        except ssl.SSLZeroReturnError:
            return True
        except ssl.SSLError:
            return False

    def version(self) -> str | None:
        return self._object.version()

    def alpn(self) -> str | None:
        return self._object.selected_alpn_protocol()

    def cipher(self) -> str | None:
        cipher = self._object.cipher()
        return cipher[0] if cipher else None

    def chain(self) -> tuple[bytes, ...]:
        return sent_chain(self._object)

    def verified(self) -> Verified:
        return self._verified

    def verified_chain(self) -> tuple[bytes, ...]:
        return verified_chain(self._object)

    def staple(self) -> None:
        """Python's `ssl` neither asks for a stapled response nor shows one."""
        return
