"""Rule: a closed part is replaced or removed as a whole; before that, events in the streams name the rows that go.

`core.results.retention` decides what goes, `agent.housekeeping` writes the events, these functions do it. Each waits
for the disk: call it in a thread of its own. The newest part is never touched: it is the writer's.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from probe.core.proof.chain import line_digest
from probe.core.results.retention import PartFacts
from probe.store.base.packing import unpack_text
from probe.store.base.part_query import PartQuery, dictionary_of
from probe.store.base.parts import EVIDENCE_PARTS, PARTS, Part, bytes_on_disk, parts_of, remove
from probe.store.base.query import Query
from probe.store.base.schema import StoreError
from probe.store.upkeep.rewrite import DroppedSpan, Row, StreamPart, write_part

PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """What goes from one stream of a part with a step of retention: `rows` of those from `first_seq` to `last_seq`."""

    agent: str
    customer: str
    first_seq: int
    last_seq: int
    digest: str  # of the line at last_seq
    rows: int


def closed_parts(directory: Path) -> list[Part]:
    """All parts but the newest, oldest first."""
    return parts_of(directory)[:-1]


def facts_of(directory: Path) -> list[PartFacts]:
    """What retention decides from. Raises StoreError."""
    parts = parts_of(directory)
    return [_facts(part, after) for part, after in itertools.pairwise(parts)]


def newest_bytes(directory: Path, kind: str = PARTS) -> int:
    """The size of the newest part, or file of evidence, with its write-ahead log."""
    return sum(bytes_on_disk(part) for part in parts_of(directory, kind)[-1:])


def evidence_files(directory: Path) -> list[tuple[int, int, int]]:
    """(number, bytes, closed_us) of the closed files of evidence, oldest first."""
    files = parts_of(directory, EVIDENCE_PARTS)
    return [
        (part.number, bytes_on_disk(part), _begun_us(after.path)) for part, after in itertools.pairwise(files)
    ]


def evidence_in(directory: Path, number: int) -> dict[tuple[str, str], list[str]]:
    """(agent, customer) -> ids of the bundles in a closed file of evidence. Raises StoreError."""
    found: dict[tuple[str, str], list[str]] = {}
    for part in parts_of(directory, EVIDENCE_PARTS)[:-1]:
        if part.number == number:
            with closing(Query(part.path)) as query:
                for identifier, customer, body in query.each(
                    "SELECT id, customer, body FROM bundle ORDER BY id"
                ):
                    found.setdefault((_agent_in(body), str(customer)), []).append(str(identifier))
    return found


def drop_evidence(directory: Path, number: int) -> None:
    """Remove a file of evidence."""
    for part in parts_of(directory, EVIDENCE_PARTS)[:-1]:
        if part.number == number:
            remove(part)


def planned_removals(part: Part, *, healthy_only: bool) -> list[Removal]:
    """What a step would take from each stream; of a whole part also streams without a row left. Raises StoreError."""
    with closing(PartQuery(part.path)) as query:
        which = query.words.healthy if healthy_only else "1"
        return [
            Removal(
                agent=agent, customer=customer, first_seq=base + 1, last_seq=head, digest=digest, rows=rows
            )
            for number, agent, customer, base, head, digest in query.rows(
                "SELECT id, agent, customer, base, head, digest FROM stream WHERE head > base"
            )
            if (rows := _count(query, number, which)) or not healthy_only
        ]


def thin(part: Part, now: str) -> None:
    """Write a closed part anew without its healthy rows: those without anything to complain of, outcome ok or none,
    since the slot was not measured. Events and all rows of another outcome stay, and the sums of all.

    Raises StoreError, OSError, sqlite3.Error.
    """
    with closing(PartQuery(part.path)) as query:
        begun = str(query.value("SELECT value FROM meta WHERE key = 'begun_at'"))
        streams = [_thin_stream(query, *row) for row in query.rows(_STREAMS)]
        dictionary, _ = (dictionary_of(query) if query.dense else None) or (None, None)
        write_part(part.path, begun, streams, _kept(query), {"thinned": now}, query, dictionary)


_STREAMS = "SELECT id, agent, customer, base, base_digest, head, digest, complete_up_to FROM stream"


def _kept(query: PartQuery) -> Iterator[Row]:
    sql = (
        f"SELECT id, stream, seq, body FROM record WHERE id > ? AND NOT {query.words.healthy}"  # noqa: S608
        f" ORDER BY id LIMIT {PAGE}"
    )
    last = 0
    while page := query.rows(sql, last):
        last = page[-1][0]
        for number, stream, seq, body in page:
            yield Row(number, stream, seq, query.line(body, seq).encode())


def _thin_stream(
    query: PartQuery,
    number: int,
    agent: str,
    customer: str,
    base: int,
    base_digest: str,
    head: int,
    digest: str,
    complete_up_to: str | None,
) -> StreamPart:
    """The stream without its healthy rows: they are added to the spans that were dropped before."""
    gone = [
        DroppedSpan(*row)
        for row in query.rows(
            "SELECT first_seq, last_seq, previous, digest, reason FROM dropped WHERE stream = ?", number
        )
    ]
    before = base_digest
    seq = base
    sql = (
        f"SELECT seq, {query.words.healthy}, body FROM record WHERE stream = ? AND seq > ?"  # noqa: S608
        " ORDER BY seq LIMIT ?"
    )
    known = {span.first: span for span in gone}
    while seq < head:
        if seq + 1 in known:
            seq, before = known[seq + 1].last, known[seq + 1].digest
            continue
        page = query.rows_with_line(sql, number, seq, PAGE)
        if not page:
            break
        for found, healthy, body in page:
            if found != seq + 1:
                break
            own = line_digest(body.encode())
            if healthy:
                gone.append(DroppedSpan(found, found, before, own, "retention"))
            seq, before = found, own
        else:
            continue
        if seq + 1 not in known:
            break
    return StreamPart(
        id=number,
        agent=agent,
        customer=customer,
        base=base,
        base_digest=base_digest,
        head=head,
        digest=digest,
        complete_up_to=complete_up_to,
        gone=tuple(_joined(gone)),
    )


def _joined(gone: list[DroppedSpan]) -> Iterator[DroppedSpan]:
    """Spans next to each other, for one reason, as one."""
    current: DroppedSpan | None = None
    for span in sorted(gone, key=lambda span: span.first):
        if current is not None and current.last + 1 == span.first and current.reason == span.reason:
            current = DroppedSpan(current.first, span.last, current.previous, span.digest, span.reason)
            continue
        if current is not None:
            yield current
        current = span
    if current is not None:
        yield current


def _facts(part: Part, after: Part) -> PartFacts:
    with closing(Query(part.path)) as query:
        return PartFacts(
            number=part.number,
            size_bytes=bytes_on_disk(part),
            closed_us=_begun_us(after.path),
            thinned=query.value("SELECT 1 FROM meta WHERE key = 'thinned'") is not None,
            heads={
                (agent, customer): head
                for agent, customer, head in query.rows(
                    "SELECT agent, customer, head FROM stream WHERE head > base"
                )
            },
        )


def _begun_us(path: Path) -> int:
    with closing(Query(path)) as query:
        begun = query.value("SELECT value FROM meta WHERE key = 'begun_at'")
    return 0 if begun is None else round(datetime.fromisoformat(begun).timestamp() * 1e6)


class _Host(msgspec.Struct):
    agent: str


class _Row(msgspec.Struct):
    host: _Host


class _Bundle(msgspec.Struct):
    record: _Row


def _agent_in(body: bytes) -> str:
    """The agent whose row a stored bundle belongs to; empty where it cannot be read."""
    try:
        return _BUNDLE.decode(unpack_text(body)).record.host.agent
    except (StoreError, msgspec.DecodeError, UnicodeError):
        return ""


_BUNDLE = msgspec.json.Decoder(_Bundle)


def _count(query: Query, stream: int, which: str) -> int:
    return int(query.value(f"SELECT count(*) FROM record WHERE stream = ? AND {which}", stream))  # noqa: S608
