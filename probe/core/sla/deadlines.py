"""Deadlines of a contract: whether something declared came in time, of what, and what nobody declared."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

HOUR_US = 3_600 * 1_000_000


class Kept(StrEnum):
    """Whether a deadline was kept. `open`: nothing was declared, and the deadline has not passed yet."""

    IN_TIME = "in_time"
    LATE = "late"
    MISSING = "missing"
    OPEN = "open"


def in_time(
    begin_us: int, declared_us: Iterable[int | None], within_us: int, now_us: int | None = None
) -> Kept:
    """Whether the first of what was declared came at most `within_us` after the begin: exactly then is in time.

    Several witnesses may tell of one report (the customer's word, the first pull): the earliest counts. What was
    declared before the begin is about something else. `now_us`: how far all is known; None: it has passed.
    """
    reports_us = [at for at in declared_us if at is not None and at >= begin_us]
    if reports_us:
        return Kept.IN_TIME if min(reports_us) - begin_us <= within_us else Kept.LATE
    return Kept.OPEN if now_us is not None and now_us <= begin_us + within_us else Kept.MISSING
