"""Times as people read them, in one zone; the exact instant stands beside each, in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from htpy import Element, time

US = 1_000_000
DAY_S = 86_400


def zone_of(name: str) -> ZoneInfo | None:
    """A zone by its IANA name; None: there is none of that name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


class Clock:
    """Writes instants in a zone that is known."""

    def __init__(self, zone: str) -> None:
        found = zone_of(zone)
        self.zone = zone if found is not None else "UTC"
        self._of = found or ZoneInfo("UTC")

    def _at(self, time_us: int) -> datetime:
        return datetime.fromtimestamp(time_us // US, self._of)

    def minute(self, time_us: int) -> str:
        """`21:05`."""
        at = self._at(time_us)
        return f"{at.hour:02}:{at.minute:02}"

    def day_minute(self, time_us: int) -> str:
        """`11-29 21:05`."""
        at = self._at(time_us)
        return f"{at.month:02}-{at.day:02} {at.hour:02}:{at.minute:02}"

    def day(self, time_us: int) -> str:
        """`11-29`."""
        at = self._at(time_us)
        return f"{at.month:02}-{at.day:02}"

    def second(self, time_us: int) -> str:
        """`2026-11-29 21:05:10`."""
        return f"{self._at(time_us):%Y-%m-%d %H:%M:%S}"

    def midnights(self, from_us: int, to_us: int) -> list[int]:
        """The begins of days in the zone within a span."""
        day = self._at(from_us).replace(hour=0, minute=0, second=0)
        found = []
        while (at := round(day.timestamp()) * US) < to_us:
            if at >= from_us:
                found.append(at)
            day = (day + timedelta(days=1)).replace(hour=0)
        return found

    def shown(self, time_us: int | None) -> Element | str:
        """As an element, which a script may write anew in the viewer's zone."""
        if time_us is None:
            return "?"
        iso = datetime.fromtimestamp(time_us // US, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return time(datetime=iso)[self.second(time_us)]
