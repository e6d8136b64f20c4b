"""Rule: an observation is one request on the wire, or the attempt at one, and all that came back.

`Observation` joins the facts of its parts: ResourceTiming, Tls and TcpInfo (`transport`), Response (`response`),
Failure (`failure`), and, once `core.content.compare` has seen it, a Comparison with the origin's versions.
"""

from __future__ import annotations

from enum import StrEnum

from probe.core.model.value import Value
from probe.core.records.failure import OWN_LIMITS, Failure
from probe.core.records.response import CacheStatus, ProxyStatus, Response
from probe.core.records.transport import QuicInfo, ResourceTiming, TcpInfo, Tls


class Role(StrEnum):
    """Why an observation was made.

    edge: what the slot was for; origin: the customer's origin asked directly; redirect: a followed hop;
    confirm: the same edge again on a fresh connection; sweep: another known node after a failure;
    anchor: a target that only shows whether the vantage point's own line works; check: a further request that a
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


class Relation(StrEnum):
    """How an edge's content relates to the origin's."""

    EQUAL = "equal"  # the origin's present version
    OLDER = "older"  # a version that the origin served before
    UNKNOWN_VERSION = "unknown_version"  # none that the origin can have served
    UNSEEN_VERSION = "unseen_version"  # none that we saw, but the edge may have stored it before we looked
    ORIGIN_CHANGING = "origin_changing"  # the origin changed while we looked: nobody is accused
    UNVERIFIED = "unverified"  # nothing to compare with


class Alternative(Value, frozen=True, kw_only=True):
    """Where else, or by which other HTTP version, a server is said to serve the same content. Nobody follows it.

    `protocol` by its name in ALPN; `host` empty where it is the same; `max_age_s`: for how long that holds. `by`: who
    says so: alt-svc, the field (RFC 7838 section 3), altsvc, the frame of HTTP/2 (section 4), or https, the DNS
    (RFC 9460).
    """

    protocol: str
    host: str
    port: int
    max_age_s: int | None = None
    by: str = "alt-svc"

    def __str__(self) -> str:
        return f'{self.protocol}="{self.host}:{self.port}"'


class Comparison(Value, frozen=True, kw_only=True):
    """One observation's content beside the origin's version history (pure result of `core.content.compare`)."""

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
    quic_info: QuicInfo | None = None
    comparison: Comparison | None = None
    of: int | None = None  # confirm, redirect, elsewhere: index in `observations` of the one it follows
    vantage_point: str | None = None  # elsewhere: over whose line, where it is not the slot's own
    advertised: tuple[Alternative, ...] = ()  # what is said of this server, by itself or by its HTTPS records
    ask: str | None = None  # check, control: which further request, as `check.name`: hotlink.without_referer
    tainted: bool = False  # our own loop stalled while it ran: its times are not the network's

    @property
    def over_our_limit(self) -> bool:
        """Whether a limit of ours, and nothing else, kept the rest of what came from us."""
        return self.failure is not None and self.failure.type in OWN_LIMITS

    @property
    def answer(self) -> Response | None:
        """What the server answered, whole or as far as a limit of ours let us read; None where it or the way failed."""
        return self.response if self.failure is None or self.over_our_limit else None
