"""Whole slots of a healthy service: nobody may be accused, and what is not well is the agent's own, and rare.

5,000 fetches in the long run, half of them beside a process that takes a core; `python -m tests.healthy --fetches
100000` tries as many as are wanted.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.healthy.report import breaches
from tests.healthy.running import BUSY, run
from tests.healthy.world import PROGRAMS, objects
from tests.support.sizes import scaled
from tests.system.programs import need

FETCHES = scaled(5_000, 300)

pytestmark = [pytest.mark.system, pytest.mark.scaled, pytest.mark.timeout(600)]


async def test_nobody_is_accused_of_healthy_fetches(tmp_path: Path) -> None:
    need(*PROGRAMS)
    phases = await run(tmp_path / "world", FETCHES, processes=2, at_once=4)
    assert breaches(phases) == [], [row for phase in phases for row in phase.told.rows][:3]
    for phase in phases:
        assert phase.told.sum().fetches >= FETCHES // 2
        kinds = {f"{scheme} {path[1:]}" for scheme in ("http", "https", "h2") for path in objects()}
        assert set(phase.told.kinds) == kinds, (
            "each object was fetched, with and without TLS, and over HTTP/2"
        )
    assert phases[-1].name == BUSY
