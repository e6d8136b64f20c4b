"""What happened to the store's own files, to be put on record as events in the streams that it touches."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from probe.host.clock import rfc3339
from probe.store.base.ends import Shortfall
from probe.store.base.parts import Part
from probe.store.upkeep.salvage import Salvage

log = logging.getLogger("probe.store")

WRITTEN_LATE_US = (
    3_600_000_000  # at most so long after it was due is a slot's evidence written, where the disk works
)


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
