"""Rule: agent.yaml is closed: every key is known, or the file is refused. The models of this host."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from probe.core.config_values import (
    Address,
    AnchorUrl,
    Identifier,
    Prefix,
    Region,
    ResolverUrl,
    Strict,
)
from probe.core.units import SizeBytes


def _sources(value: object) -> object:
    return value if isinstance(value, list) else [value]


class VantageConfig(Strict):
    """One vantage point: from where this host looks."""

    name: Identifier = Field(description="Unique on this agent; customers' files name it")
    region: Region | None = Field(default=None, description="ISO 3166-2, such as CN-BJ")
    carrier: str | None = Field(default=None, description="Declared, not measured: China Telecom")
    asn: int | None = Field(default=None, ge=1, le=4_294_967_295, description="Declared AS number")
    source: Annotated[list[Address], BeforeValidator(_sources)] = Field(
        default=[],
        max_length=2,
        description="Source address, or one IPv4 and one IPv6",
        json_schema_extra={"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
    )
    interface: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.@-]{1,15}$")] | None = Field(
        default=None, description="Bind to this interface (SO_BINDTODEVICE)"
    )
    resolvers: list[ResolverUrl] = Field(
        default=[], description="Asked in this order; none: the system's. udp://, tcp:// or tls://"
    )
    client_subnet: Prefix | None = Field(default=None, description="EDNS client subnet to send (RFC 7871)")
    anchors: list[AnchorUrl] = Field(
        default=[], description="Targets that tell whether this line works: http(s):// or tcp://"
    )

    @model_validator(mode="after")
    def _one_of_each_version(self) -> VantageConfig:
        if len({ip_address(a).version for a in self.source}) != len(self.source):
            raise ValueError("source takes one IPv4 and one IPv6 address at most")
        return self


class LimitsConfig(Strict):
    """What the agent may take up, and what one fetch may take in."""

    concurrency: int = Field(
        default=200, ge=1, le=10_000, strict=True, description="Slots measured at a time"
    )
    body: SizeBytes = Field(default=64 << 20, description="Cap on a body's bytes on the wire")
    decoded: SizeBytes = Field(default=256 << 20, description="Cap on a body's decoded bytes")
    field: SizeBytes = Field(default=8 << 10, description="Cap on one header field")
    fields: int = Field(default=256, ge=1, le=10_000, strict=True, description="Cap on the number of fields")
    head: SizeBytes = Field(default=128 << 10, description="Cap on all header fields together")


class TokenConfig(Strict):
    """A puller's token, as its hash."""

    name: Identifier = Field(description="Shown in logs in place of the token")
    hash: str = Field(description="Hash of the token, never the token")
    customers: list[Identifier] = Field(default=[], description="Customers whose results it may read")


class ApiConfig(Strict):
    """The pull API: kept here, served by a later release."""

    listen: str = Field(description="Address and port, such as 127.0.0.1:8640")
    tokens: list[TokenConfig] = Field(default=[], description="Who may pull")


class AgentConfig(Strict):
    """agent.yaml: this host."""

    agent: Identifier = Field(description="Name of this agent; part of every record")
    results: str = Field(description="Directory of the results, relative to this file")
    customers: str = Field(description="Directory of the customers' files, relative to this file")
    vantage_points: list[VantageConfig] = Field(min_length=1, description="From where this host looks")
    allow_addresses: list[Prefix] = Field(
        default=[], description="Prefixes that may be visited although loopback, private or link-local"
    )
    limits: LimitsConfig = Field(default_factory=LimitsConfig, description="What may be taken up")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least level logged"
    )
    api: ApiConfig | None = Field(default=None, description="The pull API")

    @model_validator(mode="after")
    def _names_once(self) -> AgentConfig:
        names = [point.name for point in self.vantage_points]
        doubled = {name for name in names if names.count(name) > 1}
        if doubled:
            raise ValueError(f"vantage point {sorted(doubled)[0]!r} is here twice")
        return self
