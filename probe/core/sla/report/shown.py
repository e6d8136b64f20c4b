"""Exact numbers and instants, as a report writes them."""

from __future__ import annotations

from datetime import datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

from probe.core.sla.report.values import QuantilesShown

US = 1_000_000


def instant(time_us: int, time_zone: str) -> str:
    """RFC 3339 in a zone: `2026-11-11T10:00:00+08:00`; fractions of a second where there are any."""
    zone = ZoneInfo(time_zone)
    moment = datetime.fromtimestamp(time_us // US, zone) + timedelta(microseconds=time_us % US)
    return moment.isoformat(timespec="microseconds" if time_us % US else "seconds")


def share(value: Fraction) -> str:
    """`999/1000`."""
    return f"{value.numerator}/{value.denominator}"


def percent(value: Fraction, places: int = 4) -> str:
    """Cut off, not rounded: 43155/43200 is `99.8958`, and 0.99999999 never looks like 100."""
    scaled = value.numerator * 100 * 10**places // value.denominator
    units, rest = divmod(scaled, 10**places)
    return f"{units}.{rest:0{places}d}" if places else str(units)


def exact_percent(value: Fraction) -> str:
    """What a contract says, with as many digits as that takes: `99.999 %`; what has no end is written as a fraction."""
    for places in range(10):
        if (value * 100 * 10**places).denominator == 1:
            return f"{percent(value, places)} %"
    return share(value)


def percent_up(value: Fraction, places: int = 4) -> str:
    """Rounded up, as bounds from above are."""
    scaled = -(-value.numerator * 100 * 10**places // value.denominator)
    units, rest = divmod(scaled, 10**places)
    return f"{units}.{rest:0{places}d}" if places else str(units)


def quantiles(of: QuantilesShown) -> tuple[str, str, str]:
    """The bounds of all three, in the unit of what they are of: `10.0 MB/s – 11.0 MB/s`."""
    low, high = (speed, speed_up) if of.quantity == "throughput" else (duration, duration_up)
    first, second, third = (f"{low(least)} – {high(most)}" for least, most in (of.p05, of.p50, of.p95))
    return first, second, third


def speed_up(bytes_per_s: int) -> str:
    """A bound from above: rounded up to what is written."""
    step = next((size // 10 for size in (10**9, 10**6, 10**3) if bytes_per_s >= size), 1)
    return speed(-(-bytes_per_s // step) * step)


def speed(bytes_per_s: int) -> str:
    """`1.2 MB/s`, `850 kB/s`: cut off, not rounded."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if bytes_per_s >= size:
            return f"{bytes_per_s // size}.{bytes_per_s * 10 // size % 10} {unit}/s"
    return f"{bytes_per_s} B/s"


def duration(time_us: int) -> str:
    """`1h 2m 3s`, `45m`, `0s`; milliseconds below a second."""
    if 0 < time_us < US:
        return f"{time_us // 1000}ms"
    seconds = time_us // US
    parts = []
    for name, length in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, length)
        if count:
            parts.append(f"{count}{name}")
    return " ".join(parts[:3]) or "0s"


def duration_up(time_us: int) -> str:
    """A bound from above: rounded up to what is written, so that nothing below a millisecond looks like no time."""
    step = 1000 if time_us < US else US if time_us < 86_400 * US else 60 * US
    return duration(-(-time_us // step) * step)
