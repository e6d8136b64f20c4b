"""Rule: when a slot is due follows from the task alone: a restart, here or elsewhere, finds the same times.

Slot k of a task is due at `k * period + phase` since the Unix epoch; times are microseconds since then (`_us`).
"""

from __future__ import annotations

from probe.core.model.times import epoch_s


def to_us(text: str) -> int:
    """RFC 3339 -> microseconds since the epoch. Raises ValueError."""
    return round(epoch_s(text) * 1_000_000)


def due_between(period_us: int, phase_us: int, after_us: int, until_us: int) -> range:
    """The times at which a task is due: after < t <= until. Raises ValueError unless the period is positive."""
    if period_us <= 0:
        raise ValueError(f"a period of {period_us} us is not positive")
    first = after_us + 1 + (phase_us - after_us - 1) % period_us
    return range(first, until_us + 1, period_us)
