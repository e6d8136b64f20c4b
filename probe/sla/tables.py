"""Tables that were ingested, as an input of a report: each file as it was written, and what was proved then."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from probe.core.model.value import replace
from probe.core.sla.report.values import Input
from probe.seal.key_ring import KeyRing
from probe.sla.engines.by_sql import SqlEngine
from probe.sla.engines.duckdb_engine import DuckDbMissing
from probe.sla.engines.engine import Engine
from probe.sla.inputs import Reading, StreamRead, UnverifiedError
from probe.sla.ledger import TablesError, checked_files, doubts_of, read_ledger

NOTE = "from tables: proved when it was ingested; the list of their files is signed with the key {key}, which {where}"
GIVEN, BESIDE = "was given", "lies beside it"


def take_tables(
    engine: Engine,
    tables: Iterable[Path],
    reading: Reading,
    customer: str,
    keys: Iterable[Path] = (),
    *,
    unverified: bool = False,
) -> tuple[Input, ...]:
    """Add the tables of a customer to what was read. `keys`: public ones; none: that beside each list.

    Raises UnverifiedError, unless that is `unverified`; TablesError, DuckDbMissing, KeyFileError.
    """
    ring = KeyRing.of(keys)
    files: dict[str, list[str]] = {"facts": [], "looks": []}
    held: list[Input] = []
    for directory in tables:
        if not isinstance(engine, SqlEngine):
            raise DuckDbMissing(f"{directory}: tables are read by DuckDB or Spark: install cdn-probe[sla]")
        ledger = read_ledger(directory)
        doubt = doubts_of(directory, ledger, ring)
        if doubt is not None and not unverified:
            raise UnverifiedError([doubt])
        note = doubt or NOTE.format(key=ledger.key, where=GIVEN if ring.independent else BESIDE)
        reading.customers |= {name.partition("/")[2] for name in ledger.streams}
        found = checked_files(directory, ledger, customer)
        for table, names in found.items():
            files[table] += names
        for name, one in ledger.streams.items():
            agent, _, of = name.partition("/")
            if of != customer:
                continue
            if any((stream.agent, stream.customer) == (agent, of) for stream in reading.streams):
                raise TablesError(
                    f"{directory}: {of} of agent {agent} is in another input too: give one of them"
                )
            reading.streams.append(
                StreamRead(
                    agent=agent,
                    customer=of,
                    rows=one.seq,
                    complete_up_to=one.complete_up_to,
                    last_us=one.last_us,
                    lost=one.lost,
                    pulls=one.pulls,
                )
            )
            held.append(replace(one.proof, source="tables", notes=(*one.proof.notes, note)))
    if isinstance(engine, SqlEngine) and any(files.values()):
        engine.take_tables(files["facts"], files["looks"])
    return tuple(sorted(held, key=lambda one: one.agent))
