"""Two minutes of every kind of failing endpoint at once; thirty are `python -m tests.leaks`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MINUTES = float(os.environ.get("LEAKS_MINUTES", "2"))

pytestmark = [pytest.mark.long, pytest.mark.timeout(round(60 * MINUTES) + 180)]


def test_what_an_agent_holds_stays_flat_beside_whatever_fails() -> None:
    # Caches and windows still fill in so short a time: what leaks by the slot grows by far more.
    made = subprocess.run(
        [
            *(sys.executable, "-m", "tests.leaks", "--minutes", str(MINUTES)),
            *("--interval", "3s", "--memory-share", "0.2"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60 * MINUTES + 150,
    )
    assert made.returncode == 0, made.stdout[-3000:] + made.stderr[-3000:]
    found = json.loads(made.stdout)
    assert found["grown"] == []
    assert found["slots"] > 10 * found["endpoints"]
    assert found["kinds_of_verdict"] >= 15
