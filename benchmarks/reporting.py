"""Rule: a report's figure is that of the command as a user types it: its time, its processor time, its memory.

`python -m benchmarks.reporting --facts 100000000` makes tables as `sla ingest` writes them, of requests at random, and
reports on them. What is timed is `cdn-probe sla report` alone, in a process of its own. Needs DuckDB.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click

from benchmarks.timed_report import CUSTOMER, tell, timed, typed
from probe.core.model.times import utc_text_us
from probe.core.sla.report.values import Input
from probe.seal.keys import Keys
from probe.sla.engines import beside_sql
from probe.sla.engines.duckdb_engine import DuckDbEngine, loaded
from probe.sla.ledger import PUBLIC, VERSION, Ingested, Ledger, key_file, write_ledger

FROM_US = 1_793_462_400_000_000  # 2026-11-01T00:00:00+08:00
DAY_US = 86_400_000_000
VANTAGE_POINTS, NODES, DAYS, OUTAGE_DAY = 12, 3, 30, 8
# One request in 20,000 fails by the CDN, one in 10,000 says nothing; the third node is down for twenty minutes of the
# ninth day. A slot asks all nodes.
_SLOTS = """
SELECT 'agent-' || v AS agent, '{customer}' AS customer, d || '.shop.example' AS domain, '/object-' || o AS path,
  'task-' || d || '-' || v || '-' || o AS task, 'vp-' || v AS vantage_point, 'CN-' || (v // 4) AS region,
  ['China Telecom', 'China Unicom', 'China Mobile'][v % 3 + 1] AS carrier, 'h1' AS protocol,
  {begin} + s * {step} AS scheduled_us, CAST(1 + ({day} * {a_day} + s) * {tasks} + d * {objects} + o AS BIGINT) AS seq,
  hash(d, v, o, s, {day}) AS chance, ({day} > 0 AND s BETWEEN 600 AND 619) AS outage
FROM range({domains}) AS domains(d), range({vantage_points}) AS places(v), range({objects}) AS objects(o),
  range({a_day}) AS slots(s)
"""
_FACTS = """
SELECT agent, customer, domain, path, task, vantage_point, region, carrier, 4::BIGINT AS ip_version, protocol,
  scheduled_us, seq, n AS number, '192.0.2.' || n AS address, 1::BIGINT AS weight, n = 0 AS first,
  'measured' AS state,
  CASE WHEN bad THEN 'failed' WHEN dim THEN 'inconclusive' ELSE 'ok' END AS outcome,
  CASE WHEN bad THEN 'cdn' WHEN dim THEN 'vantage' END AS fault, CASE WHEN bad THEN 'http.error' END AS reason,
  CASE WHEN bad THEN 503 ELSE 200 END::BIGINT AS status_code, NULL::VARCHAR AS failure_phase, 'kernel' AS clock,
  (chance % 977)::BIGINT AS clock_max_error_us,
  CASE WHEN NOT dim THEN (20000 + (chance >> 16) % 60000)::BIGINT END AS ttfb_us,
  (90000 + chance % 60000)::BIGINT AS total_us, (30000 + chance % 9000)::BIGINT AS transfer_us,
  48211::BIGINT AS body_bytes,   NULL::VARCHAR AS relation,
  NULL::BIGINT AS propagated_us, NULL::VARCHAR AS evidence_id
FROM (SELECT *, (outage AND n = 2) OR (chance >> n) % 20000 = 0 AS bad, (chance >> n) % 10000 = 1 AS dim
      FROM slots, range({nodes}) AS nodes(n)) AS asked ORDER BY customer, domain, task, scheduled_us, seq, number
"""
_LOOKS = """
SELECT agent, customer, domain, path, task, vantage_point, region, carrier, protocol, scheduled_us, seq,
  'measured' AS state, CASE WHEN bad THEN 'failed' ELSE 'ok' END AS outcome, CASE WHEN bad THEN 'cdn' END AS fault,
  CASE WHEN bad THEN 'http.error' END AS reason, bad AS confirmed, {nodes}::BIGINT AS reach_known,
  {nodes}::BIGINT AS reach_asked, {nodes}::BIGINT AS reach_answered, NULL::VARCHAR AS evidence_id, 'kernel' AS clock,
  (chance % 977)::BIGINT AS clock_max_error_us, CASE WHEN bad THEN '192.0.2.2' ELSE '' END AS nodes, FALSE AS tagged
FROM (SELECT *, outage OR chance % 20000 = 0 OR (chance >> 1) % 20000 = 0 OR (chance >> 2) % 20000 = 0 AS bad
      FROM slots) AS seen
ORDER BY customer, domain, task, scheduled_us, seq
"""


def make(into: Path, facts: int, domains: int, months: int, every_s: int) -> None:
    """Tables of months of 30 days, each with about so many facts."""
    step_us = every_s * 1_000_000
    a_day, days = DAY_US // step_us, DAYS * months
    objects = max(1, round(facts / (DAYS * a_day * VANTAGE_POINTS * NODES * domains)))
    files: dict[str, str] = {}
    columns = DuckDbEngine()
    names = columns.tables
    columns.close()
    with loaded().connect(config={"memory_limit": "4GB", "preserve_insertion_order": "true"}) as database:
        for day in range(days):
            words = {
                "customer": CUSTOMER, "domains": domains, "objects": objects, "vantage_points": VANTAGE_POINTS,
                "nodes": NODES, "a_day": a_day, "step": step_us, "begin": FROM_US + day * DAY_US, "day": day,
                "tasks": domains * objects,
            }  # fmt: skip
            drawn = day in (0, OUTAGE_DAY)  # the others fail at the same times of day as the first
            if drawn:
                database.execute(f"CREATE OR REPLACE TABLE slots AS {_SLOTS.format(**words)}")
            for table, text in (("facts", _FACTS), ("looks", _LOOKS)):
                file = into / _name(table, day)
                file.parent.mkdir(parents=True)
                told = ", ".join(names[table])
                later = (
                    f"SELECT * REPLACE (scheduled_us + {day * DAY_US} AS scheduled_us,"  # noqa: S608
                    f" seq + {day * a_day * domains * objects} AS seq) FROM '{into / _name(table, 0)}'"
                )
                beside = beside_sql.beside_text("duckdb", table)
                rows = f"SELECT {told}, {beside} FROM ({text.format(**words)})" if drawn else later  # noqa: S608
                database.execute(
                    f"COPY ({rows}) TO '{file}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 250000)"
                )
                files[_name(table, day)] = hashlib.sha256(file.read_bytes()).hexdigest()
            print(f"\rday {day + 1} of {days}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    _ledger(into, files, days)


def _facts_in(tables: Path) -> int:
    """How many there are, by what the files say of themselves."""
    with loaded().connect() as database:
        text = "SELECT SUM(num_rows) FROM parquet_file_metadata(?)"
        return int(database.execute(text, [str(tables / "facts/**/*.parquet")]).fetchone()[0])


def _name(table: str, day: int) -> str:
    return f"{table}/customer={CUSTOMER}/day={day:02}/all-{day:012}.parquet"


def _ledger(into: Path, files: dict[str, str], days: int) -> None:
    streams = {}
    for place in range(VANTAGE_POINTS):
        proof: Any = Input(
            agent=f"agent-{place}", customer=CUSTOMER, source="segments", records=1, first_seq=1, last_seq=1,
            last_digest="0" * 64, signed_up_to=1, signed_at=None, key=None, heads=1, witnessed=True,
        )  # fmt: skip
        streams[f"agent-{place}/{CUSTOMER}"] = Ingested(
            seq=1, digest="0" * 64, complete_up_to=utc_text_us(FROM_US + (days + 2) * DAY_US),
            last_us=FROM_US + days * DAY_US,
            edges={}, tasks={}, lost=(), pulls=(), proof=proof,
        )  # fmt: skip
    whole = Ledger(version=VERSION, streams=streams, files=files)
    keys = Keys.at(key_file(into))
    (into / PUBLIC).write_bytes(keys.public.pem())
    write_ledger(into, whole, keys)


@click.command()
@click.option("--facts", default=1_000_000, show_default=True, help="About so many, in each month.")
@click.option("--domains", default=1, show_default=True, help="Shared among so many domains.")
@click.option("--months", default=1, show_default=True, help="Of 30 days; so many reports in one.")
@click.option(
    "--every", "every_s", default=60, show_default=True, help="Seconds between two slots of a task."
)
@click.option(
    "--keep", type=click.Path(path_type=Path), default=None, help="The tables; made there unless they are."
)
def main(facts: int, domains: int, months: int, every_s: int, keep: Path | None) -> None:
    """Report on months of facts, and print what it took."""
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary) if keep is None else keep
        tables = place / "tables"
        if not tables.exists():  # by a process of its own, whose memory ends with it
            making = get_context("spawn").Process(target=make, args=(tables, facts, domains, months, every_s))
            making.start()
            making.join()
            if making.exitcode:
                raise click.ClickException("the tables could not be made")
        names = [f"{domain}.shop.example" for domain in range(domains)]
        found = timed(place, typed(place, names, [tables]))
        tell(f"{_facts_in(tables):,} facts", found, tables)


if __name__ == "__main__":
    main()
