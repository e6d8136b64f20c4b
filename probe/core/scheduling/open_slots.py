"""Rule: a slot is open from when it is due until its row is stored; a stream is complete up to the earliest one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heappop, heappush


@dataclass(slots=True, eq=False)
class Token:
    """One slot, or a span reported together. `customer` and the time of the first, microseconds since the epoch."""

    customer: str
    due_us: int
    is_open: bool = True


MOST_OF_ONE_TASK = 32


def overlap_of(period_us: int, total_us: int, least: int) -> int:
    """How many slots of a task may run at once: as many as its timeout spans, so that a hanging edge costs no slot.

    `total_us`: its deadline for one request. A slot looks a second time after a failure, so it may take twice that.
    """
    return max(least, min(MOST_OF_ONE_TASK, 1 + -(-2 * total_us // period_us)))


def longest_without_gap_us(period_us: int) -> int:
    """The longest timeout (`total_us`) with which a hanging edge costs no slot of this interval."""
    return (MOST_OF_ONE_TASK - 1) * period_us // 2


class OpenSlots:
    """Which slots of each customer are open. Opening and closing cost O(log n)."""

    def __init__(self) -> None:
        self._heaps: dict[str, list[tuple[int, int, Token]]] = {}
        self._count = 0

    def open(self, customer: str, due_us: int) -> Token:
        """A slot is due."""
        token = Token(customer, due_us)
        self._count += 1
        heappush(self._heaps.setdefault(customer, []), (due_us, self._count, token))
        return token

    def close(self, token: Token) -> None:
        """It is accounted for. Safe to call twice."""
        token.is_open = False
        heap = self._heaps.get(token.customer)
        while heap and not heap[0][2].is_open:
            heappop(heap)
        if not heap:
            self._heaps.pop(token.customer, None)

    def earliest_us(self, customer: str) -> int | None:
        """When the earliest open slot of a customer was due; None: none is open."""
        heap = self._heaps.get(customer)
        return heap[0][0] if heap else None

    def customers(self) -> Iterator[str]:
        """Those with open slots."""
        return iter(tuple(self._heaps))
