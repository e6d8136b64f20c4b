"""Rule: two versions store the same rows in turns, in one run: what slows the machine slows both.

`python -m benchmarks.earlier_rows [COMMIT] [--edges 1 3 8] [--rounds 7]`: processor time of storing a row, in batches
of 100, with the writer's thread and all that it does beside (digest, sums), of this tree beside that of an earlier
commit (default: before lines were packed). The rows are those of `benchmarks/lines.ndjson.zst` with new times and ids,
one in twenty not well. Both have stored 1,500 before, so that each packs by what it has learned. Medians; the ratio is
formed in each round.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from contextlib import AbstractContextManager
from pathlib import Path

import msgspec

from benchmarks.base_dictionary import lines as kept_lines
from benchmarks.earlier import BEFORE_PACKED, ROOT, Side, compared, started
from benchmarks.row_bytes import EDGES, FAILS_ONE_IN, Anew
from probe.core.model.times import utc_text_us
from probe.core.model.value import replace
from probe.core.records.codec import encode
from probe.core.records.observation import Role
from probe.core.records.verdict import Outcome
from probe.core.scheduling.grid import to_us
from tests.support.history import taken

BATCH, BEFORE = 100, 1_500
_STORES = """
import asyncio, gc, sys, time
from pathlib import Path
from probe.core.records.codec import decode
from probe.host.clock import SystemClock
from probe.store.store import Store

async def main():
    lines, directory, batch, before = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    rows = [decode(line) for line in Path(lines).read_bytes().splitlines()]
    batches = iter([rows[start:start + batch] for start in range(0, len(rows), batch)])
    store = Store.open(Path(directory), "bench", SystemClock())
    try:
        for _ in range(before // batch):
            await store.append(next(batches))
        print("ready", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            gc.collect()
            began = time.process_time_ns()
            for _ in range(int(line) // batch):
                await store.append(next(batches))
            print(time.process_time_ns() - began, flush=True)
    finally:
        await store.close()

asyncio.run(main())
"""


class _Edge(msgspec.Struct):
    role: str


class _Slot(msgspec.Struct):
    scheduled_at: str
    outcome: str | None
    observations: list[_Edge]


def rows_with(edges: int, number: int) -> list[bytes]:
    """So many lines of slots with so many edges, one in twenty not well."""
    well: list[bytes] = []
    other: list[bytes] = []
    for line in kept_lines():
        slot = msgspec.json.decode(line, type=_Slot)
        if sum(seen.role == Role.EDGE.value for seen in slot.observations) == edges:
            (well if slot.outcome == Outcome.OK.value else other).append(line)
    turns = FAILS_ONE_IN - 1
    mixed = [
        line
        for turn in range(len(other) * turns)
        for line in [*(well[(turn * turns + n) % len(well)] for n in range(turns)), other[turn % len(other)]]
    ]
    first_us = to_us(msgspec.json.decode(mixed[0], type=_Slot).scheduled_at)
    return [  # each due time once, as an agent's
        encode(replace(row, scheduled_at=utc_text_us(first_us + made * 1_000_000)))
        for made, row in enumerate(Anew(mixed).rows(number))
    ]


def storing(version: Path, lines: Path, directory: Path) -> AbstractContextManager[Side]:
    """A version that stores rows."""
    return started(version, _STORES, str(lines), str(directory), str(BATCH), str(BEFORE))


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.earlier_rows", description=__doc__)
    parser.add_argument("commit", nargs="?", default=BEFORE_PACKED, help="Default: before lines were packed.")
    parser.add_argument("--edges", type=int, nargs="*", default=EDGES)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--rows", type=int, default=1_000, help="A round.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cdn-probe-earlier-rows-") as name:
        place = Path(name)
        version = taken(options.commit, place / "version", "probe")
        number = BEFORE + options.rounds * options.rows  # each due time once
        for edges in options.edges:
            lines = place / f"{edges}.ndjson"
            lines.write_bytes(b"".join(line + b"\n" for line in rows_with(edges, number)))
            with (
                storing(ROOT, lines, place / f"{edges}-now") as now,
                storing(version, lines, place / f"{edges}-then") as then,
            ):
                found = compared(now, then, options.rows // BATCH * BATCH, options.rounds)
            sys.stdout.write(json.dumps({"edges": edges, **found}) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
