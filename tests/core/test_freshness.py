"""Lifetimes (RFC 9111 section 4.2), stale allowances (RFC 5861), cache status (RFC 9211)."""

from __future__ import annotations

import pytest

from probe.core.cache_control import cache_control
from probe.core.cache_fields import asked_origin, cache_status
from probe.core.freshness import freshness
from probe.core.records import CacheStatus

DATE = ("date", "Sun, 22 Nov 2026 10:00:00 GMT")


@pytest.mark.parametrize(
    ("fields", "lifetime_s", "source"),
    [
        ([("cache-control", "max-age=60")], 60, "max-age"),
        ([("cache-control", "max-age=60, s-maxage=5")], 5, "s-maxage"),
        ([("cache-control", 'public, Max-Age="30"')], 30, "max-age"),
        ([("cache-control", "max-age=10"), ("cache-control", "max-age=20")], 10, "max-age"),
        ([("cache-control", "no-store, max-age=60")], 0, "no-store"),
        ([("cache-control", "no-cache")], 0, "no-cache"),
        ([DATE, ("expires", "Sun, 22 Nov 2026 10:01:00 GMT")], 60, "expires"),
        ([DATE, ("expires", "0")], 0, "expires"),
        ([DATE, ("expires", "Sun, 22 Nov 2026 09:00:00 GMT")], 0, "expires"),
        ([DATE, ("last-modified", "Sun, 22 Nov 2026 08:20:00 GMT")], 600, "heuristic"),
        ([DATE, ("last-modified", "tomorrow, perhaps")], None, None),
        ([("cache-control", "max-age=soon")], 0, "max-age"),
        ([("cache-control", "=,;;==\x00")], None, None),
        ([], None, None),
    ],
)
def test_lifetime(fields: list[tuple[str, str]], lifetime_s: float | None, source: str | None) -> None:
    found = freshness(fields)
    assert (found.lifetime_s, found.source) == (lifetime_s, source)


def test_allowances_for_serving_stale() -> None:
    found = freshness([("cache-control", "max-age=1, stale-while-revalidate=7, stale-if-error=9")])
    assert (found.stale_while_revalidate_s, found.stale_if_error_s) == (7, 9)


def test_directives_keep_order_and_case_folds() -> None:
    assert cache_control([("cache-control", "A=1,a=2 , b")]) == {"a": ["1", "2"], "b": [""]}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("edge-1; hit; ttl=30", CacheStatus(cache="edge-1", hit=True, ttl_s=30)),
        (
            "mid; fwd=miss, edge-1; fwd=stale; fwd-status=304; stored; collapsed=?0",
            CacheStatus(cache="edge-1", hit=False, fwd="stale", fwd_status=304, stored=True, collapsed=False),
        ),
        ('"a b"; hit', CacheStatus(cache="a b", hit=True)),
        ("(((", None),
        ("edge; ttl=never; hit=1.5", CacheStatus(cache="edge")),
        ("", None),
    ],
)
def test_nearest_cache_counts_and_garbage_is_no_answer(value: str, expected: CacheStatus | None) -> None:
    assert cache_status([("cache-status", value)]) == expected


def test_vendor_field_is_named_as_the_source() -> None:
    found = cache_status([("x-cache", "TCP_MISS from node7")])
    assert found == CacheStatus(hit=False, fwd="miss", derived_from="x-cache")
    unknown = CacheStatus(derived_from="x-cache", flags=("value_unknown",))
    assert cache_status([("x-cache", "BYPASS?")]) == unknown


def test_asked_origin() -> None:
    assert asked_origin(CacheStatus(hit=False, fwd="miss"))
    assert not asked_origin(CacheStatus(hit=True))
    assert not asked_origin(None)
