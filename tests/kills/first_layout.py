"""A results directory as the first layout had it: all in `results.db`."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

from probe.host.clock import SystemClock
from probe.store.base.parts import parts_of, remove
from probe.store.base.schema import catalogue_file
from probe.store.store import Store
from tests.support.parts import as_text
from tests.support.rows import slot

ROWS = 200


def made_of_the_first_layout(directory: Path, rows: int = ROWS) -> None:
    """With so many rows of two customers."""

    async def filled() -> None:
        store = Store.open(directory, "a1", SystemClock())
        for i in range(0, rows, 50):
            await store.append([slot(i + j, customer=name) for j in range(50) for name in ("acme", "other")])
        await store.close()

    asyncio.run(filled())
    as_text(directory)
    with closing(sqlite3.connect(catalogue_file(directory))) as conn:
        conn.execute("ATTACH ? AS part", (str(parts_of(directory)[0].path),))
        for statement in (
            "CREATE TABLE stream AS SELECT id, agent, customer, head, digest, complete_up_to FROM part.stream",
            "CREATE TABLE record AS SELECT * FROM part.record",
            "DROP TABLE stream_end",
            "UPDATE meta SET value = '3' WHERE key = 'schema_version'",
        ):
            conn.execute(statement)
        conn.commit()
    for kind in ("_parts", "_evidence"):
        for part in parts_of(directory, kind):
            remove(part)
