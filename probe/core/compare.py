"""Rule: content is judged by its bytes against every version that the origin was seen to serve.

Equal content under another coding is equal. An older version is stale or still fresh by its own lifetime.
Where the origin itself changed while we looked, or cannot be asked, nobody is accused.
"""

from __future__ import annotations

import itertools

from probe.core.freshness import freshness
from probe.core.records import Comparison, Observation, OriginVersion, Reference, Relation, Response
from probe.core.times import epoch_s

# Age, Date and our own look at the origin are whole seconds or later than the truth: allow for that much.
ROUNDING_S = 1.0


def compare(
    observation: Observation, reference: Reference, at: str, *, origin_failing: bool
) -> Comparison | None:
    """One edge observation beside the origin's versions, at the slot's time `at` (RFC 3339).

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
    return _against_versions(response, reference, at, origin_failing)


def _against_versions(response: Response, reference: Reference, at: str, origin_failing: bool) -> Comparison:
    newest = reference.versions[-1]
    if response.content_digest == newest.content_digest:
        return Comparison(mode="exact", relation=Relation.EQUAL, origin_content_digest=newest.content_digest)
    successor = _successor(response.content_digest, reference.versions)
    if successor is not None:
        return _older(response, newest, successor, at, origin_failing)
    if reference.changed_during_slot or origin_failing:
        # It may be a version between two looks of ours, or one that we could not see.
        relation = Relation.UNVERIFIED if origin_failing else Relation.ORIGIN_CHANGING
    else:
        relation = Relation.UNKNOWN_VERSION
    return Comparison(mode="exact", relation=relation, origin_content_digest=newest.content_digest)


def _successor(digest: str | None, versions: tuple[OriginVersion, ...]) -> OriginVersion | None:
    """The version that replaced the last one with this digest; None if no version had it."""
    for older, newer in reversed(list(itertools.pairwise(versions))):
        if older.content_digest == digest:
            return newer
    return None


def _older(
    response: Response, newest: OriginVersion, successor: OriginVersion, at: str, origin_failing: bool
) -> Comparison:
    """The successor was first seen at or after the true change, so `behind_s` never overstates."""
    behind_s = max(0.0, epoch_s(at) - epoch_s(successor.first_seen))
    fresh = freshness(response.fields)
    allowed_s: float | None = None
    if fresh.lifetime_s is not None:
        allowed_s = fresh.lifetime_s + fresh.stale_while_revalidate_s + ROUNDING_S
        allowed_s += fresh.stale_if_error_s if origin_failing else 0.0
    return Comparison(
        mode="exact",
        relation=Relation.OLDER,
        origin_content_digest=newest.content_digest,
        superseded_at=successor.first_seen,
        behind_s=behind_s,
        freshness_lifetime_s=fresh.lifetime_s,
        freshness_source=fresh.source,
        within_lifetime=None if allowed_s is None else behind_s <= allowed_s,
    )
