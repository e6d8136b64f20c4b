"""Rule: of one due time the first row is the row, whatever the clock did; a further one says that it is another.

A clock that is set back, while the agent runs or between two runs, makes due times due again. Measuring goes on; the
writer looks whether a task has a row at that time already. It looks only where it may: rows come in the order of time
but for a few that took long, so that most are later than all that is there.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from probe.store.base.part_query import DENSE_WORDS, PartQuery, Words
from probe.store.base.parts import parts_of
from probe.store.base.schema import StoreDamaged, StoreError

if TYPE_CHECKING:
    from sqlite_utils import Database

PATIENCE = 8  # so often the writer tries again, with its pauses: some ten seconds

T = TypeVar("T")
_LAST = f"SELECT max(due_us) FROM record WHERE {DENSE_WORDS.task}"  # noqa: S608


def _has(words: Words) -> str:
    return f"SELECT 1 FROM record WHERE {words.task} AND {words.due} = ? LIMIT 1"  # noqa: S608


_HAS = _has(DENSE_WORDS)


class DueTimes:
    """Of one results directory; for the writer's thread. `forget` when the newest part is another one."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._latest: dict[str, int] = {}  # task -> its latest due time in the newest part
        self._closed: list[tuple[Path, int, int]] | None = (
            None  # part, its earliest and latest time; latest part first
        )
        self._open: PartQuery | None = None
        self._failed: dict[Path, int] = {}  # how often in a row a part could not be read

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

    def has(self, newest: Database, task: str, due_us: int) -> bool:
        """Whether a stored row of the task was due at that time. `newest`: the part that is written.

        Raises what SQLite raises; StoreError as `_ask`.
        """
        latest_us = self._latest.get(task)
        if latest_us is None:
            found = newest.execute(_LAST, (task,)).fetchone()[0]
            latest_us = due_us - 1 if found is None else int(found)
        self._latest[task] = max(latest_us, due_us)
        if due_us <= latest_us and newest.execute(_HAS, (task, due_us)).fetchone() is not None:
            return True
        return any(
            self._in_closed(path, task, due_us)
            for path, first_us, last_us in self._parts()
            if first_us <= due_us <= last_us
        )

    def _parts(self) -> list[tuple[Path, int, int]]:
        if self._closed is None:
            self._closed = []
            for part in reversed(parts_of(self._directory)[:-1]):
                ends = self._ask(part.path, _ends_of)
                if ends is not None:
                    self._closed.append((part.path, *ends))
        return self._closed

    def _in_closed(self, path: Path, task: str, due_us: int) -> bool:
        def asked(query: PartQuery) -> bool:
            return query.value(_has(query.words), task, query.time_of(due_us)) is not None

        found = self._ask(path, asked)
        if found is not None:
            self._failed.pop(path, None)
        return found is True

    def _ask(self, path: Path, ask: Callable[[PartQuery], T]) -> T | None:
        """The answer; None also where retention took the part, or rewrote it, meanwhile, or where it is damaged.

        Raises StoreError where it cannot be read at present: the rows wait, for else a due time that has a row would
        get another first one. Where that lasts (`PATIENCE`) they wait no longer.
        """
        try:
            if self._open is None or self._open.path != path:
                self.close()
                self._open = PartQuery(path)
            return ask(self._open)
        except StoreError as error:
            self.close()
            if isinstance(error, StoreDamaged) or not path.exists():
                return None
            self._failed[path] = self._failed.get(path, 0) + 1
            if self._failed[path] <= PATIENCE:
                raise
            return None


def _ends_of(query: PartQuery) -> tuple[int, int] | None:
    due = query.words.due
    ((first, last),) = query.rows(f"SELECT min({due}), max({due}) FROM record")  # noqa: S608
    return None if first is None else (query.time_us(first), query.time_us(last))
