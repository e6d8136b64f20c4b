"""Rule: the sums of a segment are those of its lines, with what the lines before it say of the tasks.

A slot without any request weighs as many as its task made last (docs/tables.md), in whichever segment that was. What
is to be known of earlier lines is kept in `<results>/_carried/`, with the `seq` up to which it holds; what lies between
that and the segment is read again.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from probe.core.model.value import Value
from probe.core.proof.chain import Line
from probe.core.records.codec import CodecError
from probe.core.sla.facts.grain_rows import NOTHING_CARRIED, Carried, GrainTable
from probe.core.tables.rows import rows_of
from probe.host.files import write_whole

PLACE = "_carried"
MODE = 0o600
DIRECTORY_MODE = 0o700
PAGE = 500
LINES_BEFORE = 20_000  # that are read where nothing is kept: streams of earlier versions, at first


class _Kept(Value, frozen=True, kw_only=True):
    seq: int
    carried: Carried


_KEPT = msgspec.json.Decoder(_Kept)
LinesAfter = Callable[[int, int], list[Line]]  # up to so many lines after a seq


def table_after(directory: Path, agent: str, customer: str, seq: int, lines: LinesAfter) -> GrainTable:
    """An empty table that knows of the tasks what the lines up to `seq` say. Raises OSError and StoreError."""
    kept = _kept(_file(directory, agent, customer))
    if kept is None or kept.seq > seq:
        kept = _Kept(seq=max(0, seq - LINES_BEFORE), carried=NOTHING_CARRIED)
    table, at = GrainTable(agent, kept.carried), kept.seq
    while at < seq and (page := lines(at, min(PAGE, seq - at))):
        for line in page:
            at = line.seq
            try:
                table.feed(rows_of(agent, customer, line.text.encode()))
            except CodecError:
                continue  # it is in no table
        table.take()
    return GrainTable.after(table)


def keep(directory: Path, aside: Path, customer: str, seq: int, table: GrainTable) -> None:
    """What a table knows, for whoever goes on behind `seq`. Raises OSError."""
    path = _file(directory, table.agent, customer)
    path.parent.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
    write_whole(path, msgspec.json.encode(_Kept(seq=seq, carried=table.carried)) + b"\n", MODE, aside=aside)


def _file(directory: Path, agent: str, customer: str) -> Path:
    return directory / PLACE / f"{agent}.{customer}.json"


def _kept(path: Path) -> _Kept | None:
    """None where it is not there, or cannot be read: it is made again."""
    try:
        return _KEPT.decode(path.read_bytes())
    except (FileNotFoundError, msgspec.DecodeError, UnicodeError):
        return None
