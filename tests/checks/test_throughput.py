"""throughput: whole large bodies, without what our own loop lost; the origin's rate beside the edge's."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from probe.checks.throughput import KIND, Throughput
from probe.core.content.check_kind import Symptom
from probe.core.model.value import replace
from probe.core.records.failure import FailureType, Phase
from probe.core.records.observation import Observation, Role
from probe.core.records.transport import ResourceTiming, TimingUncertainty
from tests.support import build
from tests.support.build import MISS, broken, evidence, host, seen, task

MIB = 1 << 20


def body(
    size: int | None = MIB, took_us: int | None = 1_000_000, role: Role = Role.EDGE, **changes: object
) -> Observation:
    made = seen(role, **changes)
    assert made.response is not None
    end_us = None if took_us is None else 500_000 + took_us
    timing = ResourceTiming(
        connect_start_us=0, request_start_us=1000, response_start_us=500_000, response_end_us=end_us
    )
    return replace(made, timing=timing, response=replace(made.response, encoded_body_bytes=size))


def symptoms(*observations: Observation, lag_us: int = 0, **params: object) -> list[Symptom]:
    made = Throughput.model_validate({"at_least": "8MiB/s", **params})
    return list(KIND.examine(made, task(), evidence(*observations, host=host(loop_lag_us=lag_us))))


@pytest.mark.parametrize(
    ("size", "took_us", "slow"),
    [
        (8 * MIB, 1_000_000, False),
        (8 * MIB, 1_000_001, True),
        (MIB, 125_000, False),
        (MIB, 125_001, True),
        (MIB, 0, False),
    ],
)
def test_the_rate_is_bytes_over_the_time_of_the_body(size: int, took_us: int, slow: bool) -> None:
    assert [s.reason for s in symptoms(body(size, took_us))] == (["throughput.under_limit"] if slow else [])


def test_the_detail_says_both_rates() -> None:
    assert [(s.kind.value, s.detail) for s in symptoms(body(), at_least="10Mbps")] == [
        ("timing", "8.39Mbps, agreed 10Mbps")
    ]


@pytest.mark.parametrize(
    "observation",
    [
        body(MIB - 1),
        body(None),
        body(took_us=None),
        body(tainted=True),
        replace(body(), failure=broken(FailureType.BODY_TRUNCATED, Phase.BODY).failure),
        replace(body(), response=None),
    ],
    ids=["small", "unknown size", "no end", "tainted", "failed", "no reply"],
)
def test_nothing_to_judge_is_no_symptom(observation: Observation) -> None:
    assert symptoms(observation) == []


def test_an_incomplete_body_is_not_judged() -> None:
    made = body()
    assert made.response is not None
    assert symptoms(replace(made, response=replace(made.response, body_complete=False))) == []


def test_what_our_loop_lost_is_taken_off() -> None:
    assert symptoms(body(took_us=160_000), lag_us=40_000) == []
    assert len(symptoms(body(took_us=160_000), lag_us=30_000)) == 1


def test_what_we_may_have_noticed_too_late_is_taken_off() -> None:
    def told(late_us: int) -> Observation:
        slow = body(took_us=160_000)
        unsure = TimingUncertainty(response_start_us=100_000, response_end_us=late_us)
        return replace(slow, timing=replace(slow.timing, uncertainty=unsure))

    assert symptoms(told(40_000)) == []
    (found,) = symptoms(told(30_000))
    assert found.detail == symptoms(body(took_us=160_000))[0].detail, "the rate told is the one measured"
    assert symptoms(told(40_000), lag_us=1_000) == []  # the same time is not taken off twice
    assert len(symptoms(told(30_000), lag_us=30_000)) == 1


def test_smaller_bodies_where_the_customer_says_so() -> None:
    assert len(symptoms(body(20_000), size_at_least="10kB")) == 1


def judged(*observations: Observation) -> tuple[str, str | None, str | None]:
    checked = build.task(checks=build.checks(throughput={"at_least": "100Mbps"}))
    return build.triple(evidence(*observations), checked)


def test_whose_fault() -> None:
    fast, slow = body(took_us=10_000, role=Role.ORIGIN), body(role=Role.ORIGIN)
    assert judged(body(), fast) == ("slow", "cdn", "throughput.under_limit")
    assert judged(body(cache_status=MISS), fast) == ("slow", "cdn", "throughput.under_limit")
    assert judged(body(cache_status=MISS), slow) == ("slow", "origin", "timing.origin_slow")
    assert judged(body(), slow) == ("slow", "unknown", "throughput.under_limit")
    assert judged(body()) == ("slow", "cdn", "throughput.under_limit")


def test_time_to_the_first_byte_excuses_no_rate() -> None:
    late = replace(body(took_us=1, role=Role.ORIGIN))
    assert judged(body(cache_status=MISS), late) == ("slow", "cdn", "throughput.under_limit")


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({}, "at_least"),
        ({"at_least": "10"}, "not a rate"),
        ({"at_least": 10}, "a rate needs its unit"),
        ({"at_least": "10MB"}, "not a rate"),
        ({"at_least": "0bps"}, "greater than or equal to 1"),
        ({"at_least": "1bps", "size_at_least": "1B"}, "greater than or equal to 1024"),
        ({"at_least": "1bps", "more": 1}, "not permitted"),
    ],
)
def test_wrong_parameters_are_refused_with_words(params: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Throughput.model_validate(params)
