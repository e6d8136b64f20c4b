"""Rule: which addresses a slot visits follows from its policy, its number and the visits before it; nothing is drawn.

A slot visits what its own look-up answered: that is where a client would be sent now. Known nodes that were not
answered may have been taken out of use by the CDN; only a sweep, after a failure, asks them.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

from probe.core.model.task import EdgePolicy

VISITS_KEPT = 8192


def select(
    policy: EdgePolicy, addresses: Sequence[str], slot_number: int, visited: Mapping[str, int] | None = None
) -> tuple[str, ...]:
    """`all`: every address; `one`: the first answered, as a client takes it; `sample`: `count` of them in turn.

    `visited`: when each address was visited last, as a count that grows; those longest ago come first, so that an
    address is passed over at most (n - 1) // count times that it is answered, n addresses being known, however the
    answers change. Among those never visited the turn begins at a place that the slot's number gives.
    """
    if policy.kind == "all" or not addresses:
        return tuple(addresses)
    if policy.kind == "one":
        return (addresses[0],)
    ordered = sorted(set(addresses))
    count = min(policy.count, len(ordered))
    start = slot_number * count % len(ordered)
    turn = ordered[start:] + ordered[:start]
    before = visited or {}
    return tuple(sorted(turn, key=lambda address: before.get(address, -1))[:count])


class Visits:
    """Remembers, for each owner, when it visited which address; bounded, the visits longest ago forgotten first."""

    def __init__(self, kept: int = VISITS_KEPT) -> None:
        self._kept = kept
        self._last: dict[Hashable, dict[str, int]] = {}
        self._count = 0

    def choose(
        self, owner: Hashable, policy: EdgePolicy, addresses: Sequence[str], slot_number: int
    ) -> tuple[str, ...]:
        """Select and remember; only `sample` needs a memory."""
        if policy.kind != "sample":
            return select(policy, addresses, slot_number)
        last = self._last.setdefault(owner, {})
        chosen = select(policy, addresses, slot_number, last)
        self._count += 1
        for address in chosen:
            last.pop(address, None)
            last[address] = self._count
        while len(last) > self._kept:
            del last[next(iter(last))]
        return chosen
