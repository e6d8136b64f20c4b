"""Rule: nothing is added up or judged on the way: one slot is one row, one request on the wire is one row.

A stored line -> rows of `slots`, `requests` and `events`. What a request was found to be is the gravest finding that
names it; what was found of the slot as a whole stands in `slots` alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from typing import Any

from probe.core.records.codec import DROPPED, CodecError, DroppedSpan, decode, dropped_span
from probe.core.records.observation import Observation, Role
from probe.core.records.phases import phases
from probe.core.records.rows import EventRecord, Record, SlotRecord
from probe.core.records.transport import ResourceTiming
from probe.core.records.verdict import Finding, gravity
from probe.core.scheduling.grid import to_us
from probe.core.tables.columns import EVENTS, REQUESTS, SLOTS, TABLES, Row

_LISTED = "slots"  # in `ledger.gap`: when each slot without a row was due
_SCHEMES = ("http", "https")
_NO_REQUEST: Row = dict.fromkeys(REQUESTS.columns)


@dataclass(slots=True)
class Rows:
    """What one line gives."""

    slots: list[Row] = field(default_factory=list)
    requests: list[Row] = field(default_factory=list)
    events: list[Row] = field(default_factory=list)

    def of(self, table: str) -> list[Row]:
        """Those of one table, by its name."""
        rows: list[Row] = getattr(self, table)
        return rows


def rows_of(agent: str, customer: str, line: bytes, tables: Container[str] = TABLES) -> Rows:
    """The rows of a line of this stream, in these tables. Raises CodecError for a line that is no record."""
    if (dropped := dropped_span(line)) is not None:
        return Rows(events=[_of_dropped(agent, customer, dropped)] if EVENTS.name in tables else [])
    return rows_of_record(agent, decode(line), line, tables)


def rows_of_record(agent: str, record: Record, line: bytes, tables: Container[str] = TABLES) -> Rows:
    """The same of a record that was read already. Raises CodecError."""
    try:
        if isinstance(record, EventRecord):
            return Rows(events=list(event_rows(agent, record)) if EVENTS.name in tables else [])
        rows = Rows()
        if SLOTS.name in tables:
            rows.slots.append(slot_row(agent, record, hashlib.sha256(line).digest()))
        if REQUESTS.name in tables:
            rows.requests += request_rows(agent, record)
        return rows
    except (ValueError, OverflowError) as error:  # a time or digest of a line that was made by others
        raise CodecError(f"record {record.seq} of {record.customer} cannot be read: {error}") from error


def slot_row(agent: str, slot: SlotRecord, line_sha256: bytes | None = None) -> Row:
    """One row a due slot. Raises ValueError for times that are none."""
    names = (
        "customer", "seq", "task", "domain", "path", "vantage_point", "region", "carrier", "asn", "ip_version",
        "missed_reason", "reason", "confirmed", "evidence_id", "definition", "schema_version", "exclusions", "left_out",
        "protocol", "due_again",
    )  # fmt: skip
    edges = [seen for seen in slot.observations if seen.role is Role.EDGE]
    row: Row = dict.fromkeys(SLOTS.columns)
    row |= {name: getattr(slot, name) for name in names}
    row |= {
        "agent": agent,
        "scheme": slot.scheme or next((_scheme(seen) for seen in edges), None),
        "scheduled_at": to_us(slot.scheduled_at),
        "started_at": _time(slot.started_at),
        "finished_at": _time(slot.finished_at),
        "state": slot.state.value,
        "outcome": _value(slot.outcome),
        "fault": _value(slot.fault),
        "tainted": any(seen.tainted for seen in edges),
        "clock_synchronised": slot.host.clock_synchronised,
        "clock_max_error_us": slot.host.clock_max_error_us,
        "config_digest": slot.host.config_digest,
        "line_sha256": line_sha256,
        "edges": len(edges),
    }
    if slot.reach is not None:
        row |= {f"reach_{name}": getattr(slot.reach, name) for name in ("known", "asked", "answered")}
    if slot.vantage_health is not None:
        row["offline_meanwhile"] = slot.vantage_health.offline_meanwhile
    row["clock_vouched_by"], row["clock_bound_us"] = clock_of(slot)
    return row


def clock_of(slot: SlotRecord) -> tuple[str | None, int | None]:
    """Who vouches for the clock, and to within how many microseconds. Rows of 0.1 have the kernel's word alone."""
    if slot.clock is not None:
        return slot.clock.vouched_by, slot.clock.bound_us
    return ("kernel", slot.host.clock_max_error_us) if slot.host.clock_synchronised else (None, None)


def request_rows(agent: str, slot: SlotRecord) -> Iterator[Row]:
    """One row a request on the wire, or the attempt at one, in the order of the record."""
    gravest: dict[int, Finding] = {}
    for finding in slot.findings:
        index = finding.observation
        if index is not None and (index not in gravest or gravity(finding) > gravity(gravest[index])):
            gravest[index] = finding
    last = {seen.of: seen for seen in slot.observations if seen.role is Role.REDIRECT}
    scheduled_us = to_us(slot.scheduled_at)
    relied_on = frozenset(slot.rests_on)
    resolve_us = phases(ResourceTiming(), slot.resolution).resolve_us
    for number, seen in enumerate(slot.observations):
        row: Row = _NO_REQUEST | {
            "agent": agent,
            "customer": slot.customer,
            "seq": slot.seq,
            "number": number,
            "rests_on": number in relied_on,
            "vantage_point": seen.vantage_point or slot.vantage_point,
            "domain": slot.domain,
            "path": slot.path,
            "task": slot.task,
            "scheduled_at": scheduled_us,
        }
        row |= _of_observation(seen, resolve_us)
        row |= _ending(last.get(number, seen))
        yield row if number not in gravest else row | _of_finding(gravest[number])


def _of_finding(finding: Finding) -> Row:
    return {
        "outcome": finding.outcome.value,
        "fault": _value(finding.fault),
        "reason": finding.reason,
        "confirmed": finding.confirmed,
    }


def _of_observation(seen: Observation, resolve_us: int | None) -> Row:
    times = phases(seen.timing)
    row: Row = {
        "resolve_us": resolve_us if seen.role is Role.EDGE else None,
        "connect_us": times.connect_us,
        "tls_us": times.tls_us,
        "processing_us": times.processing_us,
        "transfer_us": times.transfer_us,
        "ttfb_us": times.ttfb_us,
        "total_us": times.total_us,
    }
    if (unsure := seen.timing.uncertainty) is not None:
        row["ttfb_unsure_us"] = unsure.until(unsure.response_start_us)
        row["total_unsure_us"] = unsure.until(unsure.response_end_us)
    row |= {
        "role": seen.role.value,
        "counted": seen.role is Role.EDGE,
        "address": seen.address,
        "port": seen.port,
        "of": seen.of,
        "proxied": seen.proxy is not None,
        "failure_phase": None if seen.failure is None else seen.failure.phase.value,
        "failure_type": None if seen.failure is None else seen.failure.type.value,
        "cache_hit": None if seen.cache_status is None else seen.cache_status.hit,
        "tainted": seen.tainted,
        "scheme": _scheme(seen),
    }
    if (compared := seen.comparison) is not None:
        row |= {
            "relation": compared.relation.value,
            "behind_s": compared.behind_s,
            "propagated_after_s_at_least": compared.propagated_after_s_at_least,
            "propagated_after_s_at_most": compared.propagated_after_s_at_most,
        }
    if (response := seen.response) is not None:
        row |= {
            "status_code": response.status_code,
            "encoded_body_bytes": response.encoded_body_bytes,
            "decoded_body_bytes": response.decoded_body_bytes,
            "content_digest": _digest(response.content_digest),
            "age_s": response.age_s,
            "http_version": response.next_hop_protocol,
        }
    return row


def _ending(seen: Observation) -> Row:
    """What a user met in the end."""
    return {
        "final_status_code": None if seen.response is None else seen.response.status_code,
        "final_failure_phase": None if seen.failure is None else seen.failure.phase.value,
    }


def event_rows(agent: str, event: EventRecord) -> Iterator[Row]:
    """One row an event; a `ledger.gap` that lists slots without a row is one row for each of them."""
    detail = dict(event.detail)
    times: list[int | None] = [None]
    if event.event == "ledger.gap" and (listed := detail.get(_LISTED)):
        del detail[_LISTED]
        times = [to_us(text) for text in listed.split()]
    for slot_us in times:
        row: Row = dict.fromkeys(EVENTS.columns)
        yield row | {
            "agent": agent,
            "customer": event.customer,
            "seq": event.seq,
            "at": to_us(event.at),
            "event": event.event,
            "task": detail.get("task"),
            "slot_at": slot_us,
            "detail": detail,
        }


def _of_dropped(agent: str, customer: str, span: DroppedSpan) -> Row:
    row: Row = dict.fromkeys(EVENTS.columns)
    return row | {
        "agent": agent,
        "customer": customer,
        "seq": span.first_seq,
        "event": DROPPED,
        "detail": {
            "first_seq": str(span.first_seq),
            "last_seq": str(span.last_seq),
            "reason": span.reason,
        },
    }


def _scheme(seen: Observation) -> str | None:
    """Anchors may be `tcp:` or `dns:`; these are no schemes of HTTP."""
    scheme = seen.url.partition("://")[0]
    return scheme if scheme in _SCHEMES else None


def _time(text: str | None) -> int | None:
    return None if text is None else to_us(text)


def _digest(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(text)


def _value(word: Any) -> str | None:
    return None if word is None else str(word.value)
