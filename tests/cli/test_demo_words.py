"""What the demo says at its end."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from probe.cli.actions.demo import BUSY_US, _conclude
from probe.core.records.verdict import Fault, Outcome
from probe.lab.assessment import Assessment
from probe.services.demo import Demo


def assessed(fault: str, right: bool) -> Assessment:
    blamed: dict[str, Any] = {"outcome": Outcome.SLOW, "blamed": Fault.CDN, "reason": "timing.over_limit"}
    return Assessment(
        fault=fault, expected="ok", start_s=0.0, end_s=1.0, right=right, why="" if right else "accused without cause",
        first_seen_after_s=0.5, affected=1, shown=1, **blamed,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("right", "waited_us", "says"),
    [(False, BUSY_US + 1, True), (False, BUSY_US, False), (True, 2_000_000, False)],
)
def test_a_machine_too_busy_for_the_demo_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, right: bool, waited_us: int, says: bool
) -> None:
    made = Demo(tmp_path / "demo", 40.0)
    made.lab_waited_us = waited_us
    verdicts = [assessed("edge_down", True), assessed("healthy", right)]
    monkeypatch.setattr(Demo, "verdicts", property(lambda _: verdicts))
    out = Console(file=io.StringIO(), width=80)
    assert _conclude(made, out) is right
    assert isinstance(out.file, io.StringIO)
    assert ("This machine was too busy" in out.file.getvalue()) is says
