"""A chain with a certificate missing, told from one of an authority that nobody trusts."""

from __future__ import annotations

import datetime as dt

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from probe.core.records.failure import FailureType as F
from probe.tls import client
from probe.tls.client import Intermediates, chain_verdict

Key = ec.EllipticCurvePrivateKey


def certificate(subject: str, key: Key, issuer: str, issuer_key: Key) -> bytes:
    now = dt.datetime.now(dt.UTC)

    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    made = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=30))
        .sign(issuer_key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.DER)


ROOT_KEY, UPPER_KEY, LOWER_KEY, LEAF_KEY, OTHER_KEY = (
    ec.generate_private_key(ec.SECP256R1()) for _ in range(5)
)
ROOT = certificate("Root", ROOT_KEY, "Root", ROOT_KEY)
UPPER = certificate("Upper", UPPER_KEY, "Root", ROOT_KEY)
LOWER = certificate("Lower", LOWER_KEY, "Upper", UPPER_KEY)
LEAF = certificate(
    "www.acme.example", LEAF_KEY, "Lower", LOWER_KEY
)  # says nowhere where its issuer is to be had
IMPOSTOR = certificate("www.acme.example", LEAF_KEY, "Lower", OTHER_KEY)


@pytest.mark.parametrize(
    ("sent", "found"),
    [
        ((LEAF,), F.TLS_CERT_INCOMPLETE_CHAIN),
        ((LEAF, LOWER), F.TLS_CERT_INCOMPLETE_CHAIN),  # the second of two intermediates is missing
        ((LEAF, LOWER, UPPER), F.TLS_CERT_AUTHORITY_INVALID),  # whole: only its root is not trusted here
        ((LEAF, LOWER, UPPER, ROOT), F.TLS_CERT_AUTHORITY_INVALID),
        ((IMPOSTOR,), F.TLS_CERT_AUTHORITY_INVALID),  # the name of a known issuer, and not its signature
        ((b"garbage",), F.TLS_CERT_AUTHORITY_INVALID),
        ((), F.TLS_CERT_AUTHORITY_INVALID),
    ],
)
def test_an_intermediate_that_a_verified_chain_had_is_missing(
    monkeypatch: pytest.MonkeyPatch, sent: tuple[bytes, ...], found: F
) -> None:
    monkeypatch.setattr(client, "INTERMEDIATES", Intermediates())
    assert chain_verdict(sent) is F.TLS_CERT_AUTHORITY_INVALID  # nobody knows these authorities yet
    client.INTERMEDIATES.learn((LEAF, LOWER, UPPER, ROOT))
    assert chain_verdict(sent) is found


def test_what_is_remembered_is_bounded() -> None:
    few = Intermediates(kept=1)
    few.learn((LEAF, LOWER, UPPER, ROOT))
    assert not few.issued(LEAF)
    assert few.issued(LOWER)
