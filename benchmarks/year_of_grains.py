"""Rule: what a year of sums costs is seen by the command that a user types, on trees that hosts could have sealed.

`python -m benchmarks.year_of_grains` makes, for each of 12 vantage points, the tree of an agent that sealed its sums of
each day (Parquet, signed manifests; times and what no report of sums reads are left null), and times
`cdn-probe sla report AGREEMENT TREES` alone: verification, all domains, all months. Needs DuckDB.

One request in 20,000 fails by the CDN and one in 10,000 says nothing, drawn for 30 days, which come again; on each
ninth of them the third node fails for an hour.
"""

from __future__ import annotations

import cProfile
import hashlib
import json
import os
import pstats
import sys
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click

from benchmarks.timed_report import CUSTOMER, tell, timed, typed
from probe.core.model.times import utc_text_us
from probe.core.proof.chain import Head
from probe.core.proof.manifest import ENDING, VERSION, Manifest, SealedFile, stem
from probe.core.tables.columns import GRAINS
from probe.host.loop_lag import ClockState
from probe.seal.keys import Keys
from probe.seal.position import Position, position_after, write_head
from probe.sla.engines.duckdb_engine import loaded

FROM_US = 1_767_196_800_000_000  # 2026-01-01T00:00:00+08:00
GRAIN_US, A_DAY = 300_000_000, 288
DAY_US = GRAIN_US * A_DAY
VANTAGE_POINTS, NODES, DRAWN = 12, 3, 30
CARRIERS = ("China Telecom", "China Unicom", "China Mobile")
_SAID = {
    "agent": "'agent-{v}'", "customer": "'{customer}'", "domain": "lpad(d::VARCHAR, 3, '0') || '.shop.example'",
    "path": "'/object'", "scheme": "'https'", "protocol": "'h1'", "vantage_point": "'vp-{v}'",
    "region": "'CN-{region}'", "carrier": "'{carrier}'", "ip_version": "4::UTINYINT",
    "address": "CASE WHEN a > 0 THEN '192.0.2.' || a END", "grain": "({first} + g)::UINTEGER",
    "due": "(a = 0)::BIGINT", "measured": "(a = 0)::BIGINT", "n": "(a > 0 AND NOT dim)::BIGINT",
    "errors_cdn": "(a > 0 AND bad)::BIGINT", "unknown": "(a > 0 AND dim)::BIGINT",
    "ttfb_counts": "NULL::UINTEGER[]", "first_bad_us": "NULL::BIGINT", "last_bad_us": "NULL::BIGINT",
}  # fmt: skip
_ROWS = """
SELECT {said} FROM (SELECT *, ({outage} AND a = 3 AND g < 12) OR chance % 20000 = 0 AS bad,
  NOT ({outage} AND a = 3 AND g < 12) AND chance % 10000 = 1 AS dim
FROM (SELECT d, a, g, hash(d, a, g, {v}, {day}) AS chance FROM range({domains}) AS x(d), range({nodes} + 1) AS y(a),
  range({a_day}) AS z(g)) AS drawn) AS told ORDER BY d, a, g
"""


def make(into: Path, domains: int, days: int) -> None:
    """The trees."""
    keys = {}
    ends: dict[int, Position] = {}
    places = [into / f"agent-{v}" for v in range(VANTAGE_POINTS)]
    for v, place in enumerate(places):
        place.mkdir(parents=True)
        keys[v] = Keys.open(place)
    with loaded().connect(config={"memory_limit": "1GB", "threads": "1"}) as database:
        database.execute("SET enable_progress_bar = false")
        for day in range(days):
            for v, place in enumerate(places):
                ends[v] = _sealed(database, place, keys[v], v, day, domains, ends.get(v))
            print(f"\rday {day + 1} of {days}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)


def _sealed(
    database: Any, place: Path, keys: Keys, v: int, day: int, domains: int, before: Position | None
) -> Position:
    """One day of one agent: a segment, whose lines nobody has."""
    agent, slots = f"agent-{v}", domains * A_DAY
    first, last = day * slots + 1, (day + 1) * slots
    begin_us = FROM_US + day * DAY_US
    directory = place / CUSTOMER / utc_text_us(begin_us)[:10]
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / f"{stem(agent, first, last)}.grains.parquet"
    words = {
        "customer": CUSTOMER, "v": v, "region": v // 4, "carrier": CARRIERS[v % 3], "domains": domains, "nodes": NODES,
        "a_day": A_DAY, "day": day, "first": begin_us // GRAIN_US, "outage": "TRUE" if day % 9 == 8 else "FALSE",
    }  # fmt: skip
    if day < DRAWN:
        said = ", ".join(
            f"{_SAID.get(name, '0::BIGINT').format(**words)} AS {name}" for name in GRAINS.columns
        )
        rows = _ROWS.format(said=said, **words)
    else:
        like = FROM_US + day % DRAWN * DAY_US
        had = (
            place
            / CUSTOMER
            / utc_text_us(like)[:10]
            / f"{stem(agent, day % DRAWN * slots + 1, (day % DRAWN + 1) * slots)}"
        )
        rows = (
            f"SELECT * REPLACE ((grain + {(begin_us - like) // GRAIN_US})::UINTEGER AS grain)"  # noqa: S608
            f" FROM '{had}.grains.parquet'"
        )
    database.execute(f"COPY ({rows}) TO '{file}' (FORMAT parquet, COMPRESSION zstd)")
    data = file.read_bytes()
    sealed = SealedFile(
        name=file.name, bytes=len(data), sha256=hashlib.sha256(data).hexdigest(), rows=slots * (NODES + 1)
    )
    until, clock = utc_text_us(begin_us + 2 * DAY_US), ClockState(synchronised=True, max_error_us=1_000)
    digest = hashlib.sha256(f"{agent} {day}".encode()).hexdigest()
    head = Head(agent=agent, customer=CUSTOMER, seq=last, digest=digest, complete_up_to=until)
    manifest = keys.sign_manifest(
        Manifest(
            version=VERSION, agent=agent, customer=CUSTOMER, first_seq=first, last_seq=last, count=slots,
            first_previous="0" * 64 if before is None else before.digest, head=keys.sign_head(head, until, clock),
            complete_up_to=until, scheduled_first=utc_text_us(begin_us),
            scheduled_last=utc_text_us(begin_us + DAY_US - GRAIN_US),
            files=(sealed,),
            gaps=(), previous_manifest=None if before is None else before.manifest, config_digest=None,
            sealed_at=until, clock_synchronised=True, clock_max_error_us=1_000, key=keys.id,
        )
    )  # fmt: skip
    written = json.dumps(manifest.to_json(), indent=1).encode() + b"\n"
    (directory / (manifest.stem + ENDING)).write_bytes(written)
    write_head(place, place, manifest.head)
    return position_after(manifest, written)


@click.command()
@click.option("--domains", default=100, show_default=True, help="Each from 12 vantage points of 3 nodes.")
@click.option("--days", default=365, show_default=True, help="Of 288 grains.")
@click.option(
    "--keep", type=click.Path(path_type=Path), default=None, help="The trees; made there unless they are."
)
@click.option("--profile", is_flag=True, help="Say where the time goes, in this process.")
def main(domains: int, days: int, keep: Path | None, profile: bool) -> None:
    """Report on a year of sums, and print what it took."""
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary) if keep is None else keep
        trees = place / "trees"
        if not trees.exists():  # by a process of its own, whose memory ends with it
            making = get_context("spawn").Process(target=make, args=(trees, domains, days))
            making.start()
            making.join()
        names = [f"{domain:03}.shop.example" for domain in range(domains)]
        arguments = typed(place, names, sorted(trees.iterdir()))
        if profile:
            _profiled(arguments)
            return
        found = timed(place, arguments)
        tell(f"{domains * days * A_DAY * VANTAGE_POINTS * NODES:,} grains of nodes", found, trees)


def _profiled(arguments: list[str]) -> None:
    """The same command in this process."""
    from probe.__main__ import main as command

    profiler = cProfile.Profile(time.process_time)
    sys.argv = ["cdn-probe", *arguments, "--output", os.devnull]
    profiler.enable()
    try:
        command()
    except SystemExit:
        pass
    finally:
        profiler.disable()
        pstats.Stats(profiler).sort_stats("tottime").print_stats(45)


if __name__ == "__main__":
    main()
