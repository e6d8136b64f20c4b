"""What of an agent is to be acted on, and what is merely a figure."""

from __future__ import annotations

import pytest

from probe.core.model.value import replace
from probe.core.results.concerns import concerns as found_in
from probe.core.results.live_state import (
    ClockFacts,
    Disk,
    Lateness,
    LiveState,
    Queue,
    SlotCounts,
    VantageState,
    WorkerState,
)
from tests.core.results.test_live_state import STATE


def concerns(state: LiveState) -> tuple[str, ...]:
    return tuple(one.words for one in found_in(state))


WELL = replace(STATE, config_problems=(), disk=Disk(store_bytes=1, free_bytes=1 << 40))


def test_nothing_where_all_is_well() -> None:
    assert concerns(WELL) == ()


def test_a_missed_slot_or_a_bad_verdict_is_a_result() -> None:
    assert concerns(replace(WELL, slots=SlotCounts(missed={"agent.overlap": 5}))) == ()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ready": False}, "it does not measure yet: it is starting"),
        ({"stopping": True}, "it is stopping"),
        (
            {"trouble": "disk full", "queue": Queue(queued=7, trouble="disk full")},
            "results cannot be written: disk full; 7 records wait",
        ),
        ({"trouble": "somebody interferes"}, "somebody interferes. Find out who did it"),
        ({"queue": Queue(lost=3)}, "3 records were lost"),
        ({"disk": Disk(free_bytes=5 << 20)}, "has 5 MiB left"),
        ({"lateness": Lateness(slots=9, p99_us=6_000_000)}, "slots begin 6.0 s late"),
        ({"loop_lag_us": 1_500_000}, "stood still for 1.5 s"),
        ({"clock": ClockFacts(synchronised=False)}, "clock is not synchronised"),
        (
            {
                "workers": (
                    WorkerState(number=0, measuring=True),
                    WorkerState(number=1, problem="ended by SIGKILL"),
                )
            },
            "worker 1 does not measure: ended by SIGKILL",
        ),
        ({"config_problems": ("acme.yaml:1:2: no",)}, "not in force: acme.yaml:1:2: no"),
        ({"complete_up_to": {"acme": "2026-11-22T10:40:00Z"}}, "results of acme are complete only up to"),
    ],
)
def test_each_concern_is_a_sentence(change: dict[str, object], words: str) -> None:
    (said,) = concerns(replace(WELL, **change))
    assert words in said


def test_lines_that_are_away() -> None:
    gone = VantageState(name="a", ip_version=4, state="unknown", problem="eth1 is gone")
    points = (
        gone,
        replace(gone, ip_version=6),
        VantageState(name="b", ip_version=6, state="offline", since="x"),
        VantageState(name="c", ip_version=4, state="unknown"),
    )
    assert concerns(replace(WELL, vantage_points=points)) == (
        "vantage point a: eth1 is gone",
        "vantage point b is offline over IPv6 since x",
    )


def test_what_is_not_known_is_no_concern() -> None:
    unknown = replace(
        WELL, disk=Disk(), clock=ClockFacts(), lateness=Lateness(), loop_lag_us=None, complete_up_to={}
    )
    assert concerns(unknown) == ()
