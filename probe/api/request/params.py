"""Rule: a request's target is taken as it stands on the wire: nothing is normalised, guessed or passed over.

A parameter's description here is also what the OpenAPI document says of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from probe.api.http.problem import Refused
from probe.core.syntax.values import OWN_NAME

_PATH = re.compile(r"(/[A-Za-z0-9_.-]+)+/?|/")
_SECRET_KEY = re.compile(
    r"token|secret|passw|bearer|authoriz|api-?_?key|^(key|auth|sig|signature|jwt)$", re.I
)
_WHOLE = re.compile(r"[0-9]{1,19}")
_TIME = re.compile(r"\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:\d\d))?")
MOST_SEQ = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """One query parameter. `read` raises ValueError with words; `schema` is its JSON Schema."""

    name: str
    about: str
    read: Callable[[str], Any]
    schema: Mapping[str, Any]
    required: bool = False
    default: Any = None


@dataclass(frozen=True, slots=True)
class Target:
    """A request's path and raw query values, percent-decoded once."""

    path: str
    query: Mapping[str, str] = field(default_factory=dict)


def parse_target(raw: str) -> Target:
    """The target of a request line. Raises Refused (400)."""
    path, _, query = raw.partition("?")
    if "#" in raw or not _PATH.fullmatch(path) or any(part in (".", "..") for part in path.split("/")):
        raise Refused(400, "the path holds characters or segments that no path of this API has")
    found: dict[str, str] = {}
    for pair in query.split("&") if query else ():
        key, equals, value = (_decoded(part) for part in pair.partition("="))
        if not equals or not key:
            raise Refused(400, "the query is written as key=value&key=value")
        if key in found:
            raise Refused(400, "a query key stands there twice: give each once")
        found[key] = value
    return Target(path, found)


def _decoded(text: str) -> str:
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        raise Refused(400, "the query holds a % that begins no percent-encoded byte (RFC 3986, section 2.1)")
    try:
        value = unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise Refused(400, "the query is not UTF-8 once decoded") from None
    if any(ord(char) < 0x20 or ord(char) == 0x7F or 0xD800 <= ord(char) <= 0xDFFF for char in value):
        raise Refused(400, "the query holds a control character, or no Unicode")
    return value


def names_secret(query: Mapping[str, str]) -> bool:
    """Whether a key of the query is one that carries secrets, such as `token`."""
    return any(_SECRET_KEY.search(key) for key in query)


def read_query(query: Mapping[str, str], params: Sequence[Param]) -> dict[str, Any]:
    """The values of all parameters, defaults where not given. Raises Refused (400)."""
    known = {param.name: param for param in params}
    for name in query:
        if name not in known:
            keys = ", ".join(known) or "none"
            raise Refused(400, f"a query key is not known here; the keys of this path: {keys}")
    values: dict[str, Any] = {}
    for name, param in known.items():
        if name not in query:
            if param.required:
                raise Refused(400, f"{name} is missing: {param.about}")
            values[name] = param.default
            continue
        try:
            values[name] = param.read(query[name])
        except ValueError as error:
            raise Refused(400, f"{name}: {error}") from None
    return values


# --- the kinds of parameters ----------------------------------------------------------------------


def whole(name: str, about: str, *, least: int, most: int, default: int | None = None) -> Param:
    """A whole number within bounds."""

    def read(text: str) -> int:
        if not _WHOLE.fullmatch(text) or not least <= int(text) <= most:
            raise ValueError(f"a whole number from {least} to {most}")
        return int(text)

    schema: dict[str, Any] = {"type": "integer", "minimum": least, "maximum": most}
    if default is not None:
        schema["default"] = default
    return Param(name=name, about=about, read=read, schema=schema, default=default)


def own_name(name: str, about: str, *, required: bool = False) -> Param:
    """The name of a customer or an agent."""

    def read(text: str) -> str:
        if not OWN_NAME.fullmatch(text):
            raise ValueError("a name is 1 to 63 characters of a-z, 0-9 and -")
        return text

    schema = {"type": "string", "pattern": f"^(?:{OWN_NAME.pattern})$"}
    return Param(name=name, about=about, read=read, schema=schema, required=required)


def matching(name: str, about: str, pattern: str, words: str) -> Param:
    """Text of a closed shape."""
    compiled = re.compile(pattern)

    def read(text: str) -> str:
        if not compiled.fullmatch(text):
            raise ValueError(words)
        return text

    return Param(name=name, about=about, read=read, schema={"type": "string", "pattern": f"^(?:{pattern})$"})


def choice(name: str, about: str, values: Sequence[str]) -> Param:
    """One of a few words, the first by default."""

    def read(text: str) -> str:
        if text not in values:
            raise ValueError(f"one of {', '.join(values)}")
        return text

    schema = {"type": "string", "enum": list(values), "default": values[0]}
    return Param(name=name, about=about, read=read, schema=schema, default=values[0])


def moment(name: str, about: str) -> Param:
    """RFC 3339 with an offset; or a date, which is its beginning in UTC."""

    def read(text: str) -> str:
        words = "a time as in RFC 3339 with its offset, such as 2026-11-22T10:00:00+08:00, or a date"
        if not _TIME.fullmatch(text):
            raise ValueError(words)
        value = f"{text}T00:00:00Z" if len(text) == 10 else text
        try:
            made = datetime.fromisoformat(value.upper())
            made.timestamp()
        except (ValueError, OverflowError):
            raise ValueError(words) from None
        if not 1970 < made.year < 9999:
            raise ValueError("a year from 1971 to 9998")
        return value.upper().replace(" ", "T")

    schema = {"type": "string", "anyOf": [{"format": "date-time"}, {"format": "date"}]}
    return Param(name=name, about=about, read=read, schema=schema)
