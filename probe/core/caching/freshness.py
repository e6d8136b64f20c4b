"""Rule: a response is fresh for as long as its fields say; where the RFC leaves the choice to a cache, we set no limit.

Header fields -> freshness lifetime and its source (RFC 9111 section 4.2, RFC 9213), allowances for serving stale
(RFC 5861), and the age of what was served (RFC 9111 section 4.2.3). Of several values of one directive the first
counts, of directives that conflict the most restrictive (section 4.2.1).
"""

from __future__ import annotations

import math

from probe.core.caching.cache_control import Directives, Seconds, cache_control, targeted_directives
from probe.core.caching.vendor_lifetimes import vendor_lifetimes
from probe.core.http.fields import Fields, field_values, first_value
from probe.core.model.times import http_date_s
from probe.core.model.value import replace
from probe.core.records.response import Freshness

HEURISTIC_FRACTION = 0.1  # RFC 9111 section 4.2.2
CDN_FIELD = "cdn-cache-control"
_NEVER = ("no-store", "private", "no-cache")
_NO_STALE = ("must-revalidate", "proxy-revalidate", "no-cache")


def freshness(fields: Fields, received_s: float | None = None) -> Freshness:
    """What the standards' own fields declare to a CDN: CDN-Cache-Control where it is valid, else Cache-Control.

    A targeted field hides Cache-Control and Expires altogether (RFC 9213 section 2.2). `received_s`: when the response
    was received, in seconds since the epoch; stands for a Date that is missing or invalid.
    """
    targeted = targeted_directives(fields, CDN_FIELD)
    if targeted is None:
        invalid = ("cdn_cache_control_ignored",) if field_values(fields, CDN_FIELD) else ()
        found = _freshness(fields, cache_control(fields), received_s, targeted=False)
        return replace(found, flags=(*found.flags, *invalid))
    found = _freshness(fields, targeted, received_s, targeted=True)
    named = found.source if found.source in (None, "heuristic") else f"{found.source} of {CDN_FIELD}"
    return replace(found, source=named)


def declared(fields: Fields, received_s: float | None = None) -> Freshness:
    """The most generous of what the standards' fields and the vendors' fields declare."""
    best = freshness(fields, received_s)
    for other in vendor_lifetimes(fields, received_s):
        best = more_generous(best, other)
    return best


def more_generous(one: Freshness, other: Freshness) -> Freshness:
    """What binds before what does not; of two that bind the longer one, of two alike the first."""
    return other if _generosity(other) > _generosity(one) else one


def _generosity(fresh: Freshness) -> tuple[bool, float, float]:
    if fresh.lifetime_s is None:
        return False, -1.0, 0.0
    stale_s = 0.0 if fresh.must_revalidate else fresh.stale_while_revalidate_s or 0.0
    return fresh.explicit, fresh.lifetime_s + stale_s, fresh.stale_if_error_s or 0.0


def _freshness(
    fields: Fields, directives: Directives, received_s: float | None, *, targeted: bool
) -> Freshness:
    seconds = Seconds(directives)
    fresh = _never(directives) or _counted(seconds) or _dated(fields, received_s, targeted=targeted)
    # s-maxage forbids serving stale too (section 5.2.2.10), but who also writes stale-while-revalidate means it.
    asked_for = any(name in directives for name in ("stale-while-revalidate", "stale-if-error"))
    forbidden = (
        fresh.source in _NEVER
        or any(name in directives for name in _NO_STALE)
        or (fresh.source == "s-maxage" and not asked_for)
    )
    return replace(
        fresh,
        stale_while_revalidate_s=seconds.of("stale-while-revalidate"),
        stale_if_error_s=seconds.of("stale-if-error"),
        must_revalidate=forbidden,
        flags=(*fresh.flags, *seconds.flags),
    )


def _never(directives: Directives) -> Freshness | None:
    """What a shared cache may not store, or not serve without asking. With field names they concern those only."""
    for name in _NEVER:
        if "" not in directives.get(name, ()):
            continue
        # A cache that knows must-understand passes over no-store (RFC 9111 section 5.2.2.3).
        if name != "no-store" or "must-understand" not in directives:
            return Freshness(lifetime_s=0.0, source=name, explicit=True)
    return None


def _counted(seconds: Seconds) -> Freshness | None:
    """s-maxage, then max-age. An invalid one is stale, as RFC 9111 section 4.2.1 encourages but does not demand."""
    for name in ("s-maxage", "max-age"):
        lifetime_s = seconds.of(name)
        if lifetime_s is not None:
            invalid = f"{name.replace('-', '_')}_invalid" in seconds.flags
            return Freshness(lifetime_s=lifetime_s, source=name, explicit=not invalid)
    return None


def _dated(fields: Fields, received_s: float | None, *, targeted: bool) -> Freshness:
    """Expires minus Date, else the heuristic: a tenth of the time since it was modified, which binds nobody."""
    date = http_date_s(first_value(fields, "date"), received_s)
    flags = ("date_invalid",) if date is None and field_values(fields, "date") else ()
    expires = [] if targeted else field_values(fields, "expires")
    if expires:
        return replace(_expires(expires, _second(received_s) if date is None else date), flags=flags)
    modified = http_date_s(first_value(fields, "last-modified"), date)
    if date is not None and modified is not None and modified < date:
        return Freshness(lifetime_s=(date - modified) * HEURISTIC_FRACTION, source="heuristic", flags=flags)
    return Freshness(flags=flags)


def _second(received_s: float | None) -> float | None:
    """The Date that a recipient would give the response (RFC 9110 section 6.6.1)."""
    return None if received_s is None else float(math.floor(received_s))


def _expires(values: list[str], since_s: float | None) -> Freshness:
    """The first one counts. An invalid one, "0" above all, means already expired (RFC 9111 section 5.3)."""
    until = http_date_s(values[0], since_s)
    if until is None:
        return Freshness(lifetime_s=0.0, source="expires", explicit=True)
    if since_s is None:  # expires at a moment, but how long that was from the start nobody says
        return Freshness(source="expires")
    return Freshness(lifetime_s=max(0.0, until - since_s), source="expires", explicit=True)


def current_age_s(
    age_s: float | None, date: str | None, request_at_s: float, response_at_s: float
) -> float | None:
    """Corrected initial age (RFC 9111 section 4.2.3) of a response as it reached us; None where no field gives it.

    The greater of the apparent age, by Date and our clock, and of Age with the time that the reply took. Age is
    the field's value where valid; the two moments are seconds since the Unix epoch.
    """
    value_s = http_date_s(date, response_at_s)
    apparent_s = None if value_s is None else max(0.0, response_at_s - value_s)
    corrected_s = None if age_s is None else age_s + max(0.0, response_at_s - request_at_s)
    known = [age for age in (apparent_s, corrected_s) if age is not None]
    return max(known, default=None)
