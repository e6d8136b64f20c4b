"""Rule: a quantity that a person types carries its unit; inside it is an integer whose name carries it.

Durations: `500ms`, `60s`, `5m`, `2h`, `1d` to microseconds. Sizes: `64KiB`, `10MiB`, `1GiB`, `500kB`, `10MB`,
`1000B` to bytes. Rates: `10Mbps`, `1MiB/s` to bits per second. The annotated types are for pydantic models at the
border and print themselves back.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_DURATION_US = {
    "us": 1,
    "ms": 1_000,
    "s": 1_000_000,
    "m": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
}
_SIZE_BYTES = {"B": 1, "kB": 1_000, "MB": 10**6, "GB": 10**9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_RATE_BPS = {
    "bps": 1,
    "kbps": 1_000,
    "Mbps": 10**6,
    "Gbps": 10**9,
    **{f"{unit}/s": 8 * scale for unit, scale in _SIZE_BYTES.items()},
}
_QUANTITY = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?) ?([A-Za-z]{1,4}(?:/s)?)")


def _parse(text: object, units: dict[str, int], what: str, example: str) -> int:
    choices = ", ".join(units)
    if isinstance(text, int) and not isinstance(text, bool):
        raise ValueError(f"a {what} needs its unit ({choices}), such as {example}; found {text}")
    match = _QUANTITY.fullmatch(text) if isinstance(text, str) else None
    if match is None or match[2] not in units:
        found = f'"{text[:40]}"' if isinstance(text, str) else type(text).__name__
        raise ValueError(
            f"not a {what}: write a number and one of {choices}, such as {example}; found {found}"
        )
    number, _, fraction = match[1].partition(".")
    scale = units[match[2]]
    return int(number) * scale + (round(int(fraction) * scale / 10 ** len(fraction)) if fraction else 0)


def parse_duration_us(text: object) -> int:
    """`500ms` -> 500000 (microseconds). Raises ValueError with words for a person."""
    return _parse(text, _DURATION_US, "duration", "500ms or 60s")


def parse_size_bytes(text: object) -> int:
    """`64KiB` -> 65536 (bytes). Raises ValueError with words for a person."""
    return _parse(text, _SIZE_BYTES, "size", "64KiB or 10MB")


def parse_rate_bps(text: object) -> int:
    """`10Mbps` or `1.25MB/s` -> 10000000 (bits per second). Raises ValueError with words for a person."""
    return _parse(text, _RATE_BPS, "rate", "10Mbps or 1MiB/s")


def _format(value: int, units: dict[str, int]) -> str:
    for unit, scale in sorted(units.items(), key=lambda item: -item[1]):
        if value and value % scale == 0:
            return f"{value // scale}{unit}"
    return f"0{min(units, key=lambda unit: units[unit])}"


def format_duration(value_us: int) -> str:
    """500000 -> `500ms`: the greatest unit that divides it, so that parsing gives the same back."""
    return _format(value_us, _DURATION_US)


def format_size(value_bytes: int) -> str:
    """65536 -> `64KiB`."""
    return _format(value_bytes, _SIZE_BYTES)


def format_rate(value_bps: int) -> str:
    """10000000 -> `10Mbps`."""
    return _format(value_bps, _RATE_BPS)


def format_like(value: int, typed: object) -> str:
    """A bound as the person typed the quantity that breaks it: 60000000 for `10s` -> `1m`; a plain number as it is."""
    match = _QUANTITY.fullmatch(typed) if isinstance(typed, str) else None
    kinds = (_DURATION_US, _SIZE_BYTES, _RATE_BPS)
    units = next((units for units in kinds if match is not None and match[2] in units), None)
    return str(value) if units is None else _format(value, units)


DurationUs = Annotated[
    int,
    BeforeValidator(parse_duration_us),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema(
        {"type": "string", "pattern": r"^\d+(\.\d+)?(us|ms|s|m|h|d)$", "examples": ["500ms", "60s", "5m"]}
    ),
]
SizeBytes = Annotated[
    int,
    BeforeValidator(parse_size_bytes),
    PlainSerializer(format_size, return_type=str),
    WithJsonSchema(
        {"type": "string", "pattern": r"^\d+(\.\d+)?(B|kB|MB|GB|KiB|MiB|GiB)$", "examples": ["64KiB", "10MB"]}
    ),
]
RateBps = Annotated[
    int,
    BeforeValidator(parse_rate_bps),
    PlainSerializer(format_rate, return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^\d+(\.\d+)?([kMG]?bps|(B|kB|MB|GB|KiB|MiB|GiB)/s)$",
            "examples": ["10Mbps", "1MiB/s"],
        }
    ),
]
