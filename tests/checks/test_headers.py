"""headers: there, absent, equal, matching, and the same as the origin's, with the origin looked at first."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from probe.checks.headers import KIND, Headers
from probe.core.content.check_kind import AtOrigin, SymptomKind
from probe.core.model.value import replace
from probe.core.records.observation import Comparison, Observation, Relation, Role
from probe.core.records.response import CacheStatus
from probe.core.records.verdict import Evidence
from tests.support import build
from tests.support.build import evidence, refused, seen, task

HSTS = ("strict-transport-security", "max-age=1")


def with_fields(
    *fields: tuple[str, str], role: Role = Role.EDGE, status: int = 200, **changes: object
) -> Observation:
    return seen(role, status=status, fields=fields, **changes)


def told(of: Evidence, **params: object) -> list[tuple[str, str, str | None]]:
    found = KIND.examine(Headers.model_validate(params), task(), of)
    return [(s.kind.value, s.reason, s.detail) for s in found]


@pytest.mark.parametrize(
    ("params", "fields", "expected"),
    [
        ({"present": ["X-A"]}, [("x-a", "")], []),
        ({"present": ["X-A"]}, [], [("policy", "headers.missing", "no x-a")]),
        ({"absent": ["Server"]}, [], []),
        ({"absent": ["Server"]}, [("server", "x/1")], [("policy", "headers.forbidden", "server: x/1")]),
        ({"equal": {"X-A": "1"}}, [("x-a", "1")], []),
        ({"equal": {"X-A": "1, 2"}}, [("x-a", "1"), ("x-b", "9"), ("x-a", "2")], []),
        ({"equal": {"X-A": "1"}}, [], [("policy", "headers.missing", "no x-a")]),
        ({"equal": {"X-A": "1"}}, [("x-a", "1"), ("x-a", "1")],
         [("policy", "headers.differs", "x-a: 1, 1; agreed: 1")]),
        ({"equal": {"X-A": "a"}}, [("x-a", "A")], [("policy", "headers.differs", "x-a: A; agreed: a")]),
        ({"match": {"X-A": "[0-9]+"}}, [("x-a", "12")], []),
        ({"match": {"X-A": "[0-9]+"}}, [("x-a", "12 ")], []),
        ({"match": {"X-A": "[0-9]+"}}, [("x-a", "12x")],
         [("policy", "headers.differs", "x-a: 12x; agreed pattern: [0-9]+")]),
        ({"match": {"X-A": "(a+)+b"}}, [("x-a", "a" * 3000)],
         [("policy", "headers.differs", "x-a: " + "a" * 200 + "; agreed pattern: (a+)+b")]),
        ({"match": {"X-A": "(a+)+b"}}, [("x-a", "a" * 3000 + "b")], []),
        ({"match": {"X-A": "a+"}}, [("x-a", "b" * 5000)], []),
        ({"present": ["A", "B"], "absent": ["C"]}, [("c", "1")],
         [("policy", "headers.missing", "no a"), ("policy", "headers.missing", "no b"),
          ("policy", "headers.forbidden", "c: 1")]),
    ],
)  # fmt: skip
def test_right_wrong_and_absent(
    params: dict[str, object], fields: list[tuple[str, str]], expected: list[tuple[str, str, str]]
) -> None:
    assert told(evidence(with_fields(*fields)), **params) == expected


def test_error_pages_and_edges_without_a_reply_are_not_judged() -> None:
    assert told(evidence(with_fields(status=404), with_fields(status=503), refused()), present=["x-a"]) == []


def test_the_reply_at_the_end_of_followed_redirects_counts() -> None:
    first = with_fields(("x-a", "1"), status=301)
    assert told(evidence(first, with_fields(role=Role.REDIRECT, of=0)), present=["x-a"]) == [
        ("policy", "headers.missing", "no x-a")
    ]
    last = with_fields(("x-a", "1"), role=Role.REDIRECT, of=0)
    assert told(evidence(with_fields(status=301), last), present=["x-a"]) == []


# --- whose fault ----------------------------------------------------------------------------------


def judged(*observations: Observation, **params: object) -> tuple[str, str | None, str | None]:
    checked = build.task(checks=build.checks(headers=params))
    return build.triple(evidence(*observations), checked)


def test_a_field_that_the_origin_sends_and_the_edge_does_not_is_the_cdns() -> None:
    origin = with_fields(HSTS, role=Role.ORIGIN)
    assert judged(with_fields(), origin, present=[HSTS[0]]) == ("failed", "cdn", "headers.missing")


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"present": ["x-a"]}, ()),
        ({"absent": ["x-b"]}, (("x-b", "1"),)),
        ({"equal": {"x-c": "1"}}, (("x-c", "2"),)),
    ],
)
def test_the_same_defect_at_the_origin_is_the_origins(
    params: dict[str, object], field: tuple[tuple[str, str], ...]
) -> None:
    origin = with_fields(*field, role=Role.ORIGIN)
    assert judged(with_fields(*field), origin, **params) == ("failed", "origin", "origin.same_reply")


def test_where_no_whole_reply_of_the_origin_tells_the_fault_is_unknown() -> None:
    for origin in (
        refused(Role.ORIGIN),
        with_fields(role=Role.ORIGIN, status=304),
        with_fields(role=Role.ORIGIN, status=500),
    ):
        assert judged(with_fields(), origin, present=["x-a"]) == ("failed", "unknown", "headers.missing")


def test_without_an_origin_the_agreement_is_the_cdns() -> None:
    checked = build.task(checks=build.checks(headers={"present": ["x-a"]}), origin=None)
    none = evidence(with_fields(), reference=replace(build.reference(), configured=False, versions=()))
    assert build.triple(none, checked) == ("failed", "cdn", "headers.missing")


def test_an_origin_that_answers_from_the_cdn_itself_excuses_nobody_and_convicts_nobody() -> None:
    origin = with_fields(role=Role.ORIGIN)
    own = evidence(with_fields(), origin, reference=build.reference(self_comparison=True))
    checked = build.task(checks=build.checks(headers={"present": ["x-a"]}))
    assert build.triple(own, checked) == ("failed", "unknown", "headers.missing")


def test_a_second_look_is_of_the_field() -> None:
    def again(*observations: Observation) -> bool | None:
        (found,) = KIND.examine(Headers(present=("x-a",)), task(), evidence(*observations))
        return found.again

    assert again(with_fields()) is None
    assert again(with_fields(), with_fields(role=Role.CONFIRM, of=0)) is True
    assert again(with_fields(), with_fields(("x-a", "1"), role=Role.CONFIRM, of=0)) is False
    assert again(with_fields(), refused(Role.CONFIRM, of=0)) is True


def test_at_a_foreign_address_it_is_the_paths() -> None:
    checked = build.task(checks=build.checks(headers={"present": ["x-a"]}), cdn_prefixes=("203.0.113.0/24",))
    found = build.triple(evidence(with_fields(), with_fields(("x-a", "1"), role=Role.ORIGIN)), checked)
    assert found == ("failed", "path", "dns.hijacked")


# --- same as the origin ---------------------------------------------------------------------------

EQUAL = Comparison(mode="exact", relation=Relation.EQUAL)


def beside(edge: Observation, *others: Observation, **changes: object) -> list[tuple[str, str, str | None]]:
    return told(evidence(edge, *others, **changes), same_as_origin=["X-A"])


def test_other_values_than_the_origins_differ() -> None:
    edge = with_fields(("x-a", "1"), comparison=EQUAL)
    assert beside(edge, with_fields(("x-a", "1"), role=Role.ORIGIN)) == []
    assert beside(edge, with_fields(("x-a", "2"), role=Role.ORIGIN)) == [
        ("policy", "headers.differs", "x-a: 1; the origin: 2")
    ]
    assert beside(with_fields(comparison=EQUAL), with_fields(("x-a", "2"), role=Role.ORIGIN)) == [
        ("policy", "headers.differs", "x-a: none; the origin: 2")
    ]
    assert judged(edge, with_fields(("x-a", "2"), role=Role.ORIGIN), same_as_origin=["x-a"]) == (
        "failed", "cdn", "headers.differs",
    )  # fmt: skip


@pytest.mark.parametrize("look", [None, with_fields(role=Role.ORIGIN, status=304)])
def test_what_the_origin_gave_before_counts_where_it_need_not_say_it_again(look: Observation | None) -> None:
    looks = () if look is None else (look,)
    kept = build.reference(fields=(("x-a", "2"),))
    edge = with_fields(("x-a", "1"), comparison=EQUAL)
    assert beside(edge, *looks, reference=kept) == [("policy", "headers.differs", "x-a: 1; the origin: 2")]
    assert beside(with_fields(("x-a", "2"), comparison=EQUAL), *looks, reference=kept) == []
    for changes in ({"self_comparison": True}, {"left_out": True}, {"changed_during_slot": True}):
        doubtful = build.reference(fields=(("x-a", "2"),), **changes)
        assert beside(edge, *looks, reference=doubtful) == []


@pytest.mark.parametrize(
    "origin",
    [
        with_fields(role=Role.ORIGIN, status=304),
        with_fields(role=Role.ORIGIN, status=404),
        refused(Role.ORIGIN),
        with_fields(("x-a", "1"), role=Role.CONTROL),
    ],
    ids=["304", "another status", "no reply", "a further request"],
)
def test_without_a_whole_reply_of_the_origin_nothing_is_compared(origin: Observation) -> None:
    assert beside(with_fields(("x-a", "1")), origin) == []


def test_another_version_has_other_fields_lawfully() -> None:
    origin = with_fields(("x-a", "2"), role=Role.ORIGIN)
    for relation in Relation:
        edge = with_fields(("x-a", "1"), comparison=Comparison(mode="exact", relation=relation))
        assert bool(beside(edge, origin)) is (relation is Relation.EQUAL)
    changed = build.reference(changed_during_slot=True)
    assert beside(with_fields(("x-a", "1"), comparison=EQUAL), origin, reference=changed) == []


def test_an_origin_that_gives_both_values_accuses_nobody() -> None:
    origins = [with_fields(("x-a", value), role=Role.ORIGIN) for value in "12"]
    assert beside(with_fields(("x-a", "1"), comparison=EQUAL), *origins) == []


@pytest.mark.parametrize(
    ("cached", "age_s", "status", "kind"),
    [
        ("max-age=60", None, None, "note"),
        ("max-age=60", 60, None, "note"),
        ("max-age=60", 61, None, "policy"),
        ("max-age=0", None, None, "policy"),
        ("no-store", None, None, "policy"),
        ("max-age=60", None, CacheStatus(cache="edge", hit=False, fwd="miss", fwd_status=200), "policy"),
        ("max-age=60", None, CacheStatus(cache="edge", hit=True), "note"),
    ],
)
def test_within_its_lifetime_a_cache_may_go_on_with_old_fields(
    cached: str, age_s: int | None, status: CacheStatus | None, kind: str
) -> None:
    edge = with_fields(
        ("x-a", "1"), ("cache-control", cached), comparison=EQUAL, age_s=age_s, cache_status=status
    )
    assert beside(edge, with_fields(("x-a", "2"), role=Role.ORIGIN)) == [
        (kind, "headers.differs", "x-a: 1; the origin: 2")
    ]


def test_the_note_is_a_warning() -> None:
    edge = with_fields(("x-a", "1"), ("cache-control", "max-age=60"))
    verdict = build.verdict(
        evidence(edge, with_fields(("x-a", "2"), role=Role.ORIGIN)),
        build.task(checks=build.checks(headers={"same_as_origin": ["x-a"]})),
    )
    assert [(f.reason, f.severity.value, f.outcome.value) for f in verdict.findings] == [
        ("headers.differs", "warning", "ok")
    ]
    assert verdict.outcome == "ok"


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({}, "name at least one"),
        ({"present": ["a b"]}, "no name of a header field"),
        ({"equal": {"a:b": "1"}}, "no name of a header field"),
        ({"match": {"a": "["}}, "not a regular expression"),
        ({"present": ["X-A"], "absent": ["x-a"]}, "x-a cannot be there and absent"),
        ({"equal": {"X-A": "1"}, "absent": ["x-a"]}, "x-a cannot be there and absent"),
        ({"missing": ["a"]}, "not permitted"),
    ],
)
def test_wrong_parameters_are_refused_with_words(params: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Headers.model_validate(params)


def test_kinds_of_symptoms() -> None:
    (found,) = KIND.examine(Headers(present=("x-a",)), task(), evidence(with_fields()))
    assert (found.kind, found.at_origin) == (SymptomKind.POLICY, AtOrigin.UNSEEN)
