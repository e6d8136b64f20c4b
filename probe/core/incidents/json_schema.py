"""Rule: the schema of an incident is made from its type, so that both say the same (JSON Schema 2020-12)."""

from __future__ import annotations

from typing import Any

import msgspec

from probe.core.incidents.incident import Incident

TIME = {"type": "string", "format": "date-time"}


def incident_schema() -> dict[str, Any]:
    """Of `core.incidents.incident.shown`, with its sentence."""
    _, made = msgspec.json.schema_components([Incident], ref_template="#/$defs/{name}")
    whole = made.pop("Incident")
    properties = {}
    for name, kind in whole["properties"].items():
        shown = name.removesuffix("_us")
        known = {key: value for key, value in kind.items() if key != "default"}
        if shown != name:
            known = TIME if known == {"type": "integer"} else {"anyOf": [TIME, {"type": "null"}]}
        properties[shown] = _inlined(known, made)
    properties["sentence"] = {"type": "string"}
    return {"type": "object", "properties": properties, "required": list(properties)}


def _inlined(kind: Any, known: dict[str, Any]) -> Any:
    """Without references: what they lead to is short."""
    if isinstance(kind, list):
        return [_inlined(each, known) for each in kind]
    if not isinstance(kind, dict):
        return kind
    if "$ref" in kind:
        named = known[kind["$ref"].rpartition("/")[2]]
        return {key: value for key, value in named.items() if key in ("enum",)}
    return {key: _inlined(value, known) for key, value in kind.items()}
