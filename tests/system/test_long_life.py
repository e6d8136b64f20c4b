"""A day of slots, time compressed: memory and descriptors at its end are those of its first hours.

LIFE_SLOTS, LIFE_TASKS and LIFE_PERIOD_S make it longer: the release notes quote a run of a million.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SLOTS = int(os.environ.get("LIFE_SLOTS", "7200"))  # ten tasks every two minutes: 24 hours

pytestmark = [pytest.mark.long, pytest.mark.timeout(120 + SLOTS // 100)]


def test_memory_and_descriptors_are_flat(tmp_path: Path) -> None:
    made = subprocess.run(
        [sys.executable, "-m", "tests.system.long_life", str(SLOTS)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100 + SLOTS // 100,
    )
    assert made.returncode == 0, made.stderr[-3000:]
    found = json.loads(made.stdout)
    print({key: value for key, value in found.items() if key != "outcomes"})
    assert (found["slots"], found["missed"]) == (SLOTS, 0)
    assert found["outcomes"]["failed"] > SLOTS / 200, "not all was well: confirming was part of it"
    if SLOTS == 7_200:
        assert found["hours"] >= 23.9
    early, late = found["resident_bytes"][1], found["resident_bytes"][-1]
    assert late <= early * 1.05, found["resident_bytes"]
    assert found["descriptors"][-1] <= found["descriptors"][1]
