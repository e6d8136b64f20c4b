"""integrity: what each relation to the origin's versions means."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from probe.checks.integrity import KIND, Integrity
from probe.core.content.check_kind import Symptom, SymptomKind
from probe.core.model.value import replace
from probe.core.records.observation import Comparison, Observation, Relation, Role
from probe.core.records.origin import Reference
from probe.core.records.verdict import Evidence
from tests.support.build import AT, evidence, reference, refused, seen, task

# Notes that a second look may turn into more, or into nothing.
DISAGREES = {
    "stale_fresh",
    "stale_lifetime_unknown",
    "stale_while_revalidate",
    "stale_if_error",
    "stale_disconnected",
    "integrity.version_unseen",
}


def symptoms(of: Evidence, **params: object) -> list[Symptom]:
    return list(KIND.examine(Integrity.model_validate(params), task(), of))


def compared(
    relation: Relation, role: Role = Role.EDGE, of: int | None = None, **facts: object
) -> Observation:
    comparison = replace(Comparison(mode="exact", relation=relation), **facts)
    return seen(role, comparison=comparison, of=of)


def off(kind: SymptomKind, reason: str, detail: str | None = None, observation: int = 0) -> Symptom:
    return Symptom(
        check="integrity",
        kind=kind,
        reason=reason,
        observation=observation,
        detail=detail,
        asked_again=reason in DISAGREES,
    )


def test_the_origins_present_version_is_no_symptom() -> None:
    assert symptoms(evidence(compared(Relation.EQUAL))) == []


def test_the_present_version_of_an_origin_that_cannot_be_asked_is_unverified() -> None:
    why = f"as the origin had it at {AT}; it could not be asked now"
    expected = [off(SymptomKind.NOTE, "integrity.unverified", why)]
    assert symptoms(evidence(compared(Relation.EQUAL), refused(Role.ORIGIN))) == expected
    assert symptoms(evidence(compared(Relation.EQUAL), reference=reference(left_out=True))) == expected
    assert symptoms(evidence(compared(Relation.EQUAL), seen(Role.ORIGIN))) == []


def test_nothing_compared_is_no_symptom() -> None:
    assert symptoms(evidence(seen(), refused())) == []


def test_a_version_that_the_origin_never_served_is_wrong_content() -> None:
    found = evidence(compared(Relation.EQUAL), compared(Relation.UNKNOWN_VERSION, detail="why"))
    assert symptoms(found) == [off(SymptomKind.CONTENT, "content.mismatch", "why", observation=1)]


@pytest.mark.parametrize(
    ("within", "kind", "reason"),
    [
        (False, SymptomKind.STALE, "content.overlong_cache"),
        (True, SymptomKind.NOTE, "stale_fresh"),
        (None, SymptomKind.NOTE, "stale_lifetime_unknown"),
    ],
)
def test_an_older_version_is_stale_only_past_its_lifetime(
    within: bool | None, kind: SymptomKind, reason: str
) -> None:
    assert symptoms(evidence(compared(Relation.OLDER, within_lifetime=within))) == [off(kind, reason)]


def test_age_and_lifetime_are_told() -> None:
    facts = {"behind_s": 93.25, "within_lifetime": False}
    declared = compared(Relation.OLDER, freshness_lifetime_s=60.0, freshness_source="max-age", **facts)
    assert symptoms(evidence(declared)) == [
        off(SymptomKind.STALE, "content.overlong_cache", "93.2s behind the origin, lifetime 60s by max-age")
    ]
    assert symptoms(evidence(compared(Relation.OLDER, **facts))) == [
        off(SymptomKind.STALE, "content.overlong_cache", "93.2s behind the origin, lifetime none declared")
    ]


def test_the_origins_own_word_is_named() -> None:
    facts = {"behind_s": 9.0, "within_lifetime": True, "freshness_by": "origin"}
    made = compared(Relation.OLDER, freshness_lifetime_s=60.0, freshness_source="s-maxage", **facts)
    detail = "9.0s behind the origin, lifetime 60s by s-maxage of the origin"
    assert symptoms(evidence(made)) == [off(SymptomKind.NOTE, "stale_fresh", detail)]


@pytest.mark.parametrize("allowance", ["stale_while_revalidate", "stale_if_error", "stale_disconnected"])
def test_stale_by_an_allowance_is_a_note_of_its_own(allowance: str) -> None:
    made = compared(Relation.OLDER, within_lifetime=True, allowance=allowance)
    assert symptoms(evidence(made)) == [off(SymptomKind.NOTE, allowance)]


@pytest.mark.parametrize(
    ("relation", "reason"),
    [
        (Relation.ORIGIN_CHANGING, "integrity.origin_changing"),
        (Relation.UNSEEN_VERSION, "integrity.version_unseen"),
        (Relation.UNVERIFIED, "integrity.unverified"),
    ],
)
def test_what_cannot_be_proved_is_a_note(relation: Relation, reason: str) -> None:
    made = compared(relation, detail="why")
    assert symptoms(evidence(made)) == [off(SymptomKind.NOTE, reason, "why")]


def test_an_unseen_version_past_its_lifetime_is_still_only_unseen() -> None:
    """Nobody saw that the origin served it: it may be another customer's file as well."""
    made = compared(Relation.UNSEEN_VERSION, within_lifetime=False)
    assert symptoms(evidence(made)) == [off(SymptomKind.NOTE, "integrity.version_unseen")]


def test_without_an_origin_content_is_unverified_and_never_as_agreed() -> None:
    alone = evidence(seen(), reference=Reference(configured=False))
    (found,) = symptoms(alone)
    assert (found.kind, found.reason) == (SymptomKind.NOTE, "integrity.unverified")
    assert symptoms(evidence(seen(status=404), reference=Reference(configured=False))) == []


def test_a_second_look_at_the_same_edge_can_prove_what_the_first_could_not() -> None:
    first = compared(Relation.UNSEEN_VERSION)
    proof = compared(Relation.UNKNOWN_VERSION, Role.CONFIRM, of=0)
    assert symptoms(evidence(first, proof)) == [off(SymptomKind.CONTENT, "content.mismatch")]


@pytest.mark.parametrize(
    ("role", "of"), [(Role.CONFIRM, 1), (Role.SWEEP, 0)], ids=["another edge", "another node"]
)
def test_a_look_at_another_proves_nothing(role: Role, of: int) -> None:
    proof = compared(Relation.UNKNOWN_VERSION, role, of=of)
    found = evidence(compared(Relation.UNSEEN_VERSION), compared(Relation.EQUAL), proof)
    assert symptoms(found) == [off(SymptomKind.NOTE, "integrity.version_unseen")]


def test_a_second_look_accuses_no_edge_that_was_equal_at_first() -> None:
    again = compared(Relation.UNKNOWN_VERSION, Role.CONFIRM, of=0)
    assert symptoms(evidence(compared(Relation.EQUAL), again)) == []


def test_mode_none_sees_nothing() -> None:
    assert symptoms(evidence(compared(Relation.UNKNOWN_VERSION)), mode="none") == []


@pytest.mark.parametrize(
    ("params", "place"), [({"mode": "fuzzy"}, ("mode",)), ({"sha256": "00"}, ("sha256",))]
)
def test_wrong_parameters_are_errors_at_their_place(
    params: dict[str, object], place: tuple[object, ...]
) -> None:
    with pytest.raises(ValidationError) as error:
        Integrity.model_validate(params)
    assert [problem["loc"] for problem in error.value.errors()] == [place]
