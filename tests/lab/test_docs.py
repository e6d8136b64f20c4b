"""docs/lab.md tells of every fault what the list tells."""

from __future__ import annotations

from pathlib import Path

import pytest

from probe.lab.faults import FAULTS
from probe.lab.servers.world import DOMAINS

TEXT = (Path(__file__).parent.parent.parent / "docs" / "lab.md").read_text(encoding="utf-8")
ROWS = {line.split("`")[1]: line for line in TEXT.splitlines() if line.startswith("| `")}


@pytest.mark.parametrize("name", FAULTS)
def test_the_table_of_faults(name: str) -> None:
    expected = FAULTS[name].expected
    assert ROWS[name].endswith(f"| {expected.outcome} | {expected.fault} | `{expected.reasons[0]}` |")


def test_nothing_more_than_there_is() -> None:
    assert set(ROWS) == set(FAULTS) | {domain.name for domain in DOMAINS}
