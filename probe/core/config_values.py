"""Rule: a value is checked where it is typed, and the error says what would be right.

The types of single configuration values: names, addresses, paths, times, resolvers, anchors, header fields.
"""

from __future__ import annotations

import re
from datetime import datetime
from ipaddress import ip_address, ip_network
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from probe.core.task import AnchorSpec, ResolverSpec, SecretRef
from probe.core.units import DurationUs

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_DOMAIN = re.compile(
    r"(?=.{1,253}$)([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
)
_REGION = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?")
_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SECRET_FIELDS = re.compile(r"(?i)authorization|cookie|token|secret|api-?key|password")
_RESERVED_FIELDS = frozenset({"host", "connection", "content-length", "transfer-encoding", "accept-encoding"})
_SECRET = re.compile(r"(env|file|credential):(.+)")


class Strict(BaseModel):
    """No unknown keys, no change afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


def _identifier(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError("use 1 to 63 of a-z, 0-9 and -, beginning with a letter or digit")
    return text


def _domain(text: str) -> str:
    if not _DOMAIN.fullmatch(text.removesuffix(".")):
        raise ValueError("not a domain name such as www.example.com")
    return text.removesuffix(".").lower()


def _host(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        return _domain(text)


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise ValueError("not an IP address such as 192.0.2.10 or 2001:db8::10") from None


def _prefix(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError as error:
        raise ValueError(f"not a prefix such as 192.0.2.0/24: {error}") from None


def _region(text: str) -> str:
    if not _REGION.fullmatch(text):
        raise ValueError("not an ISO 3166-2 code such as CN-BJ, nor a country such as CN")
    return text


def _file(text: str) -> str:
    return text.removeprefix("file:")


def _path(text: str) -> str:
    if not text.startswith("/") or any(ord(c) <= 32 or ord(c) == 127 for c in text):
        raise ValueError("a path begins with / and has no blanks, such as /static/app.js")
    return text


def _moment(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("write a time with its offset, such as 2026-11-25T00:00:00+08:00")
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError("not a time such as 2026-11-25T00:00:00+08:00") from None
    if moment.tzinfo is None:
        raise ValueError("the offset is missing: write +08:00 or Z at the end, or two readers read two times")
    return value


Identifier = Annotated[str, AfterValidator(_identifier)]
DomainName = Annotated[str, AfterValidator(_domain)]
Host = Annotated[str, AfterValidator(_host)]
Address = Annotated[str, AfterValidator(_address)]
Prefix = Annotated[str, AfterValidator(_prefix)]
Region = Annotated[str, AfterValidator(_region)]
FilePath = Annotated[str, AfterValidator(_file)]
UrlPath = Annotated[str, AfterValidator(_path)]
Moment = Annotated[str, BeforeValidator(_moment)]
Port = Annotated[int, Field(ge=1, le=65535, strict=True)]
Seconds = Annotated[DurationUs, Field(gt=0)]


def parse_resolver(text: object) -> ResolverSpec:
    """`udp://192.0.2.53`, `tcp://192.0.2.53:5353`, `tls://dns.example.net@192.0.2.53` -> ResolverSpec.

    Raises ValueError with words for a person. A bare address means udp.
    """
    if isinstance(text, ResolverSpec):
        return text
    if not isinstance(text, str):
        raise ValueError("write a resolver such as udp://192.0.2.53")
    literal = text.count(":") > 1 and "://" not in text
    parts = urlsplit(text if "://" in text else f"udp://[{text}]" if literal else f"udp://{text}")
    if parts.scheme not in ("udp", "tcp", "tls"):
        raise ValueError(f"{parts.scheme}:// is not supported: the choices are udp://, tcp:// and tls://")
    try:
        host, port = parts.hostname or "", parts.port or (853 if parts.scheme == "tls" else 53)
    except ValueError as error:
        raise ValueError(f"not a resolver: {error}") from None
    if parts.path or parts.query or not host:
        raise ValueError("write a resolver such as udp://192.0.2.53 or tls://dns.example.net@192.0.2.53")
    try:
        address = str(ip_address(host))
    except ValueError:
        if parts.scheme != "tls":
            raise ValueError("a resolver is given by its address, such as udp://192.0.2.53") from None
        return ResolverSpec(transport="tls", address=_domain(host), port=port, tls_name=_domain(host))
    name = _domain(parts.username) if parts.username else None
    return ResolverSpec(transport=parts.scheme, address=address, port=port, tls_name=name)


def parse_anchor(text: object) -> AnchorSpec:
    """`https://anchor.example.net/ok` or `tcp://192.0.2.7:443` -> AnchorSpec. Raises ValueError."""
    if isinstance(text, AnchorSpec):
        return text
    parts = urlsplit(text) if isinstance(text, str) else None
    if parts is None or parts.scheme not in ("http", "https", "tcp") or not parts.hostname:
        raise ValueError("write an anchor such as https://anchor.example.net/ok or tcp://192.0.2.7:443")
    if parts.username is not None:
        raise ValueError("an anchor's URL has no user name or password")
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    if port is None:
        raise ValueError("a tcp:// anchor needs its port, such as tcp://192.0.2.7:443")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return AnchorSpec(scheme=parts.scheme, host=_host(parts.hostname), port=port, path=path)


def parse_secret(text: str) -> SecretRef | None:
    """`env:NAME`, `file:/path`, `credential:name` -> SecretRef; None for plain text."""
    match = _SECRET.fullmatch(text)
    return SecretRef(scheme=match[1], name=match[2]) if match else None


def _headers(value: object) -> object:
    if not isinstance(value, dict):
        raise ValueError("write a mapping of field names to values")
    found: dict[str, str | SecretRef] = {}
    for name, text in value.items():
        if not _FIELD_NAME.fullmatch(name) or name.lower() in _RESERVED_FIELDS:
            raise ValueError(f"{name!r} cannot be set: it is no field name, or the agent sets it itself")
        if isinstance(text, SecretRef):
            found[name] = text
            continue
        if not isinstance(text, str) or any(c in text for c in "\r\n\0"):
            raise ValueError(f"the value of {name} must be text on one line; quote it")
        secret = parse_secret(text)
        if secret is None and _SECRET_FIELDS.search(name):
            raise ValueError(
                f"{name} is a secret: give env:NAME, file:/path or credential:NAME, not the value"
            )
        found[name] = secret or text
    return found


Headers = Annotated[
    dict[str, Any],
    BeforeValidator(_headers),
    Field(json_schema_extra={"type": "object", "additionalProperties": {"type": "string"}}),
]
_text_schema = {"type": "string"}
ResolverUrl = Annotated[
    Any,
    BeforeValidator(parse_resolver),
    Field(json_schema_extra={"type": "string", "examples": ["udp://192.0.2.53"]}),
]
AnchorUrl = Annotated[
    Any,
    BeforeValidator(parse_anchor),
    Field(json_schema_extra={"type": "string", "examples": ["tcp://192.0.2.7:443"]}),
]
