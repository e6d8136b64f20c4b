"""Rule: a customer's file as its keys are typed; the descriptions here are what editors and documentation show.

Nothing is inherited or filled in here: `core.config.effective` does that.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from probe.core.config import types as t
from probe.core.model.task import ORIGIN_REQUESTS_PER_MINUTE
from probe.core.model.units import SizeBytes


class TlsConfig(t.Strict):
    """How certificates are verified. Every key may be given where it differs; the others are inherited."""

    ca: t.CaFile | None = Field(
        default=None,
        description="PEM file of trusted authorities, relative to this file; none: those of the system",
    )
    verify: bool = Field(default=True, description="false: certificates are recorded and not judged")
    server_name: t.Name | None = Field(default=None, description="SNI and name to verify; none: the domain")
    minimum_version: Literal["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"] = Field(
        default="TLSv1.2", description="Least version of TLS that is accepted"
    )


class RedirectsConfig(t.Strict):
    """Whether redirects are followed."""

    follow: Annotated[int, Field(ge=0, le=20)] = Field(
        default=0, description="Most redirects followed; 0: a redirect is the reply itself"
    )
    hosts: tuple[t.Host, ...] = Field(default=(), description="Other hosts that may be followed to")


class Inherited(t.Strict):
    """Keys that may stand in defaults, at a domain and at an object: the nearest one counts."""

    interval: t.Interval | None = Field(
        default=None, description="Time between two measurements; default 60s"
    )
    timeout: t.Timeout | None = Field(
        default=None, description="From the start of the connection to the last byte; default 10s"
    )
    connect_timeout: t.Timeout | None = Field(default=None, description="For the TCP connection; default 5s")
    tls_timeout: t.Timeout | None = Field(default=None, description="For the TLS handshake; default 5s")
    first_byte_timeout: t.Timeout | None = Field(
        default=None, description="From the request to the first byte of the reply; default 10s"
    )
    vantage_points: Annotated[tuple[str, ...], Field(min_length=1)] | None = Field(
        default=None, description="Names of the vantage points to look from; default: all of the agent"
    )
    edges: t.Edges | None = Field(
        default=None,
        description="Which of the addresses found are asked: all (default), one, or sample:N in turn",
    )
    ip: t.IpVersions | None = Field(default=None, description="IP versions, each measured apart; default [4]")
    protocol: t.Protocols | None = Field(
        default=None,
        description="HTTP versions, each measured apart: h1 (default), h2, h3, auto (h2 or h1, as the server chooses)",
    )
    redirects: RedirectsConfig | None = Field(default=None, description="Whether redirects are followed")
    headers: t.Headers | None = Field(
        default=None,
        description="Header fields to send; secrets as env:NAME, file:PATH or credential:NAME; merged by name",
    )
    accept_encoding: t.AcceptEncoding | None = Field(
        default=None, description="Accept-Encoding to send; default identity"
    )
    tls: TlsConfig | None = Field(
        default=None, description="How certificates are verified; merged key by key"
    )
    checks: dict[str, t.CheckParams] | None = Field(
        default=None,
        description="Checks by kind, each with its parameters; the nearest `checks` counts as a whole",
    )


class LabelledPrefix(t.Strict):
    """Addresses of nodes that serve one carrier's users."""

    prefix: t.Prefix = Field(description="CIDR prefix")
    carrier: t.OneLine = Field(description="The carrier as vantage points name it")


class CdnConfig(t.Strict):
    """What is known of the CDN that serves the domain."""

    suffixes: tuple[t.Suffix, ...] = Field(
        default=(), description="Names under which the domain's alias must lead; turns the alias check on"
    )
    prefixes: tuple[Annotated[t.Prefix | LabelledPrefix, Field(union_mode="left_to_right")], ...] = Field(
        default=(),
        description="CIDR prefixes in which the CDN's nodes lie, each alone or with the carrier whose users it serves",
    )


class OriginConfig(t.Strict):
    """The customer's origin, asked directly and compared with. Configuring it turns the integrity check on."""

    address: t.Host = Field(description="IP address of the origin, or a name that leads to it")
    scheme: Literal["http", "https"] | None = Field(default=None, description="Default: the domain's scheme")
    port: t.Port | None = Field(default=None, description="Default: 80 for http, 443 for https")
    host: t.Host | None = Field(default=None, description="Host field to send; default: the domain")
    sni: t.Name | None = Field(default=None, description="SNI and name to verify; default: host")
    headers: t.Headers | None = Field(
        default=None, description="Header fields for the origin, over those of the domain and object"
    )
    tls: TlsConfig | None = Field(default=None, description="Over the domain's tls, key by key")
    interval: t.Interval | None = Field(
        default=None,
        description="How long a verified version is trusted before it is asked for again; default 60s",
    )

    history: t.History | None = Field(
        default=None, description="How long a version that is no longer seen is remembered; default 30d"
    )
    requests_per_minute: Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=ORIGIN_REQUESTS_PER_MINUTE,
        description="Ceiling on requests to this address, over all objects of the customer; more are left out",
    )

    @model_validator(mode="after")
    def _one_server_name(self) -> OriginConfig:
        if self.sni is not None and self.tls is not None and self.tls.server_name is not None:
            raise ValueError("the origin has both sni and tls.server_name: give one of them")
        return self


class ObjectConfig(Inherited):
    """One object of a domain: what is fetched."""

    path: t.UrlPath = Field(description="Path with its query, such as /static/app.js")
    method: Literal["GET", "HEAD"] = Field(default="GET", description="HEAD measures without the body")


class DomainConfig(Inherited):
    """One accelerated domain with its objects."""

    domain: t.Name = Field(description="The accelerated domain")
    scheme: Literal["http", "https"] = Field(default="https", description="http or https")
    port: t.Port | None = Field(default=None, description="Default: 80 for http, 443 for https")
    cdn: CdnConfig = Field(default=CdnConfig(), description="What is known of the CDN")
    origin: OriginConfig | None = Field(default=None, description="The customer's origin; none: not compared")
    objects: tuple[ObjectConfig, ...] = Field(min_length=1, description="What is fetched from this domain")

    @property
    def port_number(self) -> int:
        """The port, also where none is given."""
        return self.port or {"http": 80, "https": 443}[self.scheme]


class ExclusionConfig(t.Strict):
    """A span that the contract does not count. Results in it are tagged; measuring goes on."""

    start: t.Moment = Field(alias="from", description="Begin, RFC 3339 with offset; included")
    end: t.Moment = Field(alias="to", description="End, RFC 3339 with offset; not included")
    reason: t.OneLine = Field(description="Why, such as maintenance, attack, origin change")
    source: t.OneLine = Field(description="Where it was declared, such as the notice and its date")

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> ExclusionConfig:
        if self.end <= self.start:
            raise ValueError("an exclusion ends after it begins: `to` must be later than `from`")
        return self


class CustomerFile(t.Strict):
    """One customer: whom we measure for, what is measured, and what does not count."""

    customer: t.OwnName = Field(
        description="Identifier of the customer; unique on this agent, never changed later"
    )
    defaults: Inherited = Field(
        default=Inherited(), description="Values that all domains and objects inherit"
    )
    domains: tuple[DomainConfig, ...] = Field(min_length=1, description="Accelerated domains")
    bandwidth_per_day: Annotated[SizeBytes, Field(ge=1024)] | None = Field(
        default=None,
        description="Most bytes of bodies moved for this customer in a UTC day; beyond it heads alone are asked for",
    )
    exclusions: tuple[ExclusionConfig, ...] = Field(
        default=(), description="Spans that the contract does not count: tagged, never suppressed"
    )
