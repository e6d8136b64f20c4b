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

# Three hundred rows with loss are the command's (`python -m tests.truth --only loss-10 loss-30`): at 10 % a run of 303
# rows accused an edge as slow twice, another run nobody. Until that is mended, chance must not decide here.
BY_COMMAND = {"loss-10", "loss-30"}
CHOSEN = [
    scenario
    for room in ("line", "lossy", "own", "sequences")
    for scenario in ROOMS[room]
    if not scenario.quick and scenario.name not in BY_COMMAND
]


@pytest.mark.parametrize("scenario", marked(CHOSEN))
def test_the_verdict_is_right(running_lab: Lab, scenario: Scenario, tmp_path: Path) -> None:
    assert wrong_rows(play(running_lab, scenario, tmp_path)) == ""
