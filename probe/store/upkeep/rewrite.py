"""Rule: a part is replaced by a whole one or not at all, and what it no longer holds is named in it.

Writing a part anew with fewer rows: after damage, or when healthy rows have been kept for long enough.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from probe.store.base.grains import copy_grains
from probe.store.base.parts import install, settle
from probe.store.base.query import Query
from probe.store.base.schema import PART, open_writer, put_meta

COLUMNS = (
    "id", "stream", "seq", "kind", "task", "domain", "path", "vantage_point", "scheduled_at", "state", "outcome",
    "fault", "reason", "body",
)  # fmt: skip
BATCH = 500

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class DroppedSpan:
    """Rows that a part no longer holds: from `first` to `last`.

    `previous`: digest of the line before the first of them; `digest`: of the last of them.
    """

    first: int
    last: int
    previous: str
    digest: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPart:
    """One stream in a part; `id` is its number there.

    `base`, `base_digest`: seq and digest of its last line before this part. `head`, `digest`: of its last line in it.
    `gone`: the spans in between whose rows the part does not hold.
    """

    id: int
    agent: str
    customer: str
    base: int
    base_digest: str
    head: int
    digest: str
    complete_up_to: str | None
    gone: tuple[DroppedSpan, ...] = ()


def write_part(
    path: Path,
    begun_at: str,
    streams: Iterable[StreamPart],
    rows: Iterable[Row],
    meta: Mapping[str, str] | None = None,
    sums: Query | None = None,
) -> None:
    """Write the file aside, then give it its name, in place of what was there. Raises OSError, sqlite3.Error.

    `sums`: the part whose sums it is to hold, of whatever rows; StoreError where they cannot be read.
    """
    aside = path.with_name(f".{path.stem}.rewritten")
    for old in (aside, *(aside.with_name(aside.name + end) for end in ("-wal", "-shm", "-journal"))):
        old.unlink(missing_ok=True)
    db = open_writer(aside, PART)
    try:
        with db.atomic():
            for key, value in {"begun_at": begun_at, **(meta or {})}.items():
                put_meta(db, key, value)
            for stream in streams:
                db.execute(
                    "INSERT INTO stream (id, agent, customer, base, base_digest, head, digest, complete_up_to)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        stream.id, stream.agent, stream.customer, stream.base, stream.base_digest,
                        stream.head, stream.digest, stream.complete_up_to,
                    ),
                )  # fmt: skip
                db.conn.executemany(
                    "INSERT INTO dropped (stream, first_seq, last_seq, previous, digest, reason)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    [(stream.id, *astuple(gone)) for gone in stream.gone],
                )
            db.table("record").insert_all(rows, batch_size=BATCH)
            if sums is not None:
                copy_grains(sums, db)
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
    finally:
        db.close()
    settle(path)
    install(aside, path)
