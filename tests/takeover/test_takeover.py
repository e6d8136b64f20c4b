"""A small store of version 0.1 taken over while it is pulled; `python -m tests.takeover` does it with 100,000 rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.takeover.__main__ import COMMIT, holds, in_history, taken_over


@pytest.mark.long
async def test_a_store_of_version_0_1_is_taken_over_while_it_is_pulled(tmp_path: Path) -> None:
    if not in_history():
        pytest.skip(f"a checkout without commit {COMMIT}")
    found = await taken_over(2_000, tmp_path)
    assert holds(found), found
