"""Rule: every version that the origin was seen to serve is kept with when that was, and for how long it may be kept.

Pure: the versions known and one more reply of the origin -> the versions known. The newest is the last.
"""

from __future__ import annotations

from collections.abc import Sequence

from probe.core.caching.freshness import declared, more_generous
from probe.core.http.fields import first_value
from probe.core.model.times import epoch_s
from probe.core.model.value import replace
from probe.core.records.origin import OriginVersion, identity, undecoded
from probe.core.records.response import Freshness, Response

KEPT_VERSIONS = 16
KEPT_S = 30 * 86_400.0


def with_reply(
    versions: Sequence[OriginVersion],
    response: Response,
    *,
    asked: str,
    seen: str,
    keep_s: float = KEPT_S,
) -> tuple[OriginVersion, ...] | None:
    """The history with one more reply of the origin; None where it shows no version.

    `asked` and `seen`: when the request was begun and the reply was complete, RFC 3339 UTC. A version that returns
    moves to the end and is first seen now, since what we know of its first time says nothing about this one. Versions
    not seen for `keep_s` seconds are forgotten, but for the present one.
    """
    oldest_s = epoch_s(seen) - keep_s
    versions = [v for v in versions[:-1] if epoch_s(v.last_seen) >= oldest_s] + list(versions[-1:])
    said = _said(response, epoch_s(seen))
    if response.status_code == 304 and versions:
        return (*versions[:-1], _again(versions[-1], said, asked, seen))
    if not 200 <= response.status_code < 300 or response.content_digest is None or identity(response) is None:
        return None
    newest = versions[-1] if versions else None
    if newest is not None and identity(newest) == identity(response):
        # The name under which it is kept stays, also where bytes that count for nothing are others each time.
        version = replace(
            _version(response, newest.first_seen),
            declared=newest.declared,
            content_digest=newest.content_digest,
        )
        return (*versions[:-1], _again(version, said, asked, seen))
    others = [v for v in versions if identity(v) != identity(response)]
    made = replace(_version(response, seen), last_asked=asked, last_seen=seen, declared=said)
    return (*others, made)[-KEPT_VERSIONS:]


def updated(kept: tuple[tuple[str, str], ...], response: Response) -> tuple[tuple[str, str], ...]:
    """The fields of the present version after one more reply: a whole one's own, or those that a 304 replaces.

    RFC 9111 section 3.2: what a 304 does not name stays.
    """
    if response.status_code != 304:
        return response.fields
    named = {name for name, _ in response.fields}
    return (*(field for field in kept if field[0] not in named), *response.fields)


def _version(response: Response, first_seen: str) -> OriginVersion:
    return OriginVersion(
        content_digest=response.content_digest or "",
        decoded_body_bytes=response.decoded_body_bytes,
        status_code=response.status_code,
        etag=first_value(response.fields, "etag"),
        last_modified=first_value(response.fields, "last-modified"),
        first_seen=first_seen,
        last_seen=first_seen,
        content=response.content,
        undecoded=undecoded(response),
    )


def _again(version: OriginVersion, said: Freshness | None, asked: str, seen: str) -> OriginVersion:
    """Seen once more. What it declared before held for copies that were taken then."""
    return replace(version, last_asked=asked, last_seen=seen, declared=_both(said, version.declared))


def _both(one: Freshness | None, other: Freshness | None) -> Freshness | None:
    if one is None or other is None:
        return one or other
    return more_generous(one, other)


def _said(response: Response, received_s: float) -> Freshness | None:
    said = declared(response.fields, received_s)
    return None if said == Freshness() else said
