"""What editors complete and check of agreements and profiles, from the models that read them (JSON Schema 2020-12)."""

from __future__ import annotations

from typing import Any

from probe.core.config.json_schema import schema_document
from probe.core.sla.contract.agreement import Agreement
from probe.core.sla.contract.profile import Profile


def agreement_schema() -> dict[str, Any]:
    """Of what one customer agreed on. What `overrides` may hold is the profile's own schema."""
    schema = schema_document(Agreement, "cdn-probe: an agreement")
    schema["properties"]["overrides"]["description"] = "Keys of the profile: see `cdn-probe schema profile`"
    return schema


def profile_schema() -> dict[str, Any]:
    """Of a kind of contract."""
    return schema_document(Profile, "cdn-probe: a contract's profile")
