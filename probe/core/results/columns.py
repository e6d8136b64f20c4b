"""Rule: the flat columns are fixed: a new one goes to the end, none is renamed, and each has its unit in its name.

One stored line -> one row of CSV or Parquet. What a row cannot hold (all observations, findings, the chain of names) is
in the record itself; docs/results.md lists the columns.
"""

from __future__ import annotations

from collections.abc import Mapping

from probe.core.records.codec import DROPPED, decode, dropped_span
from probe.core.records.observation import Observation, Role
from probe.core.records.phases import phases
from probe.core.records.rows import EventRecord, SlotRecord

Cell = str | int | bool | None

# Name -> type: text, whole number (64 bits) or truth. In this order.
COLUMNS: Mapping[str, type] = {
    "agent": str, "customer": str, "seq": int, "last_seq": int, "kind": str, "scheduled_at": str,
    "started_at": str, "finished_at": str, "state": str, "missed_reason": str, "outcome": str, "fault": str,
    "reason": str, "confirmed": bool, "domain": str, "path": str, "vantage_point": str, "region": str,
    "carrier": str, "asn": int, "ip_version": int, "canonical_name": str, "address": str, "port": int,
    "http_version": str, "status_code": int, "failure_phase": str, "failure_type": str, "resolve_us": int,
    "connect_us": int, "tls_us": int, "processing_us": int, "transfer_us": int, "ttfb_us": int, "total_us": int,
    "encoded_body_bytes": int, "decoded_body_bytes": int, "content_digest": str, "relation": str,
    "cache_hit": bool, "age_s": int, "tainted": bool, "observations": int, "findings": int, "exclusions": str,
    "evidence_id": str, "summary": str, "task": str, "definition": str, "loop_lag_us": int, "lateness_us": int,
    "clock_synchronised": bool, "clock_max_error_us": int, "agent_version": str, "config_digest": str,
    "complete_up_to": str, "schema_version": int, "ttfb_unsure_us": int, "total_unsure_us": int, "due_again": bool,
    "protocol": str,
}  # fmt: skip

Row = dict[str, Cell]


def flat_row(agent: str, customer: str, line: bytes) -> Row:
    """The row of a line; columns that do not apply are None. Raises CodecError for a line that is no record."""
    row: Row = dict.fromkeys(COLUMNS)
    if (dropped := dropped_span(line)) is not None:
        row |= {"kind": DROPPED, "seq": dropped.first_seq, "last_seq": dropped.last_seq}
        return row | {"agent": agent, "customer": customer, "reason": dropped.reason}
    record = decode(line)
    row |= _of_event(record) if isinstance(record, EventRecord) else _of_slot(record)
    return row | {
        "agent": agent,
        "customer": record.customer,
        "seq": record.seq,
        "last_seq": record.seq,
        "kind": record.kind,
        "complete_up_to": record.complete_up_to,
        "schema_version": record.schema_version,
    }


def shown(record: SlotRecord) -> Observation | None:
    """The one observation of a slot that a flat row shows: the first that the verdict rests on, else the first edge."""
    edges = [i for i, seen in enumerate(record.observations) if seen.role is Role.EDGE]
    relied_on = [i for i in record.rests_on if i in edges]
    chosen = relied_on or edges
    return record.observations[chosen[0]] if chosen else None


def _of_event(event: EventRecord) -> Row:
    return {
        "scheduled_at": event.at,
        "reason": event.event,
        "agent_version": event.agent_version,
        "config_digest": event.config_digest,
    }


def _of_slot(slot: SlotRecord) -> Row:
    names = (
        "scheduled_at", "started_at", "finished_at", "missed_reason", "reason", "confirmed", "domain", "path",
        "vantage_point", "region", "carrier", "asn", "ip_version", "evidence_id", "summary", "task", "definition",
        "due_again", "protocol",
    )  # fmt: skip
    row: Row = {name: getattr(slot, name) for name in names}
    row |= {
        "state": slot.state.value,
        "outcome": None if slot.outcome is None else slot.outcome.value,
        "fault": None if slot.fault is None else slot.fault.value,
        "observations": len(slot.observations),
        "findings": len(slot.findings),
        "exclusions": "; ".join(slot.exclusions) or None,
        "canonical_name": None if slot.resolution is None else slot.resolution.canonical_name,
        "loop_lag_us": slot.host.loop_lag_us,
        "lateness_us": slot.host.lateness_us,
        "clock_synchronised": slot.host.clock_synchronised,
        "clock_max_error_us": slot.host.clock_max_error_us,
        "agent_version": slot.host.agent_version,
        "config_digest": slot.host.config_digest,
    }
    seen = shown(slot)
    return row if seen is None else row | _of_observation(slot, seen)


def _of_observation(slot: SlotRecord, seen: Observation) -> Row:
    times = phases(seen.timing, slot.resolution)
    row: Row = {
        name: getattr(times, name)
        for name in (
            "resolve_us", "connect_us", "tls_us", "processing_us", "transfer_us", "ttfb_us", "total_us"
        )
    }  # fmt: skip
    if (unsure := seen.timing.uncertainty) is not None:
        row |= {
            "ttfb_unsure_us": unsure.until(unsure.response_start_us),
            "total_unsure_us": unsure.until(unsure.response_end_us),
        }
    row |= {
        "address": seen.address,
        "port": seen.port,
        "failure_phase": None if seen.failure is None else seen.failure.phase.value,
        "failure_type": None if seen.failure is None else seen.failure.type.value,
        "relation": None if seen.comparison is None else seen.comparison.relation.value,
        "cache_hit": None if seen.cache_status is None else seen.cache_status.hit,
        "tainted": seen.tainted,
    }
    if (response := seen.response) is not None:
        row |= {
            "http_version": response.next_hop_protocol,
            "status_code": response.status_code,
            "encoded_body_bytes": response.encoded_body_bytes,
            "decoded_body_bytes": response.decoded_body_bytes,
            "content_digest": response.content_digest,
            "age_s": response.age_s,
        }
    return row
