"""The state of a living agent, written and read back."""

from __future__ import annotations

import json

import pytest

from probe.core.model.value import replace
from probe.core.results.live_state import (
    ClockFacts,
    CustomerState,
    Disk,
    JobState,
    Lateness,
    LiveState,
    Queue,
    SlotCounts,
    VantageState,
    WorkerState,
    from_json,
    to_json,
)

STATE = LiveState(
    agent="bj-mon-01",
    agent_version="0.1.0",
    pid=4711,
    started_at="2026-11-22T10:00:00.000000Z",
    at="2026-11-22T11:00:00.000000Z",
    config_digest="ab" * 32,
    ready=True,
    complete_up_to={"acme": "2026-11-22T10:59:59.000000Z"},
    slots=SlotCounts(tasks=2, due=10, started=9, finished=9, missed={"agent.stalled": 1}),
    lateness=Lateness(slots=9, p50_us=100, p99_us=900, worst_us=901, over_s=300),
    loop_lag_us=12,
    queue=Queue(queued=1, written=9),
    disk=Disk(store_bytes=1000, free_bytes=2000),
    clock=ClockFacts(
        synchronised=True, max_error_us=300, steps=1, last_step_us=-5, last_step_at="2026-11-22T10:30:00Z"
    ),
    vantage_points=(
        VantageState(name="bj-ct", ip_version=4, state="online", since="2026-11-22T10:30:00Z", anchors=2),
    ),
    customers=(CustomerState(name="acme", tasks=2, outcomes={"ok": 8}, faults={"failed/cdn": 1}),),
    config_problems=("acme.yaml:1:2: no",),
    jobs=(
        JobState(
            name="sealing",
            runs=3,
            last_at="2026-11-22T11:00:00Z",
            took_us=120_000,
            next_at="2026-11-22T12:00:00Z",
        ),
        JobState(
            name="anchors",
            subject="bj-ct IPv4",
            runs=9,
            last_at="2026-11-22T11:01:10Z",
            took_us=31_000,
            next_at="2026-11-22T11:01:45Z",
        ),
        JobState(
            name="anchors",
            subject="bj-ct IPv6",
            running=True,
            runs=8,
            last_at="2026-11-22T11:01:38Z",
            took_us=30_000,
        ),
        JobState(name="housekeeping", running=True, last_at="2026-11-22T11:01:39Z"),
        JobState(name="lines", next_at="2026-11-22T11:01:41Z"),
    ),
)


def test_it_is_read_back_as_it_was_written() -> None:
    assert from_json(json.loads(json.dumps(to_json(STATE)))) == STATE


def test_workers_are_read_back_too() -> None:
    state = replace(STATE, workers=(WorkerState(number=1, pid=7, measuring=True, starts=2, slots=9),))
    assert from_json(json.loads(json.dumps(to_json(state)))) == state


def test_what_a_later_version_adds_is_passed_over() -> None:
    assert from_json({**to_json(STATE), "moons": 2}) == STATE


def test_what_an_earlier_version_lacks_has_its_default() -> None:
    least = {
        k: v for k, v in to_json(STATE).items() if isinstance(v, str | int) and k not in ("ready", "stopping")
    }
    least.pop("loop_lag_us")
    assert from_json(least).slots == SlotCounts()
    assert from_json(least).loop_lag_us is None


@pytest.mark.parametrize("answer", [{}, {"agent": 5}, {**to_json(STATE), "pid": "x"}])
def test_what_is_none_is_refused(answer: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="no state of an agent"):
        from_json(answer)
