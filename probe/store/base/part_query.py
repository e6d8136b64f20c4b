"""Rule: a part is asked the same questions whichever shape it has; what a line says is never guessed.

Parts of version 0.1 keep each line as text, with names and times beside it; later ones keep it packed by their
dictionary, with whole numbers beside it (`schema`). Which words a statement needs for a part: `Words`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from probe.core.model.times import utc_text_us
from probe.core.scheduling.grid import to_us
from probe.store.base import dictionary as dictionaries
from probe.store.base.dictionary import Packer, UnpackError, digest_of
from probe.store.base.query import Query, Rows
from probe.store.base.schema import DENSE, get_meta

EARLIEST, LATEST = "", "~"  # before and after all times
_LAST = 2**62


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What to write in a statement: `due`: the column of the time; the others are conditions, `?` is given a name."""

    due: str
    task: str
    domain: str
    outcome: str
    slot: str
    event: str
    healthy: str


_AS_TEXT = Words(
    due="scheduled_at",
    task="task = ?",
    domain="domain = ?",
    outcome="outcome = ?",
    slot="kind = 'slot'",
    event="kind = 'event'",
    healthy="(kind = 'slot' AND coalesce(outcome, 'ok') = 'ok')",
)
DENSE_WORDS = Words(
    due="due_us",
    task="task = (SELECT id FROM task WHERE name = ?)",
    domain="domain = (SELECT id FROM domain WHERE name = ?)",
    outcome="outcome = (SELECT id FROM outcome WHERE name = ?)",
    slot="task IS NOT NULL",
    event="task IS NULL",
    healthy="(task IS NOT NULL AND verdict IN (SELECT id FROM verdict WHERE coalesce(outcome, 'ok') = 'ok'))",
)
# Every task by one look in the index each, instead of a walk over all rows.
_TASKS_AS_TEXT = """WITH RECURSIVE known (task) AS (
  SELECT min(task) FROM record WHERE task IS NOT NULL
  UNION ALL SELECT (SELECT min(task) FROM record WHERE task > known.task) FROM known WHERE task IS NOT NULL
) SELECT task FROM known WHERE task IS NOT NULL"""
_TASKS = "SELECT name FROM task ORDER BY name"


class PartQuery(Query):
    """A read-only connection to a part. Raises StoreError in place of what SQLite raises."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._dense: bool | None = None
        self._packers: list[Packer] | None = None

    @property
    def dense(self) -> bool:
        """Whether its lines are packed. Raises StoreError."""
        if self._dense is None:
            try:
                self._dense = is_dense(self._conn)
            except sqlite3.Error as error:
                raise self._failed(error) from error
        return self._dense

    @property
    def words(self) -> Words:
        """What statements are written with. Raises StoreError."""
        return DENSE_WORDS if self.dense else _AS_TEXT

    # --- lines ------------------------------------------------------------------------------------

    def rows_with_line(self, sql: str, *values: object) -> Rows:
        """`rows` for a statement that asks for `seq` first and `body` last: in place of the body the line, as text."""
        found = self.rows(sql, *values)
        if not self.dense:
            return found
        return [(*rest, self.line(body, rest[0])) for *rest, body in found]

    def line(self, body: Any, seq: int) -> str:
        """A row's line. What cannot be unpacked is a line that says so: it fits no chain, and is no record."""
        return self.line_bytes(body, seq).decode() if self.dense else str(body)

    def line_bytes(self, body: Any, seq: int) -> bytes:
        """The same, as whoever hands it on takes it."""
        if not self.dense:
            return str(body).encode()
        for packer in self._known_packers():
            try:
                text = packer.unpack(body)
                if not text.isascii():
                    text.decode()
            except (UnpackError, UnicodeDecodeError):
                continue
            return text
        return unreadable(seq).encode()

    def events(self, stream: int, names: Sequence[str], limit: int) -> Rows:
        """(seq, line) of the last events of these names, the newest first."""
        if self.dense:
            named = f"verdict IN (SELECT id FROM verdict WHERE reason IN ({', '.join('?' * len(names))}))"  # noqa: S608
        else:
            named = f"reason IN ({', '.join('?' * len(names))})"
        sql = (
            f"SELECT seq, body FROM record INDEXED BY record_of_events WHERE {self.words.event} AND stream = ?"  # noqa: S608
            f" AND {named} ORDER BY seq DESC LIMIT ?"
        )
        return self.rows_with_line(sql, stream, *names, limit)

    def _known_packers(self) -> list[Packer]:
        if self._packers is None:
            self._packers = packers_of(self._conn, self.path)
        return self._packers

    # --- names and times --------------------------------------------------------------------------

    def tasks(self) -> list[str]:
        """Every task that has a row here."""
        return [name for (name,) in self.rows(_TASKS if self.dense else _TASKS_AS_TEXT)]

    def time(self, text: str) -> str | int:
        """A time as this part compares it."""
        if not self.dense:
            return text
        return {EARLIEST: -_LAST, LATEST: _LAST}[text] if text in (EARLIEST, LATEST) else to_us(text)

    def time_of(self, time_us: int) -> str | int:
        """The same for microseconds since the epoch."""
        return time_us if self.dense else utc_text_us(time_us)

    def time_text(self, value: Any) -> str:
        """A time of this part as RFC 3339."""
        return utc_text_us(value) if self.dense else str(value)

    def time_us(self, value: Any) -> int:
        """And in microseconds since the epoch. Raises ValueError."""
        return int(value) if self.dense else to_us(value)

    def verdicts(self, sql: str, *values: object) -> Iterator[tuple[Any, ...]]:
        """Rows of a statement with `{verdict}` for (state, outcome, fault, reason): those four come last."""
        if not self.dense:
            yield from self.each(sql.format(verdict="state, outcome, fault, reason"), *values)
            return
        known = {
            number: verdict
            for number, *verdict in self.rows("SELECT id, state, outcome, fault, reason FROM verdict")
        }
        for *rest, number in self.each(sql.format(verdict="verdict"), *values):
            yield (*rest, *known[number])


def is_dense(conn: sqlite3.Connection) -> bool:
    """Whether a part keeps its lines packed. One that was begun, and nothing written yet, is to be."""
    try:
        version = get_meta(conn, "schema_version")
    except sqlite3.OperationalError as error:
        if "no such table" not in str(error):
            raise
        return True
    return version is None or int(version) >= DENSE


def packers_of(conn: sqlite3.Connection, path: Path) -> list[Packer]:
    """By what the lines of a part can be unpacked: its dictionary; where no copy is whole, whatever is left of them."""
    inside: bytes | None = None
    told: str | None = None
    try:
        found = conn.execute("SELECT sha256, body FROM dictionary").fetchone()
        told, inside = (None, None) if found is None else found
    except sqlite3.Error:
        pass  # the other copy is for this
    left = [copy for copy in (inside, dictionaries.read_beside(path)) if isinstance(copy, bytes)]
    whole = [copy for copy in left if digest_of(copy) == told]
    return [Packer(copy) for copy in whole[:1] or dict.fromkeys([*left, dictionaries.base()]) if copy]


def unreadable(seq: int) -> str:
    """Stands for a line that cannot be read any more."""
    return f'{{"kind":"unreadable","seq":{seq}}}'


def dictionary_of(query: PartQuery) -> tuple[bytes, str] | None:
    """A part's own copy of its dictionary, and the digest that it is to have; None: it has none. Raises StoreError."""
    if query.value("SELECT 1 FROM sqlite_master WHERE name = 'dictionary'") is None:
        return None
    for body, sha256 in query.rows("SELECT body, sha256 FROM dictionary"):
        return body, sha256
    return None
