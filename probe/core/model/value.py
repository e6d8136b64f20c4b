"""Rule: what is recorded never changes: a value is made once, and compared by what it holds.

`Value` is the base of all records and of the task. They are made and copied for every slot, some thirty of them:
msgspec does that in C, at a fifth of a dataclass's cost, and they are read and written without a detour. `replace`
gives a copy with other values in some fields.
"""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar, cast

import msgspec

T = TypeVar("T")


class Value(msgspec.Struct, frozen=True, gc=False):
    """Frozen, compared and hashed by its fields; `replace` makes another one.

    It refers to other values and plain data only, never back to what holds it: no cycle, nothing for the collector.
    """


def replace(record: T, **changes: Any) -> T:
    """A copy of the record, a Value or a frozen dataclass, with other values in these fields.

    Raises TypeError for a field that it does not have.
    """
    if isinstance(record, msgspec.Struct):
        return msgspec.structs.replace(record, **changes)
    copy: T = dataclasses.replace(cast(Any, record), **changes)
    return copy
