"""Rule: a row that is made waits for the disk, and nothing waits for the row: its slot's room is free at once.

However long the disk refuses, measuring goes on; how many rows may wait is the store's to say.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from probe.agent.resume import put_definition
from probe.core.model.task import Task
from probe.core.nodes.values import Changes
from probe.core.records.rows import Record, SlotRecord, State
from probe.store.store import Store, StoreClosed, StoreError
from probe.telemetry.logs import fields

log = logging.getLogger("probe.agent")

OnRow = Callable[[SlotRecord], None]

PATIENCE_S = 0.2
"""So long a row may wait for others: a transaction for each alone is a fifth of what a slot costs."""


class RowSink:
    """Hands rows to the store, each after what it refers to. For the event loop's thread."""

    def __init__(
        self,
        store: Store,
        *,
        changes: Callable[[], Changes],
        complete_up_to: Callable[[str], str | None],
        missed: Callable[[Task, str, str], SlotRecord],
        on_row: Sequence[OnRow],
    ) -> None:
        """`changes`: what the inventory of nodes has learned; `complete_up_to(customer)`: as in a record.

        `missed(task, scheduled_at, reason)` makes the row that stands for one that the store cannot keep although the
        disk works. `on_row` are shown every row after it is stored.
        """
        self._store = store
        self._changes = changes
        self._complete_up_to = complete_up_to
        self._missed = missed
        self._on_row = on_row
        self._waiting: dict[str, dict[asyncio.Future[list[Record]], str | None]] = {}

    def put(self, row: SlotRecord, task: Task) -> asyncio.Future[list[Record]]:
        """Hand it over; it is on the disk when the future is done, and `on_row` is called.

        Whether anybody awaits the future is all the same to the row. Raises StoreError where the store takes no more.
        """
        put_definition(self._store, task)
        self._store.put_nodes(self._changes())
        complete_up_to = self._complete_up_to(row.customer)
        done = self._store.hand_over([row], complete_up_to, patience_s=PATIENCE_S)
        self._waiting.setdefault(row.customer, {})[done] = complete_up_to
        done.add_done_callback(partial(self._stored, task, row))
        return done

    def stored_up_to(self, customer: str) -> str | None:
        """Every slot of the customer that was due before this time has its row on the disk (RFC 3339)."""
        waiting = self._waiting.get(customer)
        # What was handed over before the first that waits is stored: rows are written in their order.
        return next(iter(waiting.values())) if waiting else self._complete_up_to(customer)

    def _stored(self, task: Task, row: SlotRecord, done: asyncio.Future[list[Record]]) -> None:
        waiting = self._waiting[row.customer]
        del waiting[done]
        if not waiting:
            del self._waiting[row.customer]
        if done.cancelled():
            return
        if (error := done.exception()) is not None:
            if isinstance(error, StoreClosed):
                return  # the store has logged that, once for all; the next start accounts for the slot
            log.error("row.not_stored", extra=fields(task=task.id, due=row.scheduled_at, error=str(error)))
            if row.state is State.MEASURED:
                with suppress(StoreError):
                    self.put(self._missed(task, row.scheduled_at, "agent.internal_error"), task)
            return
        (stored,) = done.result()
        assert isinstance(stored, SlotRecord)
        for on_row in self._on_row:
            on_row(stored)
