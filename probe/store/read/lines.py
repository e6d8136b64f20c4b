"""Rule: lines are handed out in order, byte for byte, and what is gone is named in its place.

A customer's stream across the parts. A span without rows (dropped, or lost with a damaged file) is one line
`{"kind":"dropped","first_seq":..,"last_seq":..,"previous":..,"digest":..,"reason":..}`: digests of the line before
the span and of the last one in it, so that the chain can be followed across it (docs/proof.md). `previous` is empty
where whoever asks begins behind the line before.
"""

from __future__ import annotations

from operator import itemgetter

import msgspec

from probe.core.proof.chain import GENESIS, Line
from probe.store.base.part_query import PartQuery
from probe.store.read.sources import Sources, StreamPlace, place_of

PAGE = 500
ELSEWHERE = "store.part_gone"
LAST = 2**62


def lines(sources: Sources, agent: str, customer: str, after: int, limit: int) -> list[Line]:
    """Up to `limit` lines after `seq` `after`; of what is gone, one line for each span."""
    return [Line(seq, text.decode()) for seq, text in texts(sources, agent, customer, after, limit)]


def texts(sources: Sources, agent: str, customer: str, after: int, limit: int) -> list[tuple[int, bytes]]:
    """The same as bytes, each with the last `seq` that it stands for."""
    found: list[tuple[int, bytes]] = []
    seq, digest = after, "" if after else GENESIS
    for query in sources.parts_from(lambda part: _ends_behind(part, agent, customer, after)):
        place = place_of(query, agent, customer)
        if place is None:
            continue
        if place.base > seq:
            found.append(_gone(seq + 1, place.base, digest, place.base_digest, ELSEWHERE))
            seq = place.base
        found += _in_part(query, place, seq, limit - len(found))
        if len(found) >= limit:
            break
        seq = found[-1][0] if found else seq
        digest = place.digest if place.head == seq else ""
    return found[:limit]


def dropped(sources: Sources, agent: str, customer: str) -> list[tuple[int, int]]:
    """Spans of `seq` without rows, in order: what retention took, or damage."""
    spans: list[tuple[int, int]] = []
    seq = 0
    for query in sources.parts():
        place = place_of(query, agent, customer)
        if place is None:
            continue
        if place.base > seq:
            spans.append((seq + 1, place.base))
        sql = "SELECT first_seq, last_seq FROM dropped WHERE stream = ? ORDER BY first_seq"
        spans += [(first, last) for first, last in query.rows(sql, place.id)]
        seq = place.head
    return spans


def events(sources: Sources, agent: str, customer: str, after: int, limit: int) -> list[Line]:
    """Up to `limit` lines of events after `seq` `after`."""
    found: list[Line] = []
    for query in sources.parts_from(lambda part: _ends_behind(part, agent, customer, after)):
        place = place_of(query, agent, customer)
        if place is not None:
            sql = (
                f"SELECT seq, body FROM record INDEXED BY record_of_events WHERE {query.words.event}"  # noqa: S608
                " AND stream = ? AND seq > ? ORDER BY seq LIMIT ?"
            )
            rows = query.rows_with_line(sql, place.id, after, limit - len(found))
            found += [Line(seq, body) for seq, body in rows]
        if len(found) >= limit:
            break
    return found


def last_events(
    sources: Sources, agent: str, customer: str, names: tuple[str, ...], limit: int
) -> list[Line]:
    """The last `limit` lines of events of these names, the newest first."""
    found: list[Line] = []
    for query in sources.parts(newest_first=True):
        place = place_of(query, agent, customer)
        if place is not None:
            rows = query.events(place.id, names, limit - len(found))
            found += [Line(seq, line) for seq, line in rows]
        if len(found) >= limit:
            break
    return found


def _ends_behind(query: PartQuery, agent: str, customer: str, after: int) -> bool:
    place = place_of(query, agent, customer)
    return place is not None and place.head > after


def _in_part(query: PartQuery, place: StreamPlace, after: int, limit: int) -> list[tuple[int, bytes]]:
    rows = query.rows(
        "SELECT seq, body FROM record WHERE stream = ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?",
        place.id, after, place.head, max(0, limit),
    )  # fmt: skip
    gone = query.rows(
        "SELECT first_seq, last_seq, previous, digest, reason FROM dropped WHERE stream = ? AND last_seq > ?"
        " ORDER BY first_seq LIMIT ?",
        place.id, after, max(0, limit),
    )  # fmt: skip
    spans = [
        _gone(max(first, after + 1), last, previous if first > after else "", *rest)
        for first, last, previous, *rest in gone
    ]
    records = [(seq, query.line_bytes(body, seq)) for seq, body in rows]
    return sorted([*records, *spans], key=itemgetter(0))[: max(0, limit)] if spans else records


def _gone(first: int, last: int, previous: str, digest: str, reason: str) -> tuple[int, bytes]:
    told = {
        "kind": "dropped",
        "first_seq": first,
        "last_seq": last,
        "previous": previous,
        "digest": digest,
        "reason": reason,
    }
    return last, msgspec.json.encode(told)
