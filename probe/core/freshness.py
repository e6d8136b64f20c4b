"""Rule: a response is as long fresh as it says itself, in doubt longer: lifetimes are used to accuse.

Header fields -> freshness lifetime and its source (RFC 9111 section 4.2), allowances for serving stale
(RFC 5861), and what the cache nearest to us says of itself (RFC 9211, or a vendor's field, named as such).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import http_sf

from probe.core.records import CacheStatus
from probe.core.times import http_date_s

Fields = Sequence[tuple[str, str]]
HEURISTIC_FRACTION = 0.1  # RFC 9111 section 4.2.2
_DIRECTIVE = re.compile(r'\s*([A-Za-z0-9_-]+)\s*(?:=\s*(?:"([^"]*)"|([^\s,;"]*)))?\s*(?:,|$)')
_DELTA = re.compile(r"\d{1,10}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """`lifetime_s` is None where the response says nothing to derive it from."""

    lifetime_s: float | None
    source: str | None  # no-store, no-cache, s-maxage, max-age, expires, heuristic
    stale_while_revalidate_s: float = 0.0
    stale_if_error_s: float = 0.0


def field_values(fields: Fields, name: str) -> list[str]:
    """All values of a field, in wire order; names are compared in lower case."""
    return [value for key, value in fields if key == name]


def cache_control(fields: Fields) -> dict[str, list[str]]:
    """Directive name (lower case) -> its arguments in order; "" where it has none. Garbage is skipped."""
    directives: dict[str, list[str]] = {}
    for name, quoted, plain in _DIRECTIVE.findall(", ".join(field_values(fields, "cache-control"))):
        directives.setdefault(name.lower(), []).append(quoted or plain)
    return directives


def _seconds(directives: dict[str, list[str]], name: str) -> float | None:
    """The greatest valid delta-seconds: of two contradicting ones we believe what excuses."""
    values = [float(text) for text in directives.get(name, ()) if _DELTA.fullmatch(text)]
    return max(values, default=None)


def freshness(fields: Fields) -> Freshness:
    """For a shared cache: s-maxage, then max-age, then Expires minus Date, then the heuristic."""
    directives = cache_control(fields)
    lifetime_s, source = _lifetime(fields, directives)
    return Freshness(
        lifetime_s=lifetime_s,
        source=source,
        stale_while_revalidate_s=_seconds(directives, "stale-while-revalidate") or 0.0,
        stale_if_error_s=_seconds(directives, "stale-if-error") or 0.0,
    )


def _lifetime(fields: Fields, directives: dict[str, list[str]]) -> tuple[float | None, str | None]:
    for name in ("no-store", "no-cache"):
        if name in directives:
            return 0.0, name
    for name in ("s-maxage", "max-age"):
        declared = _seconds(directives, name)
        if declared is not None:
            return declared, name
    date = http_date_s(next(iter(field_values(fields, "date")), None))
    expires = field_values(fields, "expires")
    if expires:
        until = http_date_s(expires[0])
        # An invalid Expires, "0" above all, means already expired (RFC 9111 section 5.3).
        return (
            (max(0.0, until - date), "expires")
            if until is not None and date is not None
            else (0.0, "expires")
        )
    modified = http_date_s(next(iter(field_values(fields, "last-modified")), None))
    if date is not None and modified is not None and modified < date:
        return (date - modified) * HEURISTIC_FRACTION, "heuristic"
    return None, None


def cache_status(fields: Fields) -> CacheStatus | None:
    """The cache nearest to us, which is the last list member (RFC 9211 section 2); None if nobody says."""
    values = field_values(fields, "cache-status")
    if values:
        return _standard_cache_status(", ".join(values))
    return _vendor_cache_status(fields)


def _standard_cache_status(text: str) -> CacheStatus | None:
    try:
        members = http_sf.parse(text.encode("latin-1", "replace"), tltype="list")
    except (ValueError, IndexError, KeyError):
        return None  # the raw field stays in the response
    if not isinstance(members, list) or not members or not isinstance(members[-1], tuple):
        return None
    name, parameters = members[-1]
    get = dict(parameters).get

    def whole(key: str) -> int | None:
        value = get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def flag(key: str) -> bool | None:
        value = get(key)
        return value if isinstance(value, bool) else None

    fwd = get("fwd")
    return CacheStatus(
        cache=str(name),
        hit=flag("hit") or (False if fwd is not None else None),
        fwd=str(fwd) if fwd is not None else None,
        fwd_status=whole("fwd-status"),
        ttl_s=whole("ttl"),
        stored=flag("stored"),
        collapsed=flag("collapsed"),
    )


def _vendor_cache_status(fields: Fields) -> CacheStatus | None:
    for name in ("x-cache", "x-cache-status", "cf-cache-status", "x-cache-lookup"):
        for value in reversed(field_values(fields, name)):
            word = value.upper()
            if "HIT" in word or "MISS" in word or "EXPIRED" in word:
                hit = "HIT" in word
                return CacheStatus(hit=hit, fwd=None if hit else "miss", derived_from=name)
    return None


def asked_origin(status: CacheStatus | None) -> bool:
    """True where the nearest cache says that it forwarded this request."""
    return status is not None and status.hit is not True and status.fwd is not None
