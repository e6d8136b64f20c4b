"""What is asked of a chain that the library has verified: strength at any protocol version, and no stapled "revoked".

Examined once a handshake, when it is done; the record of the handshake uses the same result. Parsed certificates are
cached by their bytes, so that the next handshake with the same ones costs a look-up.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from probe.tls.errors import verification_error
from probe.tls.stapling import CERT_REVOKED, Staple, staple_of
from probe.tls.strength import weakness


@dataclass(frozen=True, slots=True)
class Verified:
    """What a verified handshake rests on.

    `chain`: DER, leaf first, trust anchor last; empty where nothing was verified. `staple`: None where the library does
    not show it, or nothing was verified.
    """

    chain: tuple[bytes, ...] = ()
    staple: Staple | None = None


NOT_VERIFIED = Verified()


class _Session(Protocol):
    def verified_chain(self) -> tuple[bytes, ...]:
        """DER, leaf first, trust anchor last."""

    def staple(self) -> bytes | None:
        """DER; None: the library does not show it."""


def verified_by(session: _Session) -> Verified:
    """What the library has verified in this handshake, which is done."""
    chain, response = session.verified_chain(), session.staple()
    if response is None or not chain:
        return Verified(chain)
    return Verified(chain, staple_of(response, chain, datetime.now(UTC)))


def refuse(verified: Verified, server_name: str, *, any_strength: bool) -> None:
    """Raises ssl.SSLCertVerificationError. `any_strength`: the library was set to admit any key and signature."""
    if any_strength and (found := weakness(verified.chain)) is not None:
        raise verification_error(*found, server_name)
    if verified.staple is Staple.REVOKED:
        raise verification_error(CERT_REVOKED, "certificate revoked", server_name)
