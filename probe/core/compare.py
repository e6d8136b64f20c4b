"""Rule: content is judged by its bytes against every version that the origin was seen to serve.

Equal content under another coding is equal. An older version is stale or still fresh by its own lifetime.
Content that no known version explains convicts only where the edge cannot have got it from the origin before we
began to look: we did not see every version, and a cache may lawfully keep one that we missed. Where the origin
itself changed while we looked, or cannot be asked, nobody is accused.
"""

from __future__ import annotations

import itertools

from probe.core.freshness import Freshness, asked_origin, field_values, freshness
from probe.core.records import Comparison, Observation, OriginVersion, Reference, Relation, Response
from probe.core.times import epoch_s, http_date_s

# Age, Date and our own look at the origin are whole seconds or later than the truth: allow for that much.
ROUNDING_S = 1.0
# A cache may keep what declares no lifetime for as long as it likes; past a day we say that it is old.
UNDECLARED_LIFETIME_S = 86_400.0


def compare(
    observation: Observation, reference: Reference, at: str, *, origin_failing: bool
) -> Comparison | None:
    """One edge observation beside the origin's versions, at its own time `at` (RFC 3339).

    None where there is no complete successful body to compare. `origin_failing`: the origin could not be
    asked in this slot, so that stale-if-error (RFC 5861 section 4) counts.
    """
    response = observation.response
    if observation.failure is not None or response is None or not response.body_complete:
        return None
    if not 200 <= response.status_code < 300 or observation.method == "HEAD":
        return None
    if response.content_digest is None:
        return Comparison(mode="exact", relation=Relation.UNVERIFIED, detail="content coding not understood")
    if not reference.versions or reference.self_comparison:
        detail = "the origin answered from the CDN itself" if reference.self_comparison else None
        return Comparison(mode="exact", relation=Relation.UNVERIFIED, detail=detail)
    return _against_versions(observation, response, reference, at, origin_failing)


def _against_versions(
    observation: Observation, response: Response, reference: Reference, at: str, origin_failing: bool
) -> Comparison:
    newest = reference.versions[-1]
    if response.content_digest == newest.content_digest:
        return Comparison(mode="exact", relation=Relation.EQUAL, origin_content_digest=newest.content_digest)
    successor = _successor(response.content_digest, reference.versions)
    if successor is not None:
        return _aged(Relation.OLDER, response, newest, successor, at, origin_failing)
    unasked = origin_failing or reference.left_out
    if unasked or reference.changed_during_slot:
        relation = Relation.UNVERIFIED if unasked else Relation.ORIGIN_CHANGING
        return Comparison(mode="exact", relation=relation, origin_content_digest=newest.content_digest)
    if (
        _claims_known_version(response, reference.versions)
        or _claims_nothing(response)
        or _got_since(observation, response, newest, at)
    ):
        return Comparison(
            mode="exact",
            relation=Relation.UNKNOWN_VERSION,
            origin_content_digest=newest.content_digest,
        )
    unseen = _aged(Relation.UNSEEN_VERSION, response, newest, newest, at, origin_failing)
    if unseen.within_lifetime is False and _modified_after(response, newest):
        return Comparison(
            mode="exact",
            relation=Relation.UNKNOWN_VERSION,
            origin_content_digest=newest.content_digest,
            detail="modified after the origin's present version",
        )
    return unseen


def _successor(digest: str | None, versions: tuple[OriginVersion, ...]) -> OriginVersion | None:
    """The version that replaced the last one with this digest; None if no version had it."""
    for older, newer in reversed(list(itertools.pairwise(versions))):
        if older.content_digest == digest:
            return newer
    return None


def _first(response: Response, name: str) -> str | None:
    return next(iter(field_values(response.fields, name)), None)


def _claims_known_version(response: Response, versions: tuple[OriginVersion, ...]) -> bool:
    """The edge names a version that we know by its strong validator, and sends other bytes."""
    etag = _first(response, "etag")
    if etag is None or etag.startswith("W/"):
        return False
    return any(version.etag == etag for version in versions)


def _claims_nothing(response: Response) -> bool:
    """No validator and no lifetime: it does not even pretend to be a stored version of something."""
    validators = _first(response, "etag"), _first(response, "last-modified")
    return validators == (None, None) and freshness(response.fields).lifetime_s is None


def _got_since(observation: Observation, response: Response, newest: OriginVersion, at: str) -> bool:
    """The edge got its copy after the origin was first seen to serve its present version.

    Proof is a valid Age (RFC 9111 section 5.1) or the cache's own word that it forwarded this request. A missing
    Age proves nothing: several caches never send it.
    """
    known_for_s = epoch_s(at) - epoch_s(newest.first_seen)
    if asked_origin(observation.cache_status):
        return known_for_s >= 0
    return response.age_s is not None and response.age_s + ROUNDING_S <= known_for_s


def _modified_after(response: Response, newest: OriginVersion) -> bool:
    edge = http_date_s(_first(response, "last-modified"))
    origin = http_date_s(newest.last_modified)
    return edge is not None and origin is not None and edge > origin


def _allowed_s(fresh: Freshness, relation: Relation, origin_failing: bool) -> float | None:
    """How long a cache may serve it after the origin changed; None where nothing is declared."""
    lifetime_s = fresh.lifetime_s
    if lifetime_s is None:
        return UNDECLARED_LIFETIME_S if relation is Relation.UNSEEN_VERSION else None
    allowed_s = lifetime_s + fresh.stale_while_revalidate_s + ROUNDING_S
    return allowed_s + (fresh.stale_if_error_s if origin_failing else 0.0)


def _aged(
    relation: Relation,
    response: Response,
    newest: OriginVersion,
    successor: OriginVersion,
    at: str,
    origin_failing: bool,
) -> Comparison:
    """The successor was first seen at or after the true change, so `behind_s` never overstates."""
    behind_s = max(0.0, epoch_s(at) - epoch_s(successor.first_seen))
    fresh = freshness(response.fields)
    allowed_s = _allowed_s(fresh, relation, origin_failing)
    return Comparison(
        mode="exact",
        relation=relation,
        origin_content_digest=newest.content_digest,
        superseded_at=successor.first_seen,
        behind_s=behind_s,
        freshness_lifetime_s=fresh.lifetime_s,
        freshness_source=fresh.source,
        within_lifetime=None if allowed_s is None else behind_s <= allowed_s,
    )
