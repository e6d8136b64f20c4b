"""A worker's copies of the lines' histories say what the watch itself would say."""

from __future__ import annotations

from probe.core.model.task import AnchorSpec, VantagePoint
from probe.core.records.failure import Failure, FailureType, Phase
from probe.core.records.observation import Observation, Role
from probe.core.records.surroundings import LineState
from probe.core.vantage.health import AnchorRound, LineHistory
from probe.host.clock import rfc3339
from probe.workers.line_copies import LineCopies

POINT = VantagePoint(name="bj", anchors=(AnchorSpec(scheme="http", host="192.0.2.1", port=80),))
S = 1_000_000_000


class Time:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now_ns = 100 * S

    def monotonic_ns(self) -> int:
        return self.now_ns

    def time_ns(self) -> int:
        return 1_790_000_000 * S + self.now_ns


class World:
    def __init__(self) -> None:
        self.time = Time()
        self.lag_us = 0
        self.saw: list[tuple[str, int, tuple[AnchorRound, ...]]] = []
        self.requested: list[tuple[str, int]] = []
        self.lines = LineCopies(
            self.time,
            lambda since, until: self.lag_us,
            lambda *on_rounds: self.saw.append(on_rounds),
            lambda *line: self.requested.append(line),
        )
        self.lines.replace([("bj", 4, LineHistory())])

    def state(self) -> LineState | None:
        health = self.lines.health(POINT, 4, self.time.now_ns - S)
        return None if health is None else health.state

    def note(self, *, reached: bool) -> None:
        failure = None if reached else Failure(phase=Phase.TCP, type=FailureType.TCP_TIMED_OUT)
        seen = Observation(
            role=Role.ANCHOR, address="192.0.2.1", port=80, url="http://192.0.2.1/", failure=failure
        )
        self.lines.note_round(POINT, 4, [seen], self.time.now_ns - S // 2)


def made(time: Time, *, reached: int) -> AnchorRound:
    now = rfc3339(time.time_ns())
    return AnchorRound(
        started_ns=time.now_ns - S, ended_ns=time.now_ns, witnessed_ns=time.now_ns, started_at=now, ended_at=now,
        asked=1, reached=reached,
    )  # fmt: skip


def test_what_others_made_and_what_it_saw_itself_both_count() -> None:
    world = World()
    assert world.state() is LineState.UNKNOWN
    world.lines.add_rounds("bj", 4, [made(world.time, reached=1)])
    assert world.state() is LineState.ONLINE
    world.time.now_ns += 5 * S
    world.note(reached=False)
    assert world.state() is LineState.OFFLINE, "at once, not when the watch has heard of it"
    ((name, version, rounds),) = world.saw
    assert (name, version, [one.reached for one in rounds]) == ("bj", 4, [0])


def test_a_line_that_is_not_watched_has_no_health_and_nobody_is_told_of_it() -> None:
    world = World()
    world.lines.replace([])
    world.lines.add_rounds("bj", 4, [made(world.time, reached=1)])
    world.note(reached=False)
    world.lines.request_anchor_check(POINT, 4)
    assert world.state() is None
    assert world.saw == []
    assert world.requested == []


def test_what_its_own_loop_slept_through_says_nothing() -> None:
    world = World()
    world.lag_us = 10_000_000
    world.note(reached=False)
    assert world.state() is LineState.UNKNOWN
    assert world.saw == []


def test_worries_are_passed_on_once_a_second() -> None:
    world = World()
    for _ in range(3):
        world.lines.request_anchor_check(POINT, 4)
    world.time.now_ns += S
    world.lines.request_anchor_check(POINT, 4)
    assert world.requested == [("bj", 4), ("bj", 4)]
