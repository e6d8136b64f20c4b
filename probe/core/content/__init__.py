"""Comparison of content with the origin's versions, and the interface of a check.

In: an `Observation`, the origin's `Reference`, and the body where a check wants it read. Intermediate: `ContentFacts`
by declared rules (`reading`), the origin's version history (`history`), whether the origin is the CDN itself
(`self_comparison`). Out: a `Comparison` (`compare`) with its meaning for people (`comparison_notes`).
`check_kind.CheckKind` is what each module of `probe.checks` provides; it reports a `check_kind.Symptom` and may want
a `check_kind.FollowUpRequest`.
"""
