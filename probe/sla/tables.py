"""Tables that were ingested, as an input of a report: each file as it was written, and what was proved then."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from probe.core.model.value import replace
from probe.core.sla.report.values import Input
from probe.sla.engines.by_sql import SqlEngine
from probe.sla.engines.duckdb_engine import DuckDbMissing
from probe.sla.engines.engine import Engine
from probe.sla.ingest import TablesError, checked_files, read_ledger
from probe.sla.inputs import Reading, StreamRead

NOTE = "from tables: proved when it was ingested; the list of their files is signed by nobody"


def take_tables(engine: Engine, tables: Iterable[Path], reading: Reading, customer: str) -> tuple[Input, ...]:
    """Add the tables of a customer to what was read. Raises TablesError, DuckDbMissing."""
    files: dict[str, list[str]] = {"facts": [], "looks": []}
    held: list[Input] = []
    for directory in tables:
        if not isinstance(engine, SqlEngine):
            raise DuckDbMissing(f"{directory}: tables are read by DuckDB or Spark: install cdn-probe[sla]")
        ledger = read_ledger(directory)
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
            held.append(replace(one.proof, source="tables", notes=(*one.proof.notes, NOTE)))
    if isinstance(engine, SqlEngine) and any(files.values()):
        engine.take_tables(files["facts"], files["looks"])
    return tuple(sorted(held, key=lambda one: one.agent))
