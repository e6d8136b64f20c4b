"""freshness: the agreed refresh time binds whatever the reply declares; contradictions without harm are notes."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from probe.checks.freshness import KIND, FreshnessParams
from probe.core.records.observation import Comparison, Observation, Relation, Role
from probe.core.records.verdict import Evidence
from tests.support import build
from tests.support.build import GOOD, OLD, evidence, refused, seen, task

TEN = {"refresh": "10m"}


def told(of: Evidence, **params: object) -> list[tuple[str, str, str | None]]:
    found = KIND.examine(FreshnessParams.model_validate(params), task(), of)
    return [(s.kind.value, s.reason, s.detail) for s in found]


def older(behind_s: float | None, relation: Relation = Relation.OLDER, **changes: object) -> Observation:
    fields = (("cache-control", "max-age=60"),)
    return seen(
        fields=fields, comparison=Comparison(mode="exact", relation=relation, behind_s=behind_s), **changes
    )


@pytest.mark.parametrize(
    ("behind_s", "expected"),
    [
        (0.0, []),
        (600.0, []),
        (600.1, [("stale", "freshness.over_refresh_time", "600.1s behind the origin, agreed 10m")]),
        (86_400.0, [("stale", "freshness.over_refresh_time", "86400.0s behind the origin, agreed 10m")]),
        (None, []),
    ],
)
def test_an_old_version_past_the_agreed_time_is_stale(
    behind_s: float | None, expected: list[tuple[str, str, str]]
) -> None:
    assert told(evidence(older(behind_s)), **TEN) == expected


@pytest.mark.parametrize("relation", [r for r in Relation if r is not Relation.OLDER])
def test_only_a_version_that_the_origin_served_before_is_old(relation: Relation) -> None:
    assert told(evidence(older(9999.0, relation)), **TEN) == []


def test_beside_an_origin_that_fails_nobody_can_refresh() -> None:
    for origin in (refused(Role.ORIGIN), seen(Role.ORIGIN, status=503)):
        assert told(evidence(older(700.0), origin), **TEN) == [
            ("note", "freshness.origin_failing", "700.0s behind the origin, agreed 10m")
        ]
    assert [t[0] for t in told(evidence(older(700.0), seen(Role.ORIGIN)), **TEN)] == ["stale"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ((("cache-control", "max-age=600"),), []),
        ((("cache-control", "max-age=601"),), ["601s by max-age, agreed 10m"]),
        ((("cache-control", "max-age=1, s-maxage=3600"),), ["3600s by s-maxage, agreed 10m"]),
        ((("cache-control", "no-store"),), []),
        ((("cache-control", "max-age=soon"),), []),
        ((), []),
        ((("date", "Sun, 22 Nov 2026 10:00:00 GMT"), ("last-modified", "Sun, 22 Nov 2020 10:00:00 GMT")), []),
    ],
    ids=["at the limit", "over", "shared", "never", "garbage", "nothing", "heuristic"],
)
def test_a_declared_lifetime_that_contradicts_the_agreement_is_a_note(
    fields: tuple[tuple[str, str], ...], expected: list[str]
) -> None:
    assert told(evidence(seen(fields=fields)), **TEN) == [
        ("note", "freshness.lifetime_over_agreed", words) for words in expected
    ]


def test_an_age_over_the_agreed_time_is_a_note_while_the_content_is_equal() -> None:
    def aged(age_s: int, relation: Relation = Relation.EQUAL) -> Observation:
        return seen(fields=(), age_s=age_s, comparison=Comparison(mode="exact", relation=relation))

    assert told(evidence(aged(600)), **TEN) == []
    assert told(evidence(aged(601)), **TEN) == [("note", "freshness.age_over_agreed", "Age 601s, agreed 10m")]
    assert told(evidence(aged(601, Relation.UNVERIFIED)), **TEN) == []


@pytest.mark.parametrize(
    ("cached", "bounds", "words"),
    [
        ("max-age=60", {"at_least": "60s", "at_most": "60s"}, None),
        ("max-age=59", {"at_least": "60s"}, "59s by max-age, agreed at least 1m"),
        ("max-age=61", {"at_most": "60s"}, "61s by max-age, agreed at most 1m"),
        ("no-cache", {"at_least": "1s"}, "0s by no-cache, agreed at least 1s"),
        ("public", {"at_least": "1s"}, "no lifetime declared"),
        ("public", {"at_most": "1s"}, "no lifetime declared"),
    ],
)
def test_bounds_of_the_declared_lifetime(cached: str, bounds: dict[str, str], words: str | None) -> None:
    found = told(evidence(seen(fields=(("cache-control", cached),))), max_age=bounds)
    assert found == ([] if words is None else [("policy", "freshness.lifetime_outside", words)])


def test_what_is_no_success_is_not_judged() -> None:
    assert told(evidence(seen(status=404, fields=()), refused()), max_age={"at_least": "1s"}, **TEN) == []


# --- whose fault ----------------------------------------------------------------------------------


def judged(*observations: Observation, **changes: object) -> tuple[str, str | None, str | None]:
    params = changes.pop("params", TEN)
    checked = build.task(checks=build.checks(integrity={}, freshness=params))
    return build.triple(evidence(*observations, **changes), checked)


def test_an_edge_within_its_lifetime_is_stale_all_the_same_once_the_agreed_time_is_over() -> None:
    changed = "2026-11-22T09:45:00.000000Z"  # a quarter of an hour before the slot
    versions = build.reference(build.version(OLD, etag='"v0"'), build.version(GOOD, first_seen=changed))
    edge = seen(digest=OLD, fields=(("cache-control", "max-age=3600"), ("etag", '"v0"')))
    origin = seen(Role.ORIGIN)
    assert judged(edge, origin, reference=versions) == ("stale", "cdn", "freshness.over_refresh_time")
    assert judged(edge, origin, reference=versions, params={"refresh": "20m"}) == ("ok", None, None)


def test_an_origin_that_declares_the_same_lifetime_has_the_fault() -> None:
    bounds = {"max_age": {"at_least": "1h"}}
    longer = seen(Role.ORIGIN, fields=(("cache-control", "max-age=7200"),))
    assert judged(seen(), seen(Role.ORIGIN), params=bounds) == ("failed", "origin", "origin.same_reply")
    assert judged(seen(), longer, params=bounds) == ("failed", "cdn", "freshness.lifetime_outside")
    assert judged(seen(), params=bounds) == ("failed", "unknown", "freshness.lifetime_outside")
    nothing, most = seen(Role.ORIGIN, fields=()), {"max_age": {"at_most": "1s"}}
    assert judged(seen(), nothing, params=most) == ("failed", "cdn", "freshness.lifetime_outside")


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({}, "give refresh, max_age or both"),
        ({"refresh": 600}, "a duration needs its unit"),
        ({"refresh": "0s"}, "greater than or equal to 1"),
        ({"max_age": {}}, "give at_least, at_most or both"),
        ({"max_age": {"at_least": "2m", "at_most": "1m"}}, "at_least is longer than at_most"),
        ({"max_age": {"at_least": "2m", "more": "1m"}}, "not permitted"),
    ],
)
def test_wrong_parameters_are_refused_with_words(params: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        FreshnessParams.model_validate(params)
