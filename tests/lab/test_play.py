"""A script played on a lab: in its order, and never leaving a fault behind."""

from __future__ import annotations

import asyncio

import pytest

from probe.lab.lab import Lab
from probe.lab.play import Player
from probe.lab.script import Step


async def test_steps_are_applied_and_lifted(lab: Lab) -> None:
    told: list[tuple[str, bool, bool]] = []
    steps = [
        Step(fault="server_error", start_s=0.0, end_s=0.06),
        Step(fault="truncated_body", start_s=0.02, end_s=0.04),
    ]
    player = Player(lab, steps, lambda s, begins: told.append((s.fault, begins, s.fault in lab.active)))
    await player.run()
    assert told == [
        ("server_error", True, True),
        ("truncated_body", True, True),
        ("truncated_body", False, False),
        ("server_error", False, False),
    ]
    assert [step.fault for step in player.played] == ["server_error", "truncated_body"]
    for planned, played in zip(steps, player.played, strict=True):
        assert planned.start_s <= played.start_s
        assert planned.end_s <= played.end_s


async def test_an_interrupted_script_lifts_what_is_in_force(lab: Lab) -> None:
    begun = asyncio.Event()
    steps = [
        Step(fault="origin_down", start_s=0.0, end_s=60.0),
        Step(fault="edge_down", start_s=50.0, end_s=60.0),
    ]
    player = Player(lab, steps, lambda step, begins: begun.set())
    task = asyncio.create_task(player.run())
    await begun.wait()
    assert [step.fault for step in player.played] == ["origin_down"], "also while it is in force"
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert lab.active == set()
    (played,) = player.played
    assert (played.fault, played.start_s <= played.end_s) == ("origin_down", True)
