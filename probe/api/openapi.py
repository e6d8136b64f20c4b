"""Rule: the document says what the table of routes does: every path, parameter and status, and nothing else.

OpenAPI 3.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from probe import __version__
from probe.api import schemas
from probe.api.http.problem import MEDIA_TYPE
from probe.api.request.calls import Route
from probe.api.request.params import Param


def document(routes: Sequence[Route]) -> dict[str, Any]:
    """The OpenAPI document of these routes."""
    paths: dict[str, Any] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "cdn-probe: pulling results",
            "version": __version__,
            "summary": "What was measured, whole and provable. docs/api.md says how to use it.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas.components(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    made: dict[str, Any] = {
        "operationId": f"{route.method.lower()}{route.path.replace('/', '_').replace('{', '').replace('}', '')}",
        "summary": route.summary,
        "parameters": [*_path_parameters(route), *map(_parameter, route.params)],
        "responses": {"200": {"description": "As asked", "content": route.answers}, **_problems(route)},
        "security": [{"token": []}] if route.verb is not None else [],
    }
    if route.body is not None:
        made["requestBody"] = {"required": True, "content": route.body}
    return made


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    if not route.path.endswith("{id}"):
        return []
    schema = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
    return [{"name": "id", "in": "path", "required": True, "schema": schema}]


def _parameter(param: Param) -> dict[str, Any]:
    return {
        "name": param.name,
        "in": "query",
        "required": param.required,
        "description": param.about,
        "schema": dict(param.schema),
    }


def _problems(route: Route) -> dict[str, Any]:
    guarded = (401, 403, 429) if route.verb is not None else ()
    return {
        str(status): {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": schemas.ref("Problem")}},
        }
        for status in sorted({400, 503, *guarded, *route.statuses})
    }
