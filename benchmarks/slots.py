"""Rule: a whole slot is resolved, fetched, compared with the origin, judged and on the disk, or it is no slot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.bare import PEER, bare_fetch
from benchmarks.fetching import LABELS, SMALL
from benchmarks.measure import Effort, Result, Work, WrongResultError, compare
from benchmarks.peer_process import Ports
from benchmarks.samples import make_task
from benchmarks.server import NAME, ORIGIN
from probe.checks import CHECKS
from probe.core.model.task import OriginSpec, Request, ResolverSpec, Task, TlsPolicy, VantagePoint
from probe.core.model.value import replace
from probe.core.records.rows import SlotRecord
from probe.core.records.verdict import Outcome
from probe.fetch.fetcher import HttpFetcher
from probe.host.clock import SystemClock, rfc3339
from probe.host.loop_lag import LoopLag
from probe.measure.oneshot import host_probe
from probe.measure.pipeline import Pipeline
from probe.resolver.resolver import Resolver
from probe.settings.secrets import reveal
from probe.store.store import Store

OPERATIONS = 50
LOOPBACK = ("127.0.0.0/8",)


async def run(ports: Ports, directory: Path, effort: Effort) -> list[Result]:
    """CPU of a slot, writer thread included, beside that of the bare fetch of the same object."""
    results = []
    for scheme in ("http", "https"):
        async with (
            bare_fetch(ports, scheme, SMALL) as peer,
            our_slots(ports, scheme, SMALL, directory / scheme) as ours,
        ):
            results.append(
                await compare(
                    f"slot, {LABELS[SMALL]} over {scheme.upper()}",
                    ours=ours,
                    peer=peer,
                    peer_name=PEER,
                    operations=effort.operations(OPERATIONS),
                    rounds=effort.rounds,
                )
            )
    return results


def _task(ports: Ports, scheme: str, size: int, protocol: str) -> Task:
    request = Request(scheme=scheme, host=NAME, port=ports.of(scheme), path=f"/{size}")
    tls = TlsPolicy(ca=str(ports.ca))
    resolver = ResolverSpec(transport="udp", address=ORIGIN, port=ports.dns)
    return make_task(
        request=replace(request, port=ports.of(scheme, protocol), protocol=protocol),
        tls=tls,
        vantage_point=VantagePoint(name="bench", resolvers=(resolver,)),
        # Asked once at the first slot, then kept: the slots timed are those between two revalidations.
        origin=OriginSpec(address=ORIGIN, request=request, tls=tls, interval_us=3_600_000_000),
    )


@asynccontextmanager
async def our_slots(
    ports: Ports, scheme: str, size: int, directory: Path, in_flight: int = 1, protocol: str = "h1"
) -> AsyncIterator[Work]:
    """`in_flight`: how many slots are measured at the same time, as an agent under load does.

    `protocol`: the HTTP version that the edge is asked over.
    """
    clock = SystemClock()
    lag = LoopLag(clock)
    fetcher = HttpFetcher(clock, reveal, LOOPBACK)
    store = Store.open(directory, "bench", clock)
    pipeline = Pipeline(
        kinds=CHECKS,
        resolver=Resolver(clock, LOOPBACK),
        fetcher=fetcher,
        clock=clock,
        host=host_probe("bench", "", lag),
        keep=store.put_origin_version,
    )
    task = _task(ports, scheme, size, protocol)

    async def keep(row: SlotRecord) -> None:
        (stored,) = await store.append([row])
        _demand_whole(stored)

    async def slots(left: Iterator[int], storing: list[asyncio.Task[None]]) -> None:
        for _ in left:
            row = await pipeline.measure(task, rfc3339(clock.time_ns()))
            storing.append(
                asyncio.create_task(keep(row))
            )  # as an agent: the next slot does not wait for the disk

    async def work(operations: int) -> None:
        left = iter(range(operations))
        storing: list[asyncio.Task[None]] = []
        await asyncio.gather(*(slots(left, storing) for _ in range(in_flight)))
        await asyncio.gather(*storing)  # every row is on the disk

    await lag.start()
    try:
        yield work
    finally:
        await fetcher.close()
        await lag.stop()
        await store.close()


def _demand_whole(row: object) -> None:
    """A slot that was confirmed, failed or left unstored did other work than the one to be timed."""
    assert isinstance(row, SlotRecord)
    compared = [o.comparison for o in row.observations if o.comparison is not None]
    if row.outcome is not Outcome.OK or row.seq is None or len(compared) != 1:
        raise WrongResultError(f"a slot came out {row.outcome}: {row.summary}")
