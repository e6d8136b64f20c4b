"""Rule: sums lie beside the rows that they are of, and say up to which row they hold.

A part holds the sums of five minutes (`core.sla.facts.grain_rows`) that were written while it was the newest: a row of
`grain` for each domain and grain of each time that sums were written; rows of one grain are added up. `body`: the sums
by object, vantage point and address, packed. `grain_end`: of which records they are, `first_seq` to `seq` without those
that were `unseen`, and what later rows need of earlier ones. Old parts have no such tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import msgspec
import zstandard

from probe.core.sla.facts.grain_rows import NOTHING_CARRIED, SUMS, TTFB_BOUNDS_US, Carried, Key
from probe.core.sla.facts.grain_rows import Sums as KeySums
from probe.core.tables.columns import GRAINS, Row
from probe.store.base.query import Query
from probe.store.base.schema import StoreDamaged

if TYPE_CHECKING:
    from sqlite_utils import Database

LEVEL = 3
UNPACKED_MOST_BYTES = 256 << 20
# Of a key, what the row of `grain` does not say; and what follows the sums in the packed list.
_DETAIL = tuple(name for name in GRAINS.key if name not in ("agent", "customer", "domain", "grain"))
_ENDS = ("first_bad_us", "last_bad_us", "seq_first", "seq_last")
_DOMAIN, _GRAIN = GRAINS.key.index("domain"), GRAINS.key.index("grain")
_PLACES = tuple(GRAINS.key.index(name) for name in _DETAIL)
_SUMMED = ", ".join(SUMS)
_INSERT = (
    f"INSERT INTO grain (stream, grain, domain, last_seq, {_SUMMED}, body)"  # noqa: S608 (names of ours)
    f" VALUES (?, ?, ?, ?{', ?' * len(SUMS)}, ?)"
)
_LINES = msgspec.msgpack.Decoder(tuple[int, list[list[Any]]])
_CARRIED = msgspec.msgpack.Decoder(Carried)
Span = tuple[int, int]  # the first and the last `seq`
_SPANS = msgspec.msgpack.Decoder(tuple[Span, ...])


@dataclass(frozen=True, slots=True, kw_only=True)
class GrainEnd:
    """Of which records of a stream the sums in one part are: from `first_seq` to `seq`, without the spans `unseen`.

    Those were gone before they could be added up: rows of an earlier version, which kept no sums.
    """

    first_seq: int
    seq: int
    complete_up_to: str | None
    carried: Carried
    unseen: tuple[Span, ...] = ()


def write_grains(db: Database, stream: int, end: GrainEnd, keyed: Iterable[tuple[Key, KeySums]]) -> None:
    """Within the caller's transaction. `keyed`: of the records behind those that are in this part, up to `end.seq`."""
    packer = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
    rows = []
    ordered = sorted(keyed, key=lambda pair: (pair[0][_GRAIN], pair[0][_DOMAIN]))
    for (grain, domain), group in groupby(ordered, key=lambda pair: (pair[0][_GRAIN], pair[0][_DOMAIN])):
        held = list(group)
        totals = [sum(counts) for counts in zip(*(sums.counts for _, sums in held), strict=True)]
        body = packer.compress(msgspec.msgpack.encode((len(SUMS), [_line(key, sums) for key, sums in held])))
        rows.append((stream, grain, domain, end.seq, *totals, body))
    db.conn.executemany(_INSERT, rows)
    carried = packer.compress(msgspec.msgpack.encode(end.carried))
    before = db.execute("SELECT unseen FROM grain_end WHERE stream = ?", (stream,)).fetchone()
    unseen = (*(() if before is None else _spans(before[0])), *end.unseen)
    db.execute(
        "INSERT INTO grain_end (stream, first_seq, seq, complete_up_to, carried, unseen) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (stream) DO UPDATE SET seq = excluded.seq, complete_up_to = excluded.complete_up_to,"
        " carried = excluded.carried, unseen = excluded.unseen",
        (stream, end.first_seq, end.seq, end.complete_up_to, carried, msgspec.msgpack.encode(unseen)),
    )


def has_grains(query: Query) -> bool:
    """Whether a part is of a version that keeps sums."""
    return query.value("SELECT 1 FROM sqlite_master WHERE name = 'grain_end'") is not None


def end_in(query: Query, agent: str, customer: str) -> GrainEnd | None:
    """Of which records of a stream sums are in a part; None where there are none, or they cannot be read."""
    if not has_grains(query):
        return None
    sql = (
        "SELECT g.first_seq, g.seq, g.complete_up_to, g.carried, g.unseen FROM grain_end g"
        " JOIN stream s ON s.id = g.stream WHERE s.agent = ? AND s.customer = ?"
    )
    for first, seq, complete, packed, unseen in query.rows(sql, agent, customer):
        return GrainEnd(
            first_seq=first, seq=seq, complete_up_to=complete, carried=_carried(packed), unseen=_spans(unseen)
        )
    return None


def _spans(packed: bytes) -> tuple[Span, ...]:
    try:
        return _SPANS.decode(packed)
    except msgspec.DecodeError:
        return ()


def _carried(packed: bytes) -> Carried:
    try:
        return _CARRIED.decode(_unpacked(packed))
    except (zstandard.ZstdError, msgspec.DecodeError):
        return NOTHING_CARRIED


def detail_rows(query: Query, agent: str, customer: str, found: Sequence[Any]) -> Iterator[Row]:
    """Rows of the table `grains` out of a row (domain, grain, body). Raises StoreDamaged."""
    domain, grain, packed = found
    try:
        count, lines = _LINES.decode(_unpacked(packed))
    except (zstandard.ZstdError, msgspec.DecodeError) as error:
        raise StoreDamaged(f"{query.path}: sums of {domain} cannot be read: {error}") from error
    names = (*_DETAIL, *SUMS[:count], *_ENDS)  # an earlier version had fewer sums
    for line in lines:
        row: Row = dict.fromkeys(GRAINS.columns) | dict.fromkeys(SUMS, 0)
        row["agent"], row["customer"], row["domain"], row["grain"] = agent, customer, domain, grain
        values = iter(line)
        for name in names:
            row[name] = next(values)
        counts = [0] * (len(TTFB_BOUNDS_US) + 1)
        for bucket, count in zip(values, values, strict=False):
            counts[bucket] = count
        row["ttfb_counts"] = tuple(counts)
        yield row


def _line(key: Key, sums: KeySums) -> list[Any]:
    """One key as it is packed: what names it, its sums, the ends, then the buckets of times that are not empty."""
    times = [pair for pair in enumerate(sums.ttfb_counts()) if pair[1]]
    return [
        *(key[place] for place in _PLACES), *sums.counts, sums.first_bad_us, sums.last_bad_us, sums.seq_first,
        sums.seq_last, *(number for pair in times for number in pair),
    ]  # fmt: skip


def _unpacked(body: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompress(body, max_output_size=UNPACKED_MOST_BYTES)


def wrong_grains(query: Query) -> str | None:
    """What of a part's sums is not what was written, in words. Raises StoreError."""
    if not has_grains(query):
        return None
    for domain, grain, body, *totals in query.each(f"SELECT domain, grain, body, {_SUMMED} FROM grain"):  # noqa: S608
        rows = list(detail_rows(query, "", "", (domain, grain, body)))
        if totals != [sum(int(str(row[name])) for row in rows) for name in SUMS]:
            return f"the sums of {domain} in grain {grain} are not what was written"
    return None


def copy_grains(query: Query, db: Database) -> None:
    """The sums of a part into one that is written in its place, whose streams have the same numbers.

    Raises StoreError.
    """
    if not has_grains(query):
        return
    for table, columns in (
        ("grain", ("stream", "grain", "domain", "last_seq", *SUMS, "body")),
        ("grain_end", ("stream", "first_seq", "seq", "complete_up_to", "carried", "unseen")),
    ):
        names, marks = ", ".join(columns), ", ".join("?" * len(columns))
        rows = query.each(f"SELECT {names} FROM {table}")  # noqa: S608 (names of ours)
        db.conn.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)  # noqa: S608
