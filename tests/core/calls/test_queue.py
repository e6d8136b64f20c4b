"""Who is told what, in which order, however long it cannot be reached."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.core.calls.queue import (
    DELIVERED,
    FAILED,
    GIVE_UP_US,
    HOLD_US,
    PAUSE_MOST_US,
    REFUSED_MOST,
    REMEMBERED,
    SECOND_US,
    CallQueue,
    Told,
)
from probe.core.calls.target import Target
from probe.core.incidents.incident import Stage, Transition
from probe.core.model.value import replace
from tests.core.calls.made import ALERTMANAGER, WEBHOOK, story, with_exclusion
from tests.core.incidents.looking import START_US

MINUTE_US = 60 * SECOND_US


class World:
    """A queue, its time, and a target that is there or not."""

    def __init__(self, *targets: Target) -> None:
        self.queue = CallQueue(targets)
        self.now_us = START_US
        self.up = True
        self.heard: list[tuple[str, str, str]] = []
        self.told: list[Told] = []
        self.attempts = 0

    def put(self, *told: Transition) -> None:
        for each in told:
            self.told += self.queue.put(each, self.now_us)

    def send(self, target: str = "ops", **how: Any) -> None:
        """Whatever is due now."""
        while (delivery := self.queue.due(target, self.now_us)) is not None:
            self.attempts += 1
            if not self.up:
                self.told += self.queue.failed(delivery, self.now_us, "it was not reached", **how)
                continue
            stage = "repeated" if delivery.stage is None else delivery.stage.value
            about = delivery.incident.domain or delivery.incident.vantage_point or ""
            self.heard.append((target, stage, about))
            self.told += self.queue.delivered(delivery, self.now_us)

    def wait(self, us: int, target: str = "ops", step_us: int = SECOND_US) -> None:
        until_us = self.now_us + us
        while self.now_us < until_us:
            self.now_us += step_us
            self.send(target)

    def stages(self) -> list[str]:
        return [stage for _, stage, _ in self.heard]


def test_an_incident_is_told_as_it_goes() -> None:
    world = World(ALERTMANAGER)
    for each in story():
        world.put(each)
        world.wait(2 * MINUTE_US)
    assert world.stages() == [
        *("opened", "repeated"),
        *("changed", "repeated"),
        "closed",
    ]
    assert [(t.event, t.detail["stage"], t.detail["attempts"]) for t in world.told] == [
        (DELIVERED, "opened", "1"),
        (DELIVERED, "changed", "1"),
        (DELIVERED, "closed", "1"),
    ]
    world.wait(10 * MINUTE_US)
    assert len(world.heard) == 5


def test_a_webhook_is_told_each_once_and_not_again() -> None:
    world = World(WEBHOOK)
    for each in story():
        world.put(each)
        world.wait(2 * MINUTE_US, "desk")
    assert world.stages() == ["opened", "changed", "closed"]


def test_down_for_ten_minutes_it_arrives_afterwards_once_in_order() -> None:
    world = World(ALERTMANAGER)
    world.up = False
    opened, changed, closed = story()
    world.put(opened)
    world.wait(3 * MINUTE_US)
    world.put(changed)
    world.wait(4 * MINUTE_US)
    world.put(closed)
    world.wait(3 * MINUTE_US)
    assert not world.heard
    assert world.attempts < 20, "longer and longer pauses"
    world.up = True
    world.wait(2 * MINUTE_US)
    assert [stage for stage in world.stages() if stage != "repeated"] == ["opened", "closed"]
    assert [t.event for t in world.told] == [FAILED, DELIVERED, DELIVERED]
    assert world.told[0].detail["given_up"] == "no"
    assert int(world.told[1].detail["waited_s"]) >= 600
    assert world.told[1].detail["revision"] == "2", "with its newest state"
    world.wait(10 * MINUTE_US)
    assert world.stages()[-1] == "closed"


def test_the_end_is_told_a_while_after_the_begin() -> None:
    world = World(ALERTMANAGER)
    opened, _, closed = story()
    world.put(opened, closed)
    world.send()
    assert world.stages() == ["opened"]
    world.wait(HOLD_US - SECOND_US)
    assert "closed" not in world.stages()
    world.wait(2 * SECOND_US)
    assert world.stages()[-1] == "closed"


def test_one_that_waits_holds_up_no_other() -> None:
    world = World(ALERTMANAGER, WEBHOOK)
    first, second = story(), story("img.example.net")
    world.put(first[0], first[2], second[0])
    world.send()
    assert world.heard == [("ops", "opened", "www.example.net"), ("ops", "opened", "img.example.net")]
    world.up = False
    world.put(second[1])
    world.send("ops")
    world.up = True
    world.send("desk")
    assert [stage for target, stage, _ in world.heard if target == "desk"] == [
        *("opened", "closed"),
        "opened",
    ]


def test_what_nobody_wants_is_given_up_and_the_next_is_told() -> None:
    world = World(WEBHOOK)
    world.up = False
    world.put(story()[0])
    for _ in range(REFUSED_MOST):
        world.send("desk", refused=True)
        world.now_us += PAUSE_MOST_US
    assert [t.detail["given_up"] for t in world.told] == ["no", "yes"]
    assert world.queue.waiting() == {"desk": 0}
    world.up = True
    world.put(story("img.example.net")[0])
    world.send("desk")
    assert world.heard == [("desk", "opened", "img.example.net")]


def test_after_a_day_it_is_given_up_and_said() -> None:
    world = World(WEBHOOK)
    world.up = False
    world.put(story()[0])
    world.wait(GIVE_UP_US + 2 * MINUTE_US, "desk", step_us=30 * SECOND_US)
    assert [t.detail["given_up"] for t in world.told] == ["no", "yes"]


def test_who_asks_for_a_pause_is_given_it() -> None:
    world = World(WEBHOOK)
    world.up = False
    world.put(story()[0])
    world.send("desk", pause_us=30 * SECOND_US)
    world.up = True
    world.wait(29 * SECOND_US, "desk")
    assert not world.heard
    world.wait(2 * SECOND_US, "desk")
    assert world.stages() == ["opened"]


def test_each_hears_of_its_customers() -> None:
    world = World(replace(ALERTMANAGER, customers=("other",)), WEBHOOK)
    world.put(story()[0])
    assert world.queue.waiting() == {"ops": 0, "desk": 1}
    world.put(*story(customer="other")[:1])
    assert world.queue.waiting() == {"ops": 1, "desk": 2}


def test_in_an_exclusion_it_is_marked_or_silent_until_it_outlasts_it() -> None:
    world = World(ALERTMANAGER, replace(WEBHOOK, silent_in_exclusions=True))
    opened, changed, closed = story()
    world.put(with_exclusion(opened, True))
    assert world.queue.waiting() == {"ops": 1, "desk": 0}
    world.put(with_exclusion(changed, False))
    assert world.queue.waiting() == {"ops": 1, "desk": 1}
    world.send("desk")
    assert world.stages() == ["opened"], "for who hears of it first it opens now"
    world.put(closed)
    world.send("desk")
    assert world.stages() == ["opened", "closed"]


def test_what_ended_within_its_exclusion_is_never_told_to_who_wants_silence() -> None:
    world = World(replace(WEBHOOK, silent_in_exclusions=True))
    world.put(*(with_exclusion(each, True) for each in story()))
    assert world.queue.waiting() == {"desk": 0}


def test_what_is_put_again_after_a_restart_is_told_once() -> None:
    world = World(ALERTMANAGER)
    opened, changed, closed = story()
    world.put(opened)
    world.send()
    again = CallQueue([ALERTMANAGER])
    again.restore(world.queue.state())
    world.queue = again
    world.put(opened, opened, changed, changed, closed, closed)
    world.wait(3 * MINUTE_US)
    assert [stage for stage in world.stages() if stage != "repeated"] == ["opened", "changed", "closed"]
    world.put(opened, changed, closed)
    world.wait(MINUTE_US)
    assert world.stages()[-1] == "closed"


def test_what_grew_while_it_was_being_told_is_told_as_a_change() -> None:
    world = World(ALERTMANAGER)
    opened, changed, _ = story()
    world.put(opened)
    delivery = world.queue.due("ops", world.now_us)
    assert delivery is not None
    world.put(changed)
    world.queue.delivered(delivery, world.now_us)
    world.send()
    assert world.heard == [("ops", "changed", "www.example.net")]


def test_a_target_that_is_gone_is_told_nothing_more() -> None:
    world = World(ALERTMANAGER, WEBHOOK)
    world.put(story()[0])
    delivery = world.queue.due("ops", world.now_us)
    assert delivery is not None
    world.queue.adopt([WEBHOOK])
    assert not world.queue.delivered(delivery, world.now_us)
    assert not world.queue.failed(delivery, world.now_us, "gone")
    assert world.queue.names == ("desk",)


def test_a_clock_that_was_set_back_stops_nobody() -> None:
    world = World(ALERTMANAGER)
    world.up = False
    world.put(story()[0])
    world.send()
    world.now_us -= 3600 * SECOND_US
    world.up = True
    world.send()
    assert world.stages() == ["opened"]
    world.now_us -= 3600 * SECOND_US
    world.send()
    assert world.stages() == ["opened", "repeated"]


def test_what_is_remembered_is_bounded() -> None:
    queue = CallQueue([WEBHOOK])
    opened, _, closed = story()
    for number in range(REMEMBERED + 50):
        for each in (opened, closed):
            incident = replace(each.incident, id=f"{number:016x}")
            queue.put(Transition(stage=each.stage, incident=incident, customers=("acme",)), START_US)
            delivery = queue.due("desk", START_US)
            assert delivery is not None
            queue.delivered(delivery, START_US)
    assert len(queue.state()) < 50_000


def test_a_damaged_state_is_refused() -> None:
    for state in (b"", b"[]", b'{"ops": {"waiting": 3}}'):
        with pytest.raises(ValueError, match="no state of calls"):
            CallQueue([ALERTMANAGER]).restore(state)


@given(st.lists(st.sampled_from(["put", "send", "down", "up", "wait", "restart"]), max_size=60))
def test_whatever_happens_each_is_told_once_and_in_order(acts: list[str]) -> None:
    world, left = World(ALERTMANAGER), [*story(), *story("img.example.net")]
    for act in acts:
        if act == "put" and left:
            world.put(left.pop(0))
        elif act == "restart":
            again = CallQueue([ALERTMANAGER])
            again.restore(world.queue.state())
            world.queue = again
        elif act == "wait":
            world.wait(30 * SECOND_US)
        elif act == "send":
            world.send()
        else:
            world.up = act == "up"
    world.up = True
    world.put(*left)
    world.wait(5 * MINUTE_US)
    order = [Stage.OPENED.value, Stage.CHANGED.value, Stage.CLOSED.value]
    for domain in ("www.example.net", "img.example.net"):
        stages = [stage for _, stage, about in world.heard if about == domain and stage != "repeated"]
        assert stages in (order, [order[0], order[2]])
        assert (world.heard.index(("ops", "closed", domain))) == max(
            at for at, heard in enumerate(world.heard) if heard[2] == domain
        )
