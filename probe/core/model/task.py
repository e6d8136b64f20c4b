"""Rule: a task says completely what to measure; whoever runs it needs no configuration beside it.

Frozen values between the configuration (people's words) and the slot (what is done). Durations in microseconds
(`_us`), sizes in bytes. Secrets appear as `SecretRef`, resolved at the moment of use and never printed.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import chain
from typing import Any

from probe.core.model.protocols import H3
from probe.core.model.value import Value
from probe.core.text.redaction import without_secret_query


class SecretRef(Value, frozen=True, kw_only=True):
    """Where a secret lies: scheme `env`, `file` or `credential`, and its name. Shown, the value is not."""

    scheme: str
    name: str

    def __str__(self) -> str:
        return f"{self.scheme}:{self.name}"


FieldValue = str | SecretRef
ORIGIN_REQUESTS_PER_MINUTE = 600
# Chromium's kMaxHeaderBufSize (net/http/http_stream_parser.h); Firefox takes 384 KiB
# (network.http.max_response_header_size). Neither counts fields or measures one by itself.
BROWSERS_HEAD_BYTES = 256 * 1024
BROWSERS_REDIRECTS = 20  # Chromium's kMaxRedirects, Firefox's network.http.redirection-limit


class ResolverSpec(Value, frozen=True, kw_only=True):
    """One resolver: transport udp, tcp, tls or https; address (IP literal); port; `tls_name` to verify.

    `path` is the template of DNS over HTTPS without its variable (RFC 8484 section 4.1), used with POST.
    """

    transport: str
    address: str
    port: int
    tls_name: str | None = None
    tls_ca: str | None = None
    path: str | None = None

    def __str__(self) -> str:
        return _resolver_text(self.transport, self.address, self.port, self.path)


@lru_cache(maxsize=1024)
def _resolver_text(transport: str, address: str, port: int, path: str | None) -> str:
    host = f"[{address}]" if ":" in address else address
    return f"{transport}://{host}:{port}{path or ''}"


class AnchorSpec(Value, frozen=True, kw_only=True):
    """A target that shows whether this vantage point's line works: scheme http, https, tcp or dns.

    With dns, `path` is / and the name asked for, `/.` by default: any response will do.
    """

    scheme: str
    host: str
    port: int
    path: str = "/"

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}" + (self.path if self.scheme != "tcp" else "")


class ProxySpec(Value, frozen=True, kw_only=True):
    """A proxy that everything but DNS goes through: scheme socks5 (RFC 1928) or http (CONNECT, RFC 9110 9.3.6).

    `resolve` is `here`, by the vantage point's resolvers, or `proxy`: the proxy is given the name, and which
    node it reaches stays unknown. `user` and `password` as of RFC 1929 and RFC 7617.
    """

    scheme: str
    host: str
    port: int
    resolve: str = "here"
    user: str | None = None
    password: SecretRef | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


class VantagePoint(Value, frozen=True, kw_only=True):
    """From where we look. `region` is ISO 3166-2; `asn` and `carrier` are declared, not measured.

    `mark` is SO_MARK; `netns` a name below /run/netns or a path. `ip_versions` are those that the line carries;
    empty: both. `resolver_policy`: `in_order`, a later one only where an earlier one fails; `all`, every one in
    every slot, compared.
    """

    name: str
    region: str | None = None
    carrier: str | None = None
    asn: int | None = None
    source_v4: str | None = None
    source_v6: str | None = None
    interface: str | None = None
    mark: int | None = None
    netns: str | None = None
    ip_versions: tuple[int, ...] = ()
    resolvers: tuple[ResolverSpec, ...] = ()
    resolver_policy: str = "in_order"
    client_subnet: str | None = None
    proxy: ProxySpec | None = None
    anchors: tuple[AnchorSpec, ...] = ()
    anchor_interval_us: int = 30_000_000

    def source(self, ip_version: int) -> str | None:
        """Our own address for connections of this IP version; None: the kernel's choice."""
        return self.source_v6 if ip_version == 6 else self.source_v4


class TlsPolicy(Value, frozen=True, kw_only=True):
    """How certificates are verified: `ca` is a PEM file beside the system's store's place (None: the system's).

    `server_name`: SNI and the name verified; None: the URL's host.
    """

    verify: bool = True
    ca: str | None = None
    server_name: str | None = None
    minimum_version: str = "TLSv1.2"


class Deadlines(Value, frozen=True, kw_only=True):
    """Durations from the start of each phase; `total_us` from the start of the connection to the last byte."""

    total_us: int = 10_000_000
    connect_us: int = 5_000_000
    tls_us: int = 5_000_000
    first_byte_us: int = 10_000_000


class Limits(Value, frozen=True, kw_only=True):
    """Caps on what one observation may take in; `sweep`: on how many other nodes a slot asks after a failure.

    `further_per_minute`: second looks and checks' further requests to one edge over one line. By default a head may be
    as long as browsers let it be, with as many fields as there is room for.
    """

    body_bytes: int = 64 * 1024 * 1024
    decoded_bytes: int = 256 * 1024 * 1024
    field_bytes: int = BROWSERS_HEAD_BYTES
    fields_count: int = 100_000
    head_bytes: int = BROWSERS_HEAD_BYTES
    sweep: int = 64
    further_per_minute: int = 600


class RedirectPolicy(Value, frozen=True, kw_only=True):
    """`limit` 0: a redirect is the reply itself. `hosts`: other hosts that may be followed to."""

    limit: int = 0
    hosts: tuple[str, ...] = ()


class Request(Value, frozen=True, kw_only=True):
    """What to ask. `host` is the Host field and, unless the TLS policy says otherwise, the SNI.

    `protocol`: one of `protocols.PROTOCOLS`, the HTTP version that is spoken.
    """

    scheme: str
    host: str
    port: int
    path: str
    method: str = "GET"
    fields: tuple[tuple[str, FieldValue], ...] = ()
    accept_encoding: str = "identity"
    protocol: str = "h1"

    @property
    def shown_path(self) -> str:
        """The path as it may be stored and shown: without secret query values."""
        return without_secret_query(self.path)

    @property
    def shown_url(self) -> str:
        """The URL as it may be stored and shown."""
        return without_secret_query(self.url)

    @property
    def url(self) -> str:
        """The URL as it is asked for; may hold secret query values."""
        default = {"http": 80, "https": 443}[self.scheme]
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}{'' if self.port == default else f':{self.port}'}{self.path}"


class OriginSpec(Value, frozen=True, kw_only=True):
    """The customer's origin, asked directly. `interval_us`: how long a verified version is trusted. `history_us`:
    how long a version that is no longer seen is remembered.

    `requests_per_minute`: ceiling over all objects of the customer at this address; what is over it is left out.
    """

    address: str  # IP literal, or a name resolved by the vantage point's resolver
    request: Request
    tls: TlsPolicy = TlsPolicy()
    interval_us: int = 60_000_000
    history_us: int = 30 * 86_400_000_000
    requests_per_minute: int = ORIGIN_REQUESTS_PER_MINUTE


class EdgePolicy(Value, frozen=True, kw_only=True):
    """kind all, one or sample; `count` for sample, rotating so that every address is visited."""

    kind: str = "all"
    count: int = 0


class CarrierPrefix(Value, frozen=True, kw_only=True):
    """Addresses (CIDR) of nodes that serve one carrier's users, as the CDN declared."""

    prefix: str
    carrier: str


class CheckSpec(Value, frozen=True, kw_only=True):
    """One check of the object: its kind (a row of CHECKS) and the parameters that its kind validated."""

    kind: str
    params: Any


class Exclusion(Value, frozen=True, kw_only=True):
    """A span declared by the customer or provider: RFC 3339 UTC, half open [start, end)."""

    start: str
    end: str
    reason: str
    source: str


class Task(Value, frozen=True, kw_only=True):
    """One object of one domain from one vantage point over one IP version (a Task in RFC 7594's sense).

    `id` depends on what is measured, not on how (period, limits, checks), so that history goes on across
    such changes; `definition` is the digest of everything. `phase_us` is the offset in the period.
    """

    id: str
    definition: str
    customer: str
    domain: str
    request: Request
    vantage_point: VantagePoint
    ip_version: int
    period_us: int
    phase_us: int
    deadlines: Deadlines
    limits: Limits
    tls: TlsPolicy
    cdn_suffixes: tuple[str, ...]
    cdn_prefixes: tuple[str, ...]
    edges: EdgePolicy
    redirects: RedirectPolicy
    origin: OriginSpec | None
    checks: tuple[CheckSpec, ...]
    exclusions: tuple[Exclusion, ...]
    carrier_prefixes: tuple[CarrierPrefix, ...] = ()
    bytes_per_day: int | None = None  # of all bodies of this customer's objects; None: no bound

    @property
    def protocols(self) -> frozenset[str]:
        """The HTTP versions that it asks by, or its checks or the anchors of its line."""
        of_checks = (getattr(check.params, "protocols", None) or () for check in self.checks)
        quic = any(anchor.scheme == "quic" for anchor in self.vantage_point.anchors)
        return frozenset((self.request.protocol, *chain.from_iterable(of_checks), *((H3,) if quic else ())))
