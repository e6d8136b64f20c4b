"""Rule: editors complete and check exactly what the agent accepts: the schema is derived, never written.

JSON Schema 2020-12 of agent.yaml and of a customer's file, from the same models that validate them.
"""

from __future__ import annotations

from typing import Any

from probe.core.config_agent import AgentConfig
from probe.core.config_customer import CustomerConfig
from probe.core.kinds import Kinds

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def agent_schema() -> dict[str, Any]:
    """The schema of agent.yaml."""
    return {"$schema": DIALECT, **AgentConfig.model_json_schema(by_alias=True, mode="validation")}


def customer_schema(kinds: Kinds) -> dict[str, Any]:
    """The schema of a customer's file, with the parameters of every check kind."""
    schema = CustomerConfig.model_json_schema(by_alias=True, mode="validation")
    definitions: dict[str, Any] = schema["$defs"]
    checks: dict[str, Any] = {}
    for name, kind in sorted(kinds.items()):
        params = kind.params.model_json_schema(by_alias=True, mode="validation")
        definitions.update(params.pop("$defs", {}))
        checks[name] = {"anyOf": [params, {"type": "null"}], "description": kind.summary}
    definitions["Checks"] = {"type": "object", "additionalProperties": False, "properties": checks}
    for name in ("Inherited", "DomainConfig", "ObjectConfig"):
        definitions[name]["properties"]["checks"] = {"anyOf": [{"$ref": "#/$defs/Checks"}, {"type": "null"}]}
    return {"$schema": DIALECT, **schema}
