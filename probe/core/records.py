"""Rule: a record states what was seen, with its unit in its name; it decides nothing and never changes.

Frozen values shared by every part of the agent. Wall-clock times are RFC 3339 strings in UTC
(`2026-11-22T10:00:00.000000Z`); everything called `_us` inside an observation is an offset in microseconds
from the slot's `started_at`, measured on the monotonic clock, unless its docstring says that it is a duration.
What was not measured is None, never 0. docs/records.md lists every field with its unit and source.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

SCHEMA_VERSION = 1


class Outcome(StrEnum):
    """What a slot says about the service (design: the verdict)."""

    OK = "ok"
    SLOW = "slow"
    STALE = "stale"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"


class Fault(StrEnum):
    """Where the evidence puts the cause."""

    CDN = "cdn"
    ORIGIN = "origin"
    CUSTOMER = "customer"
    PATH = "path"
    VANTAGE = "vantage"
    AGENT = "agent"
    UNKNOWN = "unknown"


class State(StrEnum):
    """Every due slot is one of these; `aborted` is a measurement cut off by the agent's stop."""

    MEASURED = "measured"
    MISSED = "missed"
    ABORTED = "aborted"


class Role(StrEnum):
    """Why an observation was made.

    edge: what the slot was for; origin: the customer's origin asked directly; redirect: a followed hop;
    confirm: the same edge again on a fresh connection; sweep: another known node after a failure;
    anchor: a target that only tells whether the vantage point's own line works.
    """

    EDGE = "edge"
    ORIGIN = "origin"
    REDIRECT = "redirect"
    CONFIRM = "confirm"
    SWEEP = "sweep"
    ANCHOR = "anchor"


class Phase(StrEnum):
    """The part of an observation in which it failed."""

    DNS = "dns"
    TCP = "tcp"
    TLS = "tls"
    HTTP = "http"
    BODY = "body"
    CONTENT = "content"
    HOST = "host"  # our own machine, never the CDN


class FailureType(StrEnum):
    """The closed list. W3C Network Error Logging names wherever one exists (NEL section 6)."""

    DNS_NAME_NOT_RESOLVED = "dns.name_not_resolved"  # NEL: NXDOMAIN at the queried domain itself
    DNS_NO_DATA = "dns.no_data"  # the name exists, without addresses of the type (RFC 2308 NODATA)
    DNS_DANGLING_ALIAS = "dns.dangling_alias"  # a CNAME that ends in NXDOMAIN or NODATA
    DNS_CNAME_LOOP = "dns.cname_loop"
    DNS_CHAIN_TOO_LONG = "dns.chain_too_long"
    DNS_SERVER_FAILURE = "dns.server_failure"  # SERVFAIL
    DNS_REFUSED = "dns.refused"  # rcode REFUSED
    DNS_LAME = "dns.lame"  # a referral where an answer was due
    DNS_FORMAT_ERROR = "dns.format_error"  # FORMERR also without EDNS options
    DNS_ERROR_RCODE = "dns.error_rcode"  # NOTIMP and other rcodes
    DNS_TIMED_OUT = "dns.timed_out"
    DNS_UNREACHABLE = "dns.unreachable"  # NEL: the resolver's host or port cannot be reached
    DNS_TRUNCATED_TCP_FAILED = "dns.truncated_tcp_failed"  # TC=1 and no answer over TCP
    DNS_MALFORMED = "dns.malformed"  # what came back is no DNS message
    DNS_TLS_FAILED = "dns.tls_failed"  # DNS over TLS: the resolver's handshake or certificate
    DNS_BOGUS_ADDRESS = "dns.bogus_address"  # every address is loopback, private, link-local ...

    TCP_REFUSED = "tcp.refused"  # NEL
    TCP_TIMED_OUT = "tcp.timed_out"  # NEL
    TCP_RESET = "tcp.reset"  # NEL
    TCP_CLOSED = "tcp.closed"  # NEL: closed by the server before a whole reply
    TCP_ADDRESS_UNREACHABLE = "tcp.address_unreachable"  # NEL
    TCP_ADDRESS_BLOCKED = "tcp.address_blocked"  # refused by our own address policy, nothing was sent
    TCP_FAILED = "tcp.failed"  # NEL: any other error of the socket

    TLS_TIMED_OUT = "tls.timed_out"
    TLS_VERSION_OR_CIPHER_MISMATCH = "tls.version_or_cipher_mismatch"  # NEL
    TLS_BAD_CLIENT_AUTH_CERT = "tls.bad_client_auth_cert"  # NEL
    TLS_CERT_NAME_INVALID = "tls.cert.name_invalid"  # NEL
    TLS_CERT_DATE_INVALID = "tls.cert.date_invalid"  # NEL
    TLS_CERT_AUTHORITY_INVALID = "tls.cert.authority_invalid"  # NEL: an untrusted root
    TLS_CERT_SELF_SIGNED = "tls.cert.self_signed"  # the leaf signed itself
    TLS_CERT_INCOMPLETE_CHAIN = "tls.cert.incomplete_chain"  # an intermediate was not sent
    TLS_CERT_REVOKED = "tls.cert.revoked"  # NEL
    TLS_CERT_INVALID = "tls.cert.invalid"  # NEL: any other verification error
    TLS_CLOSED = "tls.closed"  # closed or reset during the handshake
    TLS_PROTOCOL_ERROR = "tls.protocol.error"  # NEL

    HTTP_TIMED_OUT = "http.timed_out"  # no first byte of the response within its deadline
    HTTP_PROTOCOL_VIOLATION = "http.protocol_violation"  # what came back is not one HTTP/1.1 response
    HTTP_FIELDS_TOO_LARGE = "http.fields_too_large"  # too many fields, too long a field, endless 1xx
    HTTP_REDIRECT_LOOP = "http.response.redirect_loop"  # NEL; also over the limit of hops
    HTTP_REDIRECT_INVALID = "http.redirect_invalid"  # no Location, several, or one that is no URL
    HTTP_REDIRECT_BLOCKED = "http.redirect_blocked"  # scheme, host or address outside the policy

    BODY_TRUNCATED = "body.truncated"
    BODY_TIMED_OUT = "body.timed_out"  # the total deadline passed within the body
    BODY_TOO_LARGE = "body.too_large"  # over the cap on wire bytes
    BODY_DECODED_TOO_LARGE = "body.decoded_too_large"  # over the cap on decoded bytes (bombs)
    BODY_DECODE_FAILED = "body.decode_failed"  # the content coding is cut, corrupt or has trailing junk

    VANTAGE_SOURCE_UNAVAILABLE = "vantage.source_unavailable"  # source address or interface is gone
    VANTAGE_NETWORK_DOWN = "vantage.network_down"  # ENETUNREACH, ENETDOWN: no route from this host
    AGENT_DESCRIPTORS_EXHAUSTED = "agent.descriptors_exhausted"
    AGENT_MEMORY_EXHAUSTED = "agent.memory_exhausted"
    AGENT_CANCELLED = "agent.cancelled"
    AGENT_INTERNAL_ERROR = "agent.internal_error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why an observation or a look-up gave no complete reply. A 5xx is a Response, not a Failure."""

    phase: Phase
    type: FailureType
    operation: str | None = None  # the call that failed: connect, handshake, read ...
    detail: str | None = None  # for people; redacted; never used to decide


# --- DNS (RFC 9499 terms) -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CnameLink:
    """One link of the chain: `owner` is an alias, `target` is its CNAME RDATA. Names end without a dot."""

    owner: str
    target: str
    ttl_s: int
    resolver: str
    doubled: bool = False  # a second CNAME at the same owner: kept, not followed (RFC 2181 section 10.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressRecord:
    """An A or AAAA record as it was answered; `refused` says why the address policy will not connect to it."""

    address: str
    ttl_s: int
    refused: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsQuery:
    """One message sent to one resolver and what came back. `start_us` and `end_us` from slot start.

    `purpose`: chain (the walk), other_resolver (after a failure), control (is this resolver alive at all),
    alias (after a failure: CNAMEs alone, to learn how far the chain leads).
    """

    qname: str
    qtype: str
    resolver: str  # as configured: udp://192.0.2.53:53
    transport: str  # udp, tcp, tls
    purpose: str = "chain"
    rcode: str | None = None
    flags: tuple[str, ...] = ()  # AA TC RA AD ...
    start_us: int | None = None
    end_us: int | None = None
    ecs_source: str | None = None  # RFC 7871: what we sent
    ecs_scope: int | None = None  # RFC 7871: SCOPE PREFIX-LENGTH of the answer
    ecs_dropped: bool = False  # repeated without EDNS options after FORMERR or REFUSED
    failure: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """The look-up of one name and type from one vantage point.

    `canonical_name` is the last name reached; on failure `failing_name` is the name whose look-up failed.
    """

    qname: str
    qtype: str
    rcode: str | None
    cname_chain: tuple[CnameLink, ...]
    canonical_name: str
    addresses: tuple[AddressRecord, ...]
    ttl_s: int | None  # least TTL along the chain
    resolver: str | None  # the one whose answer counts
    transport: str | None
    ecs_source: str | None = None
    ecs_scope: int | None = None
    failing_name: str | None = None
    failure: Failure | None = None
    flags: tuple[str, ...] = ()  # doubled_cname, ecs_ignored, ...
    queries: tuple[DnsQuery, ...] = ()


# --- HTTP (RFC 9110, 9111, 9211; W3C Resource Timing) ---------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceTiming:
    """W3C Resource Timing names; `_us` from slot start, monotonic.

    domain_lookup_* belong to the slot's resolution and are None where an address was given.
    secure_connection_start is None over plain HTTP; it is also the end of the TCP handshake.
    """

    domain_lookup_start_us: int | None = None
    domain_lookup_end_us: int | None = None
    connect_start_us: int | None = None
    secure_connection_start_us: int | None = None
    connect_end_us: int | None = None
    request_start_us: int | None = None
    response_start_us: int | None = None
    response_end_us: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """What the handshake showed. Certificates by SHA-256 of their DER, leaf first."""

    version: str | None = None  # TLSv1.3
    cipher: str | None = None
    server_name: str | None = None  # the SNI sent
    names: tuple[str, ...] = ()  # dNSName and iPAddress of the leaf
    subject: str | None = None
    issuer: str | None = None
    not_before: str | None = None
    not_after: str | None = None
    chain_sha256: tuple[str, ...] = ()
    verify_error: str | None = None  # OpenSSL's words, for people
    second_connection: bool = False  # seen on a connection made only to read the certificate


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpInfo:
    """Linux TCP_INFO at the last read. Durations in microseconds."""

    rtt_us: int
    rtt_var_us: int
    retransmits_total: int
    mss_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheStatus:
    """RFC 9211 members of the cache nearest to us; `derived_from` names the vendor field it was read from."""

    cache: str | None = None
    hit: bool | None = None
    fwd: str | None = None
    fwd_status: int | None = None
    ttl_s: int | None = None
    stored: bool | None = None
    collapsed: bool | None = None
    derived_from: str = "cache-status"


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What the server answered, complete or not.

    `fields` in wire order, names in lower case, values decoded as ISO 8859-1, secrets redacted.
    `digest`: SHA-256 (hex) of the body's bytes after transfer coding, before content decoding ("wire").
    `content_digest`: SHA-256 (hex) of the decoded representation; equals `digest` without a content coding;
    None where the body is incomplete or cannot be decoded.
    """

    status_code: int
    reason_phrase: str = ""
    fields: tuple[tuple[str, str], ...] = ()
    next_hop_protocol: str = "http/1.1"  # ALPN name (W3C nextHopProtocol)
    encoded_body_bytes: int | None = None
    decoded_body_bytes: int | None = None
    content_codings: tuple[str, ...] = ()
    digest: str | None = None
    content_digest: str | None = None
    age_s: int | None = None  # Age field where valid (RFC 9111 section 5.1)
    body_complete: bool = False
    flags: tuple[str, ...] = ()  # unrequested_coding, doubled_location, age_invalid ...


class Relation(StrEnum):
    """How an edge's content relates to the origin's."""

    EQUAL = "equal"  # the origin's present version
    OLDER = "older"  # a version that the origin served before
    UNKNOWN_VERSION = "unknown_version"  # none that the origin can have served
    UNSEEN_VERSION = "unseen_version"  # none that we saw, but the edge may have stored it before we looked
    ORIGIN_CHANGING = "origin_changing"  # the origin changed while we looked: nobody is accused
    UNVERIFIED = "unverified"  # nothing to compare with


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One observation's content beside the origin's version history (pure result of `core.compare`)."""

    mode: str  # exact
    relation: Relation
    origin_content_digest: str | None = None
    superseded_at: str | None = None  # OLDER: when the origin was first seen to serve a newer version
    behind_s: float | None = None  # OLDER: from then to this slot
    freshness_lifetime_s: float | None = None  # RFC 9111 section 4.2.1, as the edge declared it
    freshness_source: str | None = None  # s-maxage, max-age, expires, heuristic
    within_lifetime: bool | None = None  # OLDER: may a cache still serve it
    detail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One request on the wire (or the attempt at one). Never edited, never dropped for a later one."""

    role: Role
    address: str  # the address connected to
    port: int
    url: str  # what was asked for, secrets redacted
    method: str = "GET"
    source: str | None = None  # our own end of the connection
    timing: ResourceTiming = ResourceTiming()
    response: Response | None = None
    failure: Failure | None = None
    tls: Tls | None = None
    cache_status: CacheStatus | None = None
    tcp_info: TcpInfo | None = None
    comparison: Comparison | None = None
    of: int | None = None  # confirm, redirect: index in `observations` of the one it follows
    tainted: bool = False  # our own loop stalled while it ran: its times are not the network's


# --- Slot, evidence, verdict ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginVersion:
    """One version of an object as the origin itself served it. Times RFC 3339 UTC."""

    content_digest: str
    decoded_body_bytes: int | None
    status_code: int
    etag: str | None
    last_modified: str | None
    first_seen: str
    last_seen: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """The origin's side of a slot: the versions known, newest last, and how fresh that knowledge is.

    `configured` is False where the customer named no origin. `verified_at`: when the newest version was last
    fetched or revalidated. `changed_during_slot`: two looks within this slot, or since `verified_at`,
    disagreed. `self_comparison`: the origin answered from the CDN itself.
    """

    configured: bool
    versions: tuple[OriginVersion, ...] = ()
    verified_at: str | None = None
    changed_during_slot: bool = False
    self_comparison: bool = False

    @property
    def newest_digest(self) -> str | None:
        """The content digest of the origin's present version."""
        return self.versions[-1].content_digest if self.versions else None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """The agent's own state during the slot."""

    agent: str
    agent_version: str
    config_digest: str
    loop_lag_us: int | None = None  # greatest lag of the event loop while the slot ran
    lateness_us: int | None = None  # from scheduled_at to started_at
    clock_synchronised: bool | None = None  # adjtimex
    clock_max_error_us: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything a verdict may rest on, and nothing else. Times as in the record."""

    scheduled_at: str
    started_at: str
    resolution: Resolution | None
    observations: tuple[Observation, ...]
    reference: Reference
    host: HostFacts


class Severity(StrEnum):
    """info: worth knowing; warning: degrades; error: makes the slot fail."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that a check or the judge noticed, attributed. `observation` indexes `observations`."""

    check: str
    reason: str
    severity: Severity
    outcome: Outcome
    fault: Fault | None
    observation: int | None = None
    address: str | None = None
    confirmed: bool | None = None  # None: nobody looked again
    detail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """An opinion formed from Evidence by pure functions; `summary` says it in one sentence."""

    outcome: Outcome
    fault: Fault | None
    reason: str | None
    confirmed: bool | None
    findings: tuple[Finding, ...]
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotRecord:
    """One row: one due slot of one task. What is stored, printed by `once --json` and pulled.

    `seq` is given by the store, gapless per stream (agent and customer); None until then.
    `missed_reason` is set where state is not `measured`: agent.stalled, agent.overloaded, agent.overlap,
    agent.stopped, agent.crashed, agent.aborted.
    """

    schema_version: int
    kind: str  # slot
    seq: int | None
    task: str
    definition: str  # digest of the task's definition in force, for replay
    customer: str
    domain: str
    path: str
    vantage_point: str
    region: str | None
    carrier: str | None
    ip_version: int
    scheduled_at: str
    started_at: str | None
    finished_at: str | None
    state: State
    missed_reason: str | None
    outcome: Outcome | None
    fault: Fault | None
    reason: str | None
    confirmed: bool | None
    summary: str | None
    findings: tuple[Finding, ...]
    exclusions: tuple[str, ...]  # reasons declared for this time; a tag, never a suppression
    resolution: Resolution | None
    observations: tuple[Observation, ...]
    reference: Reference | None
    host: HostFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRecord:
    """What happened to the agent itself, written into every stream that it touches."""

    schema_version: int
    kind: str  # event
    seq: int | None
    customer: str
    at: str
    event: str  # agent.started, agent.stopped, config.changed, ledger.gap, clock.stepped ...
    detail: dict[str, str]
    agent: str
    agent_version: str
    config_digest: str


Record = SlotRecord | EventRecord
