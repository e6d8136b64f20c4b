"""Rule: a customer's file is closed: every key, value and reference is known, or the file is refused whole.

The models of one customer. `checks` is validated by `core.config` with the table of check kinds.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from probe.core.config_values import (
    DomainName,
    FilePath,
    Headers,
    Host,
    Identifier,
    Moment,
    Port,
    Prefix,
    Seconds,
    Strict,
    UrlPath,
)


def _edges(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(r"all|one|sample:[1-9][0-9]{0,3}", value):
        return value
    raise ValueError("the choices are all, one and sample:N, such as sample:3")


EdgesText = Annotated[
    str, BeforeValidator(_edges), Field(json_schema_extra={"pattern": r"^(all|one|sample:[1-9]\d*)$"})
]
IpVersions = Annotated[list[Literal[4, 6]], Field(min_length=1, max_length=2)]


class TlsConfig(Strict):
    """How a server's certificate is verified."""

    ca: FilePath | None = Field(default=None, description="PEM file of the authorities to trust: file:/path")
    verify: bool = Field(default=True, description="false accepts any certificate; it is still recorded")
    server_name: DomainName | None = Field(
        default=None, description="SNI and the name verified, if not the domain"
    )
    minimum_version: Literal["TLSv1.2", "TLSv1.3"] = Field(
        default="TLSv1.2", description="Least version accepted"
    )


class CdnConfig(Strict):
    """How the CDN is recognised."""

    suffixes: list[DomainName] = Field(
        default=[], description="The CNAME chain must pass a name under one of these"
    )
    prefixes: list[Prefix] = Field(default=[], description="The CDN's own addresses; others are suspicious")


class OriginConfig(Strict):
    """The customer's origin, asked directly and never through the CDN."""

    address: Host = Field(description="Address or name of the origin itself")
    scheme: Literal["http", "https"] = Field(default="https", description="http or https")
    port: Port | None = Field(default=None, description="Default by scheme")
    host: DomainName | None = Field(default=None, description="Host field; default: the domain")
    sni: DomainName | None = Field(default=None, description="SNI and the name verified; default: host")
    headers: Headers = Field(default={}, description="Fields for the origin only, over the object's own")
    tls: TlsConfig | None = Field(default=None, description="Verification; default: the domain's")
    interval: Seconds = Field(default=60_000_000, description="How long a verified version is trusted")


class RedirectsConfig(Strict):
    """Whether redirects are followed."""

    follow: int = Field(
        default=0, ge=0, le=10, strict=True, description="Most hops followed; 0: a redirect is the reply"
    )
    hosts: list[DomainName] = Field(default=[], description="Other hosts that may be followed to")


class Inherited(Strict):
    """What `defaults` gives to every domain, and a domain to its objects; the nearest one counts."""

    interval: Seconds | None = Field(default=None, description="Time between two slots (60s)")
    timeout: Seconds | None = Field(default=None, description="From connecting to the last byte (10s)")
    connect_timeout: Seconds | None = Field(default=None, description="TCP handshake and look-up (5s)")
    tls_timeout: Seconds | None = Field(default=None, description="TLS handshake (5s)")
    first_byte_timeout: Seconds | None = Field(default=None, description="Request to first byte (timeout)")
    vantage_points: list[str] | None = Field(default=None, min_length=1, description="From where (all)")
    edges: EdgesText | None = Field(default=None, description="all, one or sample:N (all)")
    ip: IpVersions | None = Field(default=None, description="IP versions, each a task of its own ([4])")
    headers: Headers | None = Field(default=None, description="Request fields; added to inherited ones")
    accept_encoding: str | None = Field(default=None, description="Content codings asked for (identity)")
    redirects: RedirectsConfig | None = Field(default=None, description="Following redirects (not)")
    checks: Any = Field(default=None, description="Checks by kind")


class ObjectConfig(Inherited):
    """One object of a domain."""

    path: UrlPath = Field(description="Path and query, sent as written")
    method: Literal["GET", "HEAD"] = Field(default="GET", description="Request method")


class DomainConfig(Inherited):
    """One accelerated domain."""

    domain: DomainName = Field(description="The accelerated domain")
    scheme: Literal["http", "https"] = Field(default="https", description="http or https")
    port: Port | None = Field(default=None, description="Default by scheme")
    tls: TlsConfig = Field(default_factory=TlsConfig, description="Verification at the edges")
    cdn: CdnConfig = Field(default_factory=CdnConfig, description="How the CDN is recognised")
    origin: OriginConfig | None = Field(
        default=None, description="The origin; without one, content is not compared"
    )
    objects: list[ObjectConfig] = Field(min_length=1, description="What is fetched")


class ExclusionConfig(Strict):
    """A span that the contract does not count: tagged, measured all the same."""

    start: Moment = Field(alias="from", description="RFC 3339 with offset")
    end: Moment = Field(alias="to", description="RFC 3339 with offset; not included")
    reason: str = Field(min_length=1, description="maintenance, attack, ban ...")
    source: str = Field(min_length=1, description="Who declared it, and when")

    @model_validator(mode="after")
    def _ends_after_start(self) -> ExclusionConfig:
        if datetime.fromisoformat(self.end) <= datetime.fromisoformat(self.start):
            raise ValueError("to must be later than from")
        return self


class CustomerConfig(Strict):
    """customers/NAME.yaml: one customer."""

    customer: Identifier = Field(description="Unique; names the customer's stream of results")
    defaults: Inherited = Field(default_factory=Inherited, description="Inherited by every domain and object")
    domains: list[DomainConfig] = Field(min_length=1, description="The accelerated domains")
    exclusions: list[ExclusionConfig] = Field(default=[], description="Spans that are not counted")
