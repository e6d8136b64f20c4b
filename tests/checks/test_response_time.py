"""response_time: limits from the start of the connection, less what our own loop cost."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from probe.checks.response_time import KIND, ResponseTime
from probe.core.content.check_kind import Symptom, SymptomKind
from probe.core.model.value import replace
from probe.core.records.failure import FailureType, Phase
from probe.core.records.observation import Role
from probe.core.records.transport import ResourceTiming, TimingUncertainty
from probe.core.records.verdict import Evidence
from tests.support.build import broken, evidence, host, refused, seen, task, timing

LIMITS = {"ttfb": "500ms", "total": "2s"}


def symptoms(of: Evidence, **params: object) -> list[Symptom]:
    return list(KIND.examine(ResponseTime.model_validate(params or LIMITS), task(), of))


def off(detail: str, reason: str = "timing.over_limit", observation: int = 0) -> Symptom:
    return Symptom(
        check="response_time",
        kind=SymptomKind.TIMING,
        reason=reason,
        observation=observation,
        detail=detail,
        asked_again=reason == "timing.over_limit",
    )


def test_exactly_at_both_limits_is_no_symptom() -> None:
    assert symptoms(evidence(seen(timing=timing(500_000, 2_000_000)))) == []


def test_one_microsecond_over_either_limit_is_one() -> None:
    assert symptoms(evidence(seen(timing=timing(500_001, 2_000_000)))) == [off("ttfb 500.0ms, limit 500ms")]
    assert symptoms(evidence(seen(timing=timing(500_000, 2_000_001)))) == [off("total 2000.0ms, limit 2s")]


def test_over_both_limits_is_told_once_by_the_first_byte() -> None:
    assert symptoms(evidence(seen(timing=timing(900_000, 3_000_000)))) == [off("ttfb 900.0ms, limit 500ms")]


def test_only_the_limit_that_was_given_counts() -> None:
    late = evidence(seen(timing=timing(900_000, 3_000_000)))
    assert symptoms(late, total="4s") == []
    assert symptoms(late, total="1s") == [off("total 3000.0ms, limit 1s")]
    assert symptoms(late, ttfb="1s") == []


def test_time_starts_with_the_connection_not_with_the_slot() -> None:
    queued = ResourceTiming(
        connect_start_us=5_000_000, response_start_us=5_400_000, response_end_us=5_500_000
    )
    assert symptoms(evidence(seen(timing=queued))) == []


def test_what_may_have_been_our_own_convicts_nobody() -> None:
    unsure = TimingUncertainty(
        connect_us=100_000, tls_us=200_000, response_start_us=150_000, response_end_us=2_000_000
    )  # 450 ms until the first byte, 2.3 s until the last
    told = evidence(seen(timing=replace(timing(900_000, 3_000_000), uncertainty=unsure)))
    ours = "agent.stalled"
    assert symptoms(told, ttfb="449999us") == [off("ttfb 900.0ms, limit 449999us")]
    assert symptoms(told, ttfb="450ms") == [off("ttfb 900.0ms, limit 450ms", reason=ours)]
    assert symptoms(told, total="699999us") == [off("total 3000.0ms, limit 699999us")]
    assert symptoms(told, total="700ms") == [off("total 3000.0ms, limit 700ms", reason=ours)]


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.EDGE])
def test_only_edges_count(role: Role) -> None:
    assert symptoms(evidence(seen(), seen(role, timing=timing(900_000, 950_000), of=0))) == []


def test_what_followed_redirects_took_counts_only_where_that_was_agreed() -> None:
    hop = timing(100_000, 300_000)
    found = evidence(seen(timing=timing(300_000, 400_000)), seen(Role.REDIRECT, timing=hop, of=0))
    assert symptoms(found) == []
    assert symptoms(found, ttfb="500ms", chain=True) == []
    assert symptoms(found, ttfb="499ms", chain=True) == [off("ttfb 500.0ms over 2 replies, limit 499ms")]
    assert symptoms(found, total="699ms", chain=True) == [off("total 700.0ms over 2 replies, limit 699ms")]
    broken_off = evidence(seen(timing=timing(900_000, 950_000)), refused(role=Role.REDIRECT, of=0))
    assert symptoms(broken_off, ttfb="500ms", chain=True) == []


def test_the_slow_one_of_several_edges_is_named() -> None:
    found = evidence(seen(), seen(timing=timing(900_000, 950_000)))
    assert symptoms(found) == [off("ttfb 900.0ms, limit 500ms", observation=1)]


def test_a_failed_request_and_one_without_times_are_not_slow() -> None:
    late = timing(900_000, 950_000)
    assert symptoms(evidence(refused(timing=late))) == []
    assert symptoms(evidence(seen(timing=ResourceTiming()))) == []
    assert symptoms(evidence(seen(timing=replace(late, connect_start_us=None)))) == []


@pytest.mark.parametrize(
    ("lag_us", "reason"),
    [
        (None, "timing.over_limit"),
        (0, "timing.over_limit"),
        (399_999, "timing.over_limit"),
        (400_000, "agent.stalled"),
        (2_000_000, "agent.stalled"),
    ],
)
def test_excess_that_our_own_lag_explains_is_ours(lag_us: int | None, reason: str) -> None:
    late = evidence(seen(timing=timing(900_000, 950_000)), host=host(loop_lag_us=lag_us))
    assert symptoms(late) == [off("ttfb 900.0ms, limit 500ms", reason)]


@pytest.mark.parametrize(
    ("params", "place"),
    [
        ({}, ()),
        ({"ttfb": None, "total": None}, ()),
        ({"ttfb": "500"}, ("ttfb",)),
        ({"ttfb": "-1s"}, ("ttfb",)),
        ({"total": "soon"}, ("total",)),
        ({"ttfb": "1s", "dns": "1s"}, ("dns",)),
    ],
)
def test_wrong_parameters_are_errors_at_their_place(
    params: dict[str, object], place: tuple[object, ...]
) -> None:
    with pytest.raises(ValidationError) as error:
        ResponseTime.model_validate(params)
    assert [problem["loc"] for problem in error.value.errors()] == [place]


def test_no_limit_at_all_is_refused_in_words() -> None:
    with pytest.raises(ValidationError, match="give at least one limit: ttfb or total"):
        ResponseTime.model_validate({})


def test_limits_are_microseconds() -> None:
    made = ResponseTime.model_validate(LIMITS)
    assert (made.ttfb_us, made.total_us) == (500_000, 2_000_000)


def test_further_looks_that_were_late_too_are_named() -> None:
    """Late, in time, none in time, and refused: the last one says nothing of how quick it is."""
    late, quick = seen(Role.CONFIRM, timing=timing(900_000, 950_000), of=0), seen(Role.CONFIRM, of=0)
    hung = broken(FailureType.HTTP_TIMED_OUT, Phase.HTTP, Role.CONFIRM, of=0)
    limited = seen(Role.CONFIRM, status=429, timing=timing(900_000, 950_000), of=0)
    (found,) = symptoms(evidence(seen(timing=timing(900_000, 950_000)), late, quick, hung, limited))
    assert (found.again, found.again_at) == (True, (1, 3))
    assert found.detail == "ttfb 900.0ms, limit 500ms; 2 of 3 further looks too"
    (once,) = symptoms(evidence(seen(timing=timing(900_000, 950_000)), quick))
    assert (once.again, once.again_at) == (False, ())


def test_a_further_look_that_our_own_lag_explains_is_not_late() -> None:
    slow, barely = timing(1_900_000, 1_950_000), timing(600_000, 650_000)
    looked = evidence(
        seen(timing=slow), seen(Role.CONFIRM, timing=barely, of=0), host=host(loop_lag_us=200_000)
    )
    (found,) = symptoms(looked)
    assert (found.reason, found.again) == ("timing.over_limit", False)


def test_what_our_own_lag_explains_is_not_asked_again() -> None:
    late = evidence(seen(timing=timing(900_000, 950_000)), host=host(loop_lag_us=2_000_000))
    assert not any(found.asked_again for found in symptoms(late))
