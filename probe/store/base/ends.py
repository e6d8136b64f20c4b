"""Rule: no number of a stream is given out twice, whatever became of the file that held its end.

How far each stream goes is known in more than one place: the newest part, the catalogue (`stream_end`, noted now and
then and at closing), and whatever was signed, sealed, confirmed or kept as evidence. Where the parts end before what
another place knows, rows are gone; the stream goes on behind all that anybody may have seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from probe.core.proof.chain import GENESIS
from probe.store.base.parts import StreamEnd

if TYPE_CHECKING:
    from sqlite_utils import Database

SKIPPED = (
    1_000_000  # numbers left free where the end of a stream is not known exactly: none is given out twice
)
Stream = tuple[str, str]  # agent, customer
NOTED = "SELECT agent, customer, seq, digest, complete_up_to FROM stream_end"
_PUT = (
    "INSERT OR REPLACE INTO stream_end (agent, customer, seq, digest, complete_up_to) VALUES (?, ?, ?, ?, ?)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownEnd:
    """A stream goes at least to `seq`, and by the word of `source` its line there has this digest (None: not said).

    `exact`: and no further.
    """

    agent: str
    customer: str
    seq: int
    source: str
    digest: str | None = None
    exact: bool = False
    complete_up_to: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortfall:
    """Rows `first` to `end.head` of a stream are gone, or their numbers are left free. `source`: who knew of them."""

    first: int
    end: StreamEnd
    source: str


def shortfalls(have: Mapping[Stream, StreamEnd], known: Iterable[KnownEnd]) -> list[Shortfall]:
    """What is missing of each stream, and where it goes on."""
    furthest: dict[Stream, KnownEnd] = {}
    for end in known:
        stream = end.agent, end.customer
        if stream not in furthest or _rank(end) > _rank(furthest[stream]):
            furthest[stream] = end
    found = []
    for (agent, customer), end in furthest.items():
        here = have.get((agent, customer))
        head, complete = (0, None) if here is None else (here.head, here.complete_up_to)
        if end.seq <= head:
            continue
        exact = end.exact and end.digest is not None
        last = end.seq if exact else end.seq + SKIPPED
        found.append(
            Shortfall(
                first=head + 1,
                end=StreamEnd(
                    agent=agent,
                    customer=customer,
                    head=last,
                    digest=end.digest if exact and end.digest is not None else GENESIS,
                    complete_up_to=max(filter(None, (complete, end.complete_up_to)), default=None),
                ),
                source=end.source,
            )
        )
    return found


def _rank(end: KnownEnd) -> tuple[int, bool]:
    # Of two that know the same number, the one that knows that there is no further one.
    return end.seq, end.exact


def of_stream_ends(ends: Iterable[StreamEnd], source: str) -> list[KnownEnd]:
    """Ends that are known exactly."""
    return [
        KnownEnd(
            agent=end.agent,
            customer=end.customer,
            seq=end.head,
            digest=end.digest,
            source=source,
            exact=True,
            complete_up_to=end.complete_up_to,
        )
        for end in ends
    ]


def note_ends(db: Database, ends: Iterable[StreamEnd]) -> None:
    """Write the ends into a file that notes them, within the caller's transaction."""
    db.conn.executemany(
        _PUT, [(end.agent, end.customer, end.head, end.digest, end.complete_up_to) for end in ends]
    )


def noted_ends(db: Database, *, exact: bool) -> list[KnownEnd]:
    """What the catalogue notes. `exact`: the store was closed properly after it."""
    return ends_of_rows(db.execute(NOTED).fetchall(), "the catalogue", exact=exact)


def ends_of_rows(rows: Iterable[tuple[Any, ...]], source: str, *, exact: bool = False) -> list[KnownEnd]:
    """What a statement NOTED found in a file, which is the source."""
    return [
        KnownEnd(
            agent=agent,
            customer=customer,
            seq=seq,
            digest=digest,
            source=source,
            exact=exact,
            complete_up_to=complete,
        )
        for agent, customer, seq, digest, complete in rows
    ]
