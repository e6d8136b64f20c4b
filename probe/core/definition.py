"""Rule: a row can be judged again years later, so the task it was measured under is kept in full.

Task <-> plain values for JSON, and the digest that names a definition. Secrets stay references.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

import msgspec

from probe.core.kinds import Kinds
from probe.core.task import CheckSpec, FieldValue, SecretRef, Task


def task_to_json(task: Task) -> dict[str, Any]:
    """Everything that a task says, as plain values; secrets stay references (`env:NAME`)."""
    data = {f.name: _plain(getattr(task, f.name)) for f in fields(task)}
    data["checks"] = [
        {"kind": spec.kind, "params": spec.params.model_dump(mode="json", by_alias=True, exclude_none=True)}
        for spec in task.checks
    ]
    return data


def _plain(value: Any) -> Any:
    if isinstance(value, SecretRef):
        return {"secret": str(value)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    return value


def task_from_json(data: Any, kinds: Kinds) -> Task:
    """The task that `task_to_json` told of. Raises ValueError."""

    def field_value(item: Any) -> Any:
        if isinstance(item, dict) and "secret" in item:
            scheme, _, name = item["secret"].partition(":")
            return SecretRef(scheme=scheme, name=name)
        return item

    def request(told: Mapping[str, Any]) -> dict[str, Any]:
        return {**told, "fields": ()}

    checks = tuple(
        CheckSpec(kind=c["kind"], params=kinds[c["kind"]].params.model_validate(c["params"]))
        for c in data["checks"]
    )
    bare = {**data, "checks": [], "request": request(data["request"])}
    if data["origin"] is not None:
        bare["origin"] = {**data["origin"], "request": request(data["origin"]["request"])}
    try:
        task = msgspec.convert(bare, Task)
    except msgspec.ValidationError as error:
        raise ValueError(f"not a task definition: {error}") from None
    task = replace(
        task, checks=checks, request=replace(task.request, fields=_fields(data["request"], field_value))
    )
    if task.origin is not None:
        told = _fields(data["origin"]["request"], field_value)
        task = replace(task, origin=replace(task.origin, request=replace(task.origin.request, fields=told)))
    return task


def _check(told: Mapping[str, Any], kinds: Kinds) -> CheckSpec:
    if told["kind"] not in kinds:
        raise ValueError(f"not a task definition: no check kind {told['kind']!r}")
    return CheckSpec(kind=told["kind"], params=kinds[told["kind"]].params.model_validate(told["params"]))


def _fields(request: Mapping[str, Any], read: Any) -> tuple[tuple[str, FieldValue], ...]:
    return tuple((name, read(value)) for name, value in request["fields"])


def define(task: Task) -> str:
    """Digest (32 hex) of everything about a task, but for the digest itself."""
    data = {name: value for name, value in task_to_json(task).items() if name != "definition"}
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:32]
