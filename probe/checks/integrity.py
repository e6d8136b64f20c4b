"""Rule: content is the customer's if the origin was seen to serve the same bytes; nothing else convicts.

Reads the comparison that `core.compare` made. Contract B: replaced content counts as unavailable; an old version
past its lifetime is over-long caching and a case of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from probe.core.kinds import CheckKind, Params, Symptom, SymptomKind
from probe.core.records import Comparison, Evidence, Relation, Role
from probe.core.symptoms import edge_observations
from probe.core.task import Task


class Integrity(Params):
    """`mode`: exact compares the decoded content with the origin's; none switches the check off."""

    mode: Literal["exact", "none"] = Field(
        default="exact", description="exact: decoded content equals the origin's; none: not compared"
    )


_NOTES = {
    Relation.ORIGIN_CHANGING: "integrity.origin_changing",
    Relation.UNSEEN_VERSION: "integrity.version_unseen",
    Relation.UNVERIFIED: "integrity.unverified",
}


def examine(params: Integrity, task: Task, evidence: Evidence) -> Iterator[Symptom]:
    """CONTENT for a version that the origin never served, STALE for one past its lifetime, else a note."""
    if params.mode == "none":
        return
    for index, observation in edge_observations(evidence):
        comparison = _plainest(evidence, index, observation.comparison)
        if comparison is None or comparison.relation is Relation.EQUAL:
            continue
        kind, reason = _meaning(comparison)
        yield Symptom(
            check=KIND.name, kind=kind, reason=reason, observation=index, detail=_detail(comparison)
        )


def _plainest(evidence: Evidence, index: int, first: Comparison | None) -> Comparison | None:
    """The second look, where it proves what the first could not: that no version explains the bytes."""
    if first is None or first.relation is not Relation.UNSEEN_VERSION:
        return first
    again = [o.comparison for o in evidence.observations if o.role is Role.CONFIRM and o.of == index]
    proofs = (c for c in again if c is not None and c.relation is Relation.UNKNOWN_VERSION)
    return next(proofs, first)


def _meaning(comparison: Comparison) -> tuple[SymptomKind, str]:
    if comparison.relation is Relation.UNKNOWN_VERSION:
        return SymptomKind.CONTENT, "content.mismatch"
    if comparison.within_lifetime is False:
        return SymptomKind.STALE, "content.overlong_cache"
    if comparison.relation is Relation.OLDER:
        fresh = "stale_fresh" if comparison.within_lifetime else "stale_lifetime_unknown"
        return SymptomKind.NOTE, comparison.allowance or fresh
    return SymptomKind.NOTE, _NOTES[comparison.relation]


def _detail(comparison: Comparison) -> str | None:
    if comparison.behind_s is not None:
        return f"{comparison.behind_s:.1f}s behind the origin, lifetime {_lifetime(comparison)}"
    return comparison.detail


def _lifetime(comparison: Comparison) -> str:
    """How long, by which word, and whose where it is not the edge's own."""
    if comparison.freshness_lifetime_s is None:
        return "none declared"
    whose = " of the origin" if comparison.freshness_by == "origin" else ""
    return f"{comparison.freshness_lifetime_s:.0f}s by {comparison.freshness_source}{whose}"


KIND = CheckKind(
    name="integrity",
    params=Integrity,
    examine=examine,
    summary="the content is the origin's, by its bytes",
)
