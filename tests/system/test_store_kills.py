"""SIGKILLs at random moments: what was acknowledged is there, once, and no number is left out. KILLS says how many."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("KILLS", "300"))


@pytest.mark.timeout(400)
def test_what_was_acknowledged_is_stored_whenever_the_writer_is_killed(tmp_path: Path) -> None:
    made = subprocess.run(
        [sys.executable, "-m", "tests.system.store_kills", str(tmp_path / "r"), str(KILLS), str(os.getpid())],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=380,
    )
    assert made.returncode == 0, made.stderr
    found = json.loads(made.stdout)
    print(found)
    assert found["kills"] == KILLS
    assert found["before_the_first_acknowledgement"] < KILLS * 0.8, "the writers came to write"
    assert found["stored"] > KILLS * 5
    assert found["parts"] > KILLS / 100, "also while it turned to a new part"
