"""Rule: a token names the certificate that it is signed with, under its signature, and no other counts.

What names a signer in CMS (issuer and serial number) is not signed. Whoever has two certificates of one key, of which
one was withdrawn or is for another purpose, could show the token with either. So a signed attribute has to hold the
digest of the signer's certificate first: SigningCertificate (ESSCertID, RFC 3161 section 2.4.2, SHA-1) or
SigningCertificateV2 (ESSCertIDv2, RFC 5816); where both are there, both do. rfc3161-client 1.0 does not look at them.

Read is DER as far as tokens have it: definite lengths, tags of one byte.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from cryptography import x509

SIGNING_CERTIFICATE = bytes.fromhex("2a864886f70d010910020c")  # 1.2.840.113549.1.9.16.2.12
SIGNING_CERTIFICATE_V2 = bytes.fromhex("2a864886f70d010910022f")  # 1.2.840.113549.1.9.16.2.47
DIGESTS = {
    bytes.fromhex("2b0e03021a"): "sha1",
    bytes.fromhex("608648016503040201"): "sha256",
    bytes.fromhex("608648016503040202"): "sha384",
    bytes.fromhex("608648016503040203"): "sha512",
}
SEQUENCE, SET, OBJECT, OCTETS, SIGNED_ATTRIBUTES = 0x30, 0x31, 0x06, 0x04, 0xA0


class CertificateNotNamed(ValueError):  # noqa: N818 - it says what the token does not
    """The token does not name its certificate; the message says how, and continues `the time stamp ...`."""


def check_names_its_certificate(
    token: bytes, certificates: Iterable[bytes], issuer: x509.Name, serial: int
) -> None:
    """Whether a token (CMS ContentInfo, DER) names the certificate that its signer claims.

    `certificates`: those in the token (DER); `issuer`, `serial`: as its one signer says. Raises CertificateNotNamed.
    """
    parsed = [(der, x509.load_der_x509_certificate(der)) for der in certificates]
    mine = [der for der, each in parsed if each.issuer == issuer and each.serial_number == serial]
    if len(mine) != 1:
        raise CertificateNotNamed(f"holds {len(mine)} certificates of its signer, and one is wanted")
    try:
        named = list(_named(token))
    except (ValueError, IndexError):
        raise CertificateNotNamed("cannot be read where it names its certificate") from None
    if not named:
        raise CertificateNotNamed("does not name the certificate that signed it (RFC 3161 section 2.4.2)")
    for digest, value in named:
        if hashlib.new(digest, mine[0], usedforsecurity=False).digest() != value:
            raise CertificateNotNamed(
                "is signed under another certificate than the one that comes with it: that one was put in its place"
            )


def _named(token: bytes) -> Iterator[tuple[str, bytes]]:
    """(digest, value) of the first certificate that each such attribute names. Raises ValueError, IndexError."""
    (content_info,) = _items(token)
    signed_data = _items(_items(content_info[1])[1][1])[0]
    (signer,) = _items(_items(signed_data[1])[-1][1])
    attributes = [body for tag, body in _items(signer[1]) if tag == SIGNED_ATTRIBUTES]
    for tag, attribute in _items(attributes[0]):
        (kind, identifier), (of, values) = _items(attribute)
        if (tag, kind, of) != (SEQUENCE, OBJECT, SET):
            raise ValueError("no attribute")
        if identifier in (SIGNING_CERTIFICATE, SIGNING_CERTIFICATE_V2):
            (value,) = _items(values)
            first = _items(_items(value[1])[0][1])[0]
            yield _identifier(_items(first[1]), v2=identifier == SIGNING_CERTIFICATE_V2)


def _identifier(fields: list[tuple[int, bytes]], *, v2: bool) -> tuple[str, bytes]:
    """ESSCertID: the digest, and more; ESSCertIDv2: before it the algorithm, if that is not SHA-256."""
    digest = "sha256" if v2 else "sha1"
    if v2 and fields[0][0] == SEQUENCE:
        algorithm = _items(fields.pop(0)[1])[0][1]
        if algorithm not in DIGESTS:
            raise ValueError("a digest that is not known")
        digest = DIGESTS[algorithm]
    tag, value = fields[0]
    if tag != OCTETS:
        raise ValueError("no digest")
    return digest, value


def _items(data: bytes) -> list[tuple[int, bytes]]:
    """What lies one behind the other: (tag, content). Raises ValueError, IndexError."""
    found, at = [], 0
    while at < len(data):
        tag, length, at = data[at], data[at + 1], at + 2
        if tag & 0x1F == 0x1F or length == 0x80:
            raise ValueError("not DER as it is read here")
        if length & 0x80:
            count = length & 0x7F
            length, at = int.from_bytes(data[at : at + count], "big"), at + count
        if at + length > len(data):
            raise ValueError("cut off")
        found.append((tag, data[at : at + length]))
        at += length
    return found
