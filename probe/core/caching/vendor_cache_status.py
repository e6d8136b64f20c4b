"""Rule: a vendor's value means what its vendor documents; any other value means nothing and gives a flag.

Reads the table of `vendor_fields`. The first field of the table whose value is known counts; fields are not mixed,
since they may come from different caches.
"""

from __future__ import annotations

import re
from functools import lru_cache

from probe.core.caching.vendor_fields import MIXED, TABLE, VendorField, VendorWord
from probe.core.http.fields import Fields, field_values
from probe.core.records.response import CacheStatus

VALUES_KEPT = 16
VALUE_CHARACTERS = 512
_REMEMBERED = 256  # characters: what caches really say, in slot after slot
_FIELDS = {field.name: field for field in TABLE}
_PATTERNS = {
    field.name: tuple((re.compile(word.pattern, re.IGNORECASE), word) for word in field.words)
    for field in TABLE
}


def vendor_caches(fields: Fields) -> tuple[CacheStatus, ...]:
    """What the first understood field says, the nearest cache last; () where there is none.

    Where only words stand that nobody documents, one status without members and flag `value_unknown`.
    """
    names = {name for name, _ in fields}
    unknown: tuple[CacheStatus, ...] = ()
    for field in TABLE:
        if field.name not in names:
            continue
        lines = tuple(field_values(fields, field.name))
        short = sum(map(len, lines)) <= _REMEMBERED
        found = _remembered(field.name, lines) if short else _read(field, lines)
        if any(_has_facts(status) for status in found):
            return found
        unknown = unknown or found
    return unknown


def _has_facts(status: CacheStatus) -> bool:
    return status.hit is not None or status.stored is not None or "parent_hit" in status.flags


@lru_cache(maxsize=1024)
def _remembered(name: str, lines: tuple[str, ...]) -> tuple[CacheStatus, ...]:
    return _read(_FIELDS[name], lines)


def _read(field: VendorField, lines: tuple[str, ...]) -> tuple[CacheStatus, ...]:
    values = [value for line in lines for value in _split(field, line)]
    found = [_status(field, value) for value in values[-VALUES_KEPT:]]
    told = [status for status in found if status is not None]
    if len({status.hit for status in told}) > 1 and any(map(_of_traffic_server, values)):
        # Several of them, and whether the nearest stands first or last nobody documents.
        return (CacheStatus(derived_from=field.name, flags=("order_unknown",)),)
    if not field.nearest_last:
        # Which of them is the nearest nobody says: the one that excuses most stands for all.
        told.sort(key=lambda status: (status.hit is True, "parent_hit" in status.flags))
        told = told[-1:]
    return tuple(told)


def _of_traffic_server(value: str) -> bool:
    return value.lower() in ("hit-fresh", "hit-stale", "skipped", "none")


def _split(field: VendorField, line: str) -> list[str]:
    """A list of values, but for a field whose one value has a comma in it."""
    members = [line] if field.name == "x-swift-savetime" else line.split(",")
    return [member.strip()[:VALUE_CHARACTERS] for member in members if member.strip()]


def _status(field: VendorField, value: str) -> CacheStatus | None:
    for pattern, word in _PATTERNS[field.name]:
        if pattern.fullmatch(value):
            return _meaning(field, word)
    if field.name in MIXED:
        return None
    return CacheStatus(derived_from=field.name, flags=("value_unknown",))


def _meaning(field: VendorField, word: VendorWord) -> CacheStatus:
    return CacheStatus(
        hit=word.hit,
        fwd=word.fwd,
        fwd_status=word.fwd_status,
        stored=word.stored,
        derived_from=field.name,
        flags=word.flags,
    )
