"""Our line, our own limits, and what changes while the agent runs: every verdict is right by the contracts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.truth.lab import Lab
from tests.truth.matrix import wrong_rows
from tests.truth.play import play
from tests.truth.scenario import Scenario
from tests.truth.scenarios import ROOMS, marked

pytestmark = [pytest.mark.system, pytest.mark.long, pytest.mark.timeout(400)]

CHOSEN = [
    scenario
    for room in ("line", "lossy", "own", "sequences")
    for scenario in ROOMS[room]
    if not scenario.quick
]


@pytest.mark.parametrize("scenario", marked(CHOSEN))
def test_the_verdict_is_right(running_lab: Lab, scenario: Scenario, tmp_path: Path) -> None:
    assert wrong_rows(play(running_lab, scenario, tmp_path)) == ""
