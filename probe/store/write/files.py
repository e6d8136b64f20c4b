"""Rule: one thread has every file of the store that is written; what is damaged is set aside and work goes on.

The writer's open files: the catalogue, the newest part and the newest file of evidence; when the next ones are begun.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from sqlite_utils import Database

from probe.host.clock import Clock, rfc3339
from probe.store.base.parts import (
    EVIDENCE_PARTS,
    PARTS,
    Part,
    begin,
    begun_at,
    finish,
    make,
    open_newest,
    parts_of,
    set_aside,
    size_bytes,
    stream_ends,
)
from probe.store.base.schema import CATALOGUE, catalogue_file, damaged, open_writer
from probe.store.upkeep.check import check_catalogue, check_part
from probe.store.upkeep.salvage import Salvage, salvage
from probe.store.upkeep.upgrade import upgrade

log = logging.getLogger("probe.store")

DAY_US = 86_400_000_000
EVIDENCE_BYTES = 64 * 1024 * 1024  # a file of evidence
WRITTEN_LATE_US = (
    3_600_000_000  # at most so long after it was due is a slot's evidence written, where the disk works
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When a part is full: the span of time and the bytes that it holds at most."""

    span_us: int = DAY_US
    size_bytes: int = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What happened to the store itself, for the stream that it touches (None: those of all customers, or our own)."""

    event: str
    detail: dict[str, str]
    customer: str | None = None
    agent: str | None = None


def notices_of(found: Salvage, part: Part, problem: str) -> list[Notice]:
    """Events about a part that was mended: one for each span that is lost, in the stream that it is lost from."""
    fields = {"file": part.path.name, "problem": problem, "records_kept": found.kept}
    log.error("store.damaged", extra={"fields": {**fields, "set_aside": str(found.place)}})
    detail = {"file": part.path.name, "problem": problem}
    if not found.lost:
        return [Notice(event="store.damaged", detail=detail)]
    return [
        Notice(
            event="store.damaged",
            detail={**detail, "first_seq": str(first), "last_seq": str(last)},
            customer=customer,
            agent=agent,
        )
        for (agent, customer), spans in found.lost.items()
        for first, last in spans
    ]


def evidence_lost(since_us: int, until_us: int) -> dict[str, str]:
    """What an event says of a lost file of evidence: the due times of its bundles, in microseconds since the epoch.

    Its ids cannot be read, so that a span stands for them; a bundle is written some time after its slot was due.
    """
    since, until = rfc3339((since_us - WRITTEN_LATE_US) * 1000), rfc3339(until_us * 1000)
    return {"what": "evidence", "since": since, "until": until}


@dataclass(slots=True)
class Files:
    """For the writer's thread. `notices`: events to be recorded; the caller takes them from here."""

    directory: Path
    clock: Clock
    limits: Limits
    notices: list[Notice] = field(default_factory=list)
    _catalogue: Database | None = None
    _records: Database | None = None
    _evidence: Database | None = None
    _part: Part | None = None
    _evidence_part: Part | None = None
    _verified: bool = False

    def open(self) -> None:
        """Verify at first, then open what is not open. Raises StoreError, sqlite3.Error or OSError."""
        if not self._verified:
            self._verify()
            self._verified = True
        try:
            if self._catalogue is None:
                make(catalogue_file(self.directory), CATALOGUE)
                self._catalogue = open_writer(catalogue_file(self.directory), CATALOGUE)
            if self._records is None:
                self._part, self._records = open_newest(self.directory, PARTS, self._now())
            if self._evidence is None:
                self._evidence_part, self._evidence = open_newest(self.directory, EVIDENCE_PARTS, self._now())
        except BaseException as error:
            if damaged(error):
                self._verified = False
            raise

    @property
    def catalogue(self) -> Database:
        """The open catalogue."""
        assert self._catalogue is not None, "opened before"
        return self._catalogue

    @property
    def records(self) -> Database:
        """The newest part, begun anew if the last one is full."""
        assert self._records is not None, "opened before"
        if self._full(self._records, self.limits.size_bytes):
            self._turn_records()
        return self._records

    @property
    def evidence(self) -> Database:
        """The newest file of evidence, begun anew if the last one is full."""
        assert self._evidence is not None, "opened before"
        if self._full(self._evidence, EVIDENCE_BYTES):
            old, part = self._evidence, self._evidence_part
            assert part is not None
            self._evidence_part = begin(self.directory, EVIDENCE_PARTS, part.number + 1, self._now(), ())
            self._evidence = None
            finish(old)
            self.open()
        evidence: Database | None = self._evidence
        assert evidence is not None, "opened again"
        return evidence

    @property
    def log_bytes(self) -> int:
        """Of the newest part's log, which grows for as long as a reader holds an old state of it."""
        if self._part is None:
            return 0
        try:
            return os.stat(f"{self._part.path}-wal").st_size
        except FileNotFoundError:
            return 0

    def damaged(self) -> None:
        """Something in an open file is not what was written: look at them all before they are used again."""
        self.close(clean=False)
        self._verified = False

    def close(self, *, clean: bool) -> None:
        """Close all; `clean`: with their logs written back."""
        for db in (self._records, self._evidence, self._catalogue):
            if db is not None:
                if clean:
                    with suppress(Exception):
                        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
                db.close()
        self._catalogue = self._records = self._evidence = None

    # --- turning to a new part ----------------------------------------------------------------------

    def _full(self, db: Database, most_bytes: int) -> bool:
        if size_bytes(db) >= most_bytes:
            return True
        begun = begun_at(db)
        if begun is None:
            return False
        age_us = self.clock.time_ns() // 1000 - round(datetime.fromisoformat(begun).timestamp() * 1e6)
        return abs(age_us) >= self.limits.span_us  # also where the clock went back by so much

    def _turn_records(self) -> None:
        old, part = self._records, self._part
        assert old is not None
        assert part is not None
        self._part = begin(self.directory, PARTS, part.number + 1, self._now(), stream_ends(old))
        self._records = None
        finish(old)
        self.open()

    # --- what is damaged ----------------------------------------------------------------------------

    def _verify(self) -> None:
        catalogue = catalogue_file(self.directory)
        if upgrade(self.directory, self._now()):
            log.warning("store.upgraded", extra={"fields": {"file": catalogue.name}})
        if catalogue.exists() and (problem := check_catalogue(catalogue)):
            self._aside(catalogue, problem)
        for part in parts_of(self.directory, EVIDENCE_PARTS)[-1:]:
            if problem := check_catalogue(part.path):
                last_us = min(part.path.stat().st_mtime_ns // 1000, self._now_us())
                self._aside(part.path, problem, evidence_lost(last_us - self.limits.span_us, self._now_us()))
                begin(self.directory, EVIDENCE_PARTS, part.number + 1, self._now(), ())
        for part in parts_of(self.directory)[-1:]:
            if problem := check_part(part.path):
                self.mend(part, problem)

    def _aside(self, path: Path, problem: str, lost: dict[str, str] | None = None) -> None:
        place = set_aside(self.directory, path, self._now())
        log.error(
            "store.damaged", extra={"fields": {"file": path.name, "problem": problem, "kept": str(place)}}
        )
        detail = {"file": path.name, "problem": problem, **(lost or {})}
        self.notices.append(Notice(event="store.damaged", detail=detail))

    def mend(self, part: Part, problem: str) -> None:
        """Set a damaged part aside and put what of it is provably as written in its place."""
        found = salvage(self.directory, part, self._now())
        self.notices += notices_of(found, part, problem)

    def _now(self) -> str:
        return rfc3339(self.clock.time_ns())

    def _now_us(self) -> int:
        return self.clock.time_ns() // 1000
