"""Rule: a bundle is written with its row or not at all, never keeps a row waiting, and is never replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probe.core.records.rows import SlotRecord

if TYPE_CHECKING:
    from sqlite_utils import Database

    from probe.store.write.commit import Statement

PUT = "INSERT OR IGNORE INTO bundle (id, customer, scheduled_at, body) VALUES (?, ?, ?, ?)"


def put_packed(name: str, record: SlotRecord, body: bytes) -> Statement:
    """The statement that keeps what `store.base.packing` gave; `record`: the row that it belongs to."""
    row = name, record.customer, record.scheduled_at, body

    def statement(db: Database) -> None:
        db.execute(PUT, row).close()

    return statement
