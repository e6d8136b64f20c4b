"""Rule: what is due comes out once, in order, and keeps its place on the grid whatever else changes.

A heap of the next due time of each task; times in microseconds of wall-clock time since the Unix epoch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from heapq import heappop, heappush

from probe.core.model.task import Task
from probe.core.scheduling.grid import due_between


@dataclass(slots=True)
class _Entry:
    """A task's place; replaced, never moved, so that stale heap items are known by identity."""

    task: Task
    next_us: int


class Agenda:
    """The next due time of every task. Adding, removing and taking one cost O(log n)."""

    def __init__(self, tasks: Iterable[Task] = (), *, after_us: int) -> None:
        """Slots due after `after_us` (not at it) will come out. Raises ValueError for two tasks with one id."""
        self._entries: dict[str, _Entry] = {}
        self._heap: list[tuple[int, int, _Entry]] = []
        self._count = 0
        for task in tasks:
            self.add(task, after_us=after_us)

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def tasks(self) -> tuple[Task, ...]:
        """Those on the agenda now."""
        return tuple(entry.task for entry in self._entries.values())

    @property
    def next_due_us(self) -> int | None:
        """When the next slot is due; None for an empty agenda."""
        while self._heap and not self._live(self._heap[0][2]):
            heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def add(self, task: Task, *, after_us: int) -> None:
        """Put a task on the agenda; its first slot is due after `after_us`. Raises ValueError if it is there."""
        if task.id in self._entries:
            raise ValueError(f"task {task.id} is on the agenda already")
        self._put(task, due_between(task.period_us, task.phase_us, after_us, after_us + task.period_us)[0])

    def remove(self, task_id: str) -> None:
        """Take a task off. Raises KeyError if it is not there."""
        del self._entries[task_id]

    def replace(self, tasks: Iterable[Task], *, after_us: int) -> None:
        """Make the agenda these tasks. One whose period and phase are the same keeps its next due time."""
        wanted: dict[str, Task] = {}
        for task in tasks:
            if wanted.setdefault(task.id, task) is not task:
                raise ValueError(f"two tasks have the id {task.id}")
        for task_id in self._entries.keys() - wanted.keys():
            self.remove(task_id)
        for task in wanted.values():
            entry = self._entries.get(task.id)
            if entry is not None and _same_grid(entry.task, task):
                entry.task = task
            else:
                self._entries.pop(task.id, None)
                self.add(task, after_us=after_us)

    def restart(self, after_us: int) -> None:
        """Go on from another time, without anything in between being due (the wall clock was set)."""
        tasks = self.tasks
        self._entries.clear()
        self._heap.clear()
        for task in tasks:
            self.add(task, after_us=after_us)

    def pop_spans(self, now_us: int) -> list[tuple[Task, range]]:
        """Every task that is due, with all its due times up to `now_us`, in the order of the first of them.

        Costs O(log n) a task however long the silence was.
        """
        spans: list[tuple[Task, range]] = []
        while (due := self.next_due_us) is not None and due <= now_us:
            _, _, entry = heappop(self._heap)
            task = entry.task
            times = range(due, now_us + 1, task.period_us)
            del self._entries[task.id]
            self._put(task, times[-1] + task.period_us)
            spans.append((task, times))
        return spans

    def pop_due(self, now_us: int) -> list[tuple[Task, int]]:
        """Every slot due up to `now_us` as (task, scheduled_us), in the order of time."""
        pairs = [(task, time) for task, times in self.pop_spans(now_us) for time in times]
        return sorted(pairs, key=lambda pair: pair[1])

    def _put(self, task: Task, next_us: int) -> None:
        entry = _Entry(task, next_us)
        self._entries[task.id] = entry
        self._count += 1
        heappush(self._heap, (next_us, self._count, entry))

    def _live(self, entry: _Entry) -> bool:
        return self._entries.get(entry.task.id) is entry


def _same_grid(one: Task, other: Task) -> bool:
    return (one.period_us, one.phase_us) == (other.period_us, other.phase_us)
