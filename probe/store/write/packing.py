"""Rule: lines are packed by the dictionary of the part that they go into, and a part never gets another.

What the writer needs for the rows of the newest part beside its database, and when that part is to be followed by one
with a dictionary of the agent's own lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from probe.store.base import dictionary as dictionaries
from probe.store.base.dictionary import Packer
from probe.store.base.rows import Names

if TYPE_CHECKING:
    from sqlite_utils import Database


class Packing:
    """Of the newest part; for the writer's thread. `open` when it is another one."""

    def __init__(self) -> None:
        self._packer: Packer | None = None
        self._names: Names | None = None
        self._untrained = False

    def open(self, db: Database) -> None:
        """This is the newest part. Raises what SQLite raises."""
        (dictionary,) = db.execute("SELECT body FROM dictionary").fetchone()
        self._packer, self._names = Packer(dictionary), None
        self._untrained = dictionary == dictionaries.base()

    @property
    def packer(self) -> Packer:
        """For its lines."""
        assert self._packer is not None, "opened before"
        return self._packer

    def names(self, db: Database) -> Names:
        """The numbers that stand for names in it."""
        if self._names is None:
            self._names = Names(db.conn)
        return self._names

    def forget_names(self) -> None:
        """A transaction that had new ones may have been undone."""
        self._names = None

    def outgrown(self, db: Database) -> bool:
        """Whether it has the dictionary that comes with the program, and rows enough for a better one. Said once."""
        if not self._untrained:
            return False
        rows = int(db.execute("SELECT max(id) FROM record").fetchone()[0] or 0)
        self._untrained = rows < dictionaries.ROWS
        return not self._untrained
