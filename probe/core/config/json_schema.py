"""Rule: what editors complete and check comes from the same models that read the files.

JSON Schema 2020-12 of agent.yaml and of a customer's file. What a schema cannot say (references, doubles, secrets)
`check-config` says.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from probe.core.config.agent import AgentConfig
from probe.core.config.customer import CustomerFile
from probe.core.content.check_kind import Kinds
from probe.core.model.units import format_like
from probe.core.syntax.yaml import OWN_USE

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def agent_schema() -> dict[str, Any]:
    """The JSON Schema of agent.yaml."""
    return schema_document(AgentConfig, "cdn-probe: agent.yaml")


def customer_schema(kinds: Kinds) -> dict[str, Any]:
    """The JSON Schema of a customer's file, with the parameters of every check kind."""
    schema = schema_document(CustomerFile, "cdn-probe: a customer's file")
    definitions = schema["$defs"]
    checks: dict[str, Any] = {}
    for name, kind in kinds.items():
        params = _cleaned(
            kind.params.model_json_schema(by_alias=True, ref_template=f"#/$defs/check.{name}.{{model}}")
        )
        for inner, definition in params.pop("$defs", {}).items():
            definitions[f"check.{name}.{inner}"] = definition
        definitions[f"check.{name}"] = {**params, "description": kind.summary}
        checks[name] = {"$ref": f"#/$defs/check.{name}"}
    definitions["Checks"] = {
        "description": "Checks by kind, each with its parameters",
        "type": "object",
        "additionalProperties": False,
        "properties": checks,
    }
    for definition in definitions.values():
        properties = definition.get("properties", {})
        if definition is not definitions["Checks"] and "checks" in properties:
            properties["checks"] = {
                "$ref": "#/$defs/Checks",
                "description": properties["checks"]["description"],
            }
    return schema


def schema_document(model: type[BaseModel], title: str) -> dict[str, Any]:
    """The JSON Schema of a model of files, as people type them."""
    made: dict[str, Any] = _cleaned(model.model_json_schema(by_alias=True))
    return {"$schema": DIALECT, **made, "title": title, "patternProperties": {f"^{OWN_USE}": {}}}


def _cleaned(schema: Any) -> Any:
    """Without null, which no key takes, and without the titles that only repeat names."""
    if isinstance(schema, list):
        return [_cleaned(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    parts = schema.get("anyOf")
    if isinstance(parts, list) and {"type": "null"} in parts:
        kept = [part for part in parts if part != {"type": "null"}]
        rest = {key: value for key, value in schema.items() if key != "anyOf"}
        schema = {**(kept[0] if len(kept) == 1 else {"anyOf": kept}), **rest}
    default = schema.get("default")
    if isinstance(default, int) and schema.get("type") == "string":  # a quantity, as people type it
        schema = {**schema, "default": format_like(default, schema["examples"][0])}
    elif isinstance(default, dict):  # the defaults of its keys say it
        schema = {key: value for key, value in schema.items() if key != "default"}
    return {
        key: _properties(value) if key in ("properties", "$defs") else _cleaned(value)
        for key, value in schema.items()
        if not (key == "default" and value is None) and not (key == "title" and isinstance(value, str))
    }


def _properties(members: dict[str, Any]) -> dict[str, Any]:
    """Here keys are names, not keywords."""
    return {name: _cleaned(member) for name, member in members.items()}
