"""Rule: a fault counts as found only if every row that must show it does, and nobody else was accused.

Pure. Takes the steps that were played and the rows that the agent wrote, gives an `Assessment` for each step. A row
counts for a fault if it began and ended while the fault was in force; rows that overlap its start or end may show it
or not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from probe.core.model.times import epoch_s
from probe.core.records.rows import SlotRecord, State
from probe.core.records.verdict import Fault, Outcome
from probe.lab.faults import FAULTS, LabFault
from probe.lab.script import Step

MARGIN_S = 0.5  # injecting and lifting a fault take a moment
HEALTHY = "healthy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """One fault and what the agent reported about it.

    `fault` is `healthy` for the last one, which stands for all the time without any fault. `outcome`, `blamed` and
    `reason` are what was found, None where nothing was. `right` and, if not, `why` in words. `shown` of `affected`
    rows (object and vantage point) showed the fault. `contradicting`: affected rows with another verdict;
    `wrongly_accused`: rows that no fault reaches, with an accusation.
    """

    fault: str
    expected: str
    start_s: float
    end_s: float
    outcome: Outcome | None
    blamed: Fault | None
    reason: str | None
    first_seen_after_s: float | None
    right: bool
    why: str
    affected: int
    shown: int
    contradicting: tuple[SlotRecord, ...] = ()
    wrongly_accused: tuple[SlotRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class _Timed:
    row: SlotRecord
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class _Played:
    step: Step
    fault: LabFault

    @property
    def lasted(self) -> bool:
        """Long enough for every affected row to show it."""
        return self.step.end_s - self.step.start_s >= self.fault.lasts_s

    def covers(self, timed: _Timed) -> bool:
        row = timed.row
        return self.fault.reach.covers(row.domain, row.path, row.vantage_point)

    def touches(self, timed: _Timed) -> bool:
        """The row has some time in common with the fault, its edges included."""
        return timed.start_s <= self.step.end_s + MARGIN_S and timed.end_s >= self.step.start_s - MARGIN_S

    def must_show(self, timed: _Timed) -> bool:
        began = timed.start_s >= self.step.start_s + self.fault.settle_s
        return self.covers(timed) and began and timed.end_s <= self.step.end_s

    def may_show(self, timed: _Timed) -> bool:
        """The row began while the fault was in force, whenever it ended."""
        return self.covers(timed) and self.step.start_s <= timed.start_s <= self.step.end_s


def accuses(row: SlotRecord) -> bool:
    """Whether the row accuses anybody but the agent itself."""
    if row.outcome in (None, Outcome.OK) or row.fault is Fault.AGENT:
        return False
    return not (row.outcome is Outcome.INCONCLUSIVE and row.fault is Fault.UNKNOWN)


def assess(
    steps: Sequence[Step],
    rows: Iterable[SlotRecord],
    began_at: str,
    faults: Mapping[str, LabFault] = FAULTS,
) -> list[Assessment]:
    """One assessment a step, in order, and the healthy time's last.

    A step that was cut short before any row could show it gets none: the agent had no chance to find it.
    `began_at` is the wall-clock time (RFC 3339) of second 0 of the steps.
    """
    zero_s = epoch_s(began_at)
    played = [_Played(step, faults[step.fault]) for step in steps]
    timed = [_timed(row, zero_s) for row in rows if row.state is State.MEASURED]
    known = [entry for entry in timed if entry is not None]
    stray = [t for t in known if accuses(t.row) and not any(p.covers(t) and p.touches(t) for p in played)]
    assessments = [_one(p, [o for o in played if o is not p], known, stray) for p in played]
    asked = [a for p, a in zip(played, assessments, strict=True) if a.outcome is not None or p.lasted]
    return [*asked, _healthy(played, known, stray)]


def _timed(row: SlotRecord, zero_s: float) -> _Timed | None:
    if row.started_at is None or row.finished_at is None:
        return None
    return _Timed(row, epoch_s(row.started_at) - zero_s, epoch_s(row.finished_at) - zero_s)


def _one(
    played: _Played, others: Sequence[_Played], rows: Sequence[_Timed], stray: Sequence[_Timed]
) -> Assessment:
    alone = [t for t in rows if not any(o.covers(t) and o.touches(t) for o in others)]
    decisive = [t for t in alone if played.must_show(t) and t.row.fault is not Fault.AGENT]
    expected = played.fault.expected
    met = [t for t in alone if played.may_show(t) and expected.met_by(t.row)]
    contradicting = tuple(t.row for t in decisive if not expected.met_by(t.row))
    accused = tuple(t.row for t in stray if played.touches(t))
    found = met[0].row if met else _commonest([t.row for t in decisive])
    return Assessment(
        fault=played.step.fault,
        expected=str(expected),
        start_s=played.step.start_s,
        end_s=played.step.end_s,
        outcome=None if found is None else found.outcome,
        blamed=None if found is None else found.fault,
        reason=None if found is None else found.reason,
        first_seen_after_s=_after(played.step, met),
        right=bool(met) and not contradicting and not accused,
        why=_why(met, decisive, contradicting, accused),
        affected=len(played.fault.reach.keys()),
        shown=len({_key(t.row) for t in met}),
        contradicting=contradicting,
        wrongly_accused=accused,
    )


def _after(step: Step, met: Sequence[_Timed]) -> float | None:
    return min(t.end_s for t in met) - step.start_s if met else None


def _key(row: SlotRecord) -> tuple[str, str, str]:
    return row.domain, row.path, row.vantage_point


def _commonest(rows: Sequence[SlotRecord]) -> SlotRecord | None:
    if not rows:
        return None
    counted = Counter((row.outcome, row.fault, row.reason) for row in rows)
    verdict = counted.most_common(1)[0][0]
    return next(row for row in rows if (row.outcome, row.fault, row.reason) == verdict)


def _why(
    met: Sequence[_Timed],
    decisive: Sequence[_Timed],
    contradicting: Sequence[SlotRecord],
    accused: Sequence[SlotRecord],
) -> str:
    """What is wrong, in words; empty where nothing is."""
    if accused:
        return f"accused without cause: {_words(accused[0])}"
    if contradicting:
        return (
            f"{len(contradicting)} of {len(decisive)} affected rows say otherwise: {_words(contradicting[0])}"
        )
    if not met:
        return "no affected row was measured in that time"
    return ""


def _words(row: SlotRecord) -> str:
    verdict = "/".join(str(part) for part in (row.outcome, row.fault, row.reason) if part is not None)
    return f"{row.domain}{row.path} from {row.vantage_point}: {verdict}"


def _healthy(played: Sequence[_Played], rows: Sequence[_Timed], stray: Sequence[_Timed]) -> Assessment:
    """All rows that no fault reaches, at any time; the accusations among them that touch no step."""
    quiet = [t for t in rows if not any(p.covers(t) and p.touches(t) for p in played)]
    accused = tuple(t.row for t in stray if not any(p.touches(t) for p in played))
    found = accused[0] if accused else next((t.row for t in quiet if t.row.outcome is Outcome.OK), None)
    return Assessment(
        fault=HEALTHY,
        expected=str(Outcome.OK),
        start_s=0.0,
        end_s=max((t.end_s for t in rows), default=0.0),
        outcome=None if found is None else found.outcome,
        blamed=None if found is None else found.fault,
        reason=None if found is None else found.reason,
        first_seen_after_s=min((t.end_s for t in quiet), default=None),
        right=not accused and found is not None,
        why=_why(quiet, quiet, (), accused),
        affected=len({_key(t.row) for t in rows}),
        shown=len({_key(t.row) for t in quiet if t.row.outcome is Outcome.OK}),
        wrongly_accused=accused,
    )
