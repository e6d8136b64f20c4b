"""What a plan says is what the lab's servers and the disk then see: two minutes of it; `python -m tests.plan`: ten."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.plan.__main__ import BYTES, REQUESTS
from tests.plan.compare import compare


@pytest.mark.long
async def test_requests_within_five_percent_and_bytes_within_ten(tmp_path: Path) -> None:
    found = await compare(tmp_path, interval="1500ms", learn_rows=250, seconds=62)
    seen = {one.what: one.share for one in found}
    assert {what for what in seen if what.startswith("bytes")} == {
        "bytes measured a slot",
        "bytes stored a row",
    }
    for one in found:
        if "anchor" in one.what:
            continue  # their own schedule is every 30 s: once or twice in this span
        assert abs(one.share) <= (BYTES if one.what.startswith("bytes") else REQUESTS), one
