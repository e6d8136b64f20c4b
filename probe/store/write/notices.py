"""What happened to the store's own files, to be put on record as events in the streams that it touches.

A loss is first in the part, as rows that are left out, and then on record as an event. What a kill kept from being told
is told at the next start (`untold`).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

from probe.core.proof.gaps import DAMAGED
from probe.core.text.spans import Span, uncovered, union
from probe.host.clock import rfc3339
from probe.store.base.ends import Shortfall
from probe.store.base.part_query import PartQuery
from probe.store.base.parts import Part
from probe.store.upkeep.salvage import Salvage

log = logging.getLogger("probe.store")

WRITTEN_LATE_US = (
    3_600_000_000  # at most so long after it was due is a slot's evidence written, where the disk works
)
MOST_EVENTS = 10_000  # of one kind in one stream of a part
_HEADS = "SELECT agent, customer, head FROM stream"
_BASES = "SELECT id, agent, customer, base FROM stream"
_GONE = "SELECT first_seq, last_seq FROM dropped WHERE stream = ? AND reason = ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What happened to the store itself, for the stream that it touches (None: those of all customers, or our own)."""

    event: str
    detail: dict[str, str]
    customer: str | None = None
    agent: str | None = None


def notices_of(found: Salvage, part: Part, problem: str) -> list[Notice]:
    """Events about a part that was mended: one for each span that is lost, in the stream that it is lost from."""
    fields = {"file": part.path.name, "problem": problem, "records_kept": found.kept}
    log.error("store.damaged", extra={"fields": {**fields, "set_aside": str(found.place)}})
    detail = {"file": part.path.name, "problem": problem}
    if not found.lost:
        return [Notice(event="store.damaged", detail=detail)]
    return [
        Notice(
            event="store.damaged",
            detail={**detail, "first_seq": str(first), "last_seq": str(last)},
            customer=customer,
            agent=agent,
        )
        for (agent, customer), spans in found.lost.items()
        for first, last in spans
    ]


def evidence_lost(since_us: int, until_us: int) -> dict[str, str]:
    """What an event says of a lost file of evidence: the due times of its bundles, in microseconds since the epoch.

    Its ids cannot be read, so that a span stands for them; a bundle is written some time after its slot was due.
    """
    since, until = rfc3339((since_us - WRITTEN_LATE_US) * 1000), rfc3339(until_us * 1000)
    return {"what": "evidence", "since": since, "until": until}


def notices_of_loss(losses: list[Shortfall], file: str) -> list[Notice]:
    """Events about rows that are known of elsewhere and are in no part."""
    found = []
    for loss in losses:
        end = loss.end
        problem = f"rows that {loss.source} knows of are in no part of the store"
        span = {"first_seq": str(loss.first), "last_seq": str(end.head)}
        log.error(
            "store.rows_gone",
            extra={"fields": {"customer": end.customer, "agent": end.agent, "known_by": loss.source, **span}},
        )
        detail = {"file": file, "problem": problem, **span}
        found.append(Notice(event="store.damaged", detail=detail, customer=end.customer, agent=end.agent))
    return found


def untold(before: Part | None, newest: Part, known: Sequence[Notice] = ()) -> list[Notice]:
    """Spans that were found gone at an earlier start, which ended before it put that on record.

    `before`: the part before the newest. `known`: what will be put on record anyway. Raises StoreError.
    """
    ended: dict[tuple[str, str], int] | None = None
    if before is not None:
        with closing(PartQuery(before.path)) as query:
            ended = {(agent, customer): head for agent, customer, head in query.rows(_HEADS)}
    found = []
    with closing(PartQuery(newest.path)) as query:
        for number, agent, customer, base in query.rows(_BASES):
            gone = [(first, last) for first, last in query.rows(_GONE, number, DAMAGED)]
            if ended is not None:  # else retention took what was before
                gone.append((ended.get((agent, customer), 0) + 1, base))
            waiting = [n.detail for n in known if (n.agent, n.customer) == (agent, customer)]
            told = union([*_spans(query, number), *_named(waiting)])
            for first, last in gone:
                found += [
                    _again(agent, customer, newest, *span)
                    for span in (uncovered(first, last, told) if first <= last else ())
                ]
    return found


def _spans(query: PartQuery, stream: int) -> Iterator[Span]:
    return _named(json.loads(line)["detail"] for _, line in query.events(stream, [DAMAGED], MOST_EVENTS))


def _named(details: Iterable[dict[str, str]]) -> Iterator[Span]:
    for detail in details:
        if "first_seq" in detail:
            yield int(detail["first_seq"]), int(detail["last_seq"])


def _again(agent: str, customer: str, part: Part, first: int, last: int) -> Notice:
    problem = "rows found gone at an earlier start, which ended before it put that on record"
    detail = {"file": part.path.name, "problem": problem, "first_seq": str(first), "last_seq": str(last)}
    return Notice(event=DAMAGED, detail=detail, customer=customer, agent=agent)
