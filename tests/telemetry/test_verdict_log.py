"""When a verdict changes the journal says so, once, with the record to look up."""

from __future__ import annotations

from typing import Any

import pytest

from probe.core.records.rows import SlotRecord
from probe.core.records.verdict import Fault, Outcome
from probe.telemetry.verdict_log import VerdictLog
from tests.support.rows import missed, slot

WELL: dict[str, Any] = {"outcome": Outcome.OK}
CDN: dict[str, Any] = {"outcome": Outcome.FAILED, "fault": Fault.CDN, "reason": "tcp.refused"}
ORIGIN: dict[str, Any] = {"outcome": Outcome.FAILED, "fault": Fault.ORIGIN, "reason": "http.error"}


def told(caplog: pytest.LogCaptureFixture, rows: list[SlotRecord], **options: Any) -> list[tuple[Any, ...]]:
    caplog.set_level("INFO", "probe.verdicts")
    seen = VerdictLog(**options)
    for row in rows:
        seen.see(row)
    found = []
    for record in caplog.records:
        given: dict[str, Any] = record.fields  # type: ignore[attr-defined]
        found.append((record.levelname, record.message, given["record"], given["before"], given["now"]))
    return found


def test_each_change_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    verdicts = (WELL, WELL, CDN, CDN, ORIGIN, WELL, WELL)
    rows = [slot(n, seq=n, **verdict) for n, verdict in enumerate(verdicts)]
    assert told(caplog, rows) == [
        ("WARNING", "verdict.changed", "acme/2", "ok", "failed/cdn"),
        ("WARNING", "verdict.changed", "acme/4", "failed/cdn", "failed/origin"),
        ("INFO", "verdict.changed", "acme/5", "failed/origin", "ok"),
    ]


def test_what_is_not_well_from_the_beginning_is_said(caplog: pytest.LogCaptureFixture) -> None:
    assert told(caplog, [slot(1, seq=1, **CDN), slot(2, seq=2, **CDN)]) == [
        ("WARNING", "verdict.changed", "acme/1", None, "failed/cdn")
    ]


def test_a_missed_slot_changes_nothing_and_each_task_is_its_own(caplog: pytest.LogCaptureFixture) -> None:
    rows = [slot(1, seq=1, **WELL), missed(2), slot(3, seq=3, **WELL), slot(4, seq=4, id="t2", **CDN)]
    assert [line[2] for line in told(caplog, rows)] == ["acme/4"]


def test_no_more_is_remembered_than_there_is_room_for(caplog: pytest.LogCaptureFixture) -> None:
    rows = [slot(n, seq=n, id=f"t{n}", **WELL) for n in range(3)] + [slot(9, seq=9, id="t0", **WELL)]
    assert told(caplog, rows, room=2) == []
    again = [*rows[:1], slot(1, seq=5, id="t0", **CDN)]
    assert [line[2] for line in told(caplog, again, room=1)] == ["acme/5"]
