"""Rule: of a damaged part only what the chain of digests vouches for is kept; the rest is named as lost.

The damaged file itself is set aside, for people to look at, once what takes its place is whole. What cannot be read is
read again before it is taken for lost (`upkeep.reading`).
"""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from probe.core.proof.chain import GENESIS, line_digest
from probe.core.text.spans import Span, union
from probe.store.base.dictionary import Packer, UnpackError, put_beside, read_beside
from probe.store.base.ends import SKIPPED
from probe.store.base.grains import wrong_grains
from probe.store.base.part_query import is_dense, packers_of
from probe.store.base.parts import Part, parts_of, set_aside
from probe.store.base.query import Query, Rows
from probe.store.base.rows import indexed_line
from probe.store.base.schema import StoreError
from probe.store.upkeep.check import previous_of
from probe.store.upkeep.reading import tried_again, tries
from probe.store.upkeep.rewrite import DroppedSpan, Row, StreamPart, write_part

LEAST_ROW_BYTES = 40
REASON = "store.damaged"


@dataclass(frozen=True, slots=True)
class Salvage:
    """`place`: where the damaged file is now. `kept`: rows saved. `lost`: (agent, customer) -> spans of `seq`."""

    place: Path
    kept: int
    lost: dict[tuple[str, str], list[Span]]


@dataclass(slots=True)
class _Stream:
    """What could be read of a stream; `sure`: its end was read, so that `head` and `digest` are right."""

    agent: str
    customer: str
    base: int
    base_digest: str
    head: int = 0
    digest: str = GENESIS
    complete_up_to: str | None = None
    sure: bool = False
    gone: dict[int, DroppedSpan] = field(default_factory=dict)
    rows: dict[int, Row] = field(default_factory=dict)


def salvage(directory: Path, part: Part, now: str) -> Salvage:
    """Set the part aside, write a new one of its number with what can be kept. Raises OSError, sqlite3.Error."""
    path = part.path
    streams = _streams(path, _ends_before(directory, part))
    packers = _packers(path)
    dictionary = packers[0].dictionary if packers and len(packers) == 1 else None
    for row in _rows(path, packers):
        if row.stream in streams:
            streams[row.stream].rows[row.seq] = row
    lost: dict[tuple[str, str], list[Span]] = {}
    kept: list[Row] = []
    parts: list[StreamPart] = []
    for number, stream in streams.items():
        good, gone, spans = _vouched(stream)
        kept += good
        parts.append(_stream_part(number, stream, gone))
        if spans:
            lost.setdefault((stream.agent, stream.customer), []).extend(spans)
    kept.sort(key=lambda row: row.id)
    sums = _sums(path)
    aside: list[Path] = []

    def make_room() -> None:
        if sums is not None:
            sums.close()
        copy = read_beside(path)
        aside.append(set_aside(directory, path, now))
        if copy is not None:
            put_beside(aside[0], copy)  # whoever looks at the file needs it too

    try:
        write_part(path, now, parts, kept, sums=sums, dictionary=dictionary, make_room=make_room)
    finally:
        if sums is not None:
            sums.close()
    return Salvage(aside[0], len(kept), lost)


def _packers(path: Path) -> list[Packer] | None:
    """What unpacks its lines; None: they are kept as text."""

    def read() -> list[Packer] | None:
        with closing(_opened(path)) as conn:
            return packers_of(conn, path) if is_dense(conn) else None

    try:
        return tried_again(read, path)
    except (sqlite3.Error, ValueError):
        with closing(_opened(path)) as conn:
            return packers_of(conn, path)


def _sums(path: Path) -> Query | None:
    """The damaged part, where its sums are as they were written, all of them; else none are kept."""
    query = Query(path)
    try:
        if tried_again(lambda: wrong_grains(query), path) is None:
            return query
    except StoreError:
        pass
    query.close()
    return None


def _vouched(stream: _Stream) -> tuple[list[Row], list[DroppedSpan], list[Span]]:
    """(rows whose digest the next line or the stream's end names, all dropped spans, spans of `seq` that are lost).

    Walks from the end: `named` is the digest that the line at `seq` must have; None where nothing says it.
    """
    top = max([stream.base, *stream.rows, *(gone.last for gone in stream.gone.values())])
    gone = list(stream.gone.values())
    if not stream.sure:
        stream.head, stream.digest = top + SKIPPED, GENESIS
        gone.append(DroppedSpan(top + 1, stream.head, GENESIS, GENESIS, REASON))
    ends = {span.last: span for span in gone}
    good: dict[int, Row] = {}
    after: dict[int, str | None] = {}  # seq of a lost line -> its digest, where it is known
    named: str | None = stream.digest
    seq = stream.head
    while seq > stream.base:
        if seq in ends:
            named, seq = ends[seq].previous, ends[seq].first - 1
            continue
        row = stream.rows.get(seq)
        if row is not None and named is not None and line_digest(row.line) == named:
            good[seq] = row
            named = previous_of(row.line.decode())
        else:
            after[seq] = named
            # A line that is not vouched for still shows what the one before it must be, if that one agrees.
            named = _agreed(stream.rows, seq)
        seq -= 1
    spans = union((seq, seq) for seq in after)
    for first, last in spans:
        before = good.get(first - 1)
        previous = stream.base_digest if before is None else line_digest(before.line)
        if first - 1 in ends:  # beside what retention took
            previous = ends[first - 1].digest
        gone.append(DroppedSpan(first, last, previous, after[last] or GENESIS, REASON))
    lost = spans if stream.sure else [*spans, (top + 1, stream.head)]
    return list(good.values()), gone, lost


def _agreed(rows: dict[int, Row], seq: int) -> str | None:
    """The digest of the line before `seq`, where the line at `seq` is readable and names exactly it."""
    row, before = rows.get(seq), rows.get(seq - 1)
    if row is None or before is None:
        return None
    digest = line_digest(before.line)
    return digest if previous_of(row.line.decode()) == digest else None


def _stream_part(number: int, stream: _Stream, gone: list[DroppedSpan]) -> StreamPart:
    return StreamPart(
        id=number,
        agent=stream.agent,
        customer=stream.customer,
        base=stream.base,
        base_digest=stream.base_digest,
        head=stream.head,
        digest=stream.digest,
        complete_up_to=stream.complete_up_to,
        gone=tuple(gone),
    )


def _ends_before(directory: Path, part: Part) -> dict[int, _Stream]:
    """The streams as the part before ends them, by their numbers in there: that end is this part's `base`."""
    earlier = [p for p in parts_of(directory) if p.number < part.number]
    if not earlier:
        return {}

    def read() -> dict[int, _Stream]:
        with closing(Query(earlier[-1].path)) as query:
            sql = "SELECT id, agent, customer, head, digest FROM stream"
            return {number: _Stream(*rest) for number, *rest in query.rows(sql)}

    try:
        return tried_again(read, earlier[-1].path)
    except StoreError:
        return {}


def _streams(path: Path, before: dict[int, _Stream]) -> dict[int, _Stream]:
    try:
        sql = "SELECT id, agent, customer, base, base_digest, head, digest, complete_up_to FROM stream"
        found = {
            number: _Stream(agent, customer, base, base_digest, head, digest, until, sure=True)
            for number, agent, customer, base, base_digest, head, digest, until in _all(path, sql)
        }
    except sqlite3.Error:
        return before  # the rows in it go by the numbers of the part before, which a new part keeps
    try:
        sql = "SELECT stream, first_seq, last_seq, previous, digest, reason FROM dropped"
        for stream, first, *rest in _all(path, sql):
            found[stream].gone[first] = DroppedSpan(first, *rest)
    except (sqlite3.Error, KeyError):
        pass
    return found


def _all(path: Path, sql: str) -> Rows:
    """What a statement finds, once it can be read. Raises the sqlite3.Error that stays."""

    def read() -> Rows:
        with closing(_opened(path)) as conn:
            return conn.execute(sql).fetchall()

    return tried_again(read, path)


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path.absolute()))}", uri=True, isolation_level=None)


def _rows(path: Path, packers: list[Packer] | None) -> list[Row]:
    """Every row that can be read, each asked for by itself, and again where that failed."""
    found: list[Row] = []
    left: Iterable[int] = range(1, _greatest(path) + 1)
    for _ in tries(path):
        failed = array("q")
        with closing(_opened(path)) as conn:
            for number in left:
                try:
                    row = _row(conn, number, packers)
                except (sqlite3.Error, OverflowError, UnicodeDecodeError):
                    failed.append(number)
                    continue
                if row is not None:
                    found.append(row)
        if not failed:
            break
        left = failed
    return found


def _row(conn: sqlite3.Connection, number: int, packers: list[Packer] | None) -> Row | None:
    """`packers` None: lines are kept as text."""
    found = conn.execute("SELECT stream, seq, body FROM record WHERE id = ?", (number,)).fetchone()
    line = None if found is None else _line(found[2], packers)
    return None if line is None else Row(number, found[0], found[1], line)


def _line(body: object, packers: list[Packer] | None) -> bytes | None:
    """What a row says; None where it is none that a part could be made of."""
    lines = []
    if isinstance(body, str) and packers is None:
        lines = [body.encode()]
    elif isinstance(body, bytes):
        for packer in packers or ():
            with suppress(UnpackError):
                lines.append(packer.unpack(body))
    for line in lines:
        with suppress(ValueError):
            line.decode()
            indexed_line(line)
            return line
    return None


def _greatest(path: Path) -> int:
    """The greatest `id` to ask for; where the file does not say it credibly, as many as could have room in it."""
    wal = path.with_name(path.name + "-wal")
    size_bytes = path.stat().st_size + (wal.stat().st_size if wal.exists() else 0)
    most = size_bytes // LEAST_ROW_BYTES + 1000
    try:
        found = _all(path, "SELECT max(id) FROM record")[0][0]
        return min(int(found or 0), 10 * most)
    except sqlite3.Error:
        return most
