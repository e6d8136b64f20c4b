"""Rule: a time is read as its format says, or it is None; nothing is guessed.

RFC 3339 (our own records) and HTTP-date (RFC 9110 section 5.6.7) to seconds since the Unix epoch and back.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from functools import lru_cache

_REMEMBERED = 64  # characters: every date as it should be is shorter
_LAST_CENTURY_FROM = 70
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAY = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_LONG_DAY = "(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)"
_MONTH = f"(?P<month>{'|'.join(_MONTHS)})"
_TIME = r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_IMF_FIXDATE = re.compile(rf"{_DAY}, (?P<day>[0-9]{{2}}) {_MONTH} (?P<year>[0-9]{{4}}) {_TIME} GMT")
_RFC850_DATE = re.compile(rf"{_LONG_DAY}, (?P<day>[0-9]{{2}})-{_MONTH}-(?P<year>[0-9]{{2}}) {_TIME} GMT")
_ASCTIME_DATE = re.compile(rf"{_DAY} {_MONTH} (?P<day>[0-9]{{2}}| [0-9]) {_TIME} (?P<year>[0-9]{{4}})")


@lru_cache(maxsize=4096)
def epoch_s(text: str) -> float:
    """RFC 3339 with an offset or Z -> seconds since the epoch. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no offset from UTC")
    return moment.timestamp()


def utc_text(seconds: float) -> str:
    """Seconds since the epoch -> `2026-11-22T10:00:00.000000Z`."""
    whole_s = math.floor(seconds)
    return utc_text_us(whole_s * 1_000_000 + round((seconds - whole_s) * 1e6))


def utc_text_us(time_us: int) -> str:
    """The same for microseconds."""
    seconds, rest_us = divmod(time_us, 1_000_000)
    return f"{_second(seconds)}.{rest_us:06d}Z"


@lru_cache(maxsize=1024)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:19]


def http_date_s(text: str | None, now_s: float | None = None) -> float | None:
    """HTTP-date -> seconds since the epoch; None where it is absent or no HTTP-date (RFC 9110 section 5.6.7).

    The three formats of the grammar and nothing else: another zone, case or order is invalid, as it is for a cache.
    The name of the day is not held against the date. `now_s`: seconds since the epoch, by which the two-digit year of
    RFC 850 is read: more than 50 years ahead of it means the century before. Without it 70 to 99 are of the last one.
    """
    if not text or len(text) > _REMEMBERED:
        return None
    read = _http_date(text)
    if read is None:
        return None
    year, month, day, hour, minute, second = read
    if year < 100:
        year = _whole_year(read, now_s)
    try:
        start = datetime(year, month, day, hour, minute, tzinfo=UTC)
    except ValueError:
        return None  # there is no 30 February
    return start.timestamp() + second


@lru_cache(maxsize=4096)
def _http_date(text: str) -> tuple[int, int, int, int, int, int] | None:
    """Year (below 100 where only two digits were given), month, day, hour, minute, second."""
    match = _IMF_FIXDATE.fullmatch(text) or _RFC850_DATE.fullmatch(text) or _ASCTIME_DATE.fullmatch(text)
    if match is None:
        return None
    hour, minute, second = (int(match[name]) for name in ("hour", "minute", "second"))
    year = int(match["year"])
    if hour > 23 or minute > 59 or second > 60 or (year < 100 and len(match["year"]) > 2):
        return None
    return year, _MONTHS.index(match["month"]) + 1, int(match["day"]), hour, minute, second


def _whole_year(read: tuple[int, int, int, int, int, int], now_s: float | None) -> int:
    short = read[0]
    if now_s is None:
        return short + (1900 if short >= _LAST_CENTURY_FROM else 2000)
    now = datetime.fromtimestamp(now_s, UTC)
    year = now.year - now.year % 100 + short
    ahead = (year - 50, *read[1:]) > (now.year, now.month, now.day, now.hour, now.minute, now.second)
    return year - 100 if ahead else year


def retry_after_s(value: str | None, date: str | None, most_s: float) -> float | None:
    """Retry-After (RFC 9110 section 10.2.3) in seconds; None where it is absent or garbage.

    A date is measured from the answer's own Date, so that the clocks need not agree; at most `most_s` count.
    """
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), most_s)
    until, now = http_date_s(text), http_date_s(date)
    if until is None or now is None:
        return None
    return min(max(0.0, until - now), most_s)
