"""Rule: one thread has every file of the store that is written; what is damaged is set aside and work goes on.

The writer's open files: the catalogue, the newest part and the newest file of evidence; when the next ones are begun.
A file that is deleted, moved, replaced or cut while it is open is put back as far as it can still be read
(`upkeep.put_back`), and each stream goes on behind all that anybody may know of it (`base.ends`).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from sqlite_utils import Database

from probe.host.clock import Clock, rfc3339
from probe.store.base.ends import KnownEnd, Stream, note_ends, noted_ends, of_stream_ends, shortfalls
from probe.store.base.parts import (
    EVIDENCE_PARTS,
    PARTS,
    Part,
    StreamEnd,
    begin,
    begun_at,
    finish,
    install,
    make,
    open_newest,
    parts_of,
    remove_left_over,
    set_aside,
    size_bytes,
    stream_ends,
)
from probe.store.base.schema import CATALOGUE, catalogue_file, get_meta, open_writer, put_meta
from probe.store.upkeep.check import check_catalogue, check_part, keep_other_copy
from probe.store.upkeep.put_back import copy_open
from probe.store.upkeep.reading import each_time
from probe.store.upkeep.rewrite import finish_begun
from probe.store.upkeep.salvage import salvage
from probe.store.upkeep.training import next_dictionary
from probe.store.upkeep.upgrade import upgrade
from probe.store.write.due_times import DueTimes
from probe.store.write.marks import Marks
from probe.store.write.notices import Notice, evidence_lost, notices_of, notices_of_loss, untold
from probe.store.write.packing import Packing
from probe.store.write.sums import LinesOf, Sums

log = logging.getLogger("probe.store")

DAY_US = 86_400_000_000
EVIDENCE_BYTES = 64 * 1024 * 1024  # a file of evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When a part is full: the span of time and the bytes that it holds at most."""

    span_us: int = DAY_US
    size_bytes: int = 256 * 1024 * 1024


@dataclass(slots=True)
class Files:
    """For the writer's thread. `notices`: events to be recorded; the caller takes them from here.

    `known`: how far streams go by what lies elsewhere. `lines_of`: for `sums`, the lines of the streams. `ends`: how
    far they go, as committed. `alarm`: what was done to an open file, in words; it stands for as long as this process
    runs. `said`: what the catalogue says of this opening of the store, also one that takes the place of another.
    """

    directory: Path
    clock: Clock
    limits: Limits
    known: tuple[KnownEnd, ...] = ()
    lines_of: LinesOf | None = None
    notices: list[Notice] = field(default_factory=list)
    ends: dict[Stream, StreamEnd] = field(default_factory=dict)
    alarm: str | None = None
    said: Mapping[str, str] = field(default_factory=dict)
    marks: Marks = field(default_factory=Marks)
    due_times: DueTimes = field(init=False)
    packing: Packing = field(default_factory=Packing)
    sums: Sums = field(init=False)
    _catalogue: Database | None = None
    _records: Database | None = None
    _evidence: Database | None = None
    _part: Part | None = None
    _evidence_part: Part | None = None
    _verified: bool = False
    _just_verified: bool = False  # and not opened since
    _held: bool = False  # against what is known elsewhere, once

    def __post_init__(self) -> None:
        self.due_times = DueTimes(self.directory)
        self.sums = Sums(self.directory, self.clock, self.lines_of)

    def open(self) -> bool:
        """Put back what lost its name, verify at first, then open what is not open; False if rows are gone with it.

        Raises StoreError, sqlite3.Error or OSError.
        """
        whole = True
        while (found := self.marks.problem()) is not None:
            whole = self._put_back(*found) and whole
        if None not in (self._catalogue, self._records, self._evidence):
            return whole
        with self.marks.changing():
            if not self._verified:
                self._verify()
                self._verified = self._just_verified = True
            self._open()
            self._just_verified = False
            self._set_marks()
        return whole

    def _open(self) -> None:
        if self._catalogue is None:
            make(catalogue_file(self.directory), CATALOGUE)
            self._catalogue = open_writer(catalogue_file(self.directory), CATALOGUE)
            # Begun anew while the store is open.
            if self.said and get_meta(self._catalogue.conn, "agent") is None:
                self.say(self.said)
        if self._records is None:
            self._open_records()
            self.sums.forget()
        if self._evidence is None:
            self._evidence_part, self._evidence = open_newest(self.directory, EVIDENCE_PARTS, self._now())

    def say(self, said: Mapping[str, str]) -> None:
        """Write this into the catalogue's meta table, and into each that takes its place."""
        self.said = said
        with self.catalogue.atomic():
            for key, value in said.items():
                put_meta(self.catalogue, key, value)

    def _open_records(self) -> None:
        self._part, self._records = open_newest(self.directory, PARTS, self._now(), self._next_dictionary)
        self._hold_to_what_is_known(self._part, self._records)
        self.due_times.forget()
        self.packing.open(self._records)

    def _next_dictionary(self) -> bytes | None:
        return next_dictionary(self.directory, self.limits.span_us, self.limits.size_bytes)

    def _set_marks(self) -> None:
        parts = (self._part, self._evidence_part)
        self.marks.set([catalogue_file(self.directory), *(part.path for part in parts if part is not None)])

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
            self._turn_records(self._next_dictionary())
        elif self.packing.outgrown(self._records):
            dictionary = self._next_dictionary()
            if dictionary not in (None, self.packing.packer.dictionary):
                self._turn_records(dictionary)
        return self._records

    @property
    def evidence(self) -> Database:
        """The newest file of evidence, begun anew if the last one is full."""
        assert self._evidence is not None, "opened before"
        if self._full(self._evidence, EVIDENCE_BYTES):
            old, part = self._evidence, self._evidence_part
            assert part is not None
            with self.marks.changing():
                begin(self.directory, EVIDENCE_PARTS, part.number + 1, self._now(), ())
                self._evidence = None
                self.marks.set(())
                finish(old)
                self.open()
        evidence: Database | None = self._evidence
        assert evidence is not None, "opened again"
        return evidence

    @property
    def part(self) -> Path | None:
        """The newest part; None before it was opened."""
        return None if self._part is None else self._part.path

    def save_sums(self) -> None:
        """Write the sums of committed rows, if it is time. Raises what SQLite raises where the disk is in the way."""
        if self._records is not None:
            self.sums.save(self._records)

    def note_ends(self, db: Database) -> None:
        """Write into the catalogue how far the streams go. For the caller's transaction."""
        note_ends(db, self.ends.values())

    def damaged(self) -> None:
        """Something in a file seems not to be what was written: look at them all before they are used again.

        Not where they were found whole a moment ago, when they were opened: then it is likely an error of reading.
        """
        self.close(clean=False)
        self._verified, self._just_verified = self._just_verified, False

    def close(self, *, clean: bool) -> None:
        """Close all; `clean`: with their logs written back."""
        with self.marks.changing():
            if clean and self._records is not None:
                with suppress(Exception):
                    self.sums.save(self._records, at_once=True)
            self.marks.set(())
            self.due_times.close()
            self.sums.forget()
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

    def _turn_records(self, dictionary: bytes | None) -> None:
        old, part = self._records, self._part
        assert old is not None
        assert part is not None
        self.sums.save(old, at_once=True)
        with self.marks.changing():
            begin(self.directory, PARTS, part.number + 1, self._now(), stream_ends(old), dictionary)
            self._records = None
            self.marks.set(())
            finish(old)
            self.open()

    # --- what is gone -------------------------------------------------------------------------------

    def raise_alarm(self, problem: str) -> None:
        """Something was done to a file that is open. From any thread."""
        if self.alarm is None:
            log.error("store.file_lost", extra={"fields": {"problem": problem}})
        self.alarm = self.alarm or f"somebody interferes with the results: {problem}"

    def _put_back(self, path: Path, problem: str) -> bool:
        """Give an open file its name again, with all that can be read of it; False where that is not all."""
        self.raise_alarm(problem)
        aside = path.with_name(f".{path.stem}.back")
        records = self._part is not None and path == self._part.path
        named = {catalogue_file(self.directory): self._catalogue}
        if self._part is not None:
            named[self._part.path] = self._records
        if self._evidence_part is not None:
            named[self._evidence_part.path] = self._evidence
        db = named.get(path)
        whole = (
            db is not None
            and copy_open(db, aside)
            and (check_part if records else check_catalogue)(aside) is None
        )
        if whole and records and db is not None:
            whole = {(end.agent, end.customer): end for end in stream_ends(db)} == self.ends
        self.close(clean=False)
        if any(Path(f"{path}{ending}").exists() for ending in ("", "-wal", "-shm")):
            set_aside(self.directory, path, self._now())
        words = problem
        if whole:
            install(aside, path)
            words = f"{problem}; all of it was put back out of the open file"
        log.error("store.damaged", extra={"fields": {"file": path.name, "problem": words}})
        detail = {"file": path.name, "problem": words}
        if self._evidence_part is not None and path == self._evidence_part.path and not whole:
            detail |= evidence_lost(self._now_us() - self.limits.span_us, self._now_us())
        self.notices.append(Notice(event="store.damaged", detail=detail))
        self._verified = False
        return whole or not records

    def _hold_to_what_is_known(self, part: Part, db: Database) -> None:
        """Where the parts end before what is known elsewhere, say so and go on behind it."""
        have = {(end.agent, end.customer): end for end in stream_ends(db)}
        known = of_stream_ends(self.ends.values(), "this run of the agent")
        if not self._held:
            earlier = [each for each in parts_of(self.directory) if each.number < part.number]
            self.notices += untold(earlier[-1] if earlier else None, part, self.notices)
            catalogue = self.catalogue
            known += self.known
            known += noted_ends(catalogue, exact=get_meta(catalogue.conn, "closed") == "yes")
        losses = shortfalls(have, known)
        if losses:
            self.notices += notices_of_loss(losses, part.path.name)
            have.update({(loss.end.agent, loss.end.customer): loss.end for loss in losses})
            begin(self.directory, PARTS, part.number + 1, self._now(), have.values(), self._next_dictionary())
            finish(db)
            self._part, self._records = open_newest(self.directory, PARTS, self._now())
        self.ends = have
        self._held = True

    # --- what is damaged ----------------------------------------------------------------------------

    def _verify(self) -> None:
        catalogue = catalogue_file(self.directory)
        if upgrade(self.directory, self._now()):
            log.warning("store.upgraded", extra={"fields": {"file": catalogue.name}})
        finish_begun(self.directory)
        if catalogue.exists() and (problem := each_time(check_catalogue, catalogue)):
            self._aside(catalogue, problem)
        for part in parts_of(self.directory, EVIDENCE_PARTS)[-1:]:
            if problem := each_time(check_catalogue, part.path):
                last_us = min(part.path.stat().st_mtime_ns // 1000, self._now_us())
                self._aside(part.path, problem, evidence_lost(last_us - self.limits.span_us, self._now_us()))
                begin(self.directory, EVIDENCE_PARTS, part.number + 1, self._now(), ())
        for part in parts_of(self.directory)[-1:]:
            if problem := each_time(check_part, part.path):
                self.mend(part, problem)
        for part in parts_of(self.directory)[-1:]:
            keep_other_copy(part.path)
        remove_left_over(self.directory)

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
