"""Rule: the lab's certificates are made anew for each lab and are valid for a week; nobody else should trust them.

A CA and leaf certificates (EC P-256, X.509v3 after RFC 5280), written as PEM; keys readable by their owner only.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = timedelta(days=7)
_BACKDATED = timedelta(hours=1)  # another clock may be a little behind


class Pki:
    """A CA in `directory`, and leaf certificates signed by it. Raises OSError if it cannot write there."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named("cdn-probe lab CA")
        now = datetime.now(UTC)
        self._certificate = self._build_ca(now)
        self.ca_file = directory / "ca.pem"
        self.ca_file.write_bytes(_pem(self._certificate))

    def leaf(self, stem: str, names: Sequence[str], *, expired: bool = False) -> Path:
        """Write `stem.pem` (certificate and key) for these DNS names; an expired one ended two days ago."""
        now = datetime.now(UTC)
        end = now - timedelta(days=2) if expired else now + LIFETIME
        start = end - LIFETIME if expired else now - _BACKDATED
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._build_leaf(names, key, start, end)
        file = self._directory / f"{stem}.pem"
        _write_private(file, _pem(certificate) + _pem_key(key))
        return file

    def server_context(self, stem: str, names: Sequence[str], *, expired: bool = False) -> ssl.SSLContext:
        """A TLS server's context with a new leaf."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.leaf(stem, names, expired=expired))
        context.set_alpn_protocols(["h2", "http/1.1"])
        return context

    def client_context(self) -> ssl.SSLContext:
        """A TLS client's context that trusts this CA only."""
        return ssl.create_default_context(cafile=str(self.ca_file))

    def _build_ca(self, now: datetime) -> x509.Certificate:
        usage = _key_usage(ca=True)
        return (
            _builder(self._name, self._name, self._key, now - _BACKDATED, now + LIFETIME)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )

    def _build_leaf(
        self, names: Sequence[str], key: ec.EllipticCurvePrivateKey, start: datetime, end: datetime
    ) -> x509.Certificate:
        alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return (
            _builder(_named(names[0]), self._name, key, start, end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(ca=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(alternatives, critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(issuer, critical=False)
            .sign(self._key, hashes.SHA256())
        )


def _named(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    start: datetime,
    end: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
    )


def _key_usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        key_cert_sign=ca,
        crl_sign=ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _pem_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write_private(file: Path, content: bytes) -> None:
    """Never readable by others, not even for a moment."""
    file.unlink(missing_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
