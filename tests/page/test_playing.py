"""Faults that begin and end while the page is open, in a browser that nobody touches; all: `-m tests.page.playing`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.page.playing import MOST_LOADS, scene
from tests.system.programs import need

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]


async def test_a_fault_is_shown_and_cleared_by_the_page_itself(tmp_path: Path) -> None:
    """Within two of its refreshes, five seconds each: what was drawn just before the row came may miss it once."""
    need("chromium")
    async with scene(tmp_path) as on:
        assert await on.tab.run("+document.body.dataset.refresh") * MOST_LOADS <= 10, "within ten seconds"
        for name in ("edge_down", "origin_down"):
            played = await on.play(name)
            print(played)
            assert played.shown_loads <= MOST_LOADS
            assert played.gone_loads <= MOST_LOADS
