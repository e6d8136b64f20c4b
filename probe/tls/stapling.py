"""What a stapled OCSP response says of the certificate, if it may be believed (RFC 6960, RFC 6066 section 8).

Takes the response and the chain as bytes and the time; gives a `Staple`. A response counts only if it is about this
certificate, is signed by its issuer or by a responder that the issuer delegated, and is valid now. `must_staple`: the
certificate itself demands a response in the handshake (RFC 7633).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

CERT_REVOKED = 23  # X509_V_ERR_CERT_REVOKED
CLOCK_MARGIN = timedelta(hours=1)  # between the responder's clock and ours


class Staple(StrEnum):
    """What was stapled."""

    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "unknown"  # the responder does not know the certificate
    INVALID = "invalid"  # about another certificate, signed by somebody else, expired, or not a response
    ABSENT = "absent"


def staple_of(response: bytes, verified_chain: Sequence[bytes], now: datetime) -> Staple:
    """`response`: DER, empty where none was stapled; `verified_chain`: DER, leaf first; `now`: aware."""
    if not response:
        return Staple.ABSENT
    if len(verified_chain) < 2:
        return Staple.INVALID  # without the issuer its signature cannot be verified
    said = _believed(response, verified_chain[0], verified_chain[1])
    if said is None:
        return Staple.INVALID
    status, since, until = said
    if since > now + CLOCK_MARGIN or (until is not None and until < now - CLOCK_MARGIN):
        return Staple.INVALID
    return status


def must_staple(certificate: x509.Certificate) -> bool:
    """Whether the certificate demands a stapled response (RFC 7633: TLS feature 5)."""
    try:
        features = certificate.extensions.get_extension_for_class(x509.TLSFeature).value
    except x509.ExtensionNotFound:
        return False
    return x509.TLSFeatureType.status_request in features


@lru_cache(maxsize=1024)
def _believed(response: bytes, leaf: bytes, issuer: bytes) -> tuple[Staple, datetime, datetime | None] | None:
    """(status, this update, next update) of a response that its signer may give; None for any other."""
    try:
        parsed = ocsp.load_der_ocsp_response(response)
        if parsed.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            return None
        certificate, authority = (x509.load_der_x509_certificate(der) for der in (leaf, issuer))
        if not _is_about(parsed, certificate, authority):
            return None
        signer = _signer(parsed, authority)
        if signer is None or not _signed_by(parsed, signer):
            return None
        status = Staple[parsed.certificate_status.name]
        return status, parsed.this_update_utc, parsed.next_update_utc
    except Exception:  # whatever a parser says of a stranger's bytes
        return None


def _is_about(response: ocsp.OCSPResponse, leaf: x509.Certificate, issuer: x509.Certificate) -> bool:
    names, keys = hashes.Hash(response.hash_algorithm), hashes.Hash(response.hash_algorithm)
    names.update(issuer.subject.public_bytes())
    keys.update(_key_bytes(issuer))
    return (
        response.serial_number == leaf.serial_number
        and response.issuer_name_hash == names.finalize()
        and response.issuer_key_hash == keys.finalize()
    )


def _key_bytes(certificate: x509.Certificate) -> bytes:
    """The key as its hash in OCSP covers it: the bits of subjectPublicKey (RFC 6960 section 4.1.1)."""
    key = certificate.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    if isinstance(key, rsa.RSAPublicKey):
        return key.public_bytes(Encoding.DER, PublicFormat.PKCS1)
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)  # Ed25519, Ed448


def _signer(response: ocsp.OCSPResponse, issuer: x509.Certificate) -> x509.Certificate | None:
    """The issuer, or a certificate in the response that the issuer made for signing responses (section 4.2.2.2)."""
    for given in response.certificates:
        if given.fingerprint(hashes.SHA256()) == issuer.fingerprint(hashes.SHA256()):
            continue
        given.verify_directly_issued_by(issuer)
        uses = given.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        return given if ExtendedKeyUsageOID.OCSP_SIGNING in uses else None
    return issuer


def _signed_by(response: ocsp.OCSPResponse, signer: x509.Certificate) -> bool:
    key, digest = signer.public_key(), response.signature_hash_algorithm
    try:
        if isinstance(key, rsa.RSAPublicKey) and digest is not None:
            key.verify(response.signature, response.tbs_response_bytes, padding.PKCS1v15(), digest)
        elif isinstance(key, ec.EllipticCurvePublicKey) and digest is not None:
            key.verify(response.signature, response.tbs_response_bytes, ec.ECDSA(digest))
        else:
            return False
    except InvalidSignature:
        return False
    return True
