"""How writing goes, as a value: for status, readiness, the watchdog and whoever waits for the disk at the end."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """`trouble`: what the last attempt to write met, None if it worked. Counts since the store was opened.

    `alarm`: somebody took away, replaced or cut a file that is open; stands until the store is opened anew.
    """

    trouble: str | None
    queued: int
    written: int
    shed: int
    lost: int
    alarm: str | None = None
