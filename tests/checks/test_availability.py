"""availability: the status of a complete reply, at the end of the redirects that were followed."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from probe.checks.availability import KIND, Availability
from probe.core.content.check_kind import Symptom, SymptomKind
from probe.core.records.observation import Role
from probe.core.records.verdict import Evidence
from tests.support.build import EDGE_2, evidence, refused, seen, task


def symptoms(of: Evidence, **params: object) -> list[Symptom]:
    return list(KIND.examine(Availability.model_validate(params), task(), of))


def off(observation: int, detail: str) -> Symptom:
    return Symptom(
        check="availability",
        kind=SymptomKind.STATUS,
        reason="http.error",
        observation=observation,
        detail=detail,
    )


def test_expected_status_is_no_symptom() -> None:
    assert symptoms(evidence(seen())) == []
    assert symptoms(evidence(seen(status=404), seen(status=200)), status=[200, 404]) == []


@pytest.mark.parametrize("status", [100, 204, 304, 404, 503])
def test_any_other_status_is_a_symptom(status: int) -> None:
    assert symptoms(evidence(seen(status=status))) == [off(0, f"status {status}, expected 200")]


def test_every_expected_status_is_told() -> None:
    assert symptoms(evidence(seen(status=500)), status=[200, 206]) == [
        off(0, "status 500, expected 200, 206")
    ]


def test_each_edge_is_judged_by_itself_under_its_own_index() -> None:
    found = evidence(seen(Role.ORIGIN), seen(), seen(status=503, address=EDGE_2))
    assert symptoms(found) == [off(2, "status 503, expected 200")]


@pytest.mark.parametrize("role", [Role.ORIGIN, Role.CONFIRM, Role.SWEEP, Role.ANCHOR])
def test_only_edges_count(role: Role) -> None:
    assert symptoms(evidence(seen(), seen(role, status=503, of=0))) == []


def test_followed_redirect_counts_with_its_last_hop() -> None:
    moved = seen(status=302)
    hops = (seen(Role.REDIRECT, status=301, of=0), seen(Role.REDIRECT, of=0))
    assert symptoms(evidence(moved, *hops)) == []
    broken_end = seen(Role.REDIRECT, status=500, of=0)
    assert symptoms(evidence(moved, *hops, broken_end)) == [off(0, "status 500, expected 200")]


def test_redirect_of_another_edge_excuses_nobody() -> None:
    found = evidence(seen(status=302), seen(status=302), seen(Role.REDIRECT, of=1))
    assert symptoms(found) == [off(0, "status 302, expected 200")]


def test_no_complete_reply_is_not_this_checks_matter() -> None:
    assert symptoms(evidence(refused())) == []
    assert symptoms(evidence(seen(status=302), refused(Role.REDIRECT, of=0))) == []
    cut_short = seen(status=500, failure=refused().failure)
    assert symptoms(evidence(cut_short)) == []


@pytest.mark.parametrize(
    ("params", "place"),
    [
        ({"status": []}, ("status",)),
        ({"status": [99]}, ("status", 0)),
        ({"status": [200, 600]}, ("status", 1)),
        ({"status": ["ok"]}, ("status", 0)),
        ({"statuses": [200]}, ("statuses",)),
    ],
)
def test_wrong_parameters_are_errors_at_their_place(
    params: dict[str, object], place: tuple[object, ...]
) -> None:
    with pytest.raises(ValidationError) as error:
        Availability.model_validate(params)
    assert error.value.errors()[0]["loc"] == place


def test_limits_of_the_status_range_are_allowed() -> None:
    assert Availability.model_validate({"status": [100, 599]}).status == (100, 599)
    assert Availability().status == (200,)
