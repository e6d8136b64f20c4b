"""HTTP-date (RFC 9110 section 5.6.7): what is one, and which century a short year is of."""

from __future__ import annotations

import pytest

from probe.core.model.times import epoch_s, http_date_s, retry_after_s


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", "1994-11-06T08:49:37Z"),
        ("Sunday, 06-Nov-94 08:49:37 GMT", "1994-11-06T08:49:37Z"),
        ("Sun Nov  6 08:49:37 1994", "1994-11-06T08:49:37Z"),
        ("Sun Nov 16 08:49:37 1994", "1994-11-16T08:49:37Z"),
        ("Mon, 06 Nov 1994 08:49:37 GMT", "1994-11-06T08:49:37Z"),  # it was a Sunday: nobody is misled
        ("Sat, 31 Dec 2016 23:59:60 GMT", "2017-01-01T00:00:00Z"),  # a leap second
        ("Thu, 29 Feb 2024 00:00:00 GMT", "2024-02-29T00:00:00Z"),
    ],
)
def test_a_date(text: str, moment: str) -> None:
    assert http_date_s(text) == epoch_s(moment)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "0",
        "Thu, 29 Feb 2023 00:00:00 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 gmt",
        "Sun, 06 Nov 1994 8:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun,  06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "Sun, 06 Nov 1994 08:49:37 GMT; length=3",
        "Sun, \u0660\u0666 Nov 1994 08:49:37 GMT",  # digits, but not of ASCII
        "Sun, 06 Nov 0094 08:49:37 GMT",
        "S" * 100_000,
    ],
)
def test_no_date(text: str | None) -> None:
    assert http_date_s(text) is None


@pytest.mark.parametrize(
    ("year", "now", "whole"),
    [
        ("94", "2026-11-29T00:00:00Z", 1994),
        ("26", "2026-11-29T00:00:00Z", 2026),
        ("76", "2026-11-29T00:00:00Z", 2076),  # 49 years and 343 days ahead
        ("77", "2026-11-29T00:00:00Z", 1977),
        ("76", "2026-11-06T08:49:37Z", 2076),  # 50 years ahead to the second are not more than 50
        ("76", "2026-11-06T08:49:36Z", 1976),
        ("69", None, 2069),
        ("70", None, 1970),
    ],
)
def test_a_short_year_is_never_more_than_50_years_ahead(year: str, now: str | None, whole: int) -> None:
    found = http_date_s(f"Sunday, 06-Nov-{year} 08:49:37 GMT", None if now is None else epoch_s(now))
    assert found == epoch_s(f"{whole}-11-06T08:49:37Z")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None), ("0", 0.0), ("7", 7.0), (" 12 ", 12.0), ("999999999999999", 300.0), ("-1", None), ("1.5", None),
        ("Sun, 22 Nov 2026 10:00:30 GMT", 30.0), ("Sun, 22 Nov 2026 09:00:00 GMT", 0.0), ("soon", None),
    ],
)  # fmt: skip
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert retry_after_s(value, "Sun, 22 Nov 2026 10:00:00 GMT", 300.0) == seconds
