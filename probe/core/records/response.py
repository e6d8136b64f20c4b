"""Rule: a response is recorded as it was received; what is derived from its fields names the field it came from.

The facts of one HTTP response: status, fields, body digests and sizes (RFC 9110), and what was read from the fields
about caches (RFC 9211), intermediaries (RFC 9209) and freshness (RFC 9111). Written by `probe.fetch`; read by the
checks, `core.caching` and `core.content`.
"""

from __future__ import annotations

from probe.core.model.value import Value


class CacheStatus(Value, frozen=True, kw_only=True):
    """RFC 9211 members of one cache; `derived_from` names the vendor's field where it was read from one.

    `flags`: value_unknown (a vendor's word that we do not know: nothing is made of it), parent_hit (a cache behind
    the nearest one had it), order_unknown (several caches speak, and which is the nearest is not documented).
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
    could not be made (`flags`: too_large, too_costly, not_json, not_html, not_read; patterns_timed_out: of 0.1.0).
    `found`: the markers in it.
    """

    rules: str
    normalised_digest: str | None = None
    found: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()


class Response(Value, frozen=True, kw_only=True):
    """What the server answered, complete or not.

    `fields` in wire order, names in lower case, values decoded as ISO 8859-1, secrets redacted.
    `digest`: SHA-256 (hex) of the body's bytes after transfer coding, before content decoding ("wire").
    `content_digest`: SHA-256 (hex) of the decoded representation; equals `digest` without a content coding, and under
    one that nobody knows (flag `unknown_coding`): browsers take the bytes as they are. None where the body is
    incomplete or cannot be decoded.
    `first_bytes_digest`: SHA-256 (hex) of the first bytes on the wire, as many as a check compares with a range.
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
    first_bytes_digest: str | None = None
    age_s: int | None = None  # Age field where valid (RFC 9111 section 5.1)
    body_complete: bool = False
    content: ContentFacts | None = None
    flags: tuple[str, ...] = ()  # unrequested_coding, doubled_location, age_invalid ...
