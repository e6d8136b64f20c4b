"""Rule: what an origin or edge declares in a vendor's own field may excuse an edge, never accuse it.

We cannot know which of these an edge heeds, so each is one more reason why it may serve what it serves. The table
names who documents each field.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from probe.core.caching.cache_control import Seconds, cache_control, delta_seconds, parse_directives
from probe.core.http.fields import Fields, field_values, first_value
from probe.core.model.times import http_date_s
from probe.core.records.response import Freshness

Reader = Callable[[Fields, str, float | None], Freshness | None]


@dataclass(frozen=True, slots=True)
class VendorLifetime:
    """One field: its name in lower case, whose it is and where they say so."""

    field: str
    product: str
    documented: str
    read: Reader


def _made(name: str, lifetime_s: float | None, stale_s: float | None = None) -> Freshness | None:
    if lifetime_s is None:
        return None
    return Freshness(lifetime_s=lifetime_s, source=name, explicit=True, stale_while_revalidate_s=stale_s)


def _directives(fields: Fields, name: str, received_s: float | None) -> Freshness | None:
    """The grammar of Cache-Control in a field of the vendor's own (RFC 9213 section 2)."""
    directives = cache_control([("cache-control", value) for value in field_values(fields, name)])
    seconds = Seconds(directives)
    for directive in ("s-maxage", "max-age"):
        lifetime_s = seconds.of(directive)
        if lifetime_s is not None:
            stale_s = seconds.of("stale-while-revalidate")
            return None if seconds.flags else _made(f"{directive} of {name}", lifetime_s, stale_s)
    return None


def _surrogate(fields: Fields, name: str, received_s: float | None) -> Freshness | None:
    """`max-age=600+60`: fresh for 600 s, and 60 s more while it is revalidated."""
    for value in parse_directives(field_values(fields, name)).get("max-age", [])[:1]:
        fresh, _, stale = value.partition(";")[0].partition("+")
        return _made(f"max-age of {name}", delta_seconds(fresh.strip()), delta_seconds(stale.strip()))
    return None


def _seconds_or_moment(fields: Fields, name: str, received_s: float | None) -> Freshness | None:
    """`60`, or `@` and seconds since the Unix epoch, counted from the response's Date, else from its receipt."""
    value = (first_value(fields, name) or "").strip()
    if not value.startswith("@"):
        return _made(name, delta_seconds(value))
    until, date = delta_seconds(value[1:]), http_date_s(first_value(fields, "date"), received_s)
    date = received_s if date is None else date
    return None if until is None or date is None else _made(name, max(0.0, until - date))


TABLE = (
    VendorLifetime(
        "surrogate-control", "Fastly and others", "W3C Note Edge Architecture Specification", _surrogate
    ),
    VendorLifetime("cloudflare-cdn-cache-control", "Cloudflare", "CDN-Cache-Control", _directives),
    VendorLifetime("vercel-cdn-cache-control", "Vercel", "Cache-Control headers", _directives),
    VendorLifetime("netlify-cdn-cache-control", "Netlify", "Caching overview", _directives),
    VendorLifetime("akamai-cache-control", "Akamai", "Targeted Cache-Control", _directives),
    VendorLifetime(
        "x-accel-expires", "nginx", "ngx_http_proxy_module, proxy_cache_valid", _seconds_or_moment
    ),
    VendorLifetime(
        "x-swift-cachetime", "Alibaba Cloud CDN", "response header X-Swift-CacheTime", _seconds_or_moment
    ),
)


def vendor_lifetimes(fields: Fields, received_s: float | None = None) -> Iterator[Freshness]:
    """What each vendor's field declares, as far as it can be read."""
    names = {name for name, _ in fields}
    for row in TABLE:
        found = row.read(fields, row.field, received_s) if row.field in names else None
        if found is not None:
            yield found
