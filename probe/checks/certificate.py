"""Rule: what the handshake showed is held against what was agreed; a certificate that still holds fails nobody.

Names, protocol, cipher suite and issuer are the CDN's to set up. Days left are a note, a warning: the certificate is
good, and whose it is to renew only the contract knows. The date is the earliest of the chain in use: an intermediate
that ends first ends the service. An expired one, a chain that lacks its intermediate, or a stapled response that says
"revoked" is a failure of the handshake itself and seen without this check.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from probe.core.config.types import Host
from probe.core.content.check_kind import AtOrigin, CheckKind, Params, Symptom, SymptomKind
from probe.core.model.task import Task
from probe.core.model.times import epoch_s
from probe.core.records.observation import Role
from probe.core.records.transport import Tls
from probe.core.records.verdict import Evidence
from probe.core.text.certificate_names import check_cipher, covered, is_cipher, issued_by
from probe.core.verdict.symptoms import edge_observations

_VERSIONS = ("SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
_DAY_S = 86_400
Cipher = Annotated[str, AfterValidator(check_cipher)]
Issuer = Annotated[str, StringConstraints(min_length=1, max_length=500)]


class Ciphers(Params):
    """`forbid`: families and names of cipher suites that must not be negotiated."""

    forbid: tuple[Cipher, ...] = Field(
        min_length=1,
        description="Families (RC4, 3DES, CBC, RSA ...) or OpenSSL names, with * for any characters",
    )


class Certificate(Params):
    """What the certificate and the handshake must be."""

    names: tuple[Host, ...] = Field(default=(), description="Names and addresses that it must cover")
    days_left: Annotated[int, Field(ge=0, le=3650)] = Field(
        default=14, description="A note where it is valid for fewer days"
    )
    minimum_version: Literal["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"] | None = Field(
        default=None, description="Least protocol version that must be negotiated"
    )
    ciphers: Ciphers | None = Field(default=None, description="Cipher suites that must not be negotiated")
    issuers: tuple[Issuer, ...] = Field(
        default=(), description="Who may have issued it: CN, O or the whole name (RFC 4514)"
    )


def examine(params: Certificate, task: Task, evidence: Evidence) -> Iterator[Symptom]:
    """POLICY for what is not as agreed, a warning where it ends soon; nothing where no whole reply came."""
    for index, observation in edge_observations(evidence):
        tls = observation.tls
        if tls is None or (observation.failure is not None and not observation.over_our_limit):
            continue
        for reason, words in _wrong(params, tls):
            yield Symptom(
                check=KIND.name,
                kind=SymptomKind.POLICY,
                reason=reason,
                observation=index,
                detail=words,
                at_origin=AtOrigin.NOT_THERE,
                again=_again(params, evidence, index, reason),
            )
        for reason, words in _warnings(params, tls, evidence):
            yield Symptom(
                check=KIND.name,
                kind=SymptomKind.NOTE,
                reason=reason,
                observation=index,
                detail=words,
                warning=True,
            )


def _warnings(params: Certificate, tls: Tls, evidence: Evidence) -> Iterator[tuple[str, str]]:
    """(reason, words) of what fails no handshake of today."""
    until, whose = _ends(tls)
    if until is not None:
        days = (epoch_s(until) - epoch_s(evidence.started_at)) / _DAY_S
        if days < params.days_left:
            of = f" ({whose})" if whose else ""
            yield (
                "certificate.expires_soon",
                f"valid until {until}{of}, {days:.1f} days from now; limit {params.days_left} days",
            )
    if tls.must_staple and tls.staple not in (None, "good"):
        yield (
            "certificate.staple_missing",
            f"the certificate demands a stapled OCSP response; stapled: {tls.staple}",
        )


def _ends(tls: Tls) -> tuple[str | None, str | None]:
    """(until when the chain in use is valid, whose date that is where it is not the leaf's)."""
    if tls.chain_not_after is None or tls.chain_not_after == tls.not_after:
        return tls.not_after, None
    return tls.chain_not_after, tls.chain_not_after_of


def _again(params: Certificate, evidence: Evidence, index: int, reason: str) -> bool | None:
    """Whether a second look's handshake showed the same; None: nobody looked."""
    looks = [o for o in evidence.observations if o.role is Role.CONFIRM and o.of == index]
    if not looks:
        return None
    return any(o.tls is None or reason in dict(_wrong(params, o.tls)) for o in looks)


def _wrong(params: Certificate, tls: Tls) -> Iterator[tuple[str, str]]:
    """(reason, words); what the handshake did not show is not judged."""
    if tls.chain_sha256:
        missing = [name for name in params.names if not covered(name, tls.names)]
        if missing:
            yield (
                "certificate.name_missing",
                f"{', '.join(missing)} not among {', '.join(tls.names[:20]) or 'no names'}",
            )
    if params.minimum_version and tls.version and _below(tls.version, params.minimum_version):
        yield "certificate.protocol_below", f"{tls.version}, agreed at least {params.minimum_version}"
    if params.ciphers and tls.cipher and any(is_cipher(tls.cipher, bad) for bad in params.ciphers.forbid):
        yield "certificate.cipher_forbidden", f"{tls.cipher} with {tls.version}"
    if params.issuers and tls.issuer and not any(issued_by(tls.issuer, good) for good in params.issuers):
        yield "certificate.issuer_unexpected", f"{tls.issuer}; agreed: {', '.join(params.issuers)}"


def _below(version: str, minimum: str) -> bool:
    """A version that we do not know is newer than those that we do."""
    return version in _VERSIONS and _VERSIONS.index(version) < _VERSIONS.index(minimum)


KIND = CheckKind(
    name="certificate",
    params=Certificate,
    examine=examine,
    summary="names, days left, protocol, cipher and issuer of the certificate are as agreed",
)
