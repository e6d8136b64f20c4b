"""Lifetimes (RFC 9111 section 4.2, RFC 9213), stale allowances (RFC 5861), ages (RFC 9111 section 4.2.3)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.core.caching.freshness import current_age_s, declared, freshness, more_generous
from probe.core.caching.vendor_lifetimes import TABLE
from probe.core.records.response import Freshness

DATE = ("date", "Sun, 22 Nov 2026 10:00:00 GMT")
DATE_S = 1795341600.0
CC, CDN = "cache-control", "cdn-cache-control"
Fields = list[tuple[str, str]]


def test_the_date_of_these_tests() -> None:
    assert current_age_s(None, DATE[1], DATE_S, DATE_S + 7) == 7


@pytest.mark.parametrize(
    ("fields", "lifetime_s", "source"),
    [
        ([(CC, "max-age=60")], 60, "max-age"),
        ([(CC, "max-age=60, s-maxage=5")], 5, "s-maxage"),
        ([(CC, 'public, Max-Age="30"')], 30, "max-age"),
        ([(CC, "max-age=10"), (CC, "max-age=20")], 10, "max-age"),
        ([(CC, "max-age=4294967296")], 2**31, "max-age"),
        ([(CC, "no-store, max-age=60")], 0, "no-store"),
        ([(CC, "no-store, must-understand, max-age=60")], 60, "max-age"),
        ([(CC, "private, max-age=60")], 0, "private"),
        ([(CC, 'private="set-cookie", max-age=60')], 60, "max-age"),
        ([(CC, "no-cache")], 0, "no-cache"),
        ([(CC, 'no-cache="set-cookie", max-age=60')], 60, "max-age"),
        ([(CC, "immutable, max-age=60")], 60, "max-age"),
        ([DATE, ("expires", "Sun, 22 Nov 2026 10:01:00 GMT")], 60, "expires"),
        ([DATE, (CC, "max-age=5"), ("expires", "Sun, 22 Nov 2026 10:01:00 GMT")], 5, "max-age"),
        ([DATE, ("expires", "0")], 0, "expires"),
        ([DATE, ("expires", "Sun, 22 Nov 2026 09:00:00 GMT")], 0, "expires"),
        ([DATE, ("expires", "0"), ("expires", "Sun, 22 Nov 2026 10:01:00 GMT")], 0, "expires"),
    ],
)
def test_lifetimes_that_bind(fields: Fields, lifetime_s: float, source: str) -> None:
    found = freshness(fields)
    assert (found.lifetime_s, found.source, found.explicit) == (lifetime_s, source, True)


@pytest.mark.parametrize(
    ("fields", "lifetime_s", "source", "flags"),
    [
        ([DATE, ("last-modified", "Sun, 22 Nov 2026 08:20:00 GMT")], 600, "heuristic", ()),
        ([(CC, "max-age=soon")], 0, "max-age", ("max_age_invalid",)),
        ([(CC, "max-age=-1")], 0, "max-age", ("max_age_invalid",)),
        ([(CC, "max-age")], 0, "max-age", ("max_age_invalid",)),
        ([(CC, "s-maxage=1.5, max-age=60")], 0, "s-maxage", ("s_maxage_invalid",)),
        ([("expires", "Sun, 22 Nov 2026 10:01:00 GMT")], None, "expires", ()),
        (
            [("date", "yesterday"), ("expires", "Sun, 22 Nov 2026 10:01:00 GMT")],
            None,
            "expires",
            ("date_invalid",),
        ),
        ([DATE, ("last-modified", "tomorrow, perhaps")], None, None, ()),
        ([DATE, ("last-modified", "Sun, 22 Nov 2026 10:20:00 GMT")], None, None, ()),
        ([(CC, "=,;;==\x00")], None, None, ()),
        ([(CC, "public")], None, None, ()),
        ([], None, None, ()),
    ],
)
def test_what_binds_nobody(
    fields: Fields, lifetime_s: float | None, source: str | None, flags: tuple[str, ...]
) -> None:
    found = freshness(fields)
    assert (found.lifetime_s, found.source, found.explicit, found.flags) == (lifetime_s, source, False, flags)


@pytest.mark.parametrize(
    "expires",
    [
        "0",
        "-1",
        "never",
        "",
        "1795341660",
        "Sun, 22 Nov 2026 10:01:00 UTC",
        "Sun, 22 Nov 2026 10:01:00 +0000",
        "Sun, 22 Nov 2026 10:01:00",
        "22 Nov 2026 10:01:00 GMT",
        "sun, 22 nov 2026 10:01:00 gmt",
        "Sun, 22 Nov 2026 10:01 GMT",
        "Sun, 22 Nov 2026 24:01:00 GMT",
        "Tue, 31 Nov 2026 10:01:00 GMT",
        "Sunday, 22-Nov-2026 10:01:00 GMT",
        "2026-11-22T10:01:00Z",
        "Sun Nov 22 10:01:00 2026 GMT",
    ],
)
def test_an_expires_that_is_no_http_date_means_already_expired(expires: str) -> None:
    found = freshness([DATE, ("expires", expires)])
    assert (found.lifetime_s, found.source, found.explicit) == (0, "expires", True)


@pytest.mark.parametrize(
    "expires", ["Sun, 22 Nov 2026 10:01:00 GMT", "Sunday, 22-Nov-26 10:01:00 GMT", "Sun Nov 22 10:01:00 2026"]
)
def test_the_three_formats_say_the_same(expires: str) -> None:
    assert freshness([DATE, ("expires", expires)]).lifetime_s == 60


@pytest.mark.parametrize("date", [[], [("date", "yesterday")]])
def test_expires_without_a_valid_date_counts_from_receipt(date: Fields) -> None:
    """RFC 9110 section 6.6.1: the recipient dates what has no date, to the whole second."""
    fields = [
        *date,
        ("expires", "Sun, 22 Nov 2026 10:01:00 GMT"),
        ("x-accel-expires", f"@{int(DATE_S) + 90}"),
    ]
    found = freshness(fields, DATE_S + 10.7)
    assert (found.lifetime_s, found.source, found.explicit) == (50, "expires", True)
    assert declared(fields, DATE_S + 10).lifetime_s == 80


def test_contradicting_values_are_flagged() -> None:
    assert freshness([(CC, "max-age=10, max-age=20")]).flags == ("max_age_repeated",)


@pytest.mark.parametrize(
    ("fields", "lifetime_s", "source"),
    [
        ([(CDN, "max-age=600"), (CC, "max-age=60")], 600, "max-age of cdn-cache-control"),
        ([(CDN, "max-age=6"), (CC, "max-age=60")], 6, "max-age of cdn-cache-control"),
        ([(CDN, "max-age=600"), (CC, "no-store")], 600, "max-age of cdn-cache-control"),
        ([(CDN, "no-store"), (CC, "max-age=60")], 0, "no-store of cdn-cache-control"),
        ([(CDN, "none"), (CC, "no-store")], None, None),
        ([(CDN, "none"), DATE, ("expires", "0")], None, None),
    ],
)
def test_the_field_targeted_at_cdns_hides_the_others(
    fields: Fields, lifetime_s: float | None, source: str | None
) -> None:
    found = freshness(fields)
    assert (found.lifetime_s, found.source, found.flags) == (lifetime_s, source, ())


@pytest.mark.parametrize("value", ["", "max-age=600,", "Max-Age=600", "((", "max-age=@", "\xff"])
def test_a_targeted_field_that_does_not_parse_is_ignored(value: str) -> None:
    found = freshness([(CDN, value), (CC, "max-age=60")])
    assert (found.lifetime_s, found.source) == (60, "max-age")
    assert found.flags == ("cdn_cache_control_ignored",)


def test_a_value_of_another_type_binds_nobody() -> None:
    found = freshness([(CDN, 'max-age="600"'), (CC, "max-age=60")])
    assert (found.lifetime_s, found.explicit, found.flags) == (0, False, ("max_age_invalid",))


@pytest.mark.parametrize(
    ("control", "revalidate_s", "error_s", "forbidden"),
    [
        ("max-age=1, stale-while-revalidate=7, stale-if-error=9", 7, 9, False),
        ("max-age=1", None, None, False),
        ("max-age=1, must-revalidate, stale-while-revalidate=7", 7, None, True),
        ("max-age=1, proxy-revalidate", None, None, True),
        ("max-age=1, no-cache, stale-if-error=9", None, 9, True),
        ("s-maxage=1", None, None, True),
        ("s-maxage=1, stale-while-revalidate=59", 59, None, False),
        ("no-store", None, None, True),
        ("private", None, None, True),
        ("max-age=1, stale-if-error=long", None, 0, False),
    ],
)
def test_allowances_for_serving_stale(
    control: str, revalidate_s: float | None, error_s: float | None, forbidden: bool
) -> None:
    found = freshness([(CC, control)])
    told = found.stale_while_revalidate_s, found.stale_if_error_s, found.must_revalidate
    assert told == (revalidate_s, error_s, forbidden)


@pytest.mark.parametrize(
    ("fields", "lifetime_s", "source"),
    [
        ([("surrogate-control", "max-age=600+60")], 600, "max-age of surrogate-control"),
        ([("surrogate-control", "max-age=600;edge, content=x")], 600, "max-age of surrogate-control"),
        ([("cloudflare-cdn-cache-control", "max-age=600")], 600, "max-age of cloudflare-cdn-cache-control"),
        ([("vercel-cdn-cache-control", "s-maxage=600")], 600, "s-maxage of vercel-cdn-cache-control"),
        ([("x-accel-expires", "600")], 600, "x-accel-expires"),
        ([("x-accel-expires", f"@{DATE_S + 600:.0f}"), DATE], 600, "x-accel-expires"),
        ([("x-swift-cachetime", "600")], 600, "x-swift-cachetime"),
        # a shorter one, or one that cannot be read, changes nothing
        ([("x-accel-expires", "0")], 60, "max-age"),
        ([("x-accel-expires", "off")], 60, "max-age"),
        ([("x-accel-expires", f"@{DATE_S + 600:.0f}")], 60, "max-age"),
        ([("surrogate-control", "max-age=")], 60, "max-age"),
        ([("cloudflare-cdn-cache-control", "max-age=soon")], 60, "max-age"),
        ([("netlify-cdn-cache-control", "no-store")], 60, "max-age"),
    ],
)
def test_vendors_fields_may_excuse_and_never_accuse(fields: Fields, lifetime_s: float, source: str) -> None:
    found = declared([*fields, (CC, "max-age=60")])
    assert (found.lifetime_s, found.source) == (lifetime_s, source)


def test_a_vendors_stale_part_is_an_allowance() -> None:
    assert declared([("surrogate-control", "max-age=600+60")]).stale_while_revalidate_s == 60


def test_each_vendors_field_says_whose_it_is() -> None:
    assert all(row.product and row.documented and row.field == row.field.lower() for row in TABLE)


def test_what_binds_counts_before_what_does_not() -> None:
    heuristic = Freshness(lifetime_s=9000, source="heuristic")
    short = Freshness(lifetime_s=5, source="max-age", explicit=True)
    longer = Freshness(lifetime_s=6, source="max-age", explicit=True)
    assert more_generous(heuristic, short) is short
    assert more_generous(short, longer) is longer
    assert more_generous(short, Freshness()) is short
    assert more_generous(Freshness(), heuristic) is heuristic


@pytest.mark.parametrize(
    ("age_s", "date", "taken_s", "expected"),
    [
        (None, None, 1, None),
        (None, "garbage", 1, None),
        (10, None, 1, 11),  # the time that the reply took counts too
        (10, DATE[1], 1, 11),
        (0, "Sun, 22 Nov 2026 09:00:00 GMT", 1, 3601),  # an Age that was started anew is shown up by Date
        (10, "Sun, 22 Nov 2026 11:00:00 GMT", 1, 11),  # a clock that is ahead makes no age negative
        (None, "Sun, 22 Nov 2026 11:00:00 GMT", 1, 0),
    ],
)
def test_corrected_initial_age(
    age_s: float | None, date: str | None, taken_s: float, expected: float | None
) -> None:
    assert current_age_s(age_s, date, DATE_S, DATE_S + taken_s) == expected


NAMES = st.sampled_from(
    [CC, CDN, "expires", "date", "last-modified", "pragma", *(row.field for row in TABLE)],
)
VALUES = st.one_of(
    st.text(max_size=40),
    st.lists(
        st.sampled_from(
            [
                "max-age=",
                "s-maxage",
                "=",
                "60",
                '"',
                "-1",
                ",",
                "no-store",
                "no-cache",
                "@",
                "1e9",
                "9" * 12,
                "+",
            ]
        ),
        max_size=8,
    ).map("".join),
    st.sampled_from(
        ["Sun, 22 Nov 2026 10:00:00 GMT", "Sun, 32 Nov 99999 99:99:99 +9999", "0", "1 Jan 1 0:0 -2359"]
    ),
)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=8))
def test_any_fields_are_read(fields: Fields) -> None:
    found = declared(fields)
    assert found.lifetime_s is None or 0 <= found.lifetime_s < 1e12
    assert not found.explicit or found.lifetime_s is not None
    for name, value in fields:
        if name == "date":
            age_s = current_age_s(None, value, DATE_S, DATE_S)
            assert age_s is None or age_s >= 0
