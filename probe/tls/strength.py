"""Whether a verified chain has keys and signatures of 112 bits (OpenSSL's security level 2).

OpenSSL asks this itself, except where a policy admits TLS 1.0 or 1.1: these need security level 0, which would let
small keys and SHA-1 signatures pass as well. The answer is given as OpenSSL gives it (X509_V_ERR_*). Bits of security:
NIST SP 800-57 part 1, table 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa

EE_KEY_TOO_SMALL, CA_KEY_TOO_SMALL, CA_MD_TOO_WEAK = 66, 67, 68  # openssl/x509_vfy.h
_WORDS = {
    EE_KEY_TOO_SMALL: "EE certificate key too weak",
    CA_KEY_TOO_SMALL: "CA certificate key too weak",
    CA_MD_TOO_WEAK: "CA signature digest algorithm too weak",
}
_LEAST_RSA_BITS, _LEAST_EC_BITS = 2048, 224
_WEAK_DIGESTS = (hashes.MD5, hashes.SHA1)


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
