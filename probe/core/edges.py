"""Rule: which addresses a slot visits follows from its policy and its number alone, so that it can be repeated."""

from __future__ import annotations

from collections.abc import Sequence

from probe.core.task import EdgePolicy


def select(policy: EdgePolicy, addresses: Sequence[str], slot_number: int) -> tuple[str, ...]:
    """`all`: every address; `one`: the first answered; `sample`: `count` of them, rotating by slot.

    Sampling walks the sorted addresses, so that with n addresses each is visited within
    ceil(n / count) slots in whatever order the resolver shuffles its answer.
    """
    if policy.kind == "all" or not addresses:
        return tuple(addresses)
    if policy.kind == "one":
        return (addresses[0],)
    ordered = sorted(set(addresses))
    count = min(policy.count, len(ordered))
    start = slot_number * count % len(ordered)
    return tuple((ordered + ordered)[start : start + count])
