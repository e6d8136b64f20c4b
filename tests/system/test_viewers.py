"""Fifty people have the page open beside an agent that measures; with figures: `python -m tests.viewers`."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.support.agent_process import BUSY
from tests.viewers.beside import accused, lateness, rows_of, turn
from tests.viewers.world import Size, measuring

pytestmark = [pytest.mark.long, pytest.mark.timeout(180)]

VIEWERS = 50


async def test_viewers_cost_no_slot_and_accuse_nobody(tmp_path: Path) -> None:
    """By counts and processor time: how late slots begin beside other tests says nothing of viewers."""
    async with measuring(tmp_path, Size(domains=10, vantage_points=2, interval_s=4)) as world:
        await asyncio.sleep(4)
        seen = await turn(world, VIEWERS, 10, looks=3 * VIEWERS)
        rows = rows_of(world)
    assert accused(rows) == []
    told = lateness(rows, [seen])
    print(told, seen.looked.statuses, f"API {seen.api_share:.2f} of a core, agent {seen.agent_share:.2f}")
    assert set(seen.looked.statuses) == {200}
    assert told.slots >= 2 * 20
    assert set(told.verdicts) <= {"ok", "agent.socket_late", *BUSY}, "missed only by a busy host"
    assert seen.api_share < 0.5, "what many look at is drawn once"
