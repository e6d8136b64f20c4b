"""Hostile rows as whole slots, through real servers: outcome, fault and reason, not only the failure's code."""

from __future__ import annotations

from pathlib import Path

import pytest

from probe.core.records.rows import State
from tests.codes.provoking import provokes
from tests.support.hostile import CASES, Case
from tests.support.reply_cases import REPLY_CASES
from tests.support.slots import measure

ALL = {**CASES, **REPLY_CASES}


@pytest.mark.parametrize(
    "case",
    [pytest.param(c, id=f"{c.row}-{name}", marks=provokes(*c.codes)) for name, c in ALL.items()],
)
async def test_the_verdict_is_right(case: Case, tmp_path: Path) -> None:
    _, row = await measure(case.setting, tmp_path)
    assert row.state is State.MEASURED
    assert (row.outcome, row.fault, row.reason) == case.expected, row.summary
    assert set(case.notes) <= {finding.reason for finding in row.findings}
    assert "unknown" not in (row.reason or ""), "never the answer to a row of the list"
    assert row.summary
    assert "Traceback" not in row.summary


def test_every_row_that_a_slot_can_show_is_here() -> None:
    covered = {case.row for case in CASES.values()}
    elsewhere = {15, 19, 21, 23, 27}  # stray answers, TTLs, rebinding, two addresses, a stalled handshake
    assert set(range(10, 44)) - covered == elsewhere
