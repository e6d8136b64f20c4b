"""One scenario of each kind, quickly; the others are in the long tests beside."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.truth.lab import Lab
from tests.truth.matrix import wrong_rows
from tests.truth.play import play
from tests.truth.scenario import Scenario
from tests.truth.scenarios import EVERY, marked

pytestmark = pytest.mark.system


@pytest.mark.parametrize("scenario", marked(s for s in EVERY if s.quick))
def test_the_verdict_is_right(running_lab: Lab, scenario: Scenario, tmp_path: Path) -> None:
    assert wrong_rows(play(running_lab, scenario, tmp_path)) == ""
