"""Rule: an observation is one request on the wire, or the attempt at one, and all that came back.

Names of RFC 9110, 9111, 9211 and W3C Resource Timing. `_us` are offsets from the slot's start, monotonic.
"""

from __future__ import annotations

from enum import StrEnum

from probe.core.model.failure import Failure
from probe.core.model.value import Value


class Role(StrEnum):
    """Why an observation was made.

    edge: what the slot was for; origin: the customer's origin asked directly; redirect: a followed hop;
    confirm: the same edge again on a fresh connection; sweep: another known node after a failure;
    anchor: a target that only tells whether the vantage point's own line works; check: a further request that a
    check wanted made to an edge; control: the same further request, made to the origin; elsewhere: the same edge
    again by another way, over the line of another vantage point or with TLS.
    """

    EDGE = "edge"
    ORIGIN = "origin"
    REDIRECT = "redirect"
    CONFIRM = "confirm"
    SWEEP = "sweep"
    ANCHOR = "anchor"
    CHECK = "check"
    CONTROL = "control"
    ELSEWHERE = "elsewhere"


UNSURE_US = 1_000  # what is less certain than this is recorded as such


class TimingUncertainty(Value, frozen=True, kw_only=True):
    """By how much the spans of a ResourceTiming may be too long, never too short; durations.

    Either our own program stood still in them, or it looked too late to know. The true span lies between what is told
    less this, and what is told.
    """

    connect_us: int = 0  # from connect_start to the end of the TCP handshake
    tls_us: int = 0  # from secure_connection_start to connect_end
    response_start_us: int = 0  # from request_start to response_start
    response_end_us: int = 0  # from request_start to response_end

    def until(self, response_us: int) -> int:
        """Of a span from connect_start to an instant of the response, whose own part is `response_us`."""
        return self.connect_us + self.tls_us + response_us


class ResourceTiming(Value, frozen=True, kw_only=True):
    """W3C Resource Timing names; `_us` from slot start, monotonic.

    domain_lookup_* belong to the slot's resolution and are None where an address was given.
    secure_connection_start is None over plain HTTP; it is also taken for the end of the TCP handshake.
    `uncertainty`: None where no part of it is over UNSURE_US.
    """

    domain_lookup_start_us: int | None = None
    domain_lookup_end_us: int | None = None
    connect_start_us: int | None = None
    secure_connection_start_us: int | None = None
    connect_end_us: int | None = None
    request_start_us: int | None = None
    response_start_us: int | None = None
    response_end_us: int | None = None
    uncertainty: TimingUncertainty | None = None


class Tls(Value, frozen=True, kw_only=True):
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


class TcpInfo(Value, frozen=True, kw_only=True):
    """Linux TCP_INFO at the last read. Durations in microseconds."""

    rtt_us: int
    rtt_var_us: int
    retransmits_total: int
    mss_bytes: int


class CacheStatus(Value, frozen=True, kw_only=True):
    """RFC 9211 members of one cache; `derived_from` names the vendor's field where it was read from one.

    `flags`: value_unknown (a vendor's word that we do not know: nothing is made of it), parent_hit (a cache behind
    the nearest one had it).
    """

    cache: str | None = None
    hit: bool | None = None
    fwd: str | None = None
    fwd_status: int | None = None
    ttl_s: int | None = None  # what is left of its freshness; negative where it is stale
    stored: bool | None = None
    collapsed: bool | None = None
    key: str | None = None
    detail: str | None = None
    derived_from: str = "cache-status"
    flags: tuple[str, ...] = ()


class ProxyStatus(Value, frozen=True, kw_only=True):
    """RFC 9209: what one intermediary says of how it handled the response. Its word, never a proof."""

    proxy: str
    error: str | None = None  # a registered proxy error type: connection_refused, dns_timeout ...
    next_hop: str | None = None
    next_protocol: str | None = None
    received_status: int | None = None
    details: str | None = None


class Freshness(Value, frozen=True, kw_only=True):
    """How long a response says that a shared cache may serve it (RFC 9111 section 4.2, RFC 5861, RFC 9213).

    `lifetime_s` is None where nothing is said. `source`: the directive or field, and in which targeted or vendor's
    field where it is one. `explicit` is False where no cache is bound to it: a heuristic, an invalid directive.
    `must_revalidate`: serving it stale is forbidden. `flags`: max_age_repeated, max_age_invalid, date_invalid ...
    """

    lifetime_s: float | None = None
    source: str | None = None
    explicit: bool = False
    stale_while_revalidate_s: float | None = None
    stale_if_error_s: float | None = None
    must_revalidate: bool = False
    flags: tuple[str, ...] = ()


class ContentFacts(Value, frozen=True, kw_only=True):
    """What a check wanted to know of the decoded content itself, read once while it was at hand.

    `rules`: digest of what was wanted, so that only facts read by the same rules are compared.
    `normalised_digest`: SHA-256 (hex) of the content without the parts that were declared to change; None where it
    could not be made (`flags`: too_large, too_costly, not_json, not_html, patterns_timed_out, not_read). `found`: the
    markers in it.
    """

    rules: str
    normalised_digest: str | None = None
    found: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()


class Response(Value, frozen=True, kw_only=True):
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
    content: ContentFacts | None = None
    flags: tuple[str, ...] = ()  # unrequested_coding, doubled_location, age_invalid ...


class Relation(StrEnum):
    """How an edge's content relates to the origin's."""

    EQUAL = "equal"  # the origin's present version
    OLDER = "older"  # a version that the origin served before
    UNKNOWN_VERSION = "unknown_version"  # none that the origin can have served
    UNSEEN_VERSION = "unseen_version"  # none that we saw, but the edge may have stored it before we looked
    ORIGIN_CHANGING = "origin_changing"  # the origin changed while we looked: nobody is accused
    UNVERIFIED = "unverified"  # nothing to compare with


class Comparison(Value, frozen=True, kw_only=True):
    """One observation's content beside the origin's version history (pure result of `core.compare`)."""

    mode: str  # exact
    relation: Relation
    origin_content_digest: str | None = None
    superseded_at: str | None = None  # OLDER: when the origin was first seen to serve a newer version
    behind_s: float | None = None  # OLDER: from then to this slot
    freshness_lifetime_s: float | None = None  # RFC 9111 section 4.2.1; the longer of edge's and origin's
    freshness_source: str | None = None  # s-maxage, max-age, expires, heuristic; `of` a targeted field
    freshness_by: str | None = None  # edge, origin: whose word that is
    stale_while_revalidate_s: float | None = None  # RFC 5861 section 3
    stale_if_error_s: float | None = None  # RFC 5861 section 4
    age_s: float | None = None  # corrected initial age, RFC 9111 section 4.2.3
    within_lifetime: bool | None = None  # OLDER: may a cache still serve it, stale or not
    allowance: str | None = None  # by what it may though stale: stale_while_revalidate, stale_if_error ...
    propagated_after_s_at_least: float | None = None  # first look at this node with the new version: how long
    propagated_after_s_at_most: float | None = None  # after the origin changed it served the old one
    detail: str | None = None


class Observation(Value, frozen=True, kw_only=True):
    """One request on the wire (or the attempt at one). Never edited, never dropped for a later one."""

    role: Role
    address: str  # the address connected to
    port: int
    url: str  # what was asked for, secrets redacted
    method: str = "GET"
    source: str | None = None  # our own end of the connection
    proxy: str | None = None  # the proxy it went through; `address` is then what the proxy was given
    timing: ResourceTiming = ResourceTiming()
    response: Response | None = None
    failure: Failure | None = None
    tls: Tls | None = None
    cache_status: CacheStatus | None = None  # of the cache nearest to us
    caches: tuple[CacheStatus, ...] = ()  # where several speak: all of them, the nearest to us last
    proxy_status: tuple[ProxyStatus, ...] = ()  # the nearest to us last
    tcp_info: TcpInfo | None = None
    comparison: Comparison | None = None
    of: int | None = None  # confirm, redirect, elsewhere: index in `observations` of the one it follows
    vantage_point: str | None = None  # elsewhere: over whose line, where it is not the slot's own
    ask: str | None = None  # check, control: which further request, as `check.name`: hotlink.without_referer
    tainted: bool = False  # our own loop stalled while it ran: its times are not the network's
