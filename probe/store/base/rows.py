"""Rule: the body is the record's line, whole; the columns beside it only repeat it.

From records to rows of the tables, and the sparse rows that stand for what could not be kept.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any

import msgspec

from probe.core.model.value import replace
from probe.core.records.codec import encode_any
from probe.core.records.origin import OriginVersion
from probe.core.records.rows import EventRecord, Record, SlotRecord, State
from probe.core.scheduling.grid import to_us

SHED = "agent.shed"


def time_of(record: Record) -> str:
    """When a slot was due, or an event happened."""
    return record.scheduled_at if isinstance(record, SlotRecord) else record.at


def agent_of(record: Record) -> str:
    """Who wrote it."""
    return record.host.agent if isinstance(record, SlotRecord) else record.agent


COLUMNS = ("stream", "seq", "task", "domain", "due_us", "outcome", "verdict", "body")
INSERT_RECORD = f"INSERT INTO record ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608
Verdict = tuple[str | None, str | None, str | None, str | None]  # state, outcome, fault, reason


@dataclass(frozen=True, slots=True)
class Indexed:
    """What lists and the ledger need of a record. An event has no task, and its name for a reason."""

    task: str | None
    domain: str | None
    due_us: int
    verdict: Verdict


def indexed(record: Record) -> Indexed:
    """Of a record. Raises ValueError for a time that is none."""
    if not isinstance(record, SlotRecord):
        return Indexed(None, None, to_us(record.at), (None, None, None, record.event))
    verdict = (
        record.state.value,
        record.outcome and record.outcome.value,
        record.fault and record.fault.value,
        record.missed_reason or record.reason,
    )
    return Indexed(record.task, record.domain, to_us(record.scheduled_at), verdict)


class _Line(msgspec.Struct):
    kind: str
    task: str | None = None
    domain: str | None = None
    scheduled_at: str | None = None
    at: str | None = None
    state: str | None = None
    outcome: str | None = None
    fault: str | None = None
    reason: str | None = None
    missed_reason: str | None = None
    event: str | None = None


_LINE = msgspec.json.Decoder(_Line)


def indexed_line(line: bytes) -> Indexed:
    """The same of a record's line. Raises ValueError for what is none."""
    read = _LINE.decode(line)
    if read.kind != "slot":
        return Indexed(None, None, to_us(read.at or ""), (None, None, None, read.event))
    verdict = read.state, read.outcome, read.fault, read.missed_reason or read.reason
    return Indexed(read.task, read.domain, to_us(read.scheduled_at or ""), verdict)


class Names:
    """The numbers that stand for names in one part. `put` writes new ones; if that fails, read them anew."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        """Reads what is there. Raises sqlite3.Error."""
        self._tasks: dict[str, int] = dict(conn.execute("SELECT name, id FROM task"))
        self._domains: dict[str, int] = dict(conn.execute("SELECT name, id FROM domain"))
        self._outcomes: dict[str, int] = dict(conn.execute("SELECT name, id FROM outcome"))
        self._verdicts: dict[Verdict, int] = {
            (state, outcome, fault, reason): number
            for number, state, outcome, fault, reason in conn.execute(
                "SELECT id, state, outcome, fault, reason FROM verdict"
            )
        }
        self._new: list[tuple[str, tuple[Any, ...]]] = []

    def row(self, of: Indexed, stream: int, seq: int, body: bytes) -> tuple[Any, ...]:
        """The row of the record table, as COLUMNS."""
        task = self._named("task", self._tasks, of.task)
        domain = self._named("domain", self._domains, of.domain)
        outcome = self._named("outcome", self._outcomes, of.verdict[1])
        verdict = self._number("verdict", self._verdicts, of.verdict, of.verdict)
        return stream, seq, task, domain, of.due_us, outcome, verdict, body

    def put(self, conn: sqlite3.Connection) -> None:
        """Write the names that are new, within the caller's transaction."""
        for sql, values in self._new:
            conn.execute(sql, values).close()
        self._new.clear()

    def _named(self, table: str, known: dict[str, int], name: str | None) -> int | None:
        return None if name is None else self._number(table, known, name, (name,))

    def _number(self, table: str, known: dict[Any, int], name: Any, values: tuple[Any, ...]) -> int:
        number = known.get(name)
        if number is None:
            number = known[name] = len(known) + 1
            self._new.append((_PUT[table], (number, *values)))
        return number


_PUT = {
    "task": "INSERT INTO task (id, name) VALUES (?, ?)",
    "domain": "INSERT INTO domain (id, name) VALUES (?, ?)",
    "outcome": "INSERT INTO outcome (id, name) VALUES (?, ?)",
    "verdict": "INSERT INTO verdict (id, state, outcome, fault, reason) VALUES (?, ?, ?, ?, ?)",
}


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
