"""redirect: the agreed status to the agreed place, as the edge itself answers."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from probe.checks.redirect import KIND, Redirect
from probe.core.kinds import Symptom, SymptomKind
from probe.core.records import Evidence, Observation, Role
from tests.build import evidence, refused, seen, task

THERE = "https://www.acme.example/new"


def symptoms(of: Evidence, **params: object) -> list[Symptom]:
    return list(KIND.examine(Redirect.model_validate({"location": THERE, **params}), task(), of))


def to(*locations: str, status: int = 301) -> Observation:
    return seen(status=status, fields=tuple(("location", location) for location in locations))


def off(detail: str, observation: int = 0) -> Symptom:
    return Symptom(
        check="redirect",
        kind=SymptomKind.STATUS,
        reason="http.redirect_unexpected",
        observation=observation,
        detail=detail,
    )


def test_agreed_status_and_place_is_no_symptom() -> None:
    assert symptoms(evidence(to(THERE))) == []
    assert symptoms(evidence(to(THERE, status=308)), status=308) == []


def test_another_status_is_told() -> None:
    assert symptoms(evidence(to(THERE, status=302))) == [off(f"302 to {THERE}, expected 301 to {THERE}")]


@pytest.mark.parametrize("place", [THERE + "/", THERE.upper(), "/new", "http://www.acme.example/new"])
def test_place_is_compared_as_text(place: str) -> None:
    assert symptoms(evidence(to(place))) == [off(f"301 to {place}, expected 301 to {THERE}")]


def test_no_redirect_at_all_goes_nowhere() -> None:
    assert symptoms(evidence(seen())) == [off(f"200 to nowhere, expected 301 to {THERE}")]


def test_two_locations_are_not_the_agreed_one() -> None:
    assert symptoms(evidence(to(THERE, "/x"))) == [off(f"301 to {THERE}, /x, expected 301 to {THERE}")]


def test_the_edges_own_reply_counts_not_the_followed_one() -> None:
    assert symptoms(evidence(to(THERE), seen(Role.REDIRECT, status=500, of=0))) == []
    found = symptoms(evidence(to("/x"), seen(Role.REDIRECT, fields=(("location", THERE),), status=301, of=0)))
    assert found == [off(f"301 to /x, expected 301 to {THERE}")]


def test_each_edge_under_its_own_index_and_no_reply_is_not_this_checks_matter() -> None:
    found = evidence(refused(), to(THERE), to("/x"), seen(Role.ORIGIN))
    assert symptoms(found) == [off(f"301 to /x, expected 301 to {THERE}", observation=2)]


@pytest.mark.parametrize(
    ("params", "place"),
    [
        ({}, ("location",)),
        ({"location": THERE, "status": 200}, ("status",)),
        ({"location": THERE, "status": 300}, ("status",)),
        ({"location": THERE, "code": 301}, ("code",)),
    ],
)
def test_wrong_parameters_are_errors_at_their_place(
    params: dict[str, object], place: tuple[object, ...]
) -> None:
    with pytest.raises(ValidationError) as error:
        Redirect.model_validate(params)
    assert [problem["loc"] for problem in error.value.errors()] == [place]
