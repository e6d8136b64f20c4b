"""Rule: a time is read as its format says, or it is None; nothing is guessed.

RFC 3339 (our own records) and HTTP-date (RFC 9110 section 5.6.7) to seconds since the Unix epoch and back.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from functools import lru_cache

_REMEMBERED = 64  # characters: every date as it should be is shorter


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


def http_date_s(text: str | None) -> float | None:
    """HTTP-date -> seconds since the epoch; None where it is absent or garbage."""
    if not text:
        return None
    return _http_date_s(text) if len(text) <= _REMEMBERED else _http_date_s.__wrapped__(text)


@lru_cache(maxsize=4096)
def _http_date_s(text: str) -> float | None:
    from email.utils import parsedate_to_datetime  # here: it loads much, and records alone need none of it

    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
