"""Rule: what caches and proxies say of themselves is kept as said; it supports a verdict and never makes one.

Cache-Status (RFC 9211) and Proxy-Status (RFC 9209) of every intermediary that speaks, and vendors' fields where
no Cache-Status is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from probe.core.caching.vendor_cache_status import vendor_caches
from probe.core.http.fields import Fields, field_values, structured_list
from probe.core.model.times import http_date_s
from probe.core.records.observation import Observation
from probe.core.records.response import CacheStatus, ProxyStatus

MEMBERS_KEPT = 16
TEXT_KEPT = 256
# RFC 9209 section 2.3, those errors that an intermediary has with what lies behind it.
UPSTREAM_ERRORS = frozenset({
    "dns_timeout", "dns_error", "destination_not_found", "destination_unavailable", "destination_ip_unroutable",
    "connection_refused", "connection_terminated", "connection_timeout", "connection_read_timeout",
    "connection_write_timeout", "tls_protocol_error", "tls_certificate_error", "tls_alert_received",
    "http_response_incomplete", "http_response_header_section_size", "http_response_header_size",
    "http_response_body_size", "http_response_trailer_section_size", "http_response_trailer_size",
    "http_response_transfer_coding", "http_response_content_coding", "http_response_timeout",
    "http_upgrade_failed", "http_protocol_error",
})  # fmt: skip
# RFC 9211 section 2.2: reasons for which the whole response was asked for anew.
_WHOLLY_NEW = frozenset({"bypass", "method", "uri-miss", "vary-miss", "miss", "request"})


def caches(fields: Fields) -> tuple[CacheStatus, ...]:
    """All caches that say something, the nearest to us last (RFC 9211 section 2); a vendor's word if no other."""
    if not any(name == "cache-status" for name, _ in fields):
        return vendor_caches(fields)
    members = structured_list(fields, "cache-status") or []
    return tuple(_cache(name, parameters) for name, parameters in members[-MEMBERS_KEPT:])


def cache_status(fields: Fields) -> CacheStatus | None:
    """The cache nearest to us; None if nobody says."""
    return next(iter(caches(fields)[-1:]), None)


def proxy_status(fields: Fields) -> tuple[ProxyStatus, ...]:
    """All intermediaries that say something, the nearest to us last (RFC 9209 section 2)."""
    if not any(name == "proxy-status" for name, _ in fields):
        return ()
    members = structured_list(fields, "proxy-status") or []
    return tuple(_proxy(name, parameters) for name, parameters in members[-MEMBERS_KEPT:])


def with_caches(observation: Observation) -> dict[str, Any]:
    """What the fields of an observation's response say, as the fields of `Observation` that hold it."""
    fields = () if observation.response is None else observation.response.fields
    found = caches(fields)
    return {
        "cache_status": found[-1] if found else None,
        "caches": found if len(found) > 1 else (),
        "proxy_status": proxy_status(fields),
    }


def field_flags(fields: Fields) -> tuple[str, ...]:
    """`date_invalid`, `cache_status_invalid`, `proxy_status_invalid`: there, and not to be understood."""
    dates = field_values(fields, "date")
    flags = ["date_invalid"] if dates and http_date_s(dates[0]) is None else []
    given = {name for name, _ in fields}
    for name, flag in (("cache-status", "cache_status_invalid"), ("proxy-status", "proxy_status_invalid")):
        if name in given and not structured_list(fields, name):
            flags.append(flag)
    return tuple(flags)


def asked_origin(status: CacheStatus | None) -> bool:
    """True where the nearest cache says that it forwarded this request, be it to another cache."""
    return status is not None and status.hit is not True and status.fwd is not None


def may_have_waited(status: CacheStatus | None) -> bool:
    """False where the nearest cache says that it answered by itself: then it waited for nobody."""
    return status is None or not status.hit


def fetched_for_us(observation: Observation, origin_words: Mapping[str, int]) -> bool:
    """Every cache that speaks says that it had to get the response anew for this very request.

    Not where a cache that does not speak stands behind it (Via names more of them): what the nearest got may have
    lain there. Not where the request waited for another's (collapsed), or was answered with what was stored
    because the forwarded one failed. `origin_words`: how many speak, by field, when the origin is asked directly.
    An edge that keeps quiet repeats what those said when it stored the response, so they do not count.
    """
    speaking = observation.caches or ((observation.cache_status,) if observation.cache_status else ())
    response = observation.response
    if response is None or _intermediaries(response.fields) > len(speaking):
        return False
    own = speaking[origin_words.get(speaking[-1].derived_from, 0) :] if speaking else ()
    return bool(own) and all(_got_anew(status) for status in own)


def words_of(observations: Iterable[Observation]) -> dict[str, int]:
    """How many caches speak in these replies of the origin itself, by the field that they speak in."""
    words: dict[str, int] = {}
    for observation in observations:
        fields = () if observation.response is None else observation.response.fields
        found = caches(fields)
        if found:
            name = found[-1].derived_from
            words[name] = max(words.get(name, 0), len(found))
    return words


def _got_anew(status: CacheStatus) -> bool:
    if status.hit is True or status.collapsed or status.flags or (status.fwd_status or 0) >= 500:
        return False
    if status.fwd == "stale":
        return status.fwd_status in (200, 304)
    return status.fwd in _WHOLLY_NEW


def _intermediaries(fields: Fields) -> int:
    """How many Via names (RFC 9110 section 7.6.3); it need not name any."""
    return sum(value.count(",") + 1 for value in field_values(fields, "via"))


def caches_passed(fields: Fields) -> int:
    """At least so many caches lie between the origin and us: each may round the age by a second."""
    return max(1, len(caches(fields)), _intermediaries(fields))


def origin_blamed(statuses: Sequence[ProxyStatus]) -> ProxyStatus | None:
    """The intermediary that says that it could not get a response from behind; None if none says so.

    What it says is hearsay: it counts only beside an origin that fails when we ask it ourselves.
    """
    return next((status for status in statuses if status.error in UPSTREAM_ERRORS), None)


def _cache(name: object, parameters: Mapping[str, Any]) -> CacheStatus:
    fwd = _text(parameters.get("fwd"))
    return CacheStatus(
        cache=_text(name),
        hit=_flag(parameters.get("hit")) or (False if fwd is not None else None),
        fwd=fwd,
        fwd_status=_whole(parameters.get("fwd-status")),
        ttl_s=_whole(parameters.get("ttl")),
        stored=_flag(parameters.get("stored")),
        collapsed=_flag(parameters.get("collapsed")),
        key=_text(parameters.get("key")),
        detail=_text(parameters.get("detail")),
    )


def _proxy(name: object, parameters: Mapping[str, Any]) -> ProxyStatus:
    return ProxyStatus(
        proxy=_text(name) or "",
        error=_text(parameters.get("error")),
        next_hop=_text(parameters.get("next-hop")),
        next_protocol=_text(parameters.get("next-protocol")),
        received_status=_whole(parameters.get("received-status")),
        details=_text(parameters.get("details")),
    )


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _text(value: object) -> str | None:
    """A token or a string, cut to size; bytes as ISO 8859-1. A number or a flag is no text."""
    if value is None or isinstance(value, bool | int | float):
        return None
    text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
    return text[:TEXT_KEPT]
