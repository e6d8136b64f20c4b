"""Rule: a record that differs in some fields is a new record; the one that it was made from stays as it is."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar, cast

import msgspec

T = TypeVar("T")


def altered(record: T, **changes: Any) -> T:
    """The record, a value or a frozen dataclass, with other values in these fields.

    Raises TypeError for a field that it does not have.
    """
    if isinstance(record, msgspec.Struct):
        return msgspec.structs.replace(record, **changes)
    made: T = dataclasses.replace(cast(Any, record), **changes)
    return made
