"""Rule: who may begin is decided before anything is measured; when room is short every customer gets the same room.

Ceilings on slots at once: in all, of a customer, of an origin, of a vantage point. Of those who wait, the customer
with the fewest slots running comes first, and its oldest slot first. Where customers share a host, none takes all of
it: beyond an equal share at most `RESERVE` times what is still free, so that one whose slots all hang leaves some
room.

Theory of operation. A slot waits (`put`), runs (`take`), and ends (`leave`), or gives up waiting (`expire`). Waiting
slots are kept in three levels, so that the next one is found without looking at all of them:

- A group: the slots of one place (customer, origin, vantage point), oldest first. Any of them may run as soon as its
  head may.
- A queue: one customer at one vantage point; a heap of its groups by the age of their heads. A group whose origin is
  full moves from the heap to `_held`, and back when a slot of that origin ends.
- A heap of queues at each vantage point, by (slots running, last served) of the customer. `take` compares the first
  queue of each vantage point that has room.

Entries in heaps are not moved: an entry that no longer holds is recognised by its number (`_Queue.entry`) or order
and dropped or replaced when it comes to the top. A waiting slot that is gone is marked and skipped. Cost: O(log n) of
those who wait, times the vantage points of a host, plus one step for each group that the same full origin holds up.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush, heapreplace
from typing import Generic, NamedTuple, TypeVar

from probe.core.model.task import Task

RESERVE = 4  # of several customers one gets up to 4/5 of the room, two get 4/9 each
STALE_ENTRIES = 64  # of a heap, before it is cleared of them
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceilings:
    """Slots at once; None: no ceiling of its own."""

    total: int = 200
    per_customer: int | None = None
    per_origin: int | None = None
    per_vantage_point: int | None = None


class Place(NamedTuple):
    """What a slot takes room of. `origin` None: it asks none."""

    customer: str
    origin: str | None
    vantage_point: str


def place_of(task: Task) -> Place:
    """What a slot of the task takes room of. An origin is an address and a port, for all customers."""
    origin = task.origin
    at = None if origin is None else f"{origin.address} {origin.request.port}"
    return Place(task.customer, at, task.vantage_point.name)


@dataclass(slots=True, eq=False)
class _Waiting(Generic[T]):
    item: T
    order: int
    group: _Group[T]
    gone: bool = False


@dataclass(slots=True, eq=False)
class _Customer:
    running: int = 0
    served: int = 0  # when it got room last
    waiting: int = 0


@dataclass(slots=True, eq=False)
class _Queue(Generic[T]):
    """A customer at one vantage point: its groups that no origin holds up, by the order of their oldest slot."""

    customer: _Customer
    vantage_point: str
    ready: list[tuple[int, int, _Group[T]]] = field(default_factory=list)
    entry: int = 0  # which entry of the vantage point's heap is the valid one; 0: none


@dataclass(slots=True, eq=False)
class _Group(Generic[T]):
    """Slots of one place, oldest first."""

    place: Place
    queue: _Queue[T]
    slots: deque[_Waiting[T]] = field(default_factory=deque)
    alive: int = 0

    @property
    def head(self) -> _Waiting[T]:
        """The oldest that still waits; only where one does."""
        while self.slots[0].gone:
            self.slots.popleft()
        return self.slots[0]


class Admission(Generic[T]):
    """Counts what runs and orders what waits. No clock, no I/O."""

    def __init__(self, ceilings: Ceilings, *, customers: int = 1) -> None:
        """`customers`: how many share the room; where there is one it may take all of it."""
        self._ceilings = ceilings
        self._sharing = max(1, customers)
        self.running = 0
        self.waiting = 0
        self._at: Counter[tuple[str, str]] = Counter()  # running of an origin, or at a vantage point
        self._customers: dict[str, _Customer] = {}
        self._groups: dict[Place, _Group[T]] = {}
        self._queues: dict[tuple[str, str], _Queue[T]] = {}
        self._heaps: dict[str, list[tuple[int, int, int, _Queue[T]]]] = {}
        self._held: dict[str, list[_Group[T]]] = {}  # by the full origin
        self._ends: list[tuple[int, int, _Waiting[T]]] = []  # by when they give up
        self._shift_us = 0
        self._count = 0

    def set(self, ceilings: Ceilings, *, customers: int) -> None:
        """Other ceilings from now on; what runs goes on."""
        self._ceilings, self._sharing = ceilings, max(1, customers)
        for origin in list(self._held):
            self._release(origin)

    # --- coming and going ---------------------------------------------------------------------------

    def put(self, item: T, place: Place, give_up_us: int) -> None:
        """It waits, until `take` gives it out or its time is up. Put all that is due at once before taking."""
        group = self._groups.get(place)
        if group is None:
            group = self._groups[place] = _Group(place, self._queue(place))
        self._count += 1
        waiting = _Waiting(item, self._count, group)
        group.slots.append(waiting)
        group.alive += 1
        group.queue.customer.waiting += 1
        self.waiting += 1
        heappush(self._ends, (give_up_us - self._shift_us, self._count, waiting))
        if group.alive == 1:
            self._make_ready(group)

    def take(self) -> T | None:
        """The next of those who wait that there is room for: from now on it runs. None: no room for any."""
        if not self.waiting or self.running >= self._ceilings.total:
            return None
        best: tuple[int, int, int, _Queue[T]] | None = None
        for vantage_point in self._heaps:
            if self._full("vantage_point", vantage_point, self._ceilings.per_vantage_point):
                continue
            first = self._first(vantage_point)
            if first is not None and (best is None or first[:3] < best[:3]):
                best = first
        # The customer with the fewest slots running: if it may have no more, nobody may.
        if best is None or not self._may_have_more(best[3].customer):
            return None
        group = best[3].ready[0][2]
        taken = group.head
        self._forget(taken)
        self._begin(group.place)
        return taken.item

    def leave(self, place: Place) -> None:
        """One that ran at this place has ended."""
        self.running -= 1
        customer = self._customers[place.customer]
        customer.running -= 1
        self._subtract("vantage_point", place.vantage_point)
        if place.origin is not None:
            self._subtract("origin", place.origin)
            self._release(place.origin)
        if customer.waiting:
            for vantage_point in self._heaps:
                queue = self._queues.get((place.customer, vantage_point))
                if queue is not None and queue.entry:
                    self._enter(queue)  # it comes earlier now
        self._tidy(place.customer)

    def expire(self, now_us: int) -> list[T]:
        """Those who have waited in vain until now, in the order of their ends."""
        found: list[T] = []
        while self._ends and (self._ends[0][2].gone or self._ends[0][0] < now_us - self._shift_us):
            waiting = heappop(self._ends)[2]
            if not waiting.gone:
                self._forget(waiting)
                self._tidy(waiting.group.place.customer)
                found.append(waiting.item)
        return found

    def empty(self) -> list[T]:
        """All who wait, in the order in which they came; nobody waits after it."""
        left = sorted((w for _, _, w in self._ends if not w.gone), key=lambda w: w.order)
        for waiting in left:
            self._forget(waiting)
            self._tidy(waiting.group.place.customer)
        self._ends.clear()
        return [waiting.item for waiting in left]

    def shift(self, delta_us: int) -> None:
        """The clock was set: everybody gives up so much later."""
        self._shift_us += delta_us

    # --- room -----------------------------------------------------------------------------------------

    def _may_have_more(self, customer: _Customer) -> bool:
        most = self._ceilings.per_customer
        if most is not None and customer.running >= most:
            return False
        total = self._ceilings.total
        return customer.running < max(total // self._sharing, RESERVE * (total - self.running))

    def _full(self, kind: str, name: str, most: int | None) -> bool:
        return most is not None and self._at[kind, name] >= most

    def _origin_full(self, origin: str | None) -> bool:
        return origin is not None and self._full("origin", origin, self._ceilings.per_origin)

    def _begin(self, place: Place) -> None:
        self.running += 1
        customer = self._customer(place.customer)
        customer.running += 1
        self._count += 1
        customer.served = self._count
        self._at["vantage_point", place.vantage_point] += 1
        if place.origin is not None:
            self._at["origin", place.origin] += 1

    def _subtract(self, kind: str, name: str) -> None:
        self._at[kind, name] -= 1
        if not self._at[kind, name]:
            del self._at[kind, name]

    # --- order ------------------------------------------------------------------------------------------

    def _first(self, vantage_point: str) -> tuple[int, int, int, _Queue[T]] | None:
        """The heap's entry of the customer that is next at a vantage point; its first group has a slot to give."""
        heap = self._heaps[vantage_point]
        while heap:
            running, served, number, queue = heap[0]
            if queue.entry != number:
                heappop(heap)
            elif not self._has_ready(queue):
                queue.entry = 0
                heappop(heap)
            elif (running, served) != (queue.customer.running, queue.customer.served):
                heapreplace(heap, (queue.customer.running, queue.customer.served, number, queue))
            else:
                return heap[0]
        return None

    def _has_ready(self, queue: _Queue[T]) -> bool:
        """Bring a group to the top that is not empty, whose origin has room, and that is the oldest."""
        while queue.ready:
            order, number, group = queue.ready[0]
            if not group.alive:
                heappop(queue.ready)
            elif group.place.origin is not None and self._origin_full(group.place.origin):
                heappop(queue.ready)
                self._held.setdefault(group.place.origin, []).append(group)
            elif group.head.order != order:
                heapreplace(queue.ready, (group.head.order, number, group))
            else:
                return True
        return False

    def _release(self, origin: str) -> None:
        for group in self._held.pop(origin, ()):
            if group.alive:
                self._make_ready(group)

    def _make_ready(self, group: _Group[T]) -> None:
        self._count += 1
        heappush(group.queue.ready, (group.head.order, self._count, group))
        if not group.queue.entry:
            self._enter(group.queue)

    def _enter(self, queue: _Queue[T]) -> None:
        self._count += 1
        queue.entry = self._count
        heap = self._heaps.setdefault(queue.vantage_point, [])
        if len(heap) > 2 * len(self._queues) + STALE_ENTRIES:
            heap[:] = [entry for entry in heap if entry[3].entry == entry[2]]
            heapify(heap)
        heappush(heap, (queue.customer.running, queue.customer.served, self._count, queue))

    # --- keeping --------------------------------------------------------------------------------------

    def _customer(self, name: str) -> _Customer:
        return self._customers.setdefault(name, _Customer())

    def _queue(self, place: Place) -> _Queue[T]:
        key = (place.customer, place.vantage_point)
        if key not in self._queues:
            self._queues[key] = _Queue(self._customer(place.customer), place.vantage_point)
        return self._queues[key]

    def _forget(self, waiting: _Waiting[T]) -> None:
        waiting.gone = True
        group = waiting.group
        group.alive -= 1
        group.queue.customer.waiting -= 1
        self.waiting -= 1
        if not group.alive:
            del self._groups[group.place]
            group.slots.clear()

    def _tidy(self, name: str) -> None:
        """Keep nothing of a customer that neither runs nor waits."""
        customer = self._customers[name]
        if customer.running or customer.waiting:
            return
        del self._customers[name]
        for vantage_point in list(self._heaps):
            queue = self._queues.pop((name, vantage_point), None)
            if queue is not None:
                queue.entry = 0
