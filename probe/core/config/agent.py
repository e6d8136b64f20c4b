"""Rule: agent.yaml as its keys are typed; the descriptions here are what editors and the documentation show."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic import WithJsonSchema as Schema

from probe.core.config import types as t
from probe.core.config.calls import CallConfig, IncidentsConfig, MetricsConfig
from probe.core.config.results import ApiConfig, KeepConfig, SegmentsConfig, TimestampConfig
from probe.core.model.task import Limits, ProxySpec, VantagePoint
from probe.core.model.units import SizeBytes
from probe.core.scheduling.admission import Ceilings
from probe.core.scheduling.shard import Shard, parse_shard
from probe.core.syntax.values import parse_anchor, parse_field_value, parse_proxy, parse_resolver

ShardText = Annotated[
    str,
    AfterValidator(lambda value: (parse_shard(value), value)[1]),
    Schema({"type": "string", "pattern": "^[1-9][0-9]{0,3}/[1-9][0-9]{0,3}$"}),
]
_REGION = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?")


def _region(value: str) -> str:
    if not _REGION.fullmatch(value):
        raise ValueError(
            f"'{value[:60]}' is no region: write a country or its subdivision in capitals as in ISO 3166, CN or CN-BJ"
        )
    return value


Region = Annotated[
    str, AfterValidator(_region), Schema({"type": "string", "pattern": f"^{_REGION.pattern}$"})
]
BodySize = Annotated[SizeBytes, Field(ge=1024, le=1 << 40)]
ANCHOR_INTERVAL_US = VantagePoint(name="").anchor_interval_us
SlotsAtOnce = Annotated[int, Field(ge=1, le=10_000)]
HeadSize = Annotated[SizeBytes, Field(ge=1024, le=16 << 20)]


class ProxyConfig(t.Strict):
    """A proxy that requests go through; DNS does not."""

    url: t.ProxyUrl = Field(
        description="socks5://host:port, or http://host:port for CONNECT",
        examples=["socks5://192.0.2.80:1080"],
    )
    resolve: Literal["here", "proxy"] = Field(
        default="here", description="Who looks names up: this vantage point's resolvers, or the proxy"
    )
    user: t.OneLine | None = Field(default=None, description="User name for the proxy")
    password: t.Password | None = Field(
        default=None, description="Reference to its password: env:NAME, file:PATH or credential:NAME"
    )

    @model_validator(mode="after")
    def _whole_credentials(self) -> ProxyConfig:
        if (self.user is None) != (self.password is None):
            raise ValueError("a proxy's user and password go together: give both or neither")
        if self.user is not None and (len(self.user.encode()) > 255 or ":" in self.user):
            raise ValueError("a proxy's user is at most 255 bytes and holds no colon (RFC 1929, RFC 7617)")
        return self

    def proxy(self) -> ProxySpec:
        """As a task carries it."""
        scheme, host, port = parse_proxy(self.url)
        password = None if self.password is None else parse_field_value(self.password)
        assert not isinstance(password, str), "validated as a reference"
        return ProxySpec(
            scheme=scheme, host=host, port=port, resolve=self.resolve, user=self.user, password=password
        )


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
    mark: Annotated[int, Field(ge=1, le=0xFFFFFFFF)] | None = Field(
        default=None, description="Firewall mark of every packet, for policy routing (needs CAP_NET_ADMIN)"
    )
    netns: t.Netns | None = Field(
        default=None,
        description="Network namespace: a name below /run/netns, or a path (needs CAP_SYS_ADMIN)",
    )
    ip: t.IpVersions | None = Field(
        default=None,
        description="IP versions that this line carries; default: those of `source`, without a source both",
    )
    resolvers: tuple[t.Resolver, ...] = Field(
        default=(),
        description="Resolvers: udp://, tcp://, tls://, https://; none: those of the system or namespace",
        examples=[["udp://203.0.113.53", "tls://dns.example.net@203.0.113.54"]],
    )
    resolver_policy: Literal["in_order", "all"] = Field(
        default="in_order",
        description="in_order: a later resolver only where an earlier one fails; all: every one, compared",
    )
    client_subnet: t.Prefix | None = Field(
        default=None, description="EDNS client subnet to send with questions (RFC 7871)"
    )
    anchors: tuple[t.Anchor, ...] = Field(
        default=(),
        description="Targets that tell whether this line itself works, better two or more: https://, http://, "
        "tcp://host:port, dns://address",
    )
    anchor_interval: t.Interval | None = Field(
        default=None, description="Time between two rounds of the anchors; default 30s"
    )
    proxy: ProxyConfig | None = Field(
        default=None,
        description="Proxy that requests go through",
        examples=[{"url": "socks5://192.0.2.80:1080"}],
    )

    @model_validator(mode="after")
    def _one_source_of_each_kind(self) -> VantagePointConfig:
        if len({":" in address for address in self.source}) < len(self.source):
            raise ValueError("source holds two addresses of one IP version: give one IPv4 and one IPv6")
        return self

    @model_validator(mode="after")
    def _carries_what_its_source_has(self) -> VantagePointConfig:
        if self.ip is not None and self.source and set(self.ip) - self._versions_of_source():
            raise ValueError("ip names an IP version that source has no address of")
        return self

    def _versions_of_source(self) -> set[int]:
        return {6 if ":" in address else 4 for address in self.source}

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
            mark=self.mark,
            netns=self.netns,
            ip_versions=tuple(sorted(self._versions_of_source() if self.ip is None else set(self.ip))),
            resolvers=tuple(map(parse_resolver, self.resolvers)),
            resolver_policy=self.resolver_policy,
            client_subnet=self.client_subnet,
            proxy=None if self.proxy is None else self.proxy.proxy(),
            anchors=tuple(map(parse_anchor, self.anchors)),
            anchor_interval_us=self.anchor_interval or ANCHOR_INTERVAL_US,
        )


class LimitsConfig(t.Strict):
    """Caps on what the agent takes in and does at once."""

    workers: Annotated[int, Field(ge=1, le=64)] = Field(
        default=1,
        description="Processes that measure, where one core is not enough; 1: the agent's own. Changed by a restart",
    )
    concurrency: SlotsAtOnce = Field(default=200, description="Slots measured at once")
    per_customer: SlotsAtOnce | None = Field(
        default=None, description="Slots of one customer measured at once; default: as room is"
    )
    per_origin: SlotsAtOnce | None = Field(
        default=None, description="Slots at once that ask one origin (address and port); default: as room is"
    )
    per_vantage_point: SlotsAtOnce | None = Field(
        default=None, description="Slots measured at once from one vantage point; default: as room is"
    )
    drain: t.Timeout = Field(
        default=10_000_000, description="What slots in flight are given when the agent is told to stop"
    )
    body: BodySize = Field(default=Limits().body_bytes, description="Greatest body read from the wire")
    decoded: BodySize = Field(default=Limits().decoded_bytes, description="Greatest body after decoding")
    field: HeadSize = Field(default=Limits().field_bytes, description="Greatest single header field")
    fields: Annotated[int, Field(ge=8, le=100_000)] = Field(
        default=Limits().fields_count, description="Most header fields of one reply"
    )
    head: HeadSize = Field(default=Limits().head_bytes, description="Greatest whole head of one reply")
    sweep: Annotated[int, Field(ge=0, le=1_000)] = Field(
        default=Limits().sweep,
        description="Most other known nodes that one slot asks after a failure, in turn",
    )
    further_per_minute: Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=Limits().further_per_minute,
        description="Most second looks and further requests of checks to one edge over one line in a minute",
    )

    def ceilings(self) -> Ceilings:
        """As admission keeps them."""
        return Ceilings(
            total=self.concurrency,
            per_customer=self.per_customer,
            per_origin=self.per_origin,
            per_vantage_point=self.per_vantage_point,
        )

    def limits(self) -> Limits:
        """As a task carries them."""
        return Limits(
            body_bytes=self.body,
            decoded_bytes=self.decoded,
            field_bytes=self.field,
            fields_count=self.fields,
            head_bytes=self.head,
            sweep=self.sweep,
            further_per_minute=self.further_per_minute,
        )


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
    shard: ShardText | None = Field(
        default=None,
        description="i/n: this is host i of n that share the tasks of the same files; absent: it takes all",
        examples=["2/5"],
    )
    watch_files: bool = Field(
        default=True, description="Take changed files over by itself, within seconds; false: on reload only"
    )
    api: ApiConfig | None = Field(
        default=None, description="Pulling of results over HTTP; absent: nothing listens"
    )
    segments: SegmentsConfig | None = Field(
        default=None, description="Sealed files for pulling by file; absent: none are made"
    )
    timestamp: TimestampConfig | None = Field(
        default=None, description="Time stamps by a third party on signed heads; absent: none are asked for"
    )
    incidents: IncidentsConfig = Field(
        default=IncidentsConfig(), description="When trouble is an incident, and when it is over"
    )
    calls: tuple[CallConfig, ...] = Field(
        default=(), description="Who is called about incidents: Alertmanagers and webhooks"
    )
    metrics: MetricsConfig = Field(default=MetricsConfig(), description="What is shown as metrics")
    keep: KeepConfig = Field(default=KeepConfig(), description="How long results are kept")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least level of log lines that are written"
    )

    def part(self) -> Shard | None:
        """The shard, read."""
        return None if self.shard is None else parse_shard(self.shard)

    def lines(self) -> tuple[VantagePoint, ...]:
        """The vantage points, as tasks carry them."""
        return tuple(point.vantage_point() for point in self.vantage_points)

    def allowed(self) -> tuple[str, ...]:
        """`allow_addresses` as text: prefixes that may be connected to although special."""
        return tuple(map(str, self.allow_addresses))
