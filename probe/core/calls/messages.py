"""Rule: what identifies an incident is a label and never changes; what it is like is an annotation.

An Alertmanager takes alerts with the same labels for one (its API v2): an incident that grows stays one alert. Until
when an open one is to be held for open is said with it, so that it ends by itself where nobody repeats it. A webhook
gets one JSON object (docs/monitoring/call.schema.json), signed together with the time of sending.
"""

from __future__ import annotations

import hmac
from typing import Any

import msgspec

from probe.core.calls.queue import Delivery
from probe.core.incidents.incident import Incident, Kind, Stage, shown
from probe.core.incidents.json_schema import TIME, incident_schema
from probe.core.incidents.sentence import sentence
from probe.core.model.times import utc_text_us
from probe.core.text.control_characters import CONTROL

SCHEMA_VERSION = 1
DOMAIN_ALERT, POINT_ALERT = "CdnProbeIncident", "CdnProbeVantagePointIncident"
HELD_LEAST_US = 300_000_000  # an agent that is started anew is back sooner
MOST = 20  # names in an annotation


def alerts(delivery: Delivery, agent: str, now_us: int) -> bytes:
    """The body of POST /api/v2/alerts. `agent`: who calls."""
    incident = delivery.incident
    ends_us = now_us + max(HELD_LEAST_US, 4 * delivery.target.repeat_us)
    if not incident.is_open:
        ends_us = max(incident.first_failing_us + 1, min(now_us, incident.closed_us or now_us))
    alert = {
        "labels": _labels(incident, agent),
        "annotations": _annotations(incident),
        "startsAt": utc_text_us(incident.first_failing_us),
        "endsAt": utc_text_us(ends_us),
    }
    return msgspec.json.encode([alert])


def _labels(incident: Incident, agent: str) -> dict[str, str]:
    if incident.kind is Kind.VANTAGE_POINT:
        of_point = {"alertname": POINT_ALERT, "vantage_point": incident.vantage_point or ""}
        return {**of_point, "agent": agent, "incident": incident.id}
    of_domain = {
        "alertname": DOMAIN_ALERT,
        "customer": incident.customer or "",
        "domain": incident.domain or "",
    }
    return {**of_domain, "agent": agent, "incident": incident.id}


def _annotations(incident: Incident) -> dict[str, str]:
    made = {
        "summary": sentence(incident),
        "fault": incident.fault.value,
        "outcome": incident.outcome.value,
        "reason": ", ".join(f"{reason} ({count})" for reason, count in incident.reasons[:MOST]),
        "vantage_points": _names(incident.vantage_points),
        "regions": _names(incident.regions),
        "carriers": _names(incident.carriers),
        "nodes": _names(incident.nodes),
        "rows": _names(incident.keys),
        "exclusion": _names(incident.exclusions) if incident.excluded else "",
    }
    return {name: CONTROL.sub(" ", text) for name, text in made.items() if text}


def _names(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    return ", ".join(names[:MOST]) + more


def webhook(delivery: Delivery, agent: str, now_us: int) -> bytes:
    """The body of a webhook's POST."""
    stage = delivery.stage or Stage.CHANGED
    message: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "delivery": delivery.id,
        "event": f"incident.{stage}",
        "agent": agent,
        "sent_at": utc_text_us(now_us),
        "incident": {**shown(delivery.incident), "sentence": sentence(delivery.incident)},
    }
    return msgspec.json.encode(message)


def webhook_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of it."""
    properties = {
        "schema_version": {"const": SCHEMA_VERSION},
        "delivery": {
            "type": "string",
            "description": "incident and revision: the same for every attempt at telling this",
        },
        "event": {"enum": [f"incident.{stage}" for stage in Stage]},
        "agent": {"type": "string", "description": "who calls"},
        "sent_at": TIME,
        "incident": {**incident_schema(), "description": "docs/records.md says what each member means"},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What a webhook of cdn-probe is sent",
        "type": "object",
        "properties": properties,
        "required": list(properties),
    }


def signature(secret: bytes, timestamp_s: int, body: bytes) -> str:
    """`v1=` and HMAC-SHA256 (RFC 2104) in hexadecimal, over the decimal timestamp, a full stop and the body."""
    return f"v1={hmac.new(secret, f'{timestamp_s}.'.encode() + body, 'sha256').hexdigest()}"
