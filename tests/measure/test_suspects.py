"""Our line, our resolver, an origin without standing: as whole slots through real servers, beside what is not ours.

Those that lose packets by chance are recorded cases (`tests/replay`), judged again by `tests/services/test_replay.py`.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.codes.provoking import provokes
from tests.support.slots import measure
from tests.support.suspects import SUSPECTS, Suspect

CERTAIN = {name: suspect for name, suspect in SUSPECTS.items() if not suspect.nft}


@pytest.mark.parametrize(
    "suspect", [pytest.param(s, id=name, marks=provokes(s.expected[2])) for name, s in CERTAIN.items()]
)
async def test_the_verdict_is_right(suspect: Suspect, tmp_path: Path) -> None:
    _, row = await measure(suspect.setting, tmp_path)
    assert (row.outcome, row.fault, row.reason) == suspect.expected, row.summary


def test_each_is_recorded_with_the_verdict_that_is_right() -> None:
    recorded = Path(__file__).parents[1] / "replay"
    found = {
        name: tuple(json.loads((recorded / name / "case.json").read_text())["expected"].values())
        for name in SUSPECTS
    }
    assert found == {name: suspect.expected for name, suspect in SUSPECTS.items()}
