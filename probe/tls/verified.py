"""What is asked of a chain that the library has verified: strength at any protocol version, and no stapled "revoked".

Called once a handshake, when it is done. What must be parsed is remembered by its bytes, so that the next handshake
with the same certificates costs a look-up.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol

from probe.tls.errors import verification_error
from probe.tls.stapling import CERT_REVOKED, Staple, staple_of
from probe.tls.strength import weakness


class Verified(Protocol):
    """The part of a `TlsSession` that is looked at."""

    def verified_chain(self) -> tuple[bytes, ...]:
        """DER, leaf first, trust anchor last."""

    def staple(self) -> bytes | None:
        """DER; None: the library does not show it."""


def refuse(session: Verified, server_name: str, *, any_strength: bool) -> None:
    """Raises ssl.SSLCertVerificationError. `any_strength`: the library was told to admit any key and signature."""
    response = session.staple()
    if not any_strength and not response:
        return
    chain = session.verified_chain()
    if any_strength and (found := weakness(chain)) is not None:
        raise verification_error(*found, server_name)
    if response and staple_of(response, chain, datetime.now(UTC)) is Staple.REVOKED:
        raise verification_error(CERT_REVOKED, "certificate revoked", server_name)
