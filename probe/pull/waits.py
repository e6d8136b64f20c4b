"""Rule: whoever asks again waits longer each time, never all at once, and never less than the host asked for."""

from __future__ import annotations

import random
from collections.abc import Callable

from probe.core.model.times import http_date_s

FIRST_S, MOST_S = 0.5, 30.0
ASKED_MOST_S = 300.0


def back_off_s(
    failures: int, after_s: float | None = None, draw: Callable[[], float] = random.random
) -> float:
    """How long to wait after so many failures one after another, in seconds.

    Exponential with full jitter, half of it at least; a Retry-After is kept to, and jitter comes on top.
    """
    most: float = min(MOST_S, FIRST_S * 2.0 ** min(max(0, failures - 1), 20))
    wait = most * (0.5 + 0.5 * draw())
    return wait if after_s is None else after_s + wait * 0.25


def retry_after_s(value: str | None, date: str | None) -> float | None:
    """Retry-After (RFC 9110 section 10.2.3) in seconds; None where it is absent or garbage.

    A date is measured from the answer's own Date, so that the clocks need not agree; at most five minutes count.
    """
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), ASKED_MOST_S)
    until, now = http_date_s(text), http_date_s(date)
    if until is None or now is None:
        return None
    return min(max(0.0, until - now), ASKED_MOST_S)
