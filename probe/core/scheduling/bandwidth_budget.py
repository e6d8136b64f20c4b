"""Rule: a customer whose daily bytes are used up is measured by heads alone, and the row says so.

Bodies of a customer's objects, as they crossed the wire, counted by UTC day.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from probe.core.model.task import Task
from probe.core.model.value import replace
from probe.core.records.rows import SlotRecord

DAY_S = 86_400
BODY_LEFT_OUT = "body"


@dataclass(slots=True)
class DayBudget:
    """Bytes of one customer's bodies on one UTC day."""

    day: int = 0
    spent_bytes: int = 0

    def spend(self, count: int, at_s: float) -> None:
        """Count bytes moved at a time (seconds since the epoch)."""
        self._turn(at_s)
        self.spent_bytes += count

    def left_bytes(self, per_day: int, at_s: float) -> int:
        """What may still be moved on that day; 0 where it is used up."""
        self._turn(at_s)
        return max(0, per_day - self.spent_bytes)

    def _turn(self, at_s: float) -> None:
        """A new day begins with nothing spent; a clock that goes back brings no old day back."""
        day = int(at_s // DAY_S)
        if day > self.day:
            self.day, self.spent_bytes = day, 0


@dataclass(slots=True)
class Budgets:
    """The budgets of all customers that have one."""

    _of: dict[str, DayBudget] = field(default_factory=dict)

    def left_out(self, task: Task, at_s: float) -> tuple[str, ...]:
        """What must be left out of a slot at this time, since the customer's bytes for the day are used up."""
        if task.bytes_per_day is None or self._budget(task).left_bytes(task.bytes_per_day, at_s):
            return ()
        return (BODY_LEFT_OUT,)

    def spend(self, task: Task, row: SlotRecord, at_s: float) -> None:
        """Count what the slot moved."""
        if task.bytes_per_day is not None:
            self._budget(task).spend(body_bytes(row), at_s)

    def forget(self, customer: str) -> None:
        """Forget what it moved: another process counts it now, or it will be given anew."""
        self._of.pop(customer, None)

    def resume(self, customer: str, spent_bytes: int, at_s: float) -> None:
        """What was moved already on the day of `at_s`, by a run before this one."""
        self._of.setdefault(customer, DayBudget()).spend(spent_bytes, at_s)

    def _budget(self, task: Task) -> DayBudget:
        return self._of.setdefault(task.customer, DayBudget())


def head_only(task: Task) -> Task:
    """The task without bodies: the object's head is asked for, and nothing is compared or asked further.

    Its id and definition stay: it is the same measurement, with something left out.
    """
    checks = tuple(spec for spec in task.checks if spec.kind in ("availability", "alias", "redirect"))
    return replace(task, request=replace(task.request, method="HEAD"), origin=None, checks=checks)


def body_bytes(row: SlotRecord) -> int:
    """Bytes of all bodies that the slot moved."""
    responses = (observation.response for observation in row.observations)
    return sum(r.encoded_body_bytes or 0 for r in responses if r is not None)
