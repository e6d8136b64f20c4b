"""Rule: a record counts as stored once it is on the disk: both sides commit with synchronous=FULL."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from benchmarks import samples
from benchmarks.measure import Effort, Result, Work, WrongResultError, compare
from probe.core.records.codec import encode
from probe.core.records.rows import SlotRecord
from probe.host.clock import SystemClock
from probe.store.store import Store

RECORDS = {1: 300, 100: 3_000}
PEER = "sqlite3 INSERT of the same JSON"


async def run(directory: Path, effort: Effort) -> list[Result]:
    """Wall time a record, in batches of 1 and of 100. `directory` decides which disk is measured."""
    task = samples.make_task()
    row = samples.row(task, samples.well(task))
    results = []
    for batch, records in RECORDS.items():
        place = directory / f"batch-{batch}"
        place.mkdir(parents=True)
        store = Store.open(place / "store", "bench", SystemClock())
        try:
            with _plain(place / "plain.db", row, batch) as peer:
                result = await compare(
                    f"store, batches of {batch}",
                    ours=_ours(store, row, batch),
                    peer=peer,
                    peer_name=PEER,
                    operations=max(batch, effort.operations(records) // batch * batch),
                    rounds=effort.rounds,
                    clock="wall",
                )
        finally:
            await store.close()
        results.append(result)
    return results


def _sizes(operations: int, batch: int) -> Iterator[int]:
    for start in range(0, operations, batch):
        yield min(batch, operations - start)


def _ours(store: Store, row: SlotRecord, batch: int) -> Work:
    async def work(operations: int) -> None:
        for size in _sizes(operations, batch):
            stored = await store.append([row] * size)
            if len(stored) != size or any(record.seq is None for record in stored):
                raise WrongResultError("the store took records and gave no seq")

    return work


@contextmanager
def _plain(file: Path, row: SlotRecord, batch: int) -> Iterator[Work]:
    """The least that keeps records durably: a table of JSON lines in WAL mode."""
    with closing(sqlite3.connect(file)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("CREATE TABLE record (seq INTEGER PRIMARY KEY, body BLOB)")
        db.commit()

        async def work(operations: int) -> None:
            for size in _sizes(operations, batch):
                with db:
                    db.executemany(
                        "INSERT INTO record (body) VALUES (?)", [(encode(row),) for _ in range(size)]
                    )

        yield work
