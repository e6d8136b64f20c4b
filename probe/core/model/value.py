"""Rule: what is recorded never changes: a value is made once, and compared by what it holds.

The base of all records. They are made and copied for every slot, some thirty of them: msgspec does that in C,
at a fifth of a dataclass's cost, and are read and written without a detour.
"""

from __future__ import annotations

import msgspec


class Value(msgspec.Struct, frozen=True, gc=False):
    """Frozen, compared and hashed by its fields; `altered` makes another one.

    It refers to other values and plain data only, never back to what holds it: no cycle, nothing for the collector.
    """
