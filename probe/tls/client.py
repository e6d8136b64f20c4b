"""Rule: certificates are verified by OpenSSL as the policy says; we only read and describe what was presented.

Clients are kept per policy and CA file, certificates are parsed once per fingerprint. RFC 5280, RFC 6066.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from probe.core.model.protocols import HTTP_1_1
from probe.core.model.task import TlsPolicy
from probe.core.records.failure import FailureType
from probe.core.records.transport import Tls
from probe.tls.offer import OLD_VERSIONS, cipher_string
from probe.tls.session import TlsClient
from probe.tls.stapling import must_staple
from probe.tls.system import SystemClient
from probe.tls.trust import stamp_of, system_store, trust_problem
from probe.tls.verified import Verified

try:
    from probe.tls.bundled import OPENSSL_VERSION as BUNDLED_VERSION
    from probe.tls.bundled import BundledClient
except ImportError:  # a release of `cryptography` without what we use
    BundledClient = None  # type: ignore[assignment,misc]

_VERSIONS = {
    "TLSv1": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}


class CaFileError(Exception):
    """The policy's CA file, or the system's store, is not there, not readable or holds no certificate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What the record says of one certificate; fields that cannot be parsed are left out."""

    sha256: str
    subject: str | None = None
    issuer: str | None = None
    not_before: str | None = None
    not_after: str | None = None
    names: tuple[str, ...] = ()
    self_issued: bool = False
    has_issuer_url: bool = False  # Authority Information Access names where its issuer's certificate lies
    must_staple: bool = False


def client_for(policy: TlsPolicy, alpn: tuple[str, ...] = (HTTP_1_1,)) -> TlsClient:
    """The client that makes the sessions of a policy; a changed CA file gives a new one.

    `alpn`: the protocols that it offers, the preferred one first (RFC 7301).

    Raises CaFileError where the CA file cannot be used, ValueError for a version that is none.
    """
    path = policy.ca.removeprefix("file:") if policy.ca is not None else None
    try:
        return _client(path, stamp_of(path), policy.verify, policy.minimum_version, alpn)
    except OSError as exc:  # ssl.SSLError is one
        raise CaFileError(f"the CA file {path} cannot be used: {exc.strerror or exc}") from exc


@lru_cache(maxsize=256)
def _client(path: str | None, stamp: int, verify: bool, minimum: str, alpn: tuple[str, ...]) -> TlsClient:
    del stamp  # part of the key only
    if verify and (problem := trust_problem(path)) is not None:
        raise CaFileError(problem)
    make = system_client if BundledClient is None else bundled_client
    return make(path, verify=verify, minimum=minimum, alpn=alpn)


def system_client(
    path: str | None, *, verify: bool, minimum: str, alpn: tuple[str, ...] = (HTTP_1_1,)
) -> SystemClient:
    """By Python's own `ssl`. Raises OSError (ssl.SSLError among them), ValueError."""
    _check_version(minimum)
    context = ssl.create_default_context(cafile=path)
    context.minimum_version = _VERSIONS[minimum]
    context.set_ciphers(cipher_string(minimum))
    if verify:
        context.hostname_checks_common_name = False  # RFC 9525 section 2
    # The same verdict under every Python version: 3.13 made these flags its default.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.set_alpn_protocols(list(alpn))
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return SystemClient(context, any_strength=minimum in OLD_VERSIONS)


def bundled_client(
    path: str | None, *, verify: bool, minimum: str, alpn: tuple[str, ...] = (HTTP_1_1,)
) -> TlsClient:
    """By the OpenSSL that `cryptography` brings: trusts and offers what `system_client` does. Raises the same."""
    assert BundledClient is not None
    _check_version(minimum)
    file, directory = (path, None) if path else system_store()
    return BundledClient(
        ca_file=file,
        ca_directory=directory,
        verify=verify,
        minimum=minimum,
        ciphers=cipher_string(minimum),
        alpn=alpn,
    )


def _check_version(minimum: str) -> None:
    if minimum not in _VERSIONS:
        raise ValueError(f"minimum_version {minimum} is none of {', '.join(_VERSIONS)}")


def verifies_chains() -> bool:
    """Whether clients verify the certificates of handshakes that they did not make (`TlsClient.verified`)."""
    return BundledClient is not None


def openssl_version() -> str:
    """Of the OpenSSL that measures."""
    return ssl.OPENSSL_VERSION if BundledClient is None else BUNDLED_VERSION


class Agreed(Protocol):
    """What a handshake agreed on, as `TlsSession` says it."""

    def version(self) -> str | None: ...

    def cipher(self) -> str | None: ...

    def verified(self) -> Verified: ...


def describe(
    session: Agreed,
    server_name: str,
    chain: Sequence[bytes],
    *,
    verify_error: str | None = None,
    second: bool = False,
    alpn: str | None = None,
) -> Tls:
    """The record of a completed handshake; `chain`: the session's. `alpn`: what the server chose of several."""
    leaf = parse_certificate(chain[0]) if chain else Certificate(sha256="")
    verified = session.verified()
    if verify_error is None and not second:
        INTERMEDIATES.learn(verified.chain)
    first_to_end = _first_to_end(verified.chain)
    return Tls(
        version=session.version(),
        cipher=session.cipher(),
        server_name=sni_of(server_name),
        names=leaf.names,
        subject=leaf.subject,
        issuer=leaf.issuer,
        not_before=leaf.not_before,
        not_after=leaf.not_after,
        chain_sha256=tuple(parse_certificate(der).sha256 for der in chain),
        verify_error=verify_error,
        second_connection=second,
        chain_not_after=first_to_end.not_after if first_to_end else None,
        chain_not_after_of=first_to_end.subject if first_to_end else None,
        staple=verified.staple.value if verified.staple is not None else None,
        must_staple=leaf.must_staple,
        alpn=alpn,
    )


class Intermediates:
    """Intermediate certificates of chains that were verified, by subject; the least recently used is forgotten first.

    They tell a chain with a certificate missing from one of an authority that nobody trusts, which look alike.
    """

    def __init__(self, kept: int = 256) -> None:
        self._kept = kept
        self._by_subject: OrderedDict[bytes, bytes] = OrderedDict()

    def learn(self, used: Sequence[bytes]) -> None:
        """A verified chain: what lies between its leaf and its trust anchor."""
        for der in used[1:-1]:
            subject = _subject(der)
            if subject is not None:
                self._by_subject[subject] = der
                self._by_subject.move_to_end(subject)
        while len(self._by_subject) > self._kept:
            self._by_subject.popitem(last=False)

    def issued(self, der: bytes) -> bool:
        """Whether one of them issued this certificate, by name and by signature."""
        try:
            certificate = x509.load_der_x509_certificate(der)
            issuer = self._by_subject.get(certificate.issuer.public_bytes())
            if issuer is None or certificate.issuer == certificate.subject:
                return False
            certificate.verify_directly_issued_by(x509.load_der_x509_certificate(issuer))
        except Exception:  # whatever the parser raises for untrusted bytes, and a signature that is another's
            return False
        return True


INTERMEDIATES = Intermediates()


@lru_cache(maxsize=1024)
def _subject(der: bytes) -> bytes | None:
    try:
        return x509.load_der_x509_certificate(der).subject.public_bytes()
    except Exception:  # as `parse_certificate`
        return None


def _first_to_end(used: Sequence[bytes]) -> Certificate | None:
    """Of a verified chain the certificate that ends first; the trust anchor is ours, and its expiry does not count."""
    certificates = [parse_certificate(der) for der in used[:-1] or used]
    dated = [certificate for certificate in certificates if certificate.not_after]
    return min(dated, key=lambda certificate: certificate.not_after or "", default=None)


def chain_verdict(chain: Sequence[bytes]) -> FailureType:
    """Why an issuer was not found: the server did not send it, or it is one that nobody here trusts.

    Incomplete where the leaf came alone and itself says where its issuer's certificate can be had, and, however many
    came, where a chain that was verified before had the issuer of the last one as an intermediate.
    """
    if chain and INTERMEDIATES.issued(chain[-1]):
        return FailureType.TLS_CERT_INCOMPLETE_CHAIN
    certificates = [parse_certificate(der) for der in chain]
    if len(certificates) == 1 and not certificates[0].self_issued and certificates[0].has_issuer_url:
        return FailureType.TLS_CERT_INCOMPLETE_CHAIN
    return FailureType.TLS_CERT_AUTHORITY_INVALID


@lru_cache(maxsize=1024)
def parse_certificate(der: bytes) -> Certificate:
    """DER -> Certificate. Never raises: of a certificate that cannot be parsed only the fingerprint is given."""
    sha256 = hashlib.sha256(der).hexdigest()
    try:
        parsed = x509.load_der_x509_certificate(der)
        return Certificate(
            sha256=sha256,
            subject=parsed.subject.rfc4514_string(),
            issuer=parsed.issuer.rfc4514_string(),
            not_before=_time(parsed.not_valid_before_utc),
            not_after=_time(parsed.not_valid_after_utc),
            names=_names(parsed),
            self_issued=parsed.subject == parsed.issuer,
            has_issuer_url=_has_issuer_url(parsed),
            must_staple=must_staple(parsed),
        )
    except Exception:  # whatever the parser raises for untrusted bytes
        return Certificate(sha256=sha256)


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    addresses = names.get_values_for_type(x509.IPAddress)
    return (*names.get_values_for_type(x509.DNSName), *map(str, addresses))


def _has_issuer_url(certificate: x509.Certificate) -> bool:
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except x509.ExtensionNotFound:
        return False
    return any(entry.access_method == AuthorityInformationAccessOID.CA_ISSUERS for entry in access)


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def sni_of(name: str) -> str | None:
    """The name sent in the handshake: none for an IP literal (RFC 6066 section 3)."""
    return None if ":" in name or name.replace(".", "").isdigit() else name


class Presented(asyncio.Protocol):
    """The far end of the diagnostic handshake: it asks for nothing and reads nothing."""
