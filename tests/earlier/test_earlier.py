"""The first version pulls from today's agent; `python -m tests.earlier` tries others too."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.earlier.pulling import tried
from tests.earlier.versions import FIRST
from tests.support.history import NotInHistoryError, taken


@pytest.mark.long
async def test_version_0_1_pulls_and_verifies_what_todays_agent_hands_out(tmp_path: Path) -> None:
    try:
        version = taken(FIRST, tmp_path / f"at-{FIRST}", "probe")
    except NotInHistoryError:
        pytest.skip("a checkout without its history")
    steps = await tried(version, tmp_path)
    assert [(step.what, step.words) for step in steps if not step.well] == []
    assert len(steps) >= 10
