"""Rule: agent.yaml as its keys are typed; the descriptions here are what editors and the documentation show."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from probe.core import config_types as t
from probe.core.config_text import parse_anchor, parse_resolver
from probe.core.task import Limits, VantagePoint
from probe.core.units import SizeBytes

Region = Annotated[str, Field(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$")]
BodySize = Annotated[SizeBytes, Field(ge=1024, le=1 << 40)]
HeadSize = Annotated[SizeBytes, Field(ge=1024, le=16 << 20)]


class VantagePointConfig(t.Strict):
    """One place to look from: a line of this host with its own address, resolvers and anchors."""

    name: t.OwnName = Field(description="Name that customers' files and results refer to")
    region: Region | None = Field(
        default=None,
        description="ISO 3166-2 subdivision or country; declared, not measured",
        examples=["CN-BJ"],
    )
    carrier: t.OneLine | None = Field(default=None, description="Network operator of this line; declared")
    asn: Annotated[int, Field(ge=1, le=4294967294)] | None = Field(
        default=None, description="Number of the autonomous system; declared"
    )
    source: t.Addresses = Field(
        default=(), description="Source address to connect from; a list of one IPv4 and one IPv6 is allowed"
    )
    interface: Annotated[str, Field(pattern=r"^[^\s/:]{1,15}$")] | None = Field(
        default=None, description="Network interface to bind to (needs CAP_NET_RAW)"
    )
    netns: t.Netns | None = Field(default=None, description="Reserved: network namespace, not supported yet")
    resolvers: tuple[t.Resolver, ...] = Field(
        default=(),
        description="Resolvers in the order asked: udp://, tcp://, tls://; none: those of the system",
        examples=[["udp://203.0.113.53", "tls://dns.example.net@203.0.113.54"]],
    )
    client_subnet: t.Prefix | None = Field(
        default=None, description="EDNS client subnet to send with questions (RFC 7871)"
    )
    anchors: tuple[t.Anchor, ...] = Field(
        default=(),
        description="Targets that tell whether this line itself works: https://, http://, tcp://host:port",
    )

    @model_validator(mode="after")
    def _one_source_of_each_kind(self) -> VantagePointConfig:
        if len({":" in address for address in self.source}) < len(self.source):
            raise ValueError("source holds two addresses of one IP version: give one IPv4 and one IPv6")
        return self

    def vantage_point(self) -> VantagePoint:
        """As a task carries it."""
        return VantagePoint(
            name=self.name,
            region=self.region,
            carrier=self.carrier,
            asn=self.asn,
            source_v4=next((a for a in self.source if ":" not in a), None),
            source_v6=next((a for a in self.source if ":" in a), None),
            interface=self.interface,
            resolvers=tuple(map(parse_resolver, self.resolvers)),
            client_subnet=self.client_subnet,
            anchors=tuple(map(parse_anchor, self.anchors)),
        )


class LimitsConfig(t.Strict):
    """Caps on what the agent takes in and does at once."""

    concurrency: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=200, description="Slots measured at once"
    )
    body: BodySize = Field(default=Limits().body_bytes, description="Greatest body read from the wire")
    decoded: BodySize = Field(default=Limits().decoded_bytes, description="Greatest body after decoding")
    field: HeadSize = Field(default=Limits().field_bytes, description="Greatest single header field")
    fields: Annotated[int, Field(ge=8, le=10_000)] = Field(
        default=Limits().fields_count, description="Most header fields of one reply"
    )
    head: HeadSize = Field(default=Limits().head_bytes, description="Greatest whole head of one reply")

    def limits(self) -> Limits:
        """As a task carries them."""
        return Limits(
            body_bytes=self.body,
            decoded_bytes=self.decoded,
            field_bytes=self.field,
            fields_count=self.fields,
            head_bytes=self.head,
        )


class TokenConfig(t.Strict):
    """One reader of the results. Kept for a later release: nothing listens yet."""

    name: t.OwnName = Field(description="Name of the reader, for the log")
    hash: Annotated[str, Field(min_length=1, max_length=500)] = Field(
        description="Hash of the token, never itself"
    )
    customers: tuple[t.OwnName, ...] = Field(default=(), description="Customers whose results it may read")


class ApiConfig(t.Strict):
    """Where results are offered for pulling. Kept for a later release: nothing listens yet."""

    listen: t.Listen = Field(default="127.0.0.1:8640", description="Address and port to listen on")
    tokens: tuple[TokenConfig, ...] = Field(default=(), description="Readers, each with its own token")


class AgentConfig(t.Strict):
    """agent.yaml: this host, its vantage points, where customers' files lie and where results go."""

    agent: t.OwnName = Field(description="Name of this agent; every result carries it")
    results: t.FilePath = Field(description="Directory of the results, relative to this file")
    customers: t.FilePaths = Field(
        description="Directory with one YAML file a customer, relative to this file; or a list of directories and files"
    )
    vantage_points: tuple[VantagePointConfig, ...] = Field(min_length=1, description="Places to look from")
    allow_addresses: tuple[t.Prefix, ...] = Field(
        default=(),
        description="CIDR prefixes that may be connected to although loopback, private, link-local or reserved",
    )
    limits: LimitsConfig = Field(default=LimitsConfig(), description="Caps on what the agent takes in")
    api: ApiConfig | None = Field(
        default=None, description="Reserved: pulling of results, in a later release"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least level of log lines that are written"
    )
