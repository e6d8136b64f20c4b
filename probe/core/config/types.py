"""Rule: a key's type carries its parser, its meaning for editors, and nothing of how it is used.

The pydantic types that the configuration's models are made of. What a relative path is relative to comes in the
validation context as `base`; without it paths stay as written.
"""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
)
from pydantic import WithJsonSchema as Schema

from probe.core.model.protocols import PROTOCOLS, Protocol
from probe.core.model.task import FieldValue, SecretRef
from probe.core.model.units import DurationUs
from probe.core.syntax import values as text


class Strict(BaseModel):
    """Base of every part of the configuration: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _listed(value: object) -> object:
    return tuple(value) if isinstance(value, list) else (value,)  # strict: a list from here would be refused


def _based(path: str, info: ValidationInfo) -> str:
    base = (info.context or {}).get("base")
    return path if base is None else str(PurePath(base) / path)


def _ca(path: str, info: ValidationInfo) -> str:
    plain = path.removeprefix("file:")
    if not plain or plain.startswith(("env:", "credential:")):
        raise ValueError("authorities lie in a file: write its path, such as file:/etc/cdn-probe/ca.pem")
    return _based(plain, info)


def _own_name(value: str) -> str:
    if not text.OWN_NAME.fullmatch(value):
        found = (
            "" if len(value) > 63 or value.startswith("cdnp_") else f"; found {value!r}"
        )  # a token is not repeated
        raise ValueError(
            "a name is 1 to 63 characters of a-z, 0-9 and -, beginning with a letter or digit, such as acme-2"
            + found
        )
    return value


def _field_text(value: str, info: ValidationInfo) -> str:
    """Checked here, kept as text: a reference to a relative file becomes one to an absolute file."""
    parsed: FieldValue = text.parse_field_value(value)
    if isinstance(parsed, SecretRef) and parsed.scheme == "file":
        return f"file:{_based(parsed.name, info)}"
    return value


def _reference(value: str, info: ValidationInfo) -> str:
    try:
        is_reference = isinstance(text.parse_field_value(value), SecretRef)
    except ValueError:
        is_reference = False
    if not is_reference:
        raise ValueError("a secret is given by reference: env:NAME, file:/path or credential:NAME")
    return _field_text(value, info)


def _one_line(value: str) -> str:
    if not value.strip() or not value.isprintable():
        raise ValueError("one line of text, not empty")
    return value


def _listen(value: str) -> str:
    host, _ = text.split_host_port(re.sub(r":0$", ":1", value), None)  # port 0: any that is free
    text.parse_address(host)
    return value


def _netns(value: str) -> str:
    named = re.fullmatch(r"(?!\.{1,2}$)[^/\s\x00-\x1f]{1,255}", value)
    if not named and not re.fullmatch(r"/[^\x00-\x1f]{1,4095}", value):
        raise ValueError("a network namespace is a name below /run/netns, or the path of its file")
    return value


def _at_least(value_us: int) -> int:
    if value_us < MIN_DURATION_US:
        raise ValueError("too short: at least 1ms")
    return value_us


def _at_most(value_us: int) -> int:
    if value_us > MAX_TIMEOUT_US:
        raise ValueError("too long: at most 10m")
    return value_us


def _a_history(value_us: int) -> int:
    if not 3_600_000_000 <= value_us <= 3650 * 86_400_000_000:
        raise ValueError("a history is at least 1h and at most 3650d")
    return value_us


def _an_interval(value_us: int) -> int:
    if not MIN_INTERVAL_US <= value_us <= MAX_INTERVAL_US:
        raise ValueError("an interval is at least 100ms and at most 1d")
    return value_us


MIN_DURATION_US, MAX_TIMEOUT_US = 1_000, 600_000_000
MIN_INTERVAL_US, MAX_INTERVAL_US = 100_000, 86_400_000_000

OwnName = Annotated[
    str, AfterValidator(_own_name), Schema({"type": "string", "pattern": f"^{text.OWN_NAME.pattern}$"})
]
OneLine = Annotated[str, StringConstraints(max_length=1000), AfterValidator(_one_line)]
Name = Annotated[str, AfterValidator(text.parse_name)]
Suffix = Annotated[str, AfterValidator(text.parse_suffix)]
Host = Annotated[str, AfterValidator(text.parse_host)]
Address = Annotated[str, AfterValidator(text.parse_address)]
Prefix = Annotated[str, AfterValidator(text.parse_prefix)]
UrlPath = Annotated[
    str,
    StringConstraints(max_length=8000),
    AfterValidator(text.parse_path),
    Schema({"type": "string", "pattern": "^/"}),
]
FieldName = Annotated[str, AfterValidator(text.parse_field_name)]
FieldText = Annotated[str, StringConstraints(max_length=8000), AfterValidator(_field_text)]
Headers = dict[FieldName, FieldText]
AcceptEncoding = Annotated[str, AfterValidator(text.parse_accept_encoding)]
Edges = Annotated[
    str,
    AfterValidator(lambda value: (text.parse_edges(value), value)[1]),
    Schema({"type": "string", "pattern": "^(all|one|sample:[1-9][0-9]{0,2})$"}),
]
Moment = Annotated[str, AfterValidator(text.parse_time), Schema({"type": "string", "format": "date-time"})]
Port = Annotated[int, Field(ge=1, le=65535)]
FilePath = Annotated[str, StringConstraints(min_length=1, max_length=4096), AfterValidator(_based)]
CaFile = Annotated[str, StringConstraints(min_length=1, max_length=4096), AfterValidator(_ca)]
FilePaths = Annotated[
    tuple[FilePath, ...],
    BeforeValidator(_listed),
    Field(min_length=1),
    Schema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
]
Addresses = Annotated[
    tuple[Address, ...],
    BeforeValidator(_listed),
    Field(min_length=1, max_length=2),
    Schema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "maxItems": 2}]}),
]
Resolver = Annotated[str, AfterValidator(lambda value: (text.parse_resolver(value), value)[1])]
Anchor = Annotated[str, AfterValidator(lambda value: (text.parse_anchor(value), value)[1])]
AuthorityUrl = Annotated[str, StringConstraints(max_length=2000), AfterValidator(text.parse_authority_url)]
Listen = Annotated[str, AfterValidator(_listen)]
Netns = Annotated[str, AfterValidator(_netns)]
IpVersions = Annotated[tuple[Literal[4, 6], ...], Field(min_length=1, max_length=2)]
Protocols = Annotated[
    tuple[Protocol, ...],
    BeforeValidator(_listed),
    Field(min_length=1, max_length=len(PROTOCOLS)),
    Schema(
        {
            "anyOf": [
                {"enum": list(PROTOCOLS)},
                {"type": "array", "items": {"enum": list(PROTOCOLS)}, "minItems": 1, "uniqueItems": True},
            ]
        }
    ),
]
ProxyUrl = Annotated[str, AfterValidator(lambda value: (text.parse_proxy(value), value)[1])]
Password = Annotated[str, AfterValidator(_reference)]
Interval = Annotated[DurationUs, AfterValidator(_an_interval)]
History = Annotated[DurationUs, AfterValidator(_a_history)]
Timeout = Annotated[DurationUs, AfterValidator(_at_least), AfterValidator(_at_most)]
CheckParams = Annotated[dict[str, Any], Schema({"type": "object"})]
