"""Rule: the body is the record, whole; the columns beside it only repeat it.

From records to rows of the tables, and the sparse rows that stand for what could not be kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from probe.core.model.value import replace
from probe.core.records.codec import encode_any
from probe.core.records.origin import OriginVersion
from probe.core.records.rows import EventRecord, Record, SlotRecord, State

SHED = "agent.shed"


def time_of(record: Record) -> str:
    """When a slot was due, or an event happened."""
    return record.scheduled_at if isinstance(record, SlotRecord) else record.at


def agent_of(record: Record) -> str:
    """Who wrote it."""
    return record.host.agent if isinstance(record, SlotRecord) else record.agent


COLUMNS = (
    "stream", "seq", "kind", "task", "domain", "path", "vantage_point", "scheduled_at", "state", "outcome", "fault",
    "reason", "body",
)  # fmt: skip
INSERT_RECORD = f"INSERT INTO record ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608


def to_row(record: Record, stream: int, line: bytes) -> tuple[Any, ...]:
    """The row of the record table, as COLUMNS. `line`: the record with its `seq`, as `encode` gave it."""
    body = line.decode()
    if not isinstance(record, SlotRecord):
        at, event = record.at, record.event
        return stream, record.seq, record.kind, None, None, None, None, at, None, None, None, event, body
    return (
        stream,
        record.seq,
        record.kind,
        record.task,
        record.domain,
        record.path,
        record.vantage_point,
        record.scheduled_at,
        record.state.value,
        record.outcome and record.outcome.value,
        record.fault and record.fault.value,
        record.missed_reason or record.reason,
        body,
    )


def version_row(customer: str, url: str, version: OriginVersion) -> dict[str, Any]:
    """The row of the origin_version table."""
    return {
        "customer": customer,
        "url": url,
        "content_digest": version.content_digest,
        "first_seen": version.first_seen,
        "last_seen": version.last_seen,
        "body": encode_any(version).decode(),
    }


def has_evidence(record: Record) -> bool:
    """Whether it holds what was seen: the large part of a row."""
    return isinstance(record, SlotRecord) and record.state is State.MEASURED


def stripped(record: Record) -> Record:
    """A measured slot without what it saw, marked as missed for `agent.shed`; anything else as it is.

    Kept instead of the whole where the store has had no room for a long time: the ledger stays complete.
    """
    if not isinstance(record, SlotRecord) or not has_evidence(record):
        return record
    return replace(
        record,
        state=State.MISSED,
        missed_reason=SHED,
        outcome=None,
        fault=None,
        reason=None,
        confirmed=None,
        summary="It was measured; the result could not be written and there was no more room to hold it.",
        findings=(),
        resolution=None,
        observations=(),
        reference=None,
    )


SLOTS_AN_EVENT = 1_000


@dataclass(slots=True)
class LostRecords:
    """Records of one task (or events of one customer) that could be neither written nor held.

    Told by events once writing works: which slots exactly, by the times when they were due.
    """

    like: Record
    times: list[str]

    @classmethod
    def key(cls, record: Record) -> tuple[str, str | None]:
        """The key by which lost records share one event: (customer, task)."""
        return record.customer, record.task if isinstance(record, SlotRecord) else None

    def events(self, at: str) -> list[EventRecord]:
        """`ledger.gap`: the task, how many of its slots, and when each was due."""
        times = sorted(self.times)
        pages = [times[start : start + SLOTS_AN_EVENT] for start in range(0, len(times), SLOTS_AN_EVENT)]
        return [self._event(at, page) for page in pages]

    def _event(self, at: str, times: list[str]) -> EventRecord:
        like = self.like
        host = like.host if isinstance(like, SlotRecord) else like
        what = {"task": like.task, "slots": " ".join(times)} if isinstance(like, SlotRecord) else {}
        return EventRecord(
            schema_version=like.schema_version,
            kind="event",
            seq=None,
            customer=like.customer,
            at=at,
            event="ledger.gap",
            detail={
                "reason": "agent.store_full",
                "records": str(len(times)),
                "first": times[0],
                "last": times[-1],
                **what,
            },
            agent=agent_of(like),
            agent_version=host.agent_version,
            config_digest=host.config_digest,
        )
