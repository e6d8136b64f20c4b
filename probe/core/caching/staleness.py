"""Rule: a cache may serve an old version for the longest time that edge or origin declared; doubt accuses nobody.

The lifetime is the more generous of what the edge declares and what the origin declared with that version: an edge
may keep s-maxage or CDN-Cache-Control to itself. RFC 9111 sections 4.2 and 4.2.4, RFC 5861.
"""

from __future__ import annotations

from dataclasses import dataclass

from probe.core.caching.cache_status import caches_passed
from probe.core.caching.freshness import declared
from probe.core.http.fields import Fields
from probe.core.records.response import Freshness

# Each cache on the way may round the age down by a second (RFC 9111 section 4.2.3), and not every one is seen.
ROUNDING_S = 1.0
# A cache may keep what declares no lifetime for as long as it likes; past a day we say that it is old.
UNDECLARED_LIFETIME_S = 86_400.0

WHILE_REVALIDATE = "stale_while_revalidate"
IF_ERROR = "stale_if_error"
DISCONNECTED = "stale_disconnected"
_EXCUSES = (None, WHILE_REVALIDATE, IF_ERROR, DISCONNECTED)  # the best one first


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """Whether a cache may still serve a version, by whose declaration, and by what allowance if it is stale.

    `within` is None where nothing binds the cache. `by`: edge or origin.
    """

    within: bool | None
    fresh: Freshness
    by: str | None
    allowance: str | None = None


def slack_s(fields: Fields) -> float:
    """By how much an age may be wrong: a second for each cache that shows itself and one for one that does not."""
    return ROUNDING_S * (caches_passed(fields) + 1)


def allowed(
    fields: Fields,
    origin: Freshness | None,
    behind_s: float,
    *,
    origin_failing: bool,
    undeclared_s: float | None = None,
    received_s: float | None = None,
) -> Allowed:
    """May a cache serve, `behind_s` seconds after the origin changed, what came with these fields?

    `origin`: what the origin declared with that version, if known. `undeclared_s`: what is allowed where nothing
    binds; None for no limit. `received_s`: the latest moment at which the cache can have received what it serves.
    """
    edge = declared(fields, received_s)
    spoken = [(edge, "edge"), *([] if origin is None else [(origin, "origin")])]
    beyond_s = behind_s - slack_s(fields)
    binding = [_bound(fresh, by, beyond_s, origin_failing) for fresh, by in spoken if fresh.explicit]
    if binding:
        return min(binding, key=_rank)
    fresh, by = max(spoken, key=lambda said: said[0].lifetime_s or 0.0)
    if beyond_s <= max(fresh.lifetime_s or 0.0, undeclared_s or 0.0) and (fresh.source or undeclared_s):
        within: bool | None = True
    else:
        within = None if undeclared_s is None else False
    return Allowed(within=within, fresh=fresh, by=None if fresh.source is None else by)


def _bound(fresh: Freshness, by: str, beyond_s: float, origin_failing: bool) -> Allowed:
    over_s = beyond_s - (fresh.lifetime_s or 0.0)
    if over_s <= 0:
        return Allowed(within=True, fresh=fresh, by=by)
    allowance = None if fresh.must_revalidate else _allowance(fresh, over_s, origin_failing)
    return Allowed(within=allowance is not None, fresh=fresh, by=by, allowance=allowance)


def _allowance(fresh: Freshness, over_s: float, origin_failing: bool) -> str | None:
    """By what it may be served `over_s` after its lifetime; without its own limit a cache that is cut off may."""
    if over_s <= (fresh.stale_while_revalidate_s or 0.0):
        return WHILE_REVALIDATE
    if not origin_failing:
        return None
    if fresh.stale_if_error_s is None:
        return DISCONNECTED
    return IF_ERROR if over_s <= fresh.stale_if_error_s else None


def _rank(found: Allowed) -> tuple[bool, int]:
    return not found.within, _EXCUSES.index(found.allowance)
