"""Rule: each record enters the tables once, from verified input alone; what is in them and how far is in one file.

Verified inputs -> Parquet by customer and day, and `ingested.json`, which names every file with its digest. Files that
it does not name are not there: a kill between writing and naming them leaves nothing that counts. Needs DuckDB.

Beside facts and looks, which reports read, stand `grains`: sums of the same records, each an addition to those before.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import msgspec

from probe.core.model.value import Value
from probe.core.proof.chain import line_digest
from probe.core.sla.facts.grain_rows import Carried, GrainTable
from probe.core.sla.facts.row import FactRow
from probe.core.sla.facts.stream import FirstPull, Lost, StreamFacts
from probe.core.sla.report.values import Input
from probe.core.syntax.values import OWN_NAME
from probe.core.tables.columns import GRAINS, Row
from probe.core.tables.rows import rows_of
from probe.host.files import write_whole
from probe.seal.proofs import Stream
from probe.sla.engines.duckdb_engine import EPOCH, DuckDbEngine
from probe.sla.inputs import BATCH, MARK, Tick, UnverifiedError
from probe.sla.lines import NOT_HERE, ForkedError, Numbered, span_of, streams_in

LEDGER = "ingested.json"
VERSION = 1
TABLES = ("facts", "looks")
GRAINS_A_DAY = 288
LEDGER_MODE = 0o640


class TablesError(Exception):
    """The tables cannot be used as they are; the message names the file."""


class Ingested(Value, frozen=True, kw_only=True):
    """What is known of one stream. `edges`, `tasks`: what unmeasured slots to come will weigh, and of what they are."""

    seq: int
    digest: str
    complete_up_to: str | None
    last_us: int | None
    edges: dict[str, int]
    tasks: dict[str, FactRow]
    lost: tuple[Lost, ...]
    pulls: tuple[FirstPull, ...]
    proof: Input
    schemes: dict[str, str | None] = msgspec.field(default_factory=dict)


class Ledger(Value, frozen=True, kw_only=True):
    """`streams`: by `agent/customer`. `files`: name below the directory -> SHA-256."""

    version: int
    streams: dict[str, Ingested]
    files: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What an ingestion did with one stream."""

    agent: str
    customer: str
    records: int
    up_to: int


def read_ledger(directory: Path) -> Ledger:
    """What is in the tables; nothing where there are none yet. Raises TablesError, OSError."""
    try:
        made = msgspec.json.decode((directory / LEDGER).read_bytes(), type=Ledger)
    except FileNotFoundError:
        return Ledger(version=VERSION, streams={}, files={})
    except (msgspec.DecodeError, UnicodeError) as error:
        raise TablesError(f"{directory / LEDGER}: {error}") from None
    if made.version != VERSION:
        raise TablesError(
            f"{directory / LEDGER}: version {made.version}, and this one reads version {VERSION}"
        )
    return made


def is_tables(path: Path) -> bool:
    """Whether a path holds tables that were ingested."""
    return path.is_dir() and (path / LEDGER).is_file()


def checked_files(directory: Path, ledger: Ledger, customer: str) -> dict[str, list[str]]:
    """The files of one customer, by table, each as it was written. Raises TablesError: one is missing, or altered."""
    found: dict[str, list[str]] = {table: [] for table in TABLES}
    for name, digest in sorted(ledger.files.items()):
        table, part, *_ = name.split("/")
        if part != f"customer={customer}" or table not in found:
            continue
        file = directory / name
        if not file.is_file():
            raise TablesError(f"{file}: is missing, and {LEDGER} names it")
        if _digest(file) != digest:
            raise TablesError(f"{file}: is not the file that was written")
        found[table].append(str(file))
    return found


def ingest(into: Path, paths: Sequence[Path], proofs: dict[Stream, Input], tick: Tick) -> list[Taken]:
    """Take whatever is new. `proofs`: of each stream that was verified.

    Raises UnverifiedError for a gap that nobody declared, ForkedError for another history, TablesError, DuckDbMissing.
    """
    taken = []
    for stream, lines in streams_in(paths).items():
        if stream in proofs:
            taken.append(_stream(into, stream, lines, proofs[stream], tick))
    return taken


def _stream(into: Path, stream: Stream, lines: Iterator[Numbered], proof: Input, tick: Tick) -> Taken:
    agent, customer = stream
    if not OWN_NAME.fullmatch(agent) or not OWN_NAME.fullmatch(customer):
        raise TablesError(f"{agent}/{customer}: no names of a directory")
    ledger = read_ledger(into)
    known = ledger.streams.get(f"{agent}/{customer}")
    made, grains = StreamFacts(), GrainTable(agent)
    if known is not None:
        made.resume(known.edges, known.tasks, known.lost, known.pulls, known.last_us)
        grains = GrainTable(agent, Carried(edges=known.edges, tasks=known.tasks, schemes=known.schemes))
    engine = DuckDbEngine()
    try:
        last, count = _feed(engine, made, grains, stream, lines, known, tick)
        if last is None:
            return Taken(agent=agent, customer=customer, records=0, up_to=0 if known is None else known.seq)
        engine.settle()
        first = 1 if known is None else known.seq + 1
        stem = f"{agent}-{first:012}-{last.seq:012}"
        files = dict(_written(engine, into, stream, stem, ledger))
        files |= dict(_grains_written(engine, into, customer, stem, grains))
    finally:
        engine.close()
    edges, tasks = made.carried
    now = Ingested(
        seq=last.seq,
        digest=last.digest,
        complete_up_to=last.complete_up_to,
        last_us=made.last_us,
        edges=edges,
        tasks=tasks,
        lost=tuple(made.lost),
        pulls=tuple(made.pulls),
        proof=proof,
        schemes=grains.carried.schemes,
    )
    streams = {**ledger.streams, f"{agent}/{customer}": now}
    whole = Ledger(version=VERSION, streams=dict(sorted(streams.items())), files={**ledger.files, **files})
    write_whole(into / LEDGER, msgspec.json.format(msgspec.json.encode(whole), indent=1), LEDGER_MODE)
    return Taken(agent=agent, customer=customer, records=count, up_to=last.seq)


@dataclass(slots=True)
class _Last:
    seq: int
    digest: str
    complete_up_to: str | None


def _feed(
    engine: DuckDbEngine,
    made: StreamFacts,
    grains: GrainTable,
    stream: Stream,
    lines: Iterator[Numbered],
    known: Ingested | None,
    tick: Tick,
) -> tuple[_Last | None, int]:
    """The last new record, and how many there were."""
    up_to = 0 if known is None else known.seq
    last: _Last | None = None
    count = 0
    mark = None if known is None else known.complete_up_to
    for number, text in lines:
        end, reason = span_of(text)
        if end is not None and end > up_to and reason == NOT_HERE and (known is not None or number > 1):
            raise UnverifiedError(
                [f"records {max(number, up_to + 1)} to {end} of {stream[1]} of agent {stream[0]} are missing"]
            )
        if (end or number) <= up_to:
            if known is not None and number == known.seq and line_digest(text) != known.digest:
                raise ForkedError(
                    f"record {number} of {stream[1]} of agent {stream[0]} is not the one ingested before"
                )
            continue
        of = rows_of(*stream, text)
        for slot in of.slots:
            facts, look = made.slot(slot, of.requests)
            engine.take(facts, [look])
        engine.take(list(made.events(of.events)), [])
        grains.feed(of)
        if end is None:
            mark = MARK.decode(text).complete_up_to or mark
            last = _Last(number, line_digest(text), mark)
            count += 1
        if not count % BATCH:
            tick(BATCH)
    return last, count


def _written(
    engine: DuckDbEngine, into: Path, stream: Stream, stem: str, ledger: Ledger
) -> Iterator[tuple[str, str]]:
    """The files that were written, with their digests. A due time that has a fact already keeps it."""
    for day in engine.days():
        for table in TABLES:
            place = f"{table}/customer={stream[1]}/day={day}"
            mine = [name for name in ledger.files if name.startswith(f"{place}/{stream[0]}-")]
            if mine:
                engine.forget(table, [str(into / name) for name in mine])
            name = f"{place}/{stem}.parquet"
            file = into / name
            file.parent.mkdir(parents=True, exist_ok=True)
            aside = file.with_name(f".{file.name}.part")
            if engine.write(table, aside, day):
                os.replace(aside, file)
                yield name, _digest(file)


def _grains_written(
    engine: DuckDbEngine, into: Path, customer: str, stem: str, grains: GrainTable
) -> Iterator[tuple[str, str]]:
    """The sums of these records, by day, with the digests of their files."""
    days: dict[int, list[Row]] = {}
    for row in grains.rows():
        of: Any = row
        days.setdefault(of["grain"] // GRAINS_A_DAY, []).append(row)
    for day, rows in sorted(days.items()):
        name = f"grains/customer={customer}/day={date.fromordinal(EPOCH + day)}/{stem}.parquet"
        file = into / name
        file.parent.mkdir(parents=True, exist_ok=True)
        aside = file.with_name(f".{file.name}.part")
        engine.write_rows(GRAINS, rows, aside)
        os.replace(aside, file)
        yield name, _digest(file)


def _digest(file: Path) -> str:
    with open(file, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
