"""HAR 1.2 as a JSON Schema, from the specification's own tables (required members and their types)."""

from __future__ import annotations

from typing import Any

_PAIR = {
    "type": "object",
    "required": ["name", "value"],
    "properties": {"name": {"type": "string"}, "value": {"type": "string"}},
}
_TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$"
_DURATION = {"type": "number", "minimum": -1}
_REQUEST = {
    "type": "object",
    "required": [
        "method", "url", "httpVersion", "cookies", "headers", "queryString", "headersSize", "bodySize",
    ],
    "properties": {
        "method": {"type": "string", "minLength": 1},
        "url": {"type": "string", "minLength": 1},
        "httpVersion": {"type": "string"},
        "cookies": {"type": "array", "items": _PAIR},
        "headers": {"type": "array", "items": _PAIR},
        "queryString": {"type": "array", "items": _PAIR},
        "headersSize": {"type": "integer", "minimum": -1},
        "bodySize": {"type": "integer", "minimum": -1},
    },
}  # fmt: skip
_RESPONSE = {
    "type": "object",
    "required": [
        "status", "statusText", "httpVersion", "cookies", "headers", "content", "redirectURL", "headersSize",
        "bodySize",
    ],
    "properties": {
        "status": {"type": "integer"},
        "statusText": {"type": "string"},
        "httpVersion": {"type": "string"},
        "cookies": {"type": "array", "items": _PAIR},
        "headers": {"type": "array", "items": _PAIR},
        "content": {
            "type": "object",
            "required": ["size", "mimeType"],
            "properties": {
                "size": {"type": "integer"},
                "compression": {"type": "integer"},
                "mimeType": {"type": "string", "minLength": 1},
                "text": {"type": "string"},
                "encoding": {"const": "base64"},
            },
        },
        "redirectURL": {"type": "string"},
        "headersSize": {"type": "integer", "minimum": -1},
        "bodySize": {"type": "integer", "minimum": -1},
    },
}  # fmt: skip
_ENTRY = {
    "type": "object",
    "required": ["startedDateTime", "time", "request", "response", "cache", "timings"],
    "properties": {
        "pageref": {"type": "string"},
        "startedDateTime": {"type": "string", "pattern": _TIME},
        "time": {"type": "number", "minimum": 0},
        "request": _REQUEST,
        "response": _RESPONSE,
        "cache": {"type": "object"},
        "timings": {
            "type": "object",
            "required": ["send", "wait", "receive"],
            "properties": {
                "blocked": _DURATION,
                "dns": _DURATION,
                "connect": _DURATION,
                "ssl": _DURATION,
                "send": {"type": "number", "minimum": 0},
                "wait": {"type": "number", "minimum": 0},
                "receive": {"type": "number", "minimum": 0},
            },
        },
        "serverIPAddress": {"type": "string"},
        "connection": {"type": "string"},
        "comment": {"type": "string"},
    },
    "patternProperties": {"^_": True},
    "additionalProperties": False,
}
HAR_1_2: dict[str, Any] = {
    "type": "object",
    "required": ["log"],
    "properties": {
        "log": {
            "type": "object",
            "required": ["version", "creator", "entries"],
            "properties": {
                "version": {"const": "1.2"},
                "creator": {
                    "type": "object",
                    "required": ["name", "version"],
                    "properties": {"name": {"type": "string"}, "version": {"type": "string"}},
                },
                "pages": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["startedDateTime", "id", "title", "pageTimings"],
                        "properties": {"startedDateTime": {"type": "string", "pattern": _TIME}},
                    },
                },
                "entries": {"type": "array", "items": _ENTRY},
            },
        }
    },
}
