"""The demo's closing table: it fits 80 columns whatever is found, and a wrong line is explained."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.text import Text

from probe.cli.render.demo import LEGEND, verdict_table, wrong_lines
from probe.core.records.verdict import Fault, Outcome
from probe.lab.assessment import HEALTHY, Assessment
from probe.lab.faults import FAULTS

TABLE_WIDTH = 80


def _assessment(name: str, why: str = "") -> Assessment:
    fault = FAULTS[name]
    return Assessment(
        fault=name,
        expected=str(fault.expected),
        start_s=3.0,
        end_s=6.0,
        outcome=fault.expected.outcome,
        blamed=fault.expected.fault,
        reason=fault.expected.reasons[0].replace("*", "http.timed_out"),
        first_seen_after_s=10.04,
        right=not why,
        why=why,
        affected=len(fault.reach.keys()),
        shown=len(fault.reach.keys()),
    )


def _healthy() -> Assessment:
    return Assessment(
        fault=HEALTHY,
        expected="ok",
        start_s=0.0,
        end_s=40.0,
        outcome=Outcome.OK,
        blamed=None,
        reason=None,
        first_seen_after_s=0.1,
        right=True,
        why="",
        affected=10,
        shown=10,
    )


def _printed(table: object, width: int) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=width).print(table)
    return out.getvalue().splitlines()


@pytest.mark.parametrize("width", [TABLE_WIDTH, 160])
def test_every_fault_has_one_line_within_80_columns(width: int) -> None:
    lines = _printed(verdict_table([*map(_assessment, FAULTS), _healthy()]), width)
    assert len(lines) == 1 + len(FAULTS) + 1
    assert max(len(line.rstrip()) for line in lines) <= TABLE_WIDTH
    words = next(line for line in lines if line.startswith("captive_portal")).split()
    reached = len(FAULTS["captive_portal"].reach.keys())
    seen = f"{reached}/{reached}"
    assert words == [
        *("captive_portal", "inconclusive", "vantage", "vantage.captive_portal", seen, "10.0s", "✓"),
    ]


def test_a_fault_that_nobody_saw_is_told() -> None:
    unseen = Assessment(
        fault="edge_down",
        expected="failed/cdn/tcp.refused",
        start_s=3.0,
        end_s=6.0,
        outcome=None,
        blamed=None,
        reason=None,
        first_seen_after_s=None,
        right=False,
        why="no affected row was measured in that time",
        affected=5,
        shown=0,
    )
    assert _printed(verdict_table([unseen]), TABLE_WIDTH)[1].split() == [
        "edge_down",
        "nothing",
        "0/5",
        "–",
        "✗",
    ]
    assert wrong_lines([unseen, _healthy()]) == [
        "✗ edge_down: expected failed · cdn · tcp.refused; no affected row was measured in that time"
    ]


def test_the_legend_explains_each_column_that_needs_it() -> None:
    lines = _printed(Text(LEGEND), TABLE_WIDTH)
    assert [line.split()[0] for line in lines] == ["fault", "rows", "after", "✓", "healthy"]


def test_whoever_is_blamed_has_a_place() -> None:
    assert max(map(len, Fault)) <= 8
