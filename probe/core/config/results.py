"""Rule: what agent.yaml says of the results: who may pull them, what is sealed, how long they are kept."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from probe.core.config import types as t
from probe.core.model.units import DurationUs, SizeBytes

DAY_US = 86_400_000_000
Age = Annotated[DurationUs, Field(ge=60_000_000, le=10_000 * DAY_US)]
StoreSize = Annotated[SizeBytes, Field(ge=1 << 20, le=1 << 50)]
Verb = Literal["results", "coverage", "events", "evidence", "nodes", "config", "ack", "metrics"]
VERBS: tuple[Verb, ...] = get_args(Verb)
READING: tuple[Verb, ...] = ("results", "coverage", "events", "evidence", "nodes", "config", "ack")
Hash = Annotated[str, Field(min_length=1, max_length=500)]


class TokenConfig(t.Strict):
    """One reader of the results."""

    name: t.OwnName = Field(description="Name of the reader, for the log and for what it confirmed")
    hash: Hash = Field(
        description="Hash of the token, never itself; `cdn-probe token NAME` makes both",
        examples=["sha256:" + "0" * 64],
    )
    customers: tuple[t.OwnName | Literal["*"], ...] = Field(
        default=(), description='Customers whose results it may read; ["*"]: all'
    )
    may: tuple[Verb, ...] = Field(default=READING, description="What it may ask for")


class TlsServerConfig(t.Strict):
    """The certificate that the API shows, and whose certificates it asks for."""

    certificate: t.FilePath = Field(description="PEM file: the certificate and those that lead to its root")
    key: t.FilePath = Field(description="PEM file of its private key; readable by the agent alone")
    client_ca: t.FilePath | None = Field(
        default=None, description="PEM file: only clients with a certificate of these authorities are served"
    )


class PageConfig(t.Strict):
    """The page that people look at, at `/` of the API's address."""

    anonymous: tuple[t.Name, ...] = Field(
        default=(), description="Domains whose state anybody may see without a token; their rows nobody"
    )
    refresh: Annotated[DurationUs, Field(ge=5_000_000, le=3_600_000_000)] = Field(
        default=5_000_000, description="Time after which a browser asks for the page again"
    )


class ApiConfig(t.Strict):
    """Where results are offered for pulling."""

    listen: t.Listen = Field(
        default="127.0.0.1:8640", description="Address and port to listen on; port 0: any"
    )
    tls: TlsServerConfig | None = Field(
        default=None, description="Serve HTTPS; required unless it listens on loopback"
    )
    tokens: tuple[TokenConfig, ...] = Field(default=(), description="Readers, each with its own token")
    requests_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default=600, description="Ceiling for each token; beyond it the answer is 429"
    )
    open_metrics: bool = Field(
        default=False, description="/metrics without a token, for a Prometheus on the same host"
    )

    page: PageConfig | None = Field(
        default=None, description="The page for people, signed into with a token; {}: with what is usual"
    )

    @model_validator(mode="after")
    def _each_token_once(self) -> ApiConfig:
        if len({token.name for token in self.tokens}) < len(self.tokens):
            raise ValueError("two tokens have one name")
        if len({token.hash for token in self.tokens}) < len(self.tokens):
            raise ValueError("two tokens have one hash: give each reader a token of its own")
        return self


class SegmentsConfig(t.Strict):
    """Sealed files for pulling by file: <results>/<customer>/<date>/."""

    every: Annotated[DurationUs, Field(ge=1_000_000, le=86_400_000_000)] = Field(
        default=3_600_000_000, description="Time between two sealed segments"
    )
    parquet: bool = Field(
        default=False, description="Beside NDJSON also Parquet; needs the extra `parquet` (pyarrow)"
    )


class TimestampConfig(t.Strict):
    """Who stamps the signed heads of the results: an authority by RFC 3161, which is not the agent's operator."""

    url: t.AuthorityUrl = Field(
        description="Address of the time-stamping authority, http:// or https://",
        examples=["https://tsa.example.net/tsr"],
    )
    ca: t.CaFile = Field(
        description="PEM file: the certificates that its tokens are verified by; not those of https",
        examples=["tls/tsa-root.pem"],
    )
    every: Annotated[DurationUs, Field(ge=60_000_000, le=DAY_US)] = Field(
        default=3_600_000_000, description="Time between two stamps of a stream"
    )
    policy: Annotated[str, Field(max_length=200, pattern=r"^[0-2](\.(0|[1-9][0-9]{0,38})){1,31}$")] | None = (
        Field(
            default=None, description="The only policy of the authority that is accepted (OID); default: any"
        )
    )


class EvidenceKeepConfig(t.Strict):
    """How long evidence bundles are kept."""

    age: Age = Field(default=100 * DAY_US, description="Bundles older than this are dropped")
    size: StoreSize = Field(default=2 << 30, description="Room for bundles; beyond it the oldest go")


class KeepConfig(t.Strict):
    """How long results are kept. What no reader has confirmed yet is kept up to `hard_size`."""

    failures: Age = Field(default=400 * DAY_US, description="Rows that are not ok, and events")
    healthy: Age = Field(default=100 * DAY_US, description="Rows that are ok, and missed slots")
    size: StoreSize = Field(default=20 << 30, description="Room for results; beyond it the oldest go")
    hard_size: StoreSize = Field(
        default=40 << 30,
        description="Beyond it also what was not confirmed goes, and the loss is put on record",
    )
    evidence: EvidenceKeepConfig = Field(default=EvidenceKeepConfig(), description="Evidence bundles")
    part_span: Age = Field(default=DAY_US, description="A file of the store holds at most this span")
    part_size: Annotated[SizeBytes, Field(ge=1 << 20, le=1 << 40)] = Field(
        default=256 << 20, description="A file of the store holds at most this much"
    )

    @model_validator(mode="after")
    def _in_order(self) -> KeepConfig:
        if self.hard_size < self.size:
            raise ValueError("hard_size is less than size: it is the limit beyond it")
        if self.healthy > self.failures:
            raise ValueError("healthy is longer than failures: failures outlive successes")
        return self
