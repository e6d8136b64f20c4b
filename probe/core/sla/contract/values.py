"""The words in which contracts are written: shares, amounts, instants and hours, exact; and what is left to agree."""

from __future__ import annotations

import re
from datetime import date
from fractions import Fraction
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema

from probe.core.config.types import Strict
from probe.core.sla.periods import YEARS, instant_us

_PERCENT = re.compile(r"([0-9]{1,4})(?:\.([0-9]{1,9}))?%")
_RATIO = re.compile(r"([0-9]{1,12})/([1-9][0-9]{0,11})")
_AMOUNT = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,6})?")
_HOUR = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])|24:00")

Required = Literal["required"]  # the paper left it blank: the agreement fills it in


def parse_share(text: object) -> Fraction:
    """`99.9%` -> 999/1000; `1/1000`. Raises ValueError with words for a person."""
    if isinstance(text, Fraction):
        return text
    if isinstance(text, str):
        if (percent := _PERCENT.fullmatch(text)) is not None:
            return Fraction(f"{percent[1]}.{percent[2] or 0}") / 100
        if (ratio := _RATIO.fullmatch(text)) is not None:
            return Fraction(int(ratio[1]), int(ratio[2]))
    raise ValueError("not a share: write a percentage or a fraction, such as 99.9% or 1/1000")


def parse_amount(text: object) -> Fraction:
    """`30000.00` -> exact money. Raises ValueError with words for a person."""
    if isinstance(text, Fraction):
        return text
    if isinstance(text, str) and _AMOUNT.fullmatch(text):
        return Fraction(text)
    raise ValueError('not an amount: write it in quotes, so that no digit is lost, such as "30000.00"')


def parse_hour(text: object) -> int:
    """`08:00` -> 480, minutes since midnight. Raises ValueError with words for a person."""
    if isinstance(text, str) and (hour := _HOUR.fullmatch(text)) is not None:
        return 1_440 if hour[1] is None else int(hour[1]) * 60 + int(hour[2])
    raise ValueError('not a time of day: write it in quotes, such as "08:00"')


def parse_instant(text: object) -> str:
    """Kept as it was written, once it is an instant. Raises ValueError with words for a person."""
    if isinstance(text, str):
        try:
            instant_us(text)
        except ValueError:
            pass
        else:
            return _of_our_time(text, int(text[:4]))
    raise ValueError("not an instant: write date, time and offset, such as 2026-10-01T00:00:00+08:00")


def parse_day(text: object) -> str:
    """Kept as it was written, once it is a day. Raises ValueError with words for a person."""
    if isinstance(text, str):
        try:
            day = date.fromisoformat(text)
        except ValueError:
            pass
        else:
            return _of_our_time(day.isoformat(), day.year)
    raise ValueError('not a day: write it in quotes, such as "2026-01-05"')


def _of_our_time(text: str, year: int) -> str:
    if year not in YEARS:
        raise ValueError(
            f"{text} is not from {YEARS.start} to {YEARS.stop - 1}: nothing is computed of such times"
        )
    return text


def share_text(share: Fraction) -> str:
    """As it may be typed."""
    return f"{share.numerator}/{share.denominator}"


def at_most_all(share: Fraction) -> Fraction:
    """A part of something. Raises ValueError with words for a person."""
    if share > 1:
        raise ValueError("more than 100 %: nothing is")
    return share


def whole_number(text: str) -> str:
    """Kept as it was written, or `required`. Raises ValueError with words for a person."""
    if text != "required" and not re.fullmatch(r"[0-9]{1,15}", text):
        raise ValueError('not a whole number: write it in quotes, without a unit, such as "1000000"')
    return text


def real_zone(name: str) -> str:
    """A zone that there is. Raises ValueError with words for a person."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"{name} is no zone of the IANA database, such as Asia/Shanghai") from None
    return name


def amount_text(amount: Fraction) -> str:
    """Six decimals at most, without needless zeros: as it may be typed."""
    scaled = amount * 10**6
    units, rest = divmod(scaled.numerator // scaled.denominator, 10**6)
    return f"{units}.{rest:06d}".rstrip("0").rstrip(".")


def hour_text(minute: int) -> str:
    """480 -> `08:00`."""
    return f"{minute // 60:02d}:{minute % 60:02d}"


Share = Annotated[
    Fraction,
    PlainValidator(parse_share),
    PlainSerializer(share_text, return_type=str),
    WithJsonSchema({"type": "string", "examples": ["99.9%", "1/1000"]}),
]
Part = Annotated[Share, AfterValidator(at_most_all)]
Amount = Annotated[
    Fraction,
    PlainValidator(parse_amount),
    PlainSerializer(amount_text, return_type=str),
    WithJsonSchema({"type": "string", "examples": ["30000.00"]}),
]
Hour = Annotated[
    int,
    PlainValidator(parse_hour),
    PlainSerializer(hour_text, return_type=str),
    WithJsonSchema({"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$"}),
]
Instant = Annotated[
    str,
    PlainValidator(parse_instant),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]

Day = Annotated[
    str,
    PlainValidator(parse_day),
    WithJsonSchema({"type": "string", "format": "date"}),
]


def _name(text: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,62}", text):
        raise ValueError("a name is 1 to 63 characters of a-z, 0-9 and -, beginning with a letter")
    return text


Name = Annotated[str, AfterValidator(_name)]
Zone = Annotated[
    str,
    AfterValidator(real_zone),
    Field(description="A zone of the IANA database", examples=["Asia/Shanghai"]),
]


class Words(Strict):
    """The same in English and Chinese."""

    en: str
    zh: str
