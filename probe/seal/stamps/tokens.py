"""Rule: a token counts only if an authority that is trusted gave it, for exactly this text, when its certificate held.

Requests and tokens of the Time-Stamp Protocol (RFC 3161), read and verified with rfc3161-client (the extra `stamps`).
That library verifies status, signature, nonce, imprint, and the chain to a trusted certificate at genTime for the
purpose of stamping times: a critical extended key usage for that and nothing else (RFC 3161 section 2.3). Beside it is
verified here that the digest is SHA-256, that the token names its certificate under its signature
(`signing_certificate`), and the policy where one is asked for.

Our rule on certificates is that of the library: valid when the token was given, whatever they are today. `openssl ts
-verify` wants them valid today. Revocation is not looked at: it needs the network.
"""

from __future__ import annotations

import calendar
import hashlib
import re
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography import x509

from probe.core.proof.stamp import RESPONSE_MOST_BYTES, Stamp, stamped_text
from probe.seal.stamps.signing_certificate import CertificateNotNamed, check_names_its_certificate

if TYPE_CHECKING:
    import rfc3161_client

SHA256 = "2.16.840.1.101.3.4.2.1"
_VERIFY_ERROR = re.compile(
    r"Verify error: ([a-zA-Z0-9 ().,'-]{1,120})"
)  # OpenSSL's own words, within the library's
CA_MOST_BYTES = 1024 * 1024
_HOW = "time stamps need rfc3161-client: install cdn-probe[stamps]"
_STATUS = {
    2: "rejection", 3: "waiting", 4: "revocation warning", 5: "revocation notification",
}  # fmt: skip


class StampsMissing(OSError):  # noqa: N818 - it is not there; nothing went wrong
    """rfc3161-client is not installed."""


class TokenError(ValueError):
    """What the authority answered proves nothing; the message says why, and continues `the time stamp ...`."""


class AuthorityFileError(OSError):
    """The file of an authority's certificates cannot be used; the message names it and what is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a token says. Times in microseconds since the epoch; `accuracy_us` to both sides, 0 where none is stated."""

    given_us: int
    accuracy_us: int
    serial: int
    policy: str


def library() -> Any:
    """Loaded when it is needed first. Raises StampsMissing."""
    try:
        return import_module("rfc3161_client")
    except ImportError as error:
        raise StampsMissing(f"{_HOW} ({error})") from None


def request_for(text: bytes) -> tuple[bytes, int]:
    """A request (TimeStampReq, DER) for a text, and its nonce; the certificate is asked for. Raises StampsMissing."""
    found = library()
    builder = found.TimestampRequestBuilder().data(text).hash_algorithm(found.HashAlgorithm.SHA256)
    request = builder.nonce(nonce=True).cert_request(cert_request=True).build()
    return request.as_bytes(), request.nonce


class Authority:
    """Whose tokens count: those of certificates that lead to the ones in a file. Made by `Authority.read`."""

    def __init__(self, certificates: list[x509.Certificate], policy: str | None = None) -> None:
        """`policy`: the only one that is accepted (dotted OID); None: any."""
        self._certificates = certificates
        self._policy = policy

    @classmethod
    def read(cls, path: Path, policy: str | None = None) -> Authority:
        """From a PEM file of one or more certificates. Raises AuthorityFileError."""
        try:
            with open(path, "rb") as file:
                pem = file.read(CA_MOST_BYTES)
        except OSError as error:
            raise AuthorityFileError(f"{path} cannot be read: {error.strerror}") from None
        try:
            certificates = x509.load_pem_x509_certificates(pem)
        except ValueError:
            raise AuthorityFileError(f"{path} holds no certificate in PEM form") from None
        return cls(certificates, policy)

    def check(self, stamp: Stamp) -> Given:
        """What the token of this stamp says. Raises TokenError, StampsMissing."""
        return self.check_response(stamp.response, stamped_text(stamp.head), int(stamp.nonce, 16))

    def check_response(self, response: bytes, text: bytes, nonce: int) -> Given:
        """What a reply (TimeStampResp, DER) to a request for the text says. Raises TokenError, StampsMissing."""
        found = library()
        if len(response) > RESPONSE_MOST_BYTES:
            raise TokenError(f"is longer than {RESPONSE_MOST_BYTES} bytes")
        told = _decoded(found, response)
        info = told.tst_info
        if info.message_imprint.hash_algorithm.dotted_string != SHA256:
            raise TokenError("is not for the SHA-256 of the head")
        if info.message_imprint.message != hashlib.sha256(text).digest():
            raise TokenError("is for something else than this head (another imprint)")
        if info.nonce != nonce:
            raise TokenError(
                "is no answer to this request (another nonce): it was given before, and is used again"
            )
        policy = info.policy.dotted_string
        if self._policy is not None and policy != self._policy:
            raise TokenError(f"was given under the policy {policy}, and {self._policy} is asked for")
        self._verify(found, told, hashlib.sha256(text).digest(), nonce)
        given = info.gen_time
        given_us = calendar.timegm(given.utctimetuple()) * 1_000_000 + given.microsecond
        return Given(
            given_us=given_us, accuracy_us=_accuracy_us(info), serial=info.serial_number, policy=policy
        )

    def _verify(self, found: Any, told: rfc3161_client.TimeStampResponse, digest: bytes, nonce: int) -> None:
        roots = [each for each in self._certificates if each.issuer == each.subject]
        between = [each for each in self._certificates if each.issuer != each.subject]
        verifier = found.VerifierBuilder(roots=roots or between, intermediates=between, nonce=nonce).build()
        try:
            verifier.verify(told, digest)
        except (
            Exception
        ) as error:  # the library raises its own and, for what it cannot read, ValueError and others
            why = _VERIFY_ERROR.search(str(error))
            words = _words(error) if why is None else why[1]
            raise TokenError(f"is not vouched for by the authority that was given: {words}") from None
        signed = told.signed_data
        (signer,) = signed.signer_infos  # the library wants exactly one
        try:
            check_names_its_certificate(
                told.time_stamp_token(), signed.certificates, signer.issuer, signer.serial_number
            )
        except CertificateNotNamed as error:
            raise TokenError(str(error)) from None


def _decoded(found: Any, response: bytes) -> rfc3161_client.TimeStampResponse:
    try:
        told: rfc3161_client.TimeStampResponse = found.decode_timestamp_response(response)
        status = told.status
    except Exception as error:  # whatever its parser makes of what somebody else wrote
        raise TokenError(f"cannot be read: {_words(error)}") from None
    if status != 0:
        said = "; ".join(map(str, told.status_string or ()))
        name = _STATUS.get(status, f"status {status}")
        raise TokenError(f"was not granted: {name}{f' ({said[:200]})' if said else ''}")
    try:
        assert told.tst_info is not None
    except Exception as error:
        raise TokenError(f"holds no token: {_words(error)}") from None
    return told


def _accuracy_us(info: Any) -> int:
    accuracy = info.accuracy
    if accuracy is None:
        return 0
    return (accuracy.seconds or 0) * 1_000_000 + (accuracy.millis or 0) * 1_000 + (accuracy.micros or 0)


def _words(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return "".join(char if char.isprintable() else " " for char in text)[:300]
