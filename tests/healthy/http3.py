"""`python -m tests.healthy.http3 [--fetches N]`: healthy slots over HTTP/3 in bulk. Exit 0: nobody was accused; 1: not.

From Caddy, which no one here wrote, over loopback: 10 kB mostly, each hundredth 1 MB, two nodes, `--at-once` slots at a
time in each of `--processes`. What is not well is the agent's own (a stalled loop, a late socket), and rare.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import click

from probe.checks import CHECKS
from probe.core.model.task import AnchorSpec, Deadlines, EdgePolicy, Request, Task, VantagePoint
from probe.core.records.dns import Resolution
from probe.core.records.observation import Role
from probe.fetch.fetcher import HttpFetcher
from probe.host.clock import SystemClock, rfc3339
from probe.host.loop_lag import LoopLag
from probe.measure.pipeline import HostProbe, Pipeline
from probe.net.event_loop import run
from tests.support import build
from tests.support.http_server import HOST, Pki
from tests.system.caddy import caddy

EDGES = ("127.0.0.11", "127.0.0.12")
LARGE_EVERY = 100
ACCUSED = {"cdn", "origin", "customer", "path"}
Tally = Counter[tuple[str | None, str | None, str | None]]


class Names:
    """A resolver that gives one of the nodes in turn."""

    def __init__(self) -> None:
        self._turn = 0

    async def resolve(self, qname: str, *_: object, **__: object) -> Resolution:
        self._turn += 1
        return build.resolution(EDGES[self._turn % len(EDGES)])

    async def diagnose(self, resolution: Resolution, *_: object, **__: object) -> Resolution:
        return resolution

    async def ask_https_records(self, resolution: Resolution, *_: object, **__: object) -> Resolution:
        return resolution


def task_of(pki_ca: str, port: int, path: str) -> Task:
    return build.task(
        request=Request(scheme="https", host=HOST, port=port, path=path, protocol="h3"),
        tls=build.task().tls.__class__(ca=pki_ca),
        domain=HOST,
        vantage_point=VantagePoint(
            name="bj-ct", anchors=(AnchorSpec(scheme="quic", host=EDGES[0], port=port, path="/small"),)
        ),
        deadlines=Deadlines(),
        edges=EdgePolicy(),
        checks=build.checks(availability={}),
        origin=None,
    )


async def _measured(ca: str, port: int, fetches: int, at_once: int) -> tuple[Tally, list[str]]:
    clock = SystemClock()
    lag = LoopLag(clock)
    await lag.start()
    fetcher = HttpFetcher(clock, str, ("127.0.0.0/8",))
    pipeline = Pipeline(
        kinds=CHECKS,
        resolver=Names(),  # type: ignore[arg-type]
        fetcher=fetcher,
        clock=clock,
        host=HostProbe(
            agent="a",
            agent_version="0",
            config_digest=lambda: "c",
            worst_lag_us=lag.worst_us,
            clock_state=lambda: (True, 10),
        ),
    )
    tasks = {path: task_of(ca, port, path) for path in ("/small", "/large")}
    tally: Tally = Counter()
    odd: list[str] = []
    gate = asyncio.Semaphore(at_once)

    async def one(number: int) -> None:
        async with gate:
            task = tasks["/large" if number % LARGE_EVERY == 0 else "/small"]
            row = await pipeline.measure(task, rfc3339(clock.time_ns()))
            tally[row.outcome, row.fault, row.reason] += 1
            if row.outcome != "ok":
                seen = [
                    (o.role, o.failure, o.quic_info) for o in row.observations if o.role is not Role.ANCHOR
                ]
                odd.append(f"{row.summary} {seen}")

    await asyncio.gather(*(one(number) for number in range(fetches)))
    await fetcher.close()
    await lag.stop()
    return tally, odd


def _worker(given: tuple[str, int, int, int]) -> tuple[Tally, list[str]]:
    return run(_measured(*given))


def bulk(directory: Path, fetches: int, processes: int, at_once: int) -> tuple[Tally, list[str]]:
    """All of them; what came of them, and what was not well."""
    pki = Pki(directory)
    with caddy(directory, pki, EDGES) as server:
        (server.root / "small").write_bytes(os.urandom(10_000))
        (server.root / "large").write_bytes(os.urandom(1 << 20))
        share = fetches // processes
        given = [(pki.ca, server.port, share, at_once)] * processes
        if processes == 1:
            made: list[Any] = [_worker(given[0])]
        else:
            with multiprocessing.get_context("spawn").Pool(processes) as pool:
                made = pool.map(_worker, given)
    tally: Tally = Counter()
    odd: list[str] = []
    for told, words in made:
        tally += told
        odd += words
    return tally, odd


@click.command()
@click.option("--fetches", type=click.IntRange(min=1), default=20_000, show_default=True)
@click.option("--processes", type=click.IntRange(min=1), default=os.cpu_count() or 1)
@click.option("--at-once", type=click.IntRange(min=1), default=4, show_default=True)
def main(fetches: int, processes: int, at_once: int) -> None:
    """Fetch over HTTP/3 from servers that are well: nobody may be accused."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="cdn-probe-http3-") as directory:
        tally, odd = bulk(Path(directory), fetches, processes, at_once)
    for (outcome, fault, reason), count in tally.most_common():
        click.echo(f"{count:>8}  {outcome} {fault or '-'} {reason or '-'}")
    for words in odd[:5]:
        click.echo(f"          {words[:600]}")
    accused = sum(count for (_, fault, _), count in tally.items() if fault in ACCUSED)
    click.echo(f"{sum(tally.values())} slots in {time.monotonic() - begun:.0f} s, {accused} accused somebody")
    sys.exit(1 if accused else 0)


if __name__ == "__main__":
    main()
