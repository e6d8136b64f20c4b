"""Rule: schemas of responses are made from the types that the responses are made from, where there are such types.

JSON Schema (2020-12, as OpenAPI 3.1 takes it) of what the API gives.
"""

from __future__ import annotations

from typing import Any

import msgspec

from probe.core.config.node_labels import ListedNode
from probe.core.incidents.json_schema import incident_schema
from probe.core.records.rows import EventRecord, SlotRecord
from probe.core.tables.columns import GRAINS, WHOLE_NUMBERS, Type
from probe.store.confirmations import Ack

TEXT: dict[str, Any] = {"type": "string"}
TIME: dict[str, Any] = {"type": ["string", "null"], "format": "date-time"}
WHOLE: dict[str, Any] = {"type": "integer"}
MAYBE: dict[str, Any] = {"type": ["string", "null"]}
OBJECT: dict[str, Any] = {"type": "object"}


def ref(name: str) -> dict[str, Any]:
    """A reference to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def listed(items: dict[str, Any]) -> dict[str, Any]:
    """An array."""
    return {"type": "array", "items": items}


def thing(required: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An object with these members, all required."""
    return {"type": "object", "properties": required, "required": list(required), **more}


def components() -> dict[str, Any]:
    """All schemas by name."""
    _, made = msgspec.json.schema_components(
        [SlotRecord, EventRecord, Ack, ListedNode], ref_template="#/components/schemas/{name}"
    )
    head = {"agent": TEXT, "customer": TEXT, "seq": WHOLE, "digest": TEXT, "complete_up_to": TIME}
    return {
        **made,
        "Incident": incident_schema(),
        "Head": {
            "description": "The end of a stream when it was asked for, signed: docs/proof.md",
            "type": "object",
            "properties": head,
        },
        "Dropped": thing(
            {
                "kind": {"const": "dropped"},
                "first_seq": WHOLE,
                "last_seq": WHOLE,
                "previous": TEXT,
                "digest": TEXT,
                "reason": TEXT,
            },
            description="Stands where rows are gone: digests of the line before the span and of its last one",
        ),
        "Page": thing(
            {
                "kind": {"const": "page"},
                "agent": TEXT,
                "customer": TEXT,
                "after": WHOLE,
                "next": WHOLE,
                "rows": WHOLE,
                "complete_up_to": TIME,
                "head": ref("Head"),
            },
            description="The last line of a page; a transfer without it was cut",
        ),
        "EventPage": thing(
            {
                "kind": {"const": "page"},
                "agent": TEXT,
                "customer": TEXT,
                "after": WHOLE,
                "next": WHOLE,
                "rows": WHOLE,
                "more": {"type": "boolean"},
            },
            description="The last line of a page of events; `more`: go on after `next` at once",
        ),
        "GrainRow": _grain_row(),
        "GrainPage": thing(
            {
                "kind": {"const": "page"},
                "agent": TEXT,
                "customer": TEXT,
                "after": MAYBE,
                "next": MAYBE,
                "rows": WHOLE,
                "summed": listed(thing({"first_seq": WHOLE, "last_seq": WHOLE})),
                "complete_up_to": TIME,
            },
            description="The last line of a page of sums; `next`: go on there, null: there are no more;"
            " `summed`: the records that are in all the sums",
        ),
        "Stamp": thing(
            {
                "kind": {"const": "stamp"},
                "version": {"const": 1},
                "head": ref("Head"),
                "nonce": TEXT,
                "response": TEXT,
            },
            description="`response`: the authority's reply (RFC 3161, TimeStampResp in DER) in Base64",
        ),
        "StampPage": thing(
            {
                "kind": {"const": "stamps"},
                "agent": TEXT,
                "customer": TEXT,
                "after": WHOLE,
                "next": WHOLE,
                "count": WHOLE,
            },
            description="The last line of a page of stamps; `count`: how many there are",
        ),
        "Problem": thing(
            {"type": TEXT, "title": TEXT, "status": WHOLE, "detail": TEXT}, description="RFC 9457"
        ),
        "Gap": thing({"first": TIME, "last": TIME, "slots": WHOLE, "reason": TEXT}),
        "TaskCoverage": _task_coverage(),
    }


def _grain_row() -> dict[str, Any]:
    """As `json_line` writes it."""
    shown: dict[str, Any] = {}
    for name, kind in GRAINS.columns.items():
        form = WHOLE if kind in WHOLE_NUMBERS else listed(WHOLE) if kind is Type.COUNTS else TEXT
        nullable = name in GRAINS.key or name in ("first_bad_us", "last_bad_us")
        plain = {**form, "type": [form["type"], "null"]} if nullable else form
        shown[name] = {**plain, "description": GRAINS.what[name]}
    return thing(shown, description="A row of the table `grains`: docs/tables.md")


def _task_coverage() -> dict[str, Any]:
    grid = {"anyOf": [thing({"period_us": WHOLE, "phase_us": WHOLE}), {"type": "null"}]}
    counts = ("due", "measured", "missed", "aborted", "unaccounted", "doubled")
    return thing(
        {
            "task": TEXT,
            "domain": MAYBE,
            "path": MAYBE,
            "vantage_point": MAYBE,
            "ip_version": {"type": ["integer", "null"]},
            "grid": grid,
            **dict.fromkeys(counts, WHOLE),
            "measured_share": {"type": ["number", "null"]},
            "reasons": {"type": "object", "additionalProperties": WHOLE},
            "gaps": listed(ref("Gap")),
        },
        description="due = measured + missed + aborted + unaccounted",
    )
