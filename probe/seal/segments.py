"""Rule: nothing is sealed that the chain does not vouch for; a segment is there whole, with its manifest last.

A stream's lines from where sealing stands to its end, as immutable files below `<results>/<customer>/<date>/`. A kill
at any moment leaves a whole segment or none; what lacks its manifest is made again under the same names.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol, cast

import msgspec

from probe.core.proof.chain import Head, Line
from probe.core.proof.manifest import ENDING, VERSION, Gap, Manifest, SealedFile, parse_stem, stem
from probe.core.proof.signers import KnownHeads
from probe.core.proof.verify import Check
from probe.core.results.columns import flat_row
from probe.host.clock import Clock, rfc3339
from probe.host.files import write_whole
from probe.host.loop_lag import ClockState, clock_state
from probe.seal.keys import Keys
from probe.seal.parquet import ParquetWriter
from probe.seal.position import Position, note, position_after, position_of, write_head
from probe.seal.segment_files import (
    SEALED_MODE,
    ZST,
    Digesting,
    compressed,
    digest_of,
    install,
    make_directory,
)
from probe.seal.tables.carried import keep, table_after
from probe.seal.tables.files import PARQUET, Aside, SegmentTables

log = logging.getLogger("probe.sealing")

ASIDE = "_aside"
PAGE = 500
MOST_ROWS = 100_000
MOST_GAPS = 5_000


class LinesOf(Protocol):
    """What is needed of a store's reader."""

    agent: str

    def lines(self, customer: str, after: int, limit: int) -> list[Line]:
        """Up to `limit` lines after `seq` `after`."""
        ...

    def head(self, customer: str) -> Head:
        """The end of the stream."""
        ...


class SealRefused(RuntimeError):  # noqa: N818 - a decision, reported to the operator
    """The stream is not what was sealed before, or does not hold together: it is not signed."""


class _About(msgspec.Struct):
    """What a manifest says of its lines."""

    kind: str
    scheduled_at: str | None = None
    at: str | None = None
    complete_up_to: str | None = None
    config_digest: str | None = None
    host: dict[str, Any] | None = None
    first_seq: int = 0
    last_seq: int = 0
    digest: str = ""
    reason: str | None = None


_ABOUT = msgspec.json.Decoder(_About)


@dataclass(slots=True)
class _Facts:
    """Gathered while a segment is written."""

    first_previous: str | None
    rows: int = 0
    count: int = 0
    earliest: str | None = None
    latest: str | None = None
    begins: str | None = None  # time of the first record
    complete_up_to: str | None = None
    config_digest: str | None = None
    gaps: list[Gap] = field(default_factory=list)

    def see(self, line: bytes) -> None:
        """One more line."""
        about = _ABOUT.decode(line)
        self.rows += 1
        if about.kind == "dropped":
            self.gaps.append(
                Gap(
                    first_seq=about.first_seq,
                    last_seq=about.last_seq,
                    digest=about.digest,
                    reason=about.reason or "",
                )
            )
            return
        self.count += 1
        when = about.scheduled_at or about.at
        if when is not None:
            self.begins = self.begins or when
            self.earliest = when if self.earliest is None else min(when, self.earliest)
            self.latest = when if self.latest is None else max(when, self.latest)
        self.complete_up_to = about.complete_up_to or self.complete_up_to
        self.config_digest = (
            about.config_digest or (about.host or {}).get("config_digest") or self.config_digest
        )


@dataclass(slots=True)
class Segments:
    """Seals the streams of one results directory; for one thread at a time."""

    directory: Path
    keys: Keys
    clock: Clock
    parquet: bool = False
    most_rows: int = MOST_ROWS
    state: Callable[[], ClockState] = clock_state

    def clear_aside(self) -> None:
        """Remove what a kill left half written. Raises OSError."""
        aside = self.directory / ASIDE
        aside.mkdir(mode=0o700, exist_ok=True)
        for path in aside.iterdir():
            if path.is_file():
                path.unlink(missing_ok=True)

    def seal(
        self, reader: LinesOf, customer: str, stopping: Callable[[], bool] = lambda: False
    ) -> list[Manifest]:
        """Seal a customer's stream up to its end now; the segments made. Raises SealRefused, OSError, StoreError.

        `stopping` is asked between pages; what is not whole then is not begun.
        """
        (self.directory / ASIDE).mkdir(mode=0o700, exist_ok=True)
        position = position_of(self.directory, self.keys, reader.agent, customer)
        end = reader.head(customer)
        if end.seq < position.seq:
            raise SealRefused(
                f"the stream ends at {end.seq}, and up to {position.seq} it is sealed already: was the store put back"
                " from a copy? Nothing is sealed until it is past that, and then only if it is the same history"
            )
        made: list[Manifest] = []
        while position.seq < end.seq:
            last = self._half_made(reader.agent, customer, position.seq + 1, end.seq)
            sealed = None
            if last is not None:
                sealed = self._seal_one(reader, customer, position, last, end, stopping)
            if sealed is None:
                sealed = self._seal_one(reader, customer, position, end.seq, end, stopping)
            if sealed is None:
                break
            manifest, position = sealed
            made.append(manifest)
        return made

    def _half_made(self, agent: str, customer: str, first: int, end: int) -> int | None:
        """The last seq of a segment that was begun at `first` and lacks its manifest, to be made again as it was."""
        lasts = []
        for path in (self.directory / customer).glob(f"*/{agent}-*{ZST}"):
            parsed = parse_stem(path.name.removesuffix(ZST))
            if parsed is not None and parsed[:2] == (agent, first) and parsed[2] <= end:
                lasts.append(parsed[2])
        return max(lasts, default=None)

    def _seal_one(
        self,
        reader: LinesOf,
        customer: str,
        position: Position,
        last: int,
        end: Head,
        stopping: Callable[[], bool],
    ) -> tuple[Manifest, Position] | None:
        """One segment, up to `last` at most; None if stopped before it was whole."""
        aside = self.directory / ASIDE / f"{customer}-{stem(reader.agent, position.seq + 1, last)}"
        ndjson, parquet = aside.with_name(aside.name + ZST), aside.with_name(aside.name + PARQUET)
        sums = table_after(
            self.directory,
            reader.agent,
            customer,
            position.seq,
            lambda after, limit: reader.lines(customer, after, limit),
        )
        tables = SegmentTables(aside, sums, parquet=self.parquet)
        try:
            check = Check(
                reader.agent, customer, "store", KnownHeads(), after=position.seq, digest=position.digest
            )
            facts = _Facts(first_previous=position.digest)
            files = self._write(reader, check, facts, last, (ndjson, parquet), tables, stopping)
            if files is None:
                return None
            head = Head(
                agent=reader.agent,
                customer=customer,
                seq=check.last_seq,
                digest=check.last_digest or "",
                complete_up_to=facts.complete_up_to,
            )
            _refuse_unless_named(reader, check, head, end)
            made = self._publish(facts, position, files, head)
            keep(self.directory, self.directory / ASIDE, customer, head.seq, sums)
            return made
        finally:
            for path in (ndjson, parquet):
                with suppress(OSError):
                    path.unlink(missing_ok=True)
            tables.remove()

    def _write(
        self,
        reader: LinesOf,
        check: Check,
        facts: _Facts,
        end: int,
        paths: tuple[Path, Path],
        tables: SegmentTables,
        stopping: Callable[[], bool],
    ) -> list[Aside] | None:
        """The files aside, the lines first: by them a segment that lacks its manifest is known again."""
        parquet = ParquetWriter(paths[1]) if self.parquet else None
        try:
            with tables, open(paths[0], "wb") as file:
                passed = Digesting(file)
                with compressed(cast(IO[bytes], passed), paths[0].name) as out:
                    for line in self._lines(reader, check, facts, end, stopping):
                        data = line.text.encode()
                        check.feed(data, "the store", 0)
                        if check.problems.found:
                            raise SealRefused(check.problems.found[0].words)
                        facts.see(data)
                        out.write(data + b"\n")
                        tables.put(check.agent, check.customer, line.seq, data)
                        if parquet is not None:
                            parquet.put(flat_row(check.agent, check.customer, data), line.text)
        finally:
            if parquet is not None:
                parquet.close()
        if stopping() or not facts.rows:
            return None
        files = [Aside(paths[0], ZST, passed.sha256, passed.bytes, facts.rows)]
        if parquet is not None:
            files.append(Aside(paths[1], PARQUET, *digest_of(paths[1]), facts.rows))
        return files + tables.files()

    def _lines(
        self, reader: LinesOf, check: Check, facts: _Facts, end: int, stopping: Callable[[], bool]
    ) -> Iterator[Line]:
        while not stopping():
            room = min(PAGE, self.most_rows - facts.rows)
            if room <= 0 or len(facts.gaps) >= MOST_GAPS:
                return
            page = reader.lines(check.customer, check.last_seq, room)
            for line in page:
                if line.seq > end:
                    return
                yield line
            if len(page) < room or check.last_seq >= end:
                return

    def _publish(
        self, facts: _Facts, position: Position, files: list[Aside], head: Head
    ) -> tuple[Manifest, Position]:
        """Give the files their names, then write what says that they are there."""
        agent, customer, first, last = head.agent, head.customer, position.seq + 1, head.seq
        now, clock = rfc3339(self.clock.time_ns()), self.state()
        name = stem(agent, first, last)
        place = self.directory / customer / (facts.begins or now)[:10]
        make_directory(place, self.directory)
        install(((made.path, place / (name + made.ending)) for made in files), place)
        sealed = tuple(
            SealedFile(name=name + made.ending, bytes=made.bytes, sha256=made.sha256, rows=made.rows)
            for made in files
        )
        manifest = self.keys.sign_manifest(
            Manifest(
                version=VERSION,
                agent=agent,
                customer=customer,
                first_seq=first,
                last_seq=last,
                count=facts.count,
                first_previous=facts.first_previous,
                head=self.keys.sign_head(head, now, clock),
                complete_up_to=facts.complete_up_to,
                scheduled_first=facts.earliest,
                scheduled_last=facts.latest,
                files=sealed,
                gaps=tuple(facts.gaps),
                previous_manifest=position.manifest,
                config_digest=facts.config_digest,
                sealed_at=now,
                clock_synchronised=clock.synchronised,
                clock_max_error_us=clock.max_error_us,
                key=self.keys.id,
            )
        )
        data = json.dumps(manifest.to_json(), indent=1).encode() + b"\n"
        write_whole(place / (name + ENDING), data, SEALED_MODE, aside=self.directory / ASIDE)
        after = position_after(manifest, data)
        write_head(self.directory, self.directory / ASIDE, manifest.head)
        note(self.directory, agent, customer, after)
        return manifest, after


def _refuse_unless_named(reader: LinesOf, check: Check, head: Head, end: Head) -> None:
    """The last line of a segment must be the one that the next line, or the store's end of the stream, names."""
    if head.seq < end.seq:
        for line in reader.lines(check.customer, head.seq, 1):
            check.feed(line.text.encode(), "the store", 0)
    if check.finish_chain() or (head.seq == end.seq and end.digest != head.digest):
        raise SealRefused(f"record {head.seq} is not the line that what comes after it names")
