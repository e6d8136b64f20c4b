"""What caches (RFC 9211) and proxies (RFC 9209) say of themselves, what garbage does, and what it all proves."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.core.caching.cache_status import (
    UPSTREAM_ERRORS,
    asked_origin,
    cache_status,
    caches,
    caches_passed,
    fetched_for_us,
    field_flags,
    origin_blamed,
    proxy_status,
    with_caches,
    words_of,
)
from probe.core.caching.vendor_fields import TABLE
from probe.core.model.value import replace
from probe.core.records.observation import Observation, Role
from probe.core.records.response import CacheStatus, ProxyStatus
from tests.support.build import evidence as made_evidence
from tests.support.build import refused, seen, triple, verdict
from tests.support.work import linear

Fields = tuple[tuple[str, str], ...]


# --- Cache-Status ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("edge-1; hit; ttl=30", CacheStatus(cache="edge-1", hit=True, ttl_s=30)),
        ("edge-1; hit; ttl=-412", CacheStatus(cache="edge-1", hit=True, ttl_s=-412)),
        (
            "mid; fwd=miss, edge-1; fwd=stale; fwd-status=304; stored; collapsed=?0",
            CacheStatus(cache="edge-1", hit=False, fwd="stale", fwd_status=304, stored=True, collapsed=False),
        ),
        (
            'e; fwd=uri-miss; key="/a?b"; detail=memory',
            CacheStatus(cache="e", hit=False, fwd="uri-miss", key="/a?b", detail="memory"),
        ),
        ('"a b"; hit', CacheStatus(cache="a b", hit=True)),
        ("edge; ttl=never; hit=1.5; stored=1; fwd-status=?1", CacheStatus(cache="edge")),
        ("edge; fwd=brand-new-reason", CacheStatus(cache="edge", hit=False, fwd="brand-new-reason")),
        ("5; hit", CacheStatus(cache=None, hit=True)),
        ("(((", None),
        ("edge; hit,", None),
        ("", None),
    ],
)
def test_the_nearest_cache_counts_and_garbage_is_no_answer(value: str, expected: CacheStatus | None) -> None:
    assert cache_status((("cache-status", value),)) == expected


def test_every_cache_is_kept_across_lines_the_nearest_last() -> None:
    fields = (("cache-status", "shield; hit"), ("cache-status", "edge; fwd=miss"))
    assert [status.cache for status in caches(fields)] == ["shield", "edge"]
    told = with_caches(seen(fields=fields))
    assert told["cache_status"] == CacheStatus(cache="edge", hit=False, fwd="miss")
    assert told["caches"] == caches(fields)


def test_one_cache_is_not_told_twice_and_no_reply_says_nothing() -> None:
    assert with_caches(seen(fields=(("cache-status", "edge; hit"),)))["caches"] == ()
    assert with_caches(refused()) == {"cache_status": None, "caches": (), "proxy_status": ()}


def test_the_standards_field_counts_before_a_vendors() -> None:
    fields = (("x-cache", "HIT"), ("cache-status", "edge; fwd=miss"))
    assert cache_status(fields) == CacheStatus(cache="edge", hit=False, fwd="miss")


def test_a_list_without_end_is_cut() -> None:
    fields = (("cache-status", ", ".join(f"c{i}; hit" for i in range(100))),)
    assert [status.cache for status in caches(fields)] == [f"c{i}" for i in range(84, 100)]


@pytest.mark.parametrize(
    ("fields", "flags"),
    [
        ((("cache-status", "edge; hit"), ("date", "Sun, 22 Nov 2026 10:00:00 GMT")), ()),
        ((("cache-status", ""),), ("cache_status_invalid",)),
        ((("cache-status", "a" * 20_000),), ("cache_status_invalid",)),
        ((("proxy-status", "((("),), ("proxy_status_invalid",)),
        ((("date", "noon"),), ("date_invalid",)),
        ((), ()),
    ],
)
def test_what_is_there_and_not_understood_is_flagged(fields: Fields, flags: tuple[str, ...]) -> None:
    assert field_flags(fields) == flags


# --- vendors --------------------------------------------------------------------------------------


def word(name: str, hit: bool | None, fwd: str | None = None, status: int | None = None) -> CacheStatus:
    return CacheStatus(hit=hit, fwd=fwd, fwd_status=status, derived_from=name)


@pytest.mark.parametrize(
    ("name", "value", "hit", "fwd", "status"),
    [
        ("x-cache", "Hit from cloudfront", True, None, None),
        ("x-cache", "Miss from cloudfront", False, "miss", None),
        ("x-cache", "RefreshHit from cloudfront", False, "stale", None),
        ("x-cache", "TCP_MEM_HIT from a69 (AkamaiGHost/5.7.2-5726413) (-)", True, None, None),
        ("x-cache", "TCP_MISS from node7", False, "miss", None),
        ("x-cache", "TCP_REFRESH_HIT from a69 (AkamaiGHost/5.7.2-5726413) (-)", False, "stale", 304),
        ("x-cache", "TCP_REFRESH_MISS", False, "stale", 200),
        ("x-cache", "TCP_REFRESH_FAIL_HIT from a69", True, None, None),
        ("x-cache", "HIT TCP_MEM_HIT dirn:-2:-2", True, None, None),
        ("x-cache", "MISS TCP_MISS dirn:-2:-2", False, "miss", None),
        ("x-cache", "MISS TCP_REFRESH_MISS dirn:-2:-2", False, "stale", 200),
        ("x-cache", "HIT from proxy.example", True, None, None),
        ("x-cache", "MISS, HIT", True, None, None),
        ("x-cache", "HIT, MISS", False, "miss", None),
        ("x-cache", "hit", True, None, None),
        ("x-cache", "EXPIRED", False, "stale", 200),
        ("x-cache", "UPDATING", True, None, None),
        ("x-cache", "REVALIDATED", False, "stale", 304),
        ("x-cache", "BYPASS", False, "bypass", None),
        ("x-cache", "hit-fresh", True, None, None),
        ("x-cache", "skipped", False, "bypass", None),
        ("cdn-cache", "HIT", True, None, None),
        ("cdn-cache", "MISS", False, None, None),
        ("x-goog-cache-status", "hit", True, None, None),
        ("x-goog-cache-status", "miss", False, None, None),
        ("x-cache-status", "UPDATING", True, None, None),
        ("x-cache-status", "STALE", True, None, None),
        ("x-cache-status", "EXPIRED", False, "stale", 200),
        ("x-cache-status", "REVALIDATED", False, "stale", 304),
        ("x-cache-status", "BYPASS", False, "bypass", None),
        ("cf-cache-status", "DYNAMIC", False, "bypass", None),
        ("cf-cache-status", "HIT", True, None, None),
        ("x-vercel-cache", "PRERENDER", True, None, None),
        ("x-vercel-cache", "REVALIDATED", False, "request", None),
        ("x-hcs-proxy-type", "1", True, None, None),
        ("x-hcs-proxy-type", "0", False, "miss", None),
        ("x-cache-lookup", "Hit From MemCache", True, None, None),
        ("x-cache-lookup", "Hit From Disktank3", True, None, None),
        ("x-cache-lookup", "Cache Miss", False, "miss", None),
        ("x-cache-lookup", "MISS from squid:3128", False, "miss", None),
        ("server-timing", 'total;dur=3, cdn-cache; desc="HIT"', True, None, None),
        ("server-timing", "cdn-cache-miss, cdn-rid;desc=x", False, "miss", None),
        ("x-cache-hits", "0, 7", True, None, None),
        ("x-varnish", "32770", False, "miss", None),
    ],
)
def test_vendors_words(name: str, value: str, hit: bool, fwd: str | None, status: int | None) -> None:
    assert cache_status(((name, value),)) == word(name, hit, fwd, status)


def test_varnish_names_who_stored_it() -> None:
    assert cache_status((("x-varnish", "32770 3"),)) == replace(word("x-varnish", True), stored=True)


def test_a_time_of_saving_says_that_it_is_stored_and_no_more() -> None:
    fields = (("x-swift-savetime", "Tue, 23 Jul 2019 05:52:14 GMT"),)
    assert cache_status(fields) == CacheStatus(stored=True, derived_from="x-swift-savetime")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-cache", "BYPASS?"),
        ("x-cache", "SHIT HAPPENS"),
        ("x-cache", "HITMISS"),
        ("x-cache", "NOT A MISS"),
        ("x-cache", "Error from cloudfront"),
        ("x-cache-status", "-"),
        ("cf-cache-status", "NONE/UNKNOWN"),
        ("x-cache-lookup", "HIT from squid:3128"),
        ("x-varnish", "a b"),
        ("x-cache", "hit-stale"),
        ("x-via", "1.1 PSzj:10 (Cdn Cache Server V2.0)[hit]"),
        ("ohc-cache-hit", "bj3cu [4]"),
    ],
)
def test_a_word_that_nobody_documents_says_nothing(name: str, value: str) -> None:
    found = cache_status(((name, value),))
    assert found is not None
    assert (found.hit, found.fwd, found.stored) == (None, None, None)
    assert found.derived_from == name
    assert not asked_origin(found)


@pytest.mark.parametrize("value", ["hit-fresh, miss", "miss, hit-fresh", "skipped, hit-fresh"])
def test_traffic_servers_that_contradict_each_other_say_nothing(value: str) -> None:
    """Which of them is the nearest no document says."""
    found = cache_status((("x-cache", value),))
    assert found == CacheStatus(derived_from="x-cache", flags=("order_unknown",))
    assert cache_status((("x-cache", "hit-fresh, hit-fresh"),)) == word("x-cache", True)


@pytest.mark.parametrize("value", ["total;dur=3", "", "hit;desc=x"])
def test_fields_of_many_uses_need_no_word_on_caches(value: str) -> None:
    assert cache_status((("server-timing", value),)) is None
    assert cache_status((("x-cache-hits", "0, 0"),)) is None


def test_an_unknown_word_does_not_hide_a_known_one() -> None:
    assert cache_status((("x-cache", "what"), ("cf-cache-status", "HIT"))) == word("cf-cache-status", True)


def test_of_words_without_order_the_one_that_excuses_counts() -> None:
    several = (("x-cache-lookup", "Cache Miss"), ("x-cache-lookup", "Hit From Inner Cluster"))
    found = cache_status(several)
    assert found == CacheStatus(derived_from="x-cache-lookup", flags=("parent_hit",))
    assert cache_status((*several, ("x-cache-lookup", "Cache Hit"))) == word("x-cache-lookup", True)


def test_each_row_of_the_table_says_who_documents_it() -> None:
    words = [w for field in TABLE for w in field.words]
    assert all(w.product and w.documented for w in words)
    assert all(field.name == field.name.lower() for field in TABLE)
    assert len({field.name for field in TABLE}) == len(TABLE)


# --- what it proves -------------------------------------------------------------------------------


def with_status(*statuses: CacheStatus, fields: Fields = ()) -> Observation:
    return seen(fields=fields, cache_status=statuses[-1], caches=statuses if len(statuses) > 1 else ())


def forwarded(fwd: str = "miss", **changes: object) -> CacheStatus:
    return replace(CacheStatus(cache="edge", hit=False, fwd=fwd), **changes)


HIT = CacheStatus(cache="shield", hit=True)


@pytest.mark.parametrize(
    ("observation", "proved"),
    [
        (with_status(forwarded()), True),
        (with_status(forwarded("uri-miss", fwd_status=200)), True),
        (with_status(forwarded("stale", fwd_status=304)), True),
        (with_status(forwarded(), forwarded()), True),
        (with_status(forwarded(), fields=(("via", "1.1 edge"),)), True),
        # another cache had it, or may have had it
        (with_status(HIT, forwarded()), False),
        (with_status(forwarded(), fields=(("via", "1.1 shield, 1.1 edge"),)), False),
        (with_status(CacheStatus(flags=("parent_hit",)), forwarded()), False),
        # what was stored was served after all, or was asked for earlier
        (with_status(forwarded("stale")), False),
        (with_status(forwarded("stale", fwd_status=503)), False),
        (with_status(forwarded(fwd_status=504)), False),
        (with_status(forwarded("partial")), False),
        (with_status(forwarded(collapsed=True)), False),
        (with_status(forwarded("brand-new-reason")), False),
        (with_status(HIT), False),
        (seen(), False),
        (refused(), False),
    ],
)
def test_forwarded_for_this_request(observation: Observation, proved: bool) -> None:
    assert fetched_for_us(observation, {}) is proved


def test_a_quiet_edge_repeats_the_word_of_a_cache_at_the_origin() -> None:
    origin = seen(Role.ORIGIN, fields=(("x-cache", "MISS from reverse.acme.example"),))
    words = words_of([origin, refused(Role.ORIGIN)])
    assert words == {"x-cache": 1}
    stored = seen(fields=origin.response.fields if origin.response else ())
    stored = replace(stored, **with_caches(stored))
    assert fetched_for_us(stored, {})
    assert not fetched_for_us(stored, words)
    own = (("x-cache", "MISS from reverse.acme.example"), ("x-cache", "MISS from edge"))
    spoken = seen(fields=own)
    assert fetched_for_us(replace(spoken, **with_caches(spoken)), words)


@pytest.mark.parametrize(
    ("fields", "count"),
    [
        ((), 1),
        ((("via", "1.1 a, 1.1 b"), ("via", "1.1 c")), 3),
        ((("cache-status", "a; hit, b; hit"),), 2),
    ],
)
def test_caches_passed(fields: Fields, count: int) -> None:
    assert caches_passed(fields) == count


def test_asked_origin() -> None:
    assert asked_origin(CacheStatus(hit=False, fwd="miss"))
    assert not asked_origin(CacheStatus(hit=True))
    assert not asked_origin(None)


# --- Proxy-Status ---------------------------------------------------------------------------------

REFUSED = 'edge.example; error=connection_refused; next-hop="origin.acme.example"'


def test_proxy_status_is_read_whole() -> None:
    value = f'{REFUSED}; next-protocol=h2; received-status=503; details="no route", "b c"; error=proxy_loop_detected'
    first, second = proxy_status((("proxy-status", value),))
    assert first == ProxyStatus(
        proxy="edge.example",
        error="connection_refused",
        next_hop="origin.acme.example",
        next_protocol="h2",
        received_status=503,
        details="no route",
    )
    assert second == ProxyStatus(proxy="b c", error="proxy_loop_detected")


@pytest.mark.parametrize("value", ["", "(((", "e; error=,", "\xff\xfe", "e; details=" + '"' * 9])
def test_garbage_is_no_proxy_status(value: str) -> None:
    assert proxy_status((("proxy-status", value),)) == ()


@pytest.mark.parametrize(
    ("error", "blamed"),
    [
        *((error, True) for error in sorted(UPSTREAM_ERRORS)),
        ("http_request_denied", False),
        ("http_request_error", False),
        ("proxy_internal_error", False),
        ("proxy_configuration_error", False),
        ("connection_limit_reached", False),
        ("destination_ip_prohibited", False),
        ("made_up_error", False),
    ],
)
def test_whom_an_error_blames(error: str, blamed: bool) -> None:
    said = proxy_status((("proxy-status", f"edge; error={error}"),))
    assert (origin_blamed(said) is not None) is blamed


def blaming(status: int) -> Observation:
    made = seen(status=status, digest=None, fields=(("proxy-status", REFUSED),))
    return replace(made, **with_caches(made))


def notes(made: Observation, *others: Observation) -> list[str]:
    return [finding.reason for finding in verdict(made_evidence(made, *others)).findings]


def test_blaming_the_origin_is_noted_and_decides_nothing() -> None:
    """The same 502: the CDN's where the origin is well, the origin's where it fails asked directly."""
    well = seen(Role.ORIGIN)
    assert triple(made_evidence(blaming(502), well)) == ("failed", "cdn", "http.error")
    assert "edge.blames_origin" in notes(blaming(502), well)
    assert triple(made_evidence(blaming(502), refused(Role.ORIGIN))) == (
        "failed",
        "origin",
        "origin.tcp.refused",
    )
    silent_edge = seen(status=502, digest=None)
    assert triple(made_evidence(silent_edge, well)) == ("failed", "cdn", "http.error")
    assert "edge.blames_origin" not in notes(silent_edge, well)


def test_an_edge_that_is_well_blames_nobody() -> None:
    assert "edge.blames_origin" not in notes(blaming(200), seen(Role.ORIGIN))


# --- hostile fields (row 33) ----------------------------------------------------------------------

NAMES = st.sampled_from(
    ["cache-status", "proxy-status", "date", "via", "age", *(field.name for field in TABLE)]
)
PIECES = st.lists(
    st.sampled_from(
        ["edge", ";", "hit", "=", "fwd=miss", ",", '"', "\\", "(", ")", ":YQ==:", "@9999999999999", "?1", "1.5",
         "-", "%", '%"\xc3', "HIT", "TCP_", " from ", "9" * 20, "\x00", "\xff", "\u4e2d", "\ud800"]
    ),
    max_size=12,
).map("".join)  # fmt: skip


@given(st.lists(st.tuples(NAMES, st.one_of(PIECES, st.text(max_size=40))), max_size=6))
def test_any_field_is_read(fields: list[tuple[str, str]]) -> None:
    made = seen(fields=tuple(fields))
    told = with_caches(made)
    replace(made, **told)
    field_flags(fields)
    fetched_for_us(replace(made, **told), {})
    assert caches_passed(fields) >= 1


def test_a_field_of_any_size_takes_work_in_line_with_its_length() -> None:
    def read(fields: tuple[tuple[str, str]]) -> None:
        made = seen(fields=fields)
        replace(made, **with_caches(made))
        field_flags(fields)

    for garbage in (
        "a;" * 100_000,
        "(" * 100_000,
        "HIT " * 100_000,
        "a," * 100_000,
        '"' * 100_000,
        "1 " * 100_000,
    ):
        for name in ("cache-status", "proxy-status", *(field.name for field in TABLE)):
            linear(partial(read, ((name, garbage),)), len(garbage), each=8)
