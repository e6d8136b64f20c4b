"""Rule: unawaited records are batched; an awaited record is delayed by at most one batch interval.

A transaction costs as much as several records. `Batching` decides when the writer's thread begins the next transaction:
it is given the number of queued records and how long they may wait, and gives the seconds until the next transaction.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

ENOUGH = 64  # records that make a transaction worth its cost
A_RECORD_S = 0.01  # how long the next records are waited for, for each that the last transaction took
LONGEST_S = 0.2


class Batching:
    """When the writer begins its next transaction. `put`, `taken`, `written`, `end` under the writer's lock."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._begin_s = math.inf  # when the first of those that wait will wait no longer
        self._next_s = 0.0  # the same for whoever says nothing of how long
        self._enough = False
        self._ended = False
        self._news = threading.Event()

    def put(self, queued: int, patience_s: float = 0.0) -> None:
        """Something was queued, so that `queued` records are; it can wait so many seconds for others.

        0: no longer than a transaction of the size of the last one is worth. Who writes now and then waits for nothing.
        """
        by_s = self._now_s() + patience_s if patience_s else self._next_s
        sooner, self._begin_s = by_s < self._begin_s < math.inf, min(by_s, self._begin_s)
        if queued >= ENOUGH and not self._enough:
            self._enough = sooner = True
        if sooner:
            self._news.set()

    def taken(self, left: int) -> None:
        """What was queued goes into a transaction, but for so many items."""
        self._begin_s = 0.0 if left else math.inf

    def written(self, records: int, queued: int) -> None:
        """A transaction of so many records is on the disk; so many are queued by now."""
        self._next_s = self._now_s() + min(LONGEST_S, records * A_RECORD_S)
        self._enough = queued >= ENOUGH

    def end(self) -> None:
        """Nothing is gathered any more."""
        self._ended = True
        self._news.set()

    def rest_s(self) -> float:
        """For how long the next transaction is to be put off; 0 or less: not at all."""
        if self._ended or self._enough or self._begin_s == math.inf:
            return 0.0
        return self._begin_s - self._now_s()

    def wait(self) -> None:
        """In the writer's thread, without its lock: until the next transaction is to begin."""
        while (rest_s := self.rest_s()) > 0:
            self._news.wait(rest_s)
            self._news.clear()
