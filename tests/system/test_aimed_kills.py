"""Kills aimed at the moments at which files change: nothing acknowledged is lost, no due time or number comes twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("AIMED_KILLS", "100"))

pytestmark = [pytest.mark.long, pytest.mark.timeout(120 + 3 * KILLS)]


def test_whenever_it_is_killed_all_that_was_said_holds() -> None:
    made = subprocess.run(
        [sys.executable, "-m", "tests.kills", "--kills", str(KILLS), "--seed", str(os.getpid())],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100 + 3 * KILLS,
    )
    assert made.returncode == 0, made.stderr
    found = json.loads(made.stdout)
    assert found["kills"] == KILLS
    assert found["verified"] >= KILLS // 25
    assert found["acknowledged"] > 5 * KILLS, "the agents came to measure"
    assert found["due again"] > 0, "the clock went back"
    assert len(found["moments"]) > KILLS // 5, "at many different moments"
