"""Rule: each record enters the tables once, from verified input alone; what is in them and how far is in one file.

Verified inputs -> Parquet by customer and day, and `ingested.json` (`ledger`), which names every file with its digest.
Files that it does not name are not there: a kill between writing and naming them leaves nothing that counts. Needs
DuckDB.

Beside facts and looks, which reports read, stand `grains`: sums of the same records, each an addition to those before.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from probe.core.proof.chain import line_digest
from probe.core.sla.facts.grain_rows import Carried, GrainTable
from probe.core.sla.facts.stream import StreamFacts
from probe.core.sla.report.values import Input
from probe.core.syntax.values import OWN_NAME
from probe.core.tables.columns import GRAINS, Row
from probe.core.tables.rows import rows_of
from probe.host.files import write_whole
from probe.seal.key_ring import KeyRing
from probe.seal.keys import Keys
from probe.seal.proofs import Stream
from probe.sla.engines.duckdb_engine import EPOCH, DuckDbEngine
from probe.sla.inputs import BATCH, MARK, Tick, UnverifiedError
from probe.sla.ledger import (
    PUBLIC,
    TABLES,
    VERSION,
    Ingested,
    Ledger,
    TablesError,
    digest_of,
    doubts_of,
    read_ledger,
    write_ledger,
)
from probe.sla.lines import NOT_HERE, ForkedError, Numbered, span_of, streams_in

GRAINS_A_DAY = 288


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What an ingestion did with one stream."""

    agent: str
    customer: str
    records: int
    up_to: int


def ingest(
    into: Path, paths: Sequence[Path], proofs: dict[Stream, Input], keys: Keys, tick: Tick
) -> list[Taken]:
    """Take whatever is new. `proofs`: of each stream that was verified; `keys`: who signs what is in the tables.

    Raises UnverifiedError for a gap that nobody declared, ForkedError for another history, TablesError, DuckDbMissing.
    """
    _own(into, keys)
    taken = []
    for stream, lines in streams_in(paths).items():
        if stream in proofs:
            taken.append(_stream(into, stream, lines, proofs[stream], keys, tick))
    return taken


def _own(into: Path, keys: Keys) -> None:
    """Refuse to sign what another wrote, or what was altered since."""
    ledger = read_ledger(into)
    if ledger.streams or ledger.files:
        doubt = doubts_of(into, ledger, KeyRing(given={keys.id: keys.public}))
        if doubt is not None:
            raise TablesError(
                f"{doubt}; nothing is added: ingest into another directory, or sign with its key (--signing-key)"
            )
    write_whole(into / PUBLIC, keys.public.pem(), 0o644)


def _stream(
    into: Path, stream: Stream, lines: Iterator[Numbered], proof: Input, keys: Keys, tick: Tick
) -> Taken:
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
    write_ledger(into, whole, keys)
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
                yield name, digest_of(file)


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
        yield name, digest_of(file)
