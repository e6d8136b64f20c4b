"""Rule: of one due time the first row is the row, whatever the clock did; a further one says that it is another.

A clock that is set back, while the agent runs or between two runs, makes due times due again. Measuring goes on; the
writer looks whether a task has a row at that time already. It looks only where it may: rows come in the order of time
but for a few that took long, so that most are later than all that is there.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from probe.store.base.parts import parts_of
from probe.store.base.query import Query
from probe.store.base.schema import StoreError

if TYPE_CHECKING:
    from sqlite_utils import Database

_HAS = "SELECT 1 FROM record WHERE task = ? AND scheduled_at = ? LIMIT 1"
_LAST = "SELECT max(scheduled_at) FROM record WHERE task = ?"
_ENDS = "SELECT min(scheduled_at), max(scheduled_at) FROM record"


class DueTimes:
    """Of one results directory; for the writer's thread. `forget` when the newest part is another one."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._latest: dict[str, str] = {}  # task -> its latest due time in the newest part
        self._closed: list[tuple[Path, str, str]] | None = (
            None  # part, its earliest and latest time; latest part first
        )
        self._open: Query | None = None

    def forget(self) -> None:
        """The newest part is another one."""
        self._latest.clear()
        self._closed = None
        self.close()

    def close(self) -> None:
        """Close what is open. Safe to call twice."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def has(self, newest: Database, task: str, scheduled_at: str) -> bool:
        """Whether a stored row of the task was due at that time. `newest`: the part that is written."""
        latest = self._latest.get(task)
        if latest is None:
            latest = newest.execute(_LAST, (task,)).fetchone()[0] or ""
        self._latest[task] = max(latest, scheduled_at)
        if scheduled_at <= latest and newest.execute(_HAS, (task, scheduled_at)).fetchone() is not None:
            return True
        return any(
            self._in_closed(path, task, scheduled_at)
            for path, first, last in self._parts()
            if first <= scheduled_at <= last
        )

    def _parts(self) -> list[tuple[Path, str, str]]:
        if self._closed is None:
            self._closed = []
            for part in reversed(parts_of(self._directory)[:-1]):
                ends = self._ask(part.path, _ENDS)
                if ends is not None and ends[0] is not None:
                    self._closed.append((part.path, str(ends[0]), str(ends[1])))
        return self._closed

    def _in_closed(self, path: Path, task: str, scheduled_at: str) -> bool:
        return self._ask(path, _HAS, task, scheduled_at) is not None

    def _ask(self, path: Path, sql: str, *values: str) -> tuple[object, ...] | None:
        """The first row; None also where retention took the part, or rewrote it, meanwhile."""
        try:
            if self._open is None or self._open.path != path:
                self.close()
                self._open = Query(path)
            return next(iter(self._open.rows(sql, *values)), None)
        except StoreError:
            self.close()
            return None
