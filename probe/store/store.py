"""Rule: nothing acknowledged is lost: `append` returns when the records are on the disk, with their `seq`.

The results directory of one agent: one writing process (a lock says which), any number of readers
(`probe.store.read.reader`) beside it.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path

from probe.core.nodes.values import UNSEEN_S, Changes, Learning, Sighting
from probe.core.records.codec import encode_any
from probe.core.records.origin import OriginStanding, OriginVersion
from probe.core.records.rows import Record, SlotRecord
from probe.core.results.bundle import Bundle
from probe.core.scheduling.bandwidth_budget import body_bytes
from probe.host.clock import Clock, rfc3339
from probe.store.base.ends import KnownEnd
from probe.store.base.packing import packed
from probe.store.base.schema import LOCK, StoreClosed, StoreError, StoreLocked
from probe.store.read.reader import Reader
from probe.store.write.bundles import put_packed
from probe.store.write.files import Limits
from probe.store.write.health import Health
from probe.store.write.notices import Notice
from probe.store.write.writer import Writer

__all__ = ["Health", "Store", "StoreClosed", "StoreError", "StoreLocked"]

ROOM = 10_000  # records that wait whole
BUNDLES_UP_TO = 2_000  # records that wait; beyond, bundles are left out
HELD = 100_000  # records that wait in all, the later ones without their evidence


class Store:
    """Made by `Store.open`, ended by `close`. For the event loop's thread; nothing here waits for the disk."""

    def __init__(self, directory: Path, clock: Clock, writer: Writer, lock: int) -> None:
        self._directory = directory
        self._clock = clock
        self._writer = writer
        self._lock: int | None = lock
        self._clean = writer.opened.result()
        self._known: set[str] = set()

    @classmethod
    def open(
        cls,
        directory: Path,
        agent: str,
        clock: Clock,
        *,
        room: int = ROOM,
        held: int = HELD,
        limits: Limits | None = None,
        known: Iterable[KnownEnd] = (),
    ) -> Store:
        """Open a results directory for writing; make it (mode 0700) if it is not there.

        `known`: how far streams go by what was signed, sealed or confirmed of them (`probe.seal.known_ends`). Where
        the parts end before that, the loss is a notice, and the streams go on behind it.
        Raises StoreLocked if another process has it, StoreError for whatever else is in the way.
        """
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = _take_lock(directory)
        except StoreError:
            raise
        except OSError as error:
            raise StoreError(f"{directory}: cannot be used for results: {error.strerror}") from error
        writer = Writer(
            directory,
            agent,
            clock,
            room=room,
            held=held,
            limits=limits,
            known=tuple(known),
            lines_of=lambda name: Reader.open(directory, name),
        )
        writer.start()
        try:
            return cls(directory, clock, writer, lock)
        except BaseException as error:
            writer.join()
            os.close(lock)
            if isinstance(error, sqlite3.Error | OSError) and not isinstance(error, StoreError):
                raise StoreError(f"{directory}: the store cannot be opened: {error}") from error
            raise

    async def close(self, *, within_s: float = 30.0) -> None:
        """Write what waits, for at most so many seconds, and give the directory free. Safe to call twice."""
        if self._lock is None:
            return
        self._writer.close(within_s)
        await asyncio.to_thread(self._writer.join)
        os.close(self._lock)
        self._lock = None

    def limit(self, limits: Limits) -> None:
        """How much a part holds from now on; the newest one too."""
        self._writer.limit(limits)

    # --- writing ----------------------------------------------------------------------------------

    async def append(
        self, records: Sequence[Record], complete_up_to: str | None = None, agent: str | None = None
    ) -> list[Record]:
        """Store records in one transaction; returns them with their `seq` once they are on the disk.

        `complete_up_to` (RFC 3339): every slot of these records' customer that was due before this time is
        among these records or was appended before them; it is written with each of them. `agent`: in whose streams
        they belong, where it is not this agent's: an earlier name of it, which the records bear.

        While the disk refuses this waits. If it is cancelled meanwhile, the records are written all the same.
        Raises StoreError if they cannot be kept: the store is closed, or `held` records wait already (that
        they existed is then written as a `ledger.gap` event).
        """
        return await self.hand_over(records, complete_up_to, agent=agent) if records else []

    def hand_over(
        self,
        records: Sequence[Record],
        complete_up_to: str | None = None,
        *,
        patience_s: float = 0.0,
        agent: str | None = None,
    ) -> asyncio.Future[list[Record]]:
        """`append` for whoever has other things to do: what it returns, or raises, is the future's.

        `patience_s`: for so long they may wait for others to share a transaction with. Where the store can take no more
        StoreError is raised at once.
        """
        done: asyncio.Future[list[Record]] = asyncio.get_running_loop().create_future()
        self._writer.put(records, done, complete_up_to, patience_s, agent)
        return done

    def has_definition(self, digest: str) -> bool:
        """Whether this run of the agent has put it already."""
        return digest in self._known

    def put_definition(self, digest: str, text: str) -> None:
        """Keep a task's definition, for replay; on the disk not later than what is appended after this."""
        if digest not in self._known:
            self._known.add(digest)
            sql = "INSERT OR IGNORE INTO definition (digest, body) VALUES (?, ?)"
            self._writer.put_statement(lambda db: _run(db.execute(sql, (digest, text))))

    def put_config(self, digest: str, text: str, at: str) -> None:
        """Keep the text of a configuration and when it first came into force (RFC 3339 UTC)."""
        sql = "INSERT OR IGNORE INTO config_version (digest, at, body) VALUES (?, ?, ?)"
        self._writer.put_statement(lambda db: _run(db.execute(sql, (digest, at, text))))

    def put_bundle(self, bundle: Bundle) -> str | None:
        """Keep an evidence bundle, on the disk not later than the row put after it, which is to name its digest.

        None, and nothing kept, where so many records wait already that memory is needed for them.
        """
        if self._writer.health.queued > BUNDLES_UP_TO:
            return None
        body, digest = packed(bundle)
        self._writer.put_statement(
            put_packed(bundle.id, bundle.record, body), evidence_of=bundle.record.customer
        )
        return digest

    def put_packed_bundle(self, row: SlotRecord, body: bytes) -> bool:
        """The same for the bundle of this row, which `store.base.packing` has packed in another process."""
        if row.evidence_id is None or self._writer.health.queued > BUNDLES_UP_TO:
            return False
        self._writer.put_statement(put_packed(row.evidence_id, row, body), evidence_of=row.customer)
        return True

    def look(self) -> str | None:
        """Whether the open files are still those under their names; waits for the disk. Raises OSError.

        What is wrong, in words, for as long as the store is open: it is put right, and nobody is to be unaware of it.
        """
        return self._writer.look()

    def take_notices(self) -> list[Notice]:
        """What happened to the store's files since this was asked last: to be put on record as events."""
        return self._writer.take_notices()

    def put_origin_version(self, customer: str, url: str, version: OriginVersion) -> None:
        """Insert or update one version of an origin's object. The newest 64 of each object are kept."""
        self._writer.put_version(customer, url, version)

    def put_origin_standing(self, customer: str, origin: str, standing: OriginStanding) -> None:
        """Keep how an origin answered so far, in place of what was kept of it."""
        sql = "INSERT OR REPLACE INTO origin_standing (customer, origin, body) VALUES (?, ?, ?)"
        body = encode_any(standing).decode()
        self._writer.put_statement(lambda db: _run(db.execute(sql, (customer, origin, body))))

    def put_nodes(self, changes: Changes) -> None:
        """Insert or update what the inventory of nodes learned, with the records put next, or at closing."""
        if changes:
            self._writer.put_nodes(changes)

    # --- what a start needs to know; reads what is committed --------------------------------------

    def origin_versions(self, customer: str, url: str, limit: int = 16) -> tuple[OriginVersion, ...]:
        """The newest versions of an object, oldest of them first."""
        with Reader.open(self._directory) as reader:
            return reader.origin_versions(customer, url, limit)

    def all_origin_versions(self, limit: int = 16) -> list[tuple[str, str, OriginVersion]]:
        """(customer, url, version), for each object its newest versions, oldest of them first."""
        with Reader.open(self._directory) as reader:
            return list(reader.all_origin_versions(limit))

    def origin_standings(self) -> list[tuple[str, str, OriginStanding]]:
        """(customer, origin, standing) of every origin that was ever asked."""
        with Reader.open(self._directory) as reader:
            return reader.origin_standings()

    def nodes(self) -> tuple[list[Sighting], list[Learning]]:
        """The nodes that may still be in use, the longest unseen first, and how long they have been learned."""
        since = rfc3339(self._clock.time_ns() - UNSEEN_S * 1_000_000_000)
        with Reader.open(self._directory) as reader:
            return reader.nodes(since=since), reader.node_learning()

    def body_bytes_since(self, customer: str, since: str) -> int:
        """Bytes of all bodies of the customer's rows that were due at or after a time (RFC 3339)."""
        with Reader.open(self._directory) as reader:
            rows = reader.iterate(customer, None, None, since)
            return sum(body_bytes(row) for row in rows if isinstance(row, SlotRecord))

    def last_scheduled(self) -> dict[str, str]:
        """Task id -> when its last row was due (RFC 3339), passing over rows dated later than now."""
        with Reader.open(self._directory) as reader:
            return reader.last_scheduled(rfc3339(self._clock.time_ns()))

    def recent_scheduled(self, slots: int = 16) -> dict[str, list[int]]:
        """Task id -> when its last rows were due (microseconds since the epoch), not later than now."""
        with Reader.open(self._directory) as reader:
            return reader.recent_scheduled(rfc3339(self._clock.time_ns()), slots)

    def completed(self) -> dict[str, str]:
        """Customer -> up to when its stream says that it is complete (RFC 3339); without one that does not say so."""
        with Reader.open(self._directory) as reader:
            ends = ((customer, reader.head(customer).complete_up_to) for customer in reader.heads())
            return {customer: until for customer, until in ends if until is not None}

    def last_time(self) -> str | None:
        """What time it was when the newest record was made (RFC 3339); None without records."""
        with Reader.open(self._directory) as reader:
            newest = next(iter(reader.list(limit=1)), None)
        if newest is None:
            return None
        return newest.at if not isinstance(newest, SlotRecord) else newest.finished_at or newest.scheduled_at

    def last_config(self) -> str | None:
        """Digest of the configuration under which the newest record was made; None without records."""
        with Reader.open(self._directory) as reader:
            newest = next(iter(reader.list(limit=1)), None)
        if newest is None:
            return None
        return newest.host.config_digest if isinstance(newest, SlotRecord) else newest.config_digest

    def stopped_cleanly(self) -> bool:
        """Whether the store had been closed properly before this opening of it; True for a new one."""
        return self._clean

    @property
    def health(self) -> Health:
        """How writing goes: trouble, records that wait, written, shed, lost."""
        return self._writer.health


def _run(cursor: sqlite3.Cursor) -> None:
    cursor.close()


def _take_lock(directory: Path) -> int:
    """The descriptor that holds the lock; closing it gives the lock back, as the end of the process does."""
    path = directory / LOCK
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.pread(lock, 32, 0).decode(errors="replace").strip() or "unknown"
        os.close(lock)
        raise StoreLocked(
            f"{directory} is in use by process {owner}: stop that agent, or give this one another results directory"
        ) from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock
