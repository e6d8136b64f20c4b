"""Rule: what a comparison means is defined in one place, with the words for people beside it."""

from __future__ import annotations

from probe.core.content.check_kind import SymptomKind
from probe.core.records.observation import Comparison, Relation, Role
from probe.core.records.verdict import Evidence
from probe.core.redirects.chain import chain_of

_NOTES = {
    Relation.ORIGIN_CHANGING: "integrity.origin_changing",
    Relation.UNSEEN_VERSION: "integrity.version_unseen",
    Relation.UNVERIFIED: "integrity.unverified",
}


def plainest(evidence: Evidence, index: int, first: Comparison | None) -> Comparison | None:
    """The second look, where it proves what the first could not: that no version explains the content."""
    if first is None or first.relation is not Relation.UNSEEN_VERSION:
        return first
    seen = evidence.observations
    looks = (i for i, o in enumerate(seen) if o.role is Role.CONFIRM and o.of == index)
    again = [chain_of(seen, i)[-1].comparison for i in looks]
    proofs = (c for c in again if c is not None and c.relation is Relation.UNKNOWN_VERSION)
    return next(proofs, first)


def meaning_of(comparison: Comparison) -> tuple[SymptomKind, str]:
    """Kind and reason of a relation other than equal."""
    if comparison.relation is Relation.UNKNOWN_VERSION:
        return SymptomKind.CONTENT, "content.mismatch"
    if comparison.relation is Relation.OLDER and comparison.within_lifetime is False:
        return SymptomKind.STALE, "content.overlong_cache"
    if comparison.relation is Relation.OLDER:
        fresh = "stale_fresh" if comparison.within_lifetime else "stale_lifetime_unknown"
        return SymptomKind.NOTE, comparison.allowance or fresh
    return SymptomKind.NOTE, _NOTES[comparison.relation]


def detail_of(comparison: Comparison) -> str | None:
    """How far behind, and by whose word it may be; else what the comparison itself says."""
    if comparison.behind_s is not None:
        return f"{comparison.behind_s:.1f}s behind the origin, lifetime {_lifetime(comparison)}"
    return comparison.detail


def _lifetime(comparison: Comparison) -> str:
    """How long, by which word, and whose where it is not the edge's own."""
    if comparison.freshness_lifetime_s is None:
        return "none declared"
    whose = " of the origin" if comparison.freshness_by == "origin" else ""
    return f"{comparison.freshness_lifetime_s:.0f}s by {comparison.freshness_source}{whose}"
