"""When a period begins and ends, as instants: a calendar's months and years in a time zone, and what is in service.

Spans are half open, in microseconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

US = 1_000_000
YEARS = range(1970, 2200)  # further off it is mistyped, or means for ever: calendars end, and loops do not


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """From `from_us` until before `to_us`."""

    from_us: int
    to_us: int

    @property
    def length_us(self) -> int:
        return max(0, self.to_us - self.from_us)

    def holds(self, time_us: int) -> bool:
        """Half open."""
        return self.from_us <= time_us < self.to_us

    def within(self, other: Span) -> bool:
        """Whether all of this lies in the other."""
        return other.from_us <= self.from_us and self.to_us <= other.to_us

    def cut(self, other: Span) -> Span | None:
        """What both have in common."""
        first, last = max(self.from_us, other.from_us), min(self.to_us, other.to_us)
        return Span(first, last) if first < last else None


def union(spans: Iterable[Span]) -> tuple[Span, ...]:
    """As few spans as hold the same instants, in order: what overlaps or touches is counted once."""
    made: list[Span] = []
    for span in sorted(span for span in spans if span.length_us):
        if made and span.from_us <= made[-1].to_us:
            made[-1] = Span(made[-1].from_us, max(made[-1].to_us, span.to_us))
        else:
            made.append(span)
    return tuple(made)


def instant_us(text: str) -> int:
    """RFC 3339 with an offset -> microseconds since the epoch, exactly. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no offset from UTC")
    return _us(moment)


def _us(moment: datetime) -> int:
    since = moment - datetime(1970, 1, 1, tzinfo=ZoneInfo("UTC"))
    return since // timedelta(microseconds=1)


def month(text: str, time_zone: str) -> Span:
    """`2026-11` in a zone of the IANA database. Raises ValueError."""
    year, number = (int(part) for part in text.split("-"))
    _in_our_time(year)
    zone = ZoneInfo(time_zone)
    following = (year + 1, 1) if number == 12 else (year, number + 1)
    return Span(_us(datetime(year, number, 1, tzinfo=zone)), _us(datetime(*following, 1, tzinfo=zone)))


def year(text: str, time_zone: str) -> Span:
    """`2026` in a zone of the IANA database. Raises ValueError."""
    _in_our_time(int(text))
    zone = ZoneInfo(time_zone)
    return Span(_us(datetime(int(text), 1, 1, tzinfo=zone)), _us(datetime(int(text) + 1, 1, 1, tzinfo=zone)))


def _in_our_time(year: int) -> None:
    if year not in YEARS:
        raise ValueError(f"the year {year} is not from {YEARS.start} to {YEARS.stop - 1}")


def local_minute(time_us: int, time_zone: str) -> int:
    """Minutes since midnight where the contract is: 00:00 is 0, 08:00 is 480."""
    moment = datetime.fromtimestamp(time_us // US, ZoneInfo(time_zone))
    return moment.hour * 60 + moment.minute
