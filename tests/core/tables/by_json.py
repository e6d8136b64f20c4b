"""The tables once more, from the lines' JSON alone: nothing here imports what is tested. For comparison."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
GRAVEST_LAST = ("ok", "inconclusive", "slow", "stale", "failed")
COUNTED_LAST = (None, "unknown", "agent", "vantage", "origin", "customer", "path", "cdn")
AS_THEY_ARE = (
    "customer", "seq", "task", "domain", "path", "vantage_point", "region", "carrier", "asn", "ip_version", "state",
    "missed_reason", "outcome", "fault", "reason", "confirmed", "evidence_id", "definition", "schema_version",
)  # fmt: skip


def us(text: str | None) -> int | None:
    return None if text is None else (datetime.fromisoformat(text) - EPOCH) // timedelta(microseconds=1)


def between(timing: dict[str, Any], start: str, end: str) -> int | None:
    first, last = timing.get(f"{start}_us"), timing.get(f"{end}_us")
    return None if first is None or last is None else last - first


def slot(agent: str, line: str) -> dict[str, Any]:
    record = json.loads(line)
    edges = [o for o in record["observations"] if o["role"] == "edge"]
    reach, health, host = record.get("reach") or {}, record.get("vantage_health") or {}, record["host"]
    clock = record.get("clock")
    if clock is None:
        kernel = host["clock_synchronised"] is True
        clock = {
            "vouched_by": "kernel" if kernel else None,
            "bound_us": host["clock_max_error_us"] if kernel else None,
        }
    return {
        **{name: record.get(name) for name in AS_THEY_ARE},
        "agent": agent,
        "scheme": record.get("scheme") or next((o["url"].split(":")[0] for o in edges), None),
        "protocol": "h1",
        "scheduled_at": us(record["scheduled_at"]),
        "started_at": us(record["started_at"]),
        "finished_at": us(record["finished_at"]),
        "exclusions": tuple(record["exclusions"]),
        "reach_known": reach.get("known"),
        "reach_asked": reach.get("asked"),
        "reach_answered": reach.get("answered"),
        "offline_meanwhile": health.get("offline_meanwhile"),
        "tainted": any(o.get("tainted", False) for o in edges),
        "clock_synchronised": host["clock_synchronised"],
        "clock_max_error_us": host["clock_max_error_us"],
        "clock_vouched_by": clock["vouched_by"],
        "clock_bound_us": clock["bound_us"],
        "left_out": tuple(record.get("left_out", ())),
        "config_digest": host["config_digest"],
        "line_sha256": hashlib.sha256(line.encode()).digest(),
        "due_again": record.get("due_again", False),
        "edges": len(edges),
    }


def requests(agent: str, line: str) -> list[dict[str, Any]]:
    record = json.loads(line)
    rows = []
    for number, seen in enumerate(record["observations"]):
        named = [f for f in record["findings"] if f["observation"] == number]
        named.sort(key=lambda f: (GRAVEST_LAST.index(f["outcome"]), COUNTED_LAST.index(f["fault"])))
        best = [f for f in named if (f["outcome"], f["fault"]) == (named[-1]["outcome"], named[-1]["fault"])]
        finding = best[0] if best else {}  # of equals the first
        timing, response = seen["timing"], seen["response"] or {}
        failure, compared = seen["failure"] or {}, seen["comparison"] or {}
        followed = [o for o in record["observations"] if o["role"] == "redirect" and o["of"] == number]
        end = followed[-1] if followed else seen
        unsure = timing.get("uncertainty")
        before = 0 if unsure is None else unsure["connect_us"] + unsure["tls_us"]
        secure = timing.get("secure_connection_start_us") is not None
        digest = response.get("content_digest")
        rows.append(
            {
                "agent": agent,
                **{name: record[name] for name in ("customer", "seq", "domain", "path", "task")},
                "number": number,
                **{name: seen[name] for name in ("role", "address", "port", "of")},
                "counted": seen["role"] == "edge",
                "rests_on": number in record.get("rests_on", ()),
                "vantage_point": seen.get("vantage_point") or record["vantage_point"],
                "proxied": seen["proxy"] is not None,
                "status_code": response.get("status_code"),
                "failure_phase": failure.get("phase"),
                "failure_type": failure.get("type"),
                "outcome": finding.get("outcome"),
                "fault": finding.get("fault"),
                "reason": finding.get("reason"),
                "confirmed": finding.get("confirmed"),
                "resolve_us": look_up(record) if seen["role"] == "edge" else None,
                "connect_us": between(
                    timing, "connect_start", "secure_connection_start" if secure else "connect_end"
                ),
                "tls_us": between(timing, "secure_connection_start", "connect_end"),
                "processing_us": between(timing, "request_start", "response_start"),
                "transfer_us": between(timing, "response_start", "response_end"),
                "ttfb_us": between(timing, "connect_start", "response_start"),
                "total_us": between(timing, "connect_start", "response_end"),
                "ttfb_unsure_us": None if unsure is None else before + unsure["response_start_us"],
                "total_unsure_us": None if unsure is None else before + unsure["response_end_us"],
                **{
                    name: response.get(name) for name in ("encoded_body_bytes", "decoded_body_bytes", "age_s")
                },
                "content_digest": None if digest is None else bytes.fromhex(digest),
                "relation": compared.get("relation"),
                "behind_s": compared.get("behind_s"),
                "propagated_after_s_at_least": compared.get("propagated_after_s_at_least"),
                "propagated_after_s_at_most": compared.get("propagated_after_s_at_most"),
                "cache_hit": (seen["cache_status"] or {}).get("hit"),
                "http_version": response.get("next_hop_protocol"),
                "tainted": seen.get("tainted", False),
                "scheduled_at": us(record["scheduled_at"]),
                "scheme": scheme if (scheme := seen["url"].split(":")[0]) in ("http", "https") else None,
                "final_status_code": (end["response"] or {}).get("status_code"),
                "final_failure_phase": (end["failure"] or {}).get("phase"),
            }
        )
    return rows


def look_up(record: dict[str, Any]) -> int | None:
    asked = [q for q in (record["resolution"] or {"queries": ()})["queries"] if q["purpose"] == "chain"]
    starts = [q["start_us"] for q in asked if q["start_us"] is not None]
    ends = [q["end_us"] for q in asked if q["end_us"] is not None]
    return max(ends) - min(starts) if starts and ends else None


def events(agent: str, customer: str, line: str) -> list[dict[str, Any]]:
    record = json.loads(line)
    if record["kind"] == "dropped":
        detail = {name: str(record[name]) for name in ("first_seq", "last_seq", "reason")}
        row = {"seq": record["first_seq"], "at": None, "event": "dropped", "detail": detail}
        return [{"agent": agent, "customer": customer, "task": None, "slot_at": None, **row}]
    detail = {k: v for k, v in record["detail"].items() if (k, record["event"]) != ("slots", "ledger.gap")}
    listed = record["detail"].get("slots", "").split() if record["event"] == "ledger.gap" else []
    return [
        {
            "agent": agent,
            "customer": customer,
            "seq": record["seq"],
            "at": us(record["at"]),
            "event": record["event"],
            "task": record["detail"].get("task"),
            "slot_at": us(when),
            "detail": detail,
        }
        for when in (listed or [None])
    ]
