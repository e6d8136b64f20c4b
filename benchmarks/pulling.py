"""Rule: what is pulled is counted whole: a rate is told only where every row came, in order, and was verified.

A store of many results, served by its own process and pulled by the real client and by a bare one.
`python -m benchmarks.pulling [--rows 1000000]`: write rate, size and memory, pages at the beginning, in the middle and
at the end, the rate of a whole pull, and the processor time of either side: on a machine with other work the times on
the clock are those of the other work. `--store DIR` keeps the store there, and takes one that is there.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from rich.console import Console

from benchmarks import samples
from benchmarks.agents import resident_mb
from benchmarks.report import rates_table
from benchmarks.working import processor_us
from probe.core.model.times import utc_text
from probe.core.model.value import replace
from probe.core.text.tokens import hash_token, make_token
from probe.host.clock import SystemClock
from probe.pull import Copy
from probe.store.base.schema import catalogue_file
from probe.store.store import Store

AGENT, CUSTOMER = "bench", "acme"
START_S = 1_790_000_000
BATCH, AT_ONCE = 200, 10
PAGE = 1_000
PAGES = 15


async def fill(directory: Path, rows: int) -> dict[str, float]:
    """Rows as an agent makes them, each a second after the other; how fast, how large, how much memory it took."""
    task = replace(samples.make_task(), customer=CUSTOMER)
    row = samples.row(task, samples.well(task))
    row = replace(row, host=replace(row.host, agent=AGENT))
    store = Store.open(directory, AGENT, SystemClock())
    began, peaks = time.monotonic(), [resident_mb()]
    try:
        for start in range(0, rows, BATCH * AT_ONCE):
            batches = [
                [
                    replace(row, scheduled_at=utc_text(START_S + second))
                    for second in range(first, first + BATCH)
                ]
                for first in range(start, min(rows, start + BATCH * AT_ONCE), BATCH)
            ]
            await asyncio.gather(*[store.append(batch, batch[-1].scheduled_at) for batch in batches])
            if start % 100_000 == 0:
                peaks.append(resident_mb())
    finally:
        await store.close()
    size = _bytes_of(directory, "*.db")
    return {
        "rows_per_s": rows / (time.monotonic() - began),
        "bytes_per_million": size / rows * 1_000_000,
        "resident_mb_first": peaks[1],
        "resident_mb_last": peaks[-1],
    }


@asynccontextmanager
async def served(place: Path) -> AsyncIterator[tuple[str, str, int]]:
    """The API over `place`/results: its URL, a token, its process id."""
    token = make_token(os.urandom(32))
    (place / "customers").mkdir(exist_ok=True)
    file = place / "agent.yaml"
    file.write_text(
        json.dumps(
            {
                "agent": AGENT,
                "results": "results",
                "customers": "customers/",
                "vantage_points": [{"name": "here"}],
                "api": {
                    "listen": "127.0.0.1:0",
                    "requests_per_minute": 1_000_000,
                    "tokens": [{"name": "bench", "hash": hash_token(token), "customers": ["*"]}],
                },
            }
        )
    )
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "probe",
        "serve",
        "-c",
        str(file),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert child.stdout is not None
        async with asyncio.timeout(30):
            address = (await child.stdout.readline()).decode().strip()
        yield f"http://{address}", token, child.pid
    finally:
        child.terminate()
        await child.wait()


async def pages(url: str, token: str, pid: int, coding: str, after: int) -> tuple[float, float]:
    """Seconds a page of PAGE rows, the median of some, beginning behind `after`; processor seconds of the server."""
    taken, before_us = [], processor_us(pid)
    headers = {"Authorization": f"Bearer {token}", "Accept-Encoding": coding}
    async with aiohttp.ClientSession(auto_decompress=False, headers=headers) as session:
        for number in range(PAGES):
            began = time.monotonic()
            query = {"customer": CUSTOMER, "after": str(after + number * PAGE), "limit": str(PAGE)}
            async with session.get(f"{url}/v1/results", params=query) as reply:
                assert reply.status == 200, await reply.text()
                await reply.read()
            taken.append(time.monotonic() - began)
    return statistics.median(taken), (processor_us(pid) - before_us) / PAGES / 1e6


async def bare_pull(url: str, token: str, coding: str, rows: int) -> float:
    """Rows a second of everything, nothing done with it but counting bytes."""
    headers = {"Authorization": f"Bearer {token}", "Accept-Encoding": coding}
    began, limit = time.monotonic(), 10_000
    async with aiohttp.ClientSession(auto_decompress=False, headers=headers) as session:
        for after in range(0, rows, limit):
            query = {"customer": CUSTOMER, "after": str(after), "limit": str(limit)}
            async with session.get(f"{url}/v1/results", params=query) as reply:
                assert reply.status == 200, await reply.text()
                await reply.read()
    return rows / (time.monotonic() - began)


async def client_pull(url: str, token: str, server: int, into: Path, rows: int) -> dict[str, float]:
    """The real client: every line verified and on the disk. Rows a second; processor time and memory of either side.

    `rows_per_s_of_processor`: what two idle cores would do, one for each side.
    """
    began, server_us, own_us = time.monotonic(), processor_us(server), _children_us()
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "probe", "pull", "--from", url, "--into", str(into)),
        env={**os.environ, "CDN_PROBE_TOKEN": token},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert await child.wait() == 0, "the pull failed"
    seconds = time.monotonic() - began
    server_us, own_us = processor_us(server) - server_us, _children_us() - own_us
    lines = _lines_in(into)
    assert lines == rows, f"{lines} of {rows} rows came"
    return {
        "rows_per_s": rows / seconds,
        "rows_per_s_of_processor": rows / max(server_us, own_us) * 1e6,
        "puller_processor_us_a_row": own_us / rows,
        "server_processor_us_a_row": server_us / rows,
        "bytes_a_row_in_copy": _bytes_of(into) / rows,
        "puller_resident_mb_at_most": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e6,
    }


async def run(rows: int, directory: Path) -> dict[str, Any]:
    """All of it; names say the units. A store that is in `directory` is taken as it is."""
    found: dict[str, Any] = {"rows": rows}
    if not catalogue_file(directory / "results").exists():
        found["write"] = await fill(directory / "results", rows)
    async with served(directory) as (url, token, pid):
        last = max(0, rows - PAGES * PAGE)
        places = {"beginning": 0, "middle": last // 2, "end": last}
        await pages(url, token, pid, "zstd", 0)  # what the first requests load is not a page's
        taken = {name: await pages(url, token, pid, "zstd", after) for name, after in places.items()}
        found["page_of_1000_ms"] = {name: 1000 * clock for name, (clock, _) in taken.items()}
        found["page_of_1000_processor_ms"] = {name: 1000 * spent for name, (_, spent) in taken.items()}
        found["client"] = await client_pull(url, token, pid, directory / "copy", rows)
        found["bare_rows_per_s"] = {
            coding: await bare_pull(url, token, coding, rows) for coding in ("identity", "zstd")
        }
        found["server_resident_mb"] = resident_mb(pid)
    return found


def _children_us() -> float:
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (spent.ru_utime + spent.ru_stime) * 1e6


def _bytes_of(directory: Path, names: str = "*") -> int:
    return sum(path.stat().st_size for path in directory.rglob(names) if path.is_file())


def _lines_in(copy: Path) -> int:
    return sum(1 for stream in Copy(copy).streams() for _ in Copy(copy).lines(stream.agent, stream.customer))


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--store", type=Path, help="a directory to keep the store in, or that has one")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cdn-probe-pulling-") as directory:
        place = Path(directory)
        if options.store is not None:
            options.store.mkdir(parents=True, exist_ok=True)
            place.joinpath("results").symlink_to(options.store.absolute())
        found = asyncio.run(run(options.rows, place))
    if options.json:
        sys.stdout.write(json.dumps(found, indent=1) + "\n")
    else:
        Console(width=100).print(rates_table(found))


if __name__ == "__main__":
    main()
