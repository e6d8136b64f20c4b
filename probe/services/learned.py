"""What results show of what a slot costs: requests, messages and bytes on the wire, and bytes on the disk."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from probe.core.records.observation import Role
from probe.core.records.rows import SlotRecord, State
from probe.core.records.verdict import Outcome
from probe.store.base.dictionary import base, digest_of
from probe.store.base.parts import parts_of
from probe.store.base.query import Query
from probe.store.base.schema import StoreError, catalogue_file
from probe.store.read.reader import Reader

NEWEST = 5_000  # rows looked at
HEAD_BYTES = 600  # of a reply: status and fields, as CDNs send them
ROWS_TO_LEARN_FROM = 100
# What a row takes on the disk beside its packed line: indexes, sums, and pages that are not full. Counted in parts of
# 1,000 and 4,500 rows of three edges.
ROW_OVERHEAD_BYTES, ROW_FILL = 115, 1.05
# What goes to edges beside what a slot is for. Second looks too: of an object that is another each time it is asked
# for, as the time of day, a row that is well has them.
_FURTHER = (Role.REDIRECT, Role.CHECK, Role.CONFIRM, Role.SWEEP, Role.ELSEWHERE)
SENT = frozenset({Role.EDGE, *_FURTHER})

_WELL = "FROM record JOIN outcome ON outcome.id = record.outcome WHERE outcome.name = ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class PerSlot:
    """What one slot of a task asks for, on average. `known`: from how many slots; 0: assumed."""

    edges: float
    further: float  # to edges: redirects that are followed, requests of checks, second looks
    controls: float  # requests to the origin beside that for its version: of checks, with second looks
    messages: float  # to resolvers
    bytes: float  # of replies of edges
    anchors: float = 0.0  # requests to anchors with second looks
    again: float = 0.0  # share of the slots that ask the origin once more, with second looks; of `controls`
    origin_after_us: float = (
        1_000.0  # from the slot's beginning to the origin's last answer, where it is asked
    )
    known: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What earlier results show: by task, and bytes on the disk for a row that is well (None: too few rows).

    `own_dictionary`: whether those rows were packed by one that was made of this agent's lines.
    """

    slots: Mapping[str, PerSlot]
    row_bytes: float | None = None
    own_dictionary: bool = True


NOTHING_LEARNED = Learned(slots={})


def learned_from(directory: Path) -> Learned:
    """What a results directory shows; nothing where there is none. Raises StoreError."""
    if not catalogue_file(directory).is_file():
        return NOTHING_LEARNED
    with Reader.open(directory) as reader:
        rows = [row for row in reader.list(limit=NEWEST) if isinstance(row, SlotRecord)]
    by_task: dict[str, list[SlotRecord]] = defaultdict(list)
    for row in rows:
        if row.state is State.MEASURED and row.outcome is Outcome.OK:
            by_task[row.task].append(row)
    slots = {task: _average(found) for task, found in by_task.items()}
    packed = _packed(directory)
    if packed is None:
        return Learned(slots=slots)
    line_bytes, own = packed
    return Learned(slots=slots, row_bytes=ROW_OVERHEAD_BYTES + ROW_FILL * line_bytes, own_dictionary=own)


def _packed(directory: Path) -> tuple[float, bool] | None:
    """Bytes of the line of a row that is well, as it is kept, in the newest part with enough of them, by how it packs
    now; and whether by a dictionary of its own.

    Rows that failed are larger, events and missed slots smaller. Of an agent that has just begun, rows grow by a
    tenth as it gets to know the origin's versions: its first ones do not count.
    """
    for part in reversed(parts_of(directory)):
        with closing(Query(part.path)) as query:
            if query.value("SELECT 1 FROM sqlite_master WHERE name = 'dictionary'") is None:
                return None  # of an earlier version, whose parts are larger than those to come
            count = query.value(f"SELECT count(*) {_WELL}", Outcome.OK)
            if count >= ROWS_TO_LEARN_FROM:
                newest = query.rows(
                    f"SELECT length(body) {_WELL} ORDER BY record.id DESC LIMIT ?",
                    Outcome.OK,
                    min(NEWEST, count // 2),
                )
                used = query.value("SELECT sha256 FROM dictionary")
                return mean(int(size) for [size] in newest), used != digest_of(base())
    return None


def learned(directory: Path | str) -> Learned:
    """The same; nothing where it cannot be read."""
    try:
        return learned_from(Path(directory))
    except StoreError:
        return NOTHING_LEARNED


def _average(rows: Sequence[SlotRecord]) -> PerSlot:
    roles = Counter(seen.role for row in rows for seen in row.observations)
    messages = sum(len(row.resolution.queries) for row in rows if row.resolution is not None)
    sent = sum(
        HEAD_BYTES + (seen.response.encoded_body_bytes or 0)
        for row in rows
        for seen in row.observations
        if seen.role in SENT and seen.response is not None
    )
    count = len(rows)
    again = sum({Role.CONFIRM, Role.ORIGIN} <= {seen.role for seen in row.observations} for row in rows)
    return PerSlot(
        edges=roles[Role.EDGE] / count,
        further=sum(roles[role] for role in _FURTHER) / count,
        controls=(roles[Role.CONTROL] + again) / count,
        messages=messages / count,
        bytes=sent / count,
        anchors=roles[Role.ANCHOR] / count,
        again=again / count,
        origin_after_us=_origin_after_us(rows),
        known=count,
    )


def _origin_after_us(rows: Sequence[SlotRecord]) -> float:
    found = [
        max(ends)
        for row in rows
        if (ends := [o.timing.response_end_us or 0 for o in row.observations if o.role is Role.ORIGIN])
    ]
    return max(1_000.0, sum(found) / len(found) if found else 0.0)
