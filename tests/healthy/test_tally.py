"""What is counted as an accusation, as ours, and as neither; and the words that close a run."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from rich.console import Console

from probe.core.model.value import replace
from probe.core.records.observation import Role
from probe.core.records.rows import SlotRecord
from probe.core.records.verdict import Fault, Finding, Outcome, Severity
from tests.healthy.report import breaches, show
from tests.healthy.running import PHASES, Phase
from tests.healthy.tally import Tally, Told, accuses
from tests.support.build import seen
from tests.support.rows import slot


def _row(**changes: Any) -> SlotRecord:
    """Of two edges and the origin."""
    made = slot(observations=(seen(), seen(), seen(Role.ORIGIN)), path="/1m.bin")
    return replace(made, **changes)


def _tally(*rows: SlotRecord) -> Tally:
    tally = Tally()
    for row in rows:
        tally.take(row)
    return tally


OURS = _row(outcome=Outcome.INCONCLUSIVE, fault=Fault.AGENT, reason="agent.stalled")


def test_only_the_edges_of_a_row_are_fetches() -> None:
    assert _tally(_row()) == Tally(fetches=2, rows=1, ok=1)


@pytest.mark.parametrize("fault", [Fault.CDN, Fault.ORIGIN, Fault.CUSTOMER, Fault.PATH])
@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.SLOW, Outcome.STALE, Outcome.INCONCLUSIVE])
def test_whoever_else_is_named_is_accused(outcome: Outcome, fault: Fault) -> None:
    tally = _tally(_row(outcome=outcome, fault=fault, reason="timing.over_limit"))
    assert (tally.accusing, tally.breaches()) == (1, ["1 rows accuse somebody who did nothing"])


@pytest.mark.parametrize(("severity", "counts"), [(Severity.WARNING, True), (Severity.INFO, False)])
def test_a_warning_in_a_row_that_is_well_accuses_too(severity: Severity, counts: bool) -> None:
    finding = Finding(
        check="headers", reason="headers.missing", severity=severity, outcome=Outcome.OK, fault=Fault.CDN
    )
    assert accuses(_row(findings=(finding,))) is counts


@pytest.mark.parametrize(
    "row",
    [
        _row(outcome=Outcome.FAILED, fault=Fault.UNKNOWN, reason="http.error"),
        _row(outcome=Outcome.INCONCLUSIVE, fault=Fault.VANTAGE, reason="vantage.offline"),
        _row(outcome=Outcome.INCONCLUSIVE, fault=Fault.AGENT, reason=None),
    ],
)
def test_what_is_not_well_must_name_the_agent_and_why(row: SlotRecord) -> None:
    tally = _tally(row)
    assert (tally.unnamed, len(tally.breaches())) == (1, 1)


def test_one_in_a_thousand_may_be_ours_and_no_more() -> None:
    assert _tally(OURS, *[_row()] * 999).breaches() == []
    assert _tally(OURS, *[_row()] * 998).breaches() == [
        "1 of 999 rows failed by our own doing, more than 0.1 %"
    ]
    assert Tally().breaches() == ["nothing was measured"]


def test_what_processes_tell_adds_up() -> None:
    one, other = Told(), Told()
    for told, row in ((one, _row()), (one, OURS), (other, _row())):
        told.take(row)
    one.add(Told.from_json(other.to_json()))
    assert one.sum() == _tally(_row(), OURS, _row())
    assert one.sum("https ") == one.sum()
    assert one.sum("http ") == Tally()
    assert (dict(one.verdicts), len(one.rows)) == ({"inconclusive · agent · agent.stalled": 1}, 1)


def test_the_table_fits_80_columns_and_says_what_does_not_hold() -> None:
    phases = [Phase(name, took_s=100.0) for name in PHASES]
    phases[1].told.take(_row(outcome=Outcome.FAILED, fault=Fault.CDN, reason="http.protocol_violation"))
    for phase in phases:
        for scheme in ("http", "https"):
            phase.told.add(Told({f"{scheme} 200k.bin": Tally(1_250_000, 625_000, 625_000)}))
    out = io.StringIO()
    show(phases, Console(file=out, width=80))
    lines = out.getvalue().splitlines()
    assert len(lines) == 12, "no line of the table is broken"
    assert max(map(len, lines)) <= 80
    (whole,) = (line.split() for line in lines if re.match(r"all +\d", line))
    assert whole == ["all", "5,000,002", "2,500,001", "2,500,000", "0", "0", "1", "25,000"]
    assert "       1 × failed · cdn · http.protocol_violation" in lines
    assert lines[-1:] == breaches(phases) == ["1 rows accuse somebody who did nothing"]
