"""Rule: a response's record says what the server sent, cut to size and redacted, a flag for each oddity."""

from __future__ import annotations

import re

from probe.core.caching.cache_status import field_flags
from probe.core.http.content_coding import decodable, names_identity, parse_codings, unrequested
from probe.core.http.head import Framing, Head
from probe.core.model.protocols import HTTP_1_1
from probe.core.records.response import Response
from probe.fetch.body import Body
from probe.settings.redactor import Redactor

FIELDS_KEPT = 256  # the first line of each name before further lines of one
VALUE_BYTES_KEPT = 4096
_AGE_MAXIMUM_S = 2**31  # RFC 9111 section 1.2.2
_SECONDS = re.compile(r"[0-9]+")


def codings_of(head: Head) -> tuple[str, ...]:
    """The content codings of the body, in the order applied."""
    return parse_codings(head.values("content-encoding"))


def response_of(
    head: Head,
    body: Body,
    *,
    protocol: str,
    accept_encoding: str,
    complete: bool,
    clean_close: bool,
    redact: Redactor,
    breaches: tuple[str, ...] = (),
) -> Response:
    """What the server answered. `protocol`: as ALPN names it. `clean_close`: over TLS, the close was announced.

    `breaches`: of the protocol, as far as they were tolerated.
    """
    codings = codings_of(head)
    fields, cut = _record_fields(head, redact)
    age_s, age_flags = _age(head.values("age"))
    flags = [*cut, *age_flags, *field_flags(fields)]
    if unrequested(codings, accept_encoding):
        flags.append("unrequested_coding")
    if not decodable(codings):
        flags.append("unknown_coding")
    if len(set(head.values("location"))) > 1:
        flags.append("doubled_location")
    if head.interim:
        flags.append("interim_response")
    if complete and head.framing is Framing.CLOSE and not clean_close:
        flags.append("no_close_notify")
    flags.extend((*breaches, *body.breaches))
    if names_identity(head.values("content-encoding")):
        flags.append("identity_content_coding")
    return Response(
        status_code=head.status_code,
        reason_phrase=redact(head.reason_phrase[:VALUE_BYTES_KEPT]),
        fields=fields,
        next_hop_protocol=_version(head, protocol),
        encoded_body_bytes=body.wire_bytes,
        decoded_body_bytes=body.decoded_bytes,
        content_codings=codings,
        digest=body.digest,
        content_digest=body.content_digest if complete else None,
        first_bytes_digest=body.first_bytes_digest,
        age_s=age_s,
        body_complete=complete,
        content=body.facts if complete else None,
        flags=tuple(flags),
    )


def begun_response(head: Head | None, protocol: str, redact: Redactor) -> Response | None:
    """What is known of an answer whose head a limit of ours cut: its status, and the fields before the cut."""
    if head is None:
        return None
    fields, cut = _record_fields(head, redact)
    return Response(
        status_code=head.status_code,
        reason_phrase=redact(head.reason_phrase[:VALUE_BYTES_KEPT]),
        fields=fields,
        next_hop_protocol=_version(head, protocol),
        flags=tuple(dict.fromkeys((*cut, "fields_cut"))),
    )


def _version(head: Head, protocol: str) -> str:
    """HTTP/1.0 and 1.1 have one name in ALPN; the status line says which of them it was."""
    return f"http/1.{min(head.minor_version, 1)}" if protocol == HTTP_1_1 else protocol


def _kept(fields: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """The fields that the record has room for, in wire order: of a name that is repeated the first lines."""
    if len(fields) <= FIELDS_KEPT:
        return fields
    first = {name: i for i, (name, _) in reversed(tuple(enumerate(fields)))}
    chosen = set(sorted(first.values())[:FIELDS_KEPT])
    for i in range(len(fields)):
        if len(chosen) >= FIELDS_KEPT:
            break
        chosen.add(i)
    return tuple(fields[i] for i in sorted(chosen))


def _record_fields(head: Head, redact: Redactor) -> tuple[tuple[tuple[str, str], ...], list[str]]:
    fields = _kept(head.fields)
    kept = [(name, redact(value)) for name, value in fields] if redact.knows_any else fields
    flags = ["fields_cut"] if len(head.fields) > FIELDS_KEPT else []
    if any(len(value) > VALUE_BYTES_KEPT for _, value in kept):
        flags.append("field_cut")
        kept = [(name, value[:VALUE_BYTES_KEPT]) for name, value in kept]
    return tuple(kept), flags


def _age(values: tuple[str, ...]) -> tuple[int | None, list[str]]:
    """RFC 9111 section 5.1: of several the first counts; what is no number of seconds counts as absent."""
    if not values:
        return None, []
    members = [member.strip() for value in values for member in value.split(",")]
    flags = ["age_repeated"] if len(members) > 1 else []
    if not _SECONDS.fullmatch(members[0]):
        return None, [*flags, "age_invalid"]
    return min(int((members[0].lstrip("0") or "0")[:12]), _AGE_MAXIMUM_S), flags
