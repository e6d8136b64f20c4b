"""What is asked of a chain that the library has verified: strength at any protocol version, and no stapled "revoked".

Strength: keys and signatures of 112 bits (OpenSSL's security level 2). OpenSSL asks this itself, except where a policy
admits TLS 1.0 or 1.1: these need security level 0, which would let small keys and SHA-1 signatures pass as well; and
where a chain came by QUIC. The answer is given as OpenSSL gives it (X509_V_ERR_*). Bits of security: NIST SP 800-57
part 1, table 2.

Examined once a handshake, when it is done; the record of the handshake uses the same result. Parsed certificates are
cached by their bytes, so that the next handshake with the same ones costs a look-up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa

from probe.tls.errors import verification_error
from probe.tls.stapling import CERT_REVOKED, Staple, staple_of

EE_KEY_TOO_SMALL, CA_KEY_TOO_SMALL, CA_MD_TOO_WEAK = 66, 67, 68  # openssl/x509_vfy.h
_WORDS = {
    EE_KEY_TOO_SMALL: "EE certificate key too weak",
    CA_KEY_TOO_SMALL: "CA certificate key too weak",
    CA_MD_TOO_WEAK: "CA signature digest algorithm too weak",
}
_LEAST_RSA_BITS, _LEAST_EC_BITS = 2048, 224
_WEAK_DIGESTS = (hashes.MD5, hashes.SHA1)


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


def weakness(verified_chain: Sequence[bytes]) -> tuple[int, str] | None:
    """The first defect (X509_V_ERR_*, OpenSSL's words) of a chain in DER, leaf first, trust anchor last; None: none.

    The signature of the trust anchor itself is not asked: nobody relies on it.
    """
    last = len(verified_chain) - 1
    for place, der in enumerate(verified_chain):
        small, weak = _defects(der)
        if small:
            code = CA_KEY_TOO_SMALL if place else EE_KEY_TOO_SMALL
            return code, _WORDS[code]
        if weak and place < last:
            return CA_MD_TOO_WEAK, _WORDS[CA_MD_TOO_WEAK]
    return None


@lru_cache(maxsize=1024)
def _defects(der: bytes) -> tuple[bool, bool]:
    """(the key is too small, the digest of the signature is too weak)."""
    certificate = x509.load_der_x509_certificate(der)
    key = certificate.public_key()
    small = False
    if isinstance(key, rsa.RSAPublicKey | dsa.DSAPublicKey):
        small = key.key_size < _LEAST_RSA_BITS
    elif isinstance(key, ec.EllipticCurvePublicKey):
        small = key.key_size < _LEAST_EC_BITS
    return small, isinstance(certificate.signature_hash_algorithm, _WEAK_DIGESTS)
