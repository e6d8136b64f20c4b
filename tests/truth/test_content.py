"""Content, header fields, ranges, redirects, versions, others' files: one of each kind; all are the command's."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.truth.lab import Lab
from tests.truth.matrix import wrong_rows
from tests.truth.play import play
from tests.truth.scenario import Scenario
from tests.truth.scenarios import ROOMS, marked

pytestmark = [pytest.mark.system, pytest.mark.long, pytest.mark.timeout(400)]

NAMES = {
    *("others-file-first-look", "content-false-coding", "markers-missing-at-the-origin", "undeclared-change"),
    *(
        "ranges-of-another-file",
        "headers-missing-at-both",
        "range-of-another-place",
        "conditional-always-304",
    ),
    *("hotlink-open", "lifetime-two-digit-year", "redirect-space", "redirect-bad-gateway"),
    *("follow-loop-of-both", "follow-cookie-of-both"),
    *("begins-others-file-aged", "version-too-long", "nodes-error-alike"),
}
CHOSEN = [
    scenario
    for room in ("content", "agreements", "redirects", "versions")
    for scenario in ROOMS[room]
    if scenario.name in NAMES
]


def test_each_that_is_chosen_is_there() -> None:
    assert {scenario.name for scenario in CHOSEN} == NAMES


@pytest.mark.parametrize("scenario", marked(CHOSEN))
def test_the_verdict_is_right(running_lab: Lab, scenario: Scenario, tmp_path: Path) -> None:
    assert wrong_rows(play(running_lab, scenario, tmp_path)) == ""
