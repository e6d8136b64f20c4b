"""Rule: the schedule of faults depends on the time given alone; two faults that show in the same row never overlap.

Pure. Faults that show in different rows may be in force at once; between two that share a row there is a pause in
which the row is healthy. Times are seconds from the start of the agent.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from probe.lab.faults import FAULTS, LabFault

LEAD_S = 3.0  # healthy first: the agent learns the origin's versions and the nodes
PAUSE_S = 1.2  # healthy between two faults that share a row
TAIL_S = 1.5  # healthy last: rows still under way are written
_COMFORTABLE = (2, 1.25)
# Faults at once, and how much longer than needed each lasts: the calmest that fits is taken.
_PACES = ((1, 1.6), (1, 1.2), (2, 1.5), _COMFORTABLE, (2, 1.0), (3, 1.2), (3, 1.0), (4, 1.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One fault in force from `start_s` to `end_s`."""

    fault: str
    start_s: float
    end_s: float


def schedule(seconds: float | None, faults: Iterable[LabFault] = tuple(FAULTS.values())) -> list[Step]:
    """The steps by start. All faults if `seconds` allow, else as many as fit in the list's order, at least one.

    None: all of them once at a comfortable pace. Raises ValueError if there is no time at all.
    """
    faults = tuple(faults)
    if seconds is None:
        return _place(faults, *_COMFORTABLE)
    if seconds <= 0:
        raise ValueError(f"a demo of {seconds} seconds shows nothing; give it 8 or more, 40 for all faults")
    latest_s = seconds - TAIL_S
    for pace in _PACES:
        steps = _place(faults, *pace)
        if all(step.end_s <= latest_s for step in steps):
            return steps
    fitting = [step for step in steps if step.end_s <= latest_s]
    return fitting or [_squeezed(faults[0], seconds)]


def _squeezed(fault: LabFault, seconds: float) -> Step:
    """Too short for any fault to be seen surely: show the first all the same."""
    return Step(fault=fault.name, start_s=min(LEAD_S, seconds * 0.3), end_s=seconds * 0.9)


def _place(faults: tuple[LabFault, ...], lanes: int, stretch: float) -> list[Step]:
    """Each fault as early as the ones before it allow, never before the one before."""
    placed: list[tuple[LabFault, Step]] = []
    earliest_s = LEAD_S
    for fault in faults:
        lasts_s = fault.settle_s + (fault.lasts_s - fault.settle_s) * stretch
        candidates = sorted({earliest_s, *(step.end_s + PAUSE_S for _, step in placed)})
        start_s = next(
            t for t in candidates if t >= earliest_s and _possible(fault, t, lasts_s, placed, lanes)
        )
        step = Step(fault=fault.name, start_s=round(start_s, 3), end_s=round(start_s + lasts_s, 3))
        placed.append((fault, step))
        earliest_s = step.start_s
    return [step for _, step in placed]


def _possible(
    fault: LabFault, start_s: float, lasts_s: float, placed: list[tuple[LabFault, Step]], lanes: int
) -> bool:
    end_s = start_s + lasts_s
    near = [
        other for other, step in placed if step.start_s < end_s + PAUSE_S and start_s < step.end_s + PAUSE_S
    ]
    at_once = [step for _, step in placed if step.start_s < end_s and start_s < step.end_s]
    keys = fault.reach.keys()
    return len(at_once) < lanes and not any(keys & other.reach.keys() for other in near)
