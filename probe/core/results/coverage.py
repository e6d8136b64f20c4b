"""Rule: silence is never health: every slot that was due is measured, missed with its reason, or found absent.

The ledger's arithmetic, without any clock. All times here are microseconds of wall-clock time since the Unix
epoch (`_us`); when a slot is due is said in `probe.core.scheduling.grid`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from probe.core.model.task import Task
from probe.core.records.rows import State
from probe.core.scheduling.agenda import Agenda
from probe.core.scheduling.grid import due_between, to_us

__all__ = [
    "UNACCOUNTED",
    "Agenda",
    "Coverage",
    "Gap",
    "LedgerRow",
    "absent_slots",
    "due_between",
    "summarise",
    "to_us",
]

UNACCOUNTED = "unaccounted"


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRow:
    """What the ledger needs of a stored slot."""

    scheduled_us: int
    state: State
    missed_reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Slots one after another that were not measured, for one reason; both ends are times when due."""

    first_us: int
    last_us: int
    slots: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What became of the slots of one task in a span: due = measured + missed + aborted + unaccounted.

    `unaccounted`: due by the grid, without any row. `doubled`: rows beyond the first for one time, which only
    a backward step of the wall clock may cause (`due_again`); the first one counts. `off_grid`: rows at times not due
    by the grid given.
    """

    due: int
    measured: int
    missed: int
    aborted: int
    unaccounted: int = 0
    doubled: int = 0
    off_grid: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    gaps: tuple[Gap, ...] = ()

    @property
    def measured_share(self) -> float | None:
        """Measured of due, 0 to 1; None where nothing was due."""
        return self.measured / self.due if self.due else None


def summarise(rows: Iterable[LedgerRow], due: Collection[int] | None = None) -> Coverage:
    """The coverage of one task. `rows`: in the order of storing where several have one time.

    `due`: the times of its grid (`due_between`); None: only what has rows.
    """
    by_time: dict[int, LedgerRow] = {}
    doubled = 0
    for row in rows:
        doubled += by_time.setdefault(row.scheduled_us, row) is not row
    expected = set(by_time if due is None else due)
    fates = [(time, _fate(by_time.get(time))) for time in sorted(expected | by_time.keys())]
    states = Counter(row.state for row in by_time.values())
    reasons = Counter(reason for _, reason in fates if reason is not None)
    return Coverage(
        due=len(fates),
        measured=states[State.MEASURED],
        missed=states[State.MISSED],
        aborted=states[State.ABORTED],
        unaccounted=sum(time not in by_time for time, _ in fates),
        doubled=doubled,
        off_grid=len(by_time.keys() - expected),
        reasons=dict(reasons),
        gaps=_gaps(fates),
    )


def _fate(row: LedgerRow | None) -> str | None:
    """None: measured; else why not."""
    if row is None:
        return UNACCOUNTED
    return None if row.state is State.MEASURED else row.missed_reason or "unknown"


def _gaps(fates: Iterable[tuple[int, str | None]]) -> tuple[Gap, ...]:
    gaps: list[Gap] = []
    previous: str | None = None
    for time, reason in fates:
        if reason is not None and reason == previous:
            last = gaps.pop()
            gaps.append(Gap(first_us=last.first_us, last_us=time, slots=last.slots + 1, reason=reason))
        elif reason is not None:
            gaps.append(Gap(first_us=time, last_us=time, slots=1, reason=reason))
        previous = reason
    return tuple(gaps)


def absent_slots(
    tasks: Sequence[Task],
    last_scheduled: Mapping[str, str],
    now_us: int,
    limit: int,
    recent: Mapping[str, Collection[int]] | None = None,
) -> tuple[list[tuple[Task, int]], dict[str, int]]:
    """The slots that were due while no agent ran: (task, scheduled_us), oldest first, and what was too many.

    `last_scheduled`: task id -> RFC 3339 time of its last row; a task without one is new and owes nothing.
    `recent`: task id -> times of its last rows. Give it after a crash: slots that were being measured then have
    no row although later ones have, and are found as holes among these times.
    At most about `limit` slots are listed, an equal share for each task, its newest ones. The second value
    says how many older ones of a task (id) are left out; they are due after its `last_scheduled`.
    """
    owed: list[tuple[Task, list[int], range]] = []
    for task in tasks:
        last = last_scheduled.get(task.id)
        if last is not None:
            due = due_between(task.period_us, task.phase_us, to_us(last), now_us)
            owed.append((task, _holes(task, (recent or {}).get(task.id, ())), due))
    shares = _shares([len(due) for _, _, due in owed], limit)
    listed: list[tuple[Task, int]] = []
    left_out: dict[str, int] = {}
    for (task, holes, due), share in zip(owed, shares, strict=True):
        listed += [(task, time) for time in holes]
        listed += [(task, time) for time in due[len(due) - share :]]
        if share < len(due):
            left_out[task.id] = len(due) - share
    listed.sort(key=lambda pair: pair[1])
    return listed, left_out


def _holes(task: Task, times: Collection[int]) -> list[int]:
    """Times of the task's present grid between its recent rows that have none.

    Looks back only to the last row off the grid: before it the task had another period.
    """
    known: list[int] = []
    for time in sorted(times, reverse=True):
        if (time - task.phase_us) % task.period_us:
            break
        known.append(time)
    if not known:
        return []
    have = set(known)
    grid = due_between(task.period_us, task.phase_us, known[-1], known[0])
    # Overlapping measurements leave few holes; many are a step of the clock or a gap that is on record.
    return [time for time in grid if time not in have] if len(grid) <= 2 * len(have) else []


def _shares(wanted: Sequence[int], limit: int) -> list[int]:
    """`limit` divided so that nobody gets more than wanted and what one leaves goes to the others."""
    shares = [0] * len(wanted)
    rest = limit
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    for done, index in enumerate(order):
        shares[index] = min(wanted[index], max(0, rest // (len(order) - done)))
        rest -= shares[index]
    return shares
