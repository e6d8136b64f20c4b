"""Our freshness beside one that was written anew from the RFCs: the same for every combination of fields."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from probe.core.caching.freshness import current_age_s, freshness
from probe.core.model.times import http_date_s
from tests.core.caching import rfc9111
from tests.support.sizes import scaled

NOW = datetime(2026, 11, 22, 10, 0, 0, tzinfo=UTC)
DELTAS = (
    *(
        "0",
        "1",
        "5",
        "60",
        "086400",
        "2147483647",
        "2147483648",
        "99999999999999999999",
        "-1",
        "1.5",
        "+5",
        "soon",
    ),
    *("", '"60"', '"6\\0"', '""', "60s", " 60", "6 0", "٦"),
)
PLAIN = (
    *("public", "immutable", "no-store", "no-cache", "private", "must-revalidate", "proxy-revalidate"),
    *("must-understand", "no-transform", "No-Cache", 'no-cache="set-cookie"', 'private="a, b"', "PRIVATE"),
    *("ext=1", 'ext="max-age=9, no-store"', 'ext="a\\"b, no-store"', "", " ", "=5", "no store", "no-store=1"),
)
COUNTED = (
    "max-age",
    "s-maxage",
    "Max-Age",
    "S-MAXAGE",
    "stale-while-revalidate",
    "stale-if-error",
    "max-age ",
)
TARGETED = (
    *("max-age=60", "max-age=0", "no-store", "private", "s-maxage=5, max-age=7", "max-age=61"),
    *("Max-Age=60", "max-age=soon", 'max-age="60"', "max-age=1.5", "max-age", "no-store=?0", "no-store=?1"),
    *("", "max-age=60,", "max-age=1, max-age=2", "a=1, stale-if-error=9", "=5", "must-revalidate, max-age=3"),
    *(
        "no-cache, max-age=5",
        "max-age=-1",
        "max-age=9999999999999999",
        "max-age=60, stale-while-revalidate=30",
    ),
)
ODD_DATES = (
    *("0", "-1", "", "now", "Thu, 01 Jan 1970 00:00:00 GMT", "Sun, 22 Nov 2026 10:00:00 UTC"),
    *("Sun, 22 Nov 2026 10:00:00 +0000", "sun, 22 nov 2026 10:00:00 gmt", "22 Nov 2026 10:00:00 GMT"),
    *("Sun, 22 Nov 2026 10:00:00", "Sun, 22 Nov 2026 24:00:00 GMT", "Sun, 22 Nov 2026 10:60:00 GMT"),
    *("Sun, 31 Nov 2026 10:00:00 GMT", "Sun, 22 Nov 2026 10:00:60 GMT", "Sun,  22 Nov 2026 10:00:00 GMT"),
    *("Mon, 22 Nov 2026 10:00:00 GMT", "Sun, 2 Nov 2026 10:00:00 GMT", "1795341600", "2026-11-22T10:00:00Z"),
    *("Sun, 22 Nov 0026 10:00:00 GMT", "Sun, 22 Nov 9999 10:00:00 GMT", " Sun, 22 Nov 2026 10:00:00 GMT"),
    *("Sunday, 22-Nov-26 10:00:00 GMT", "Sunday, 22-Nov-76 10:00:01 GMT", "Sunday, 22-Nov-76 09:59:59 GMT"),
    *("Sunday, 22-Nov-99 10:00:00 GMT", "Sunday, 22-Nov-2026 10:00:00 GMT", "Sun, 22-Nov-26 10:00:00 GMT"),
    *(
        "Sun Nov 22 10:00:00 2026",
        "Sun Nov  2 10:00:00 2026",
        "Sun Nov 02 10:00:00 2026",
        "Sun Nov 2 10:00:00 2026",
    ),
    *("Sun Nov 22 10:00:00 GMT 2026", "Sun, 22 Nov 2026 10:00:00 GMT; x", "Sun, 29 Feb 2026 10:00:00 GMT"),
)


def date(draw: random.Random) -> str:
    if draw.random() < 0.4:
        return draw.choice(ODD_DATES)
    at = NOW + timedelta(seconds=draw.choice((0, 0, -1, 1, -30, 60, 3600, -86400, 864000, -(10**8))))
    form = draw.choice(("imf", "imf", "850", "asc"))
    if form == "imf":
        return format_datetime(at, usegmt=True)
    return at.strftime("%A, %d-%b-%y %H:%M:%S GMT") if form == "850" else at.strftime("%a %b %e %H:%M:%S %Y")


def fields(draw: random.Random) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for _ in range(draw.choice((0, 1, 1, 1, 2))):
        members = [
            draw.choice(PLAIN) if draw.random() < 0.35 else f"{draw.choice(COUNTED)}={draw.choice(DELTAS)}"
            for _ in range(draw.choice((0, 1, 1, 2, 3)))
        ]
        found.append(("cache-control", draw.choice((", ", ",", " ,\t")).join(members)))
    if draw.random() < 0.2:
        found.append(("cdn-cache-control", draw.choice(TARGETED)))
    for name, chance in (("expires", 0.5), ("date", 0.8), ("last-modified", 0.4)):
        for _ in range(draw.choice((1, 1, 1, 2)) if draw.random() < chance else 0):
            found.append((name, date(draw)))
    draw.shuffle(found)
    return found


@pytest.mark.scaled
def test_freshness_is_as_the_rfcs_have_it() -> None:
    draw = random.Random(9111)
    bound = 0
    for _ in range(scaled(40_000, 3_000)):
        given = fields(draw)
        received = draw.choice((None, NOW, NOW + timedelta(milliseconds=1500)))
        ours = freshness(given, None if received is None else received.timestamp())
        theirs = rfc9111.freshness(given, received)
        bound += theirs.binds
        assert (
            ours.lifetime_s, ours.source, ours.explicit,
            ours.stale_while_revalidate_s, ours.stale_if_error_s, ours.must_revalidate,
        ) == (
            theirs.lifetime, theirs.source, theirs.binds,
            theirs.while_revalidate, theirs.if_error, theirs.no_stale,
        ), (given, received)  # fmt: skip
    assert bound > 600


@pytest.mark.scaled
def test_the_age_is_as_the_rfc_has_it() -> None:
    draw = random.Random(423)
    for _ in range(scaled(10_000, 1_000)):
        age, sent = draw.choice((None, 0, 1, 60, 2**31)), draw.choice((None, date(draw), date(draw)))
        asked = NOW + timedelta(seconds=draw.uniform(-2, 2))
        answered = asked + timedelta(seconds=draw.choice((0, 0.25, 3, -1)))
        ours = current_age_s(age, sent, asked.timestamp(), answered.timestamp())
        theirs = rfc9111.initial_age(age, sent, asked, answered)
        assert (ours is None) == (theirs is None), (age, sent)
        assert ours is None or theirs is None or abs(ours - theirs) < 1e-5, (age, sent, asked, answered)


@pytest.mark.parametrize("text", ODD_DATES)
def test_dates_are_as_the_grammar_has_them(text: str) -> None:
    for now in (None, NOW, datetime(2099, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(2000, 1, 1, tzinfo=UTC)):
        found = rfc9111.moment(text, now)
        ours = http_date_s(text, None if now is None else now.timestamp())
        assert ours == (None if found is None else found.timestamp()), (text, now)
