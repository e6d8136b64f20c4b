"""A clock that is set, back or forward, while trouble lasts: the same incidents, told at the same moments."""

from __future__ import annotations

from itertools import product

import msgspec
import pytest

from probe.core.incidents.incident import Ending, Incident, Stage
from probe.core.incidents.looks import ClockStep, LineLook, Look
from probe.core.incidents.rules import Rules
from probe.core.incidents.tracker import Tracker
from tests.core.incidents.looking import MINUTE_US, START_US, look

STORIES = (
    "..X",
    "..x.x.......",
    "XX......",
    "X.X.X.X.X.....",
    "X......X.....",
    "X??????????.....",
    "..XXXXXXXXXXXX.......",
)
BY_MINUTES = (-1500, -61, -12, -3, -1, 2, 59, 61, 3000)


class Told:
    """What was told at which real minute, by an agent whose clock is set at one of them."""

    def __init__(
        self, signs: str, at: int = -1, by: int = 0, *, restarts: bool = False, points: int = 1
    ) -> None:
        self.stages: list[str] = []
        self.incidents: list[Incident] = []
        tracker, due = Tracker(Rules()), set[tuple[int, str]]()
        for minute, sign in enumerate(signs):
            clock = minute + (by if minute >= at >= 0 else 0)
            if minute == at:
                now_us = START_US + clock * MINUTE_US
                for customer in ("", "acme"):  # as the agent's own parts are told, then as its stream says
                    tracker.step(
                        ClockStep(
                            agent="probe-1", customer=customer, at_us=now_us + 9, delta_us=by * MINUTE_US
                        )
                    )
            if restarts:
                tracker = Tracker.restored(tracker.rules, tracker.state())
            made = tracker.tick(START_US + clock * MINUTE_US)
            for point in range(points):
                row = look(sign, clock, f"p{point}", seq=minute * points + point + 1)
                made += tracker.feed(again(row, due))
            for each in made:
                self.stages.append(f"{each.stage}@{minute}")
                if each.stage is Stage.OPENED:
                    self.incidents.append(each.incident)
                else:
                    self.incidents = [
                        i if i.id != each.incident.id else each.incident for i in self.incidents
                    ]
        self.open = tracker.open()


def again(row: Look, due: set[tuple[int, str]]) -> Look:
    """With what a row says whose time was due before."""
    known = row.at_us, row.vantage_point
    row = msgspec.structs.replace(row, due_again=known in due)
    due.add(known)
    return row


@pytest.mark.parametrize("restarts", [False, True], ids=["on", "restarted"])
@pytest.mark.parametrize("signs", STORIES)
def test_the_same_is_told_whenever_and_however_far_it_is_set(signs: str, restarts: bool) -> None:
    for points in (1, 2):
        usual = Told(signs, points=points)
        for at, by in product(range(1, len(signs)), BY_MINUTES):
            told = Told(signs, at, by, restarts=restarts, points=points)
            assert told.stages == usual.stages, (at, by)
            assert len({one.id for one in told.incidents}) == len(usual.incidents), (at, by)
            for one, other in zip(told.incidents, usual.incidents, strict=True):
                assert (one.rows, one.ending) == (other.rows, other.ending), (at, by)
                assert one.first_failing_us <= one.last_failing_us, (at, by)
                if one.closed_us is not None:
                    assert one.last_failing_us <= one.closed_us, (at, by)
                    assert one.well_after_us is not None
                    assert one.last_failing_us <= one.well_after_us, (at, by)
                if by < 0:  # what is due again is no longer trouble
                    lasted = one.last_failing_us - one.first_failing_us
                    assert lasted <= other.last_failing_us - other.first_failing_us, (at, by)


def test_new_trouble_at_a_time_that_had_trouble_before_is_another_incident() -> None:
    """An hour back, when the first is long over: the second begins at the minute at which the first began."""
    told = Told("X......" + "." * 53 + "X......", at=60, by=-60)
    assert told.stages == ["opened@0", "closed@5", "opened@60", "closed@65"]
    first, second = told.incidents
    assert first.first_failing_us == second.first_failing_us
    assert first.id != second.id


def test_a_host_whose_clock_is_hours_ahead_ends_no_incident_of_another() -> None:
    """Copies of two agents: by the one's clock the other has not looked for hours, and yet it looks each minute."""
    tracker, stages = Tracker(Rules(several=True)), []
    for minute in range(12):
        for agent, ahead, sign in (("a", 180, "."), ("b", 0, "X")):
            row = look(sign, minute + ahead, seq=minute + 1, agent=agent)
            stages += [each.stage for each in tracker.feed(row) if each.stage is not Stage.CHANGED]
    assert stages == [Stage.OPENED]


def test_a_line_that_is_down_is_down_by_the_new_time() -> None:
    tracker = Tracker(Rules())

    def line(minute: float, *, well: bool) -> LineLook:
        return LineLook(
            agent="probe-1", customer="acme", vantage_point="bj", part="ip4", well=well,
            at_us=START_US + round(minute * MINUTE_US), reason="vantage.offline",
        )  # fmt: skip

    assert [each.stage for each in tracker.feed_line(line(0, well=False))] == [Stage.OPENED]
    now_us = START_US - 60 * MINUTE_US
    for customer in ("acme", "bolt"):  # in each stream
        tracker.step(ClockStep(agent="probe-1", customer=customer, at_us=now_us, delta_us=-62 * MINUTE_US))
    assert tracker.feed_line(line(-59, well=True)) == []
    told = tracker.tick(START_US - 54 * MINUTE_US)
    assert [(each.stage, each.incident.ending) for each in told] == [(Stage.CLOSED, Ending.WELL)]
    closed = told[0].incident
    assert closed.first_failing_us <= closed.last_failing_us <= (closed.closed_us or 0)
