"""`python -m tests.healthy.http3_times [--fetches N]`: are the first and the last byte over HTTP/3 dated as they came?

A server of its own process notes when it gave each datagram to its kernel; the client is busy with other things for
0, 30 and 60 % of its loop's time. Told is by how much our instants are later than the server's: the way over loopback,
and what we add. Rows that say themselves that they are uncertain (`timing.uncertainty`) stand apart. Exit 1 where the
99th percentile of the others is over 1 ms.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import click

from probe.core.model.value import replace
from probe.net.event_loop import run
from tests.support.http_server import Pki, make_fetcher, make_target
from tests.support.quic_server import Ask, How, serve_quic

LOADS = (0.0, 0.3, 0.6)
MOST_US = 1_000
_BURST_S = 0.003
_BODY = bytes(5_000)
_DATA_BYTES = 200


def _serve(pipe: Connection, directory: str) -> None:
    asyncio.run(_serving(pipe, Path(directory)))


async def _serving(pipe: Connection, directory: Path) -> None:
    pki = Pki(directory)
    told: dict[str, list[int]] = {"": []}
    present, left = [""], [0]

    def noted(data: bytes) -> list[bytes]:
        if left[0] > 0 and len(data) >= _DATA_BYTES:  # of the reply; what only acknowledges is shorter
            told[present[0]].append(time.monotonic_ns())
            left[0] -= len(data)
        return [data]

    def answer(ask: Ask) -> None:
        path = dict(ask.section)[b":path"].decode()
        delay_s = int(path.rpartition("/")[2]) % 20 / 1000

        def reply() -> None:
            present[0], left[0], told[path] = path, len(_BODY), []
            ask.fields((b"content-length", b"%d" % len(_BODY)))
            ask.data(_BODY)
            ask.send()

        asyncio.get_running_loop().call_later(delay_s, reply)

    async with serve_quic(pki, directory, How(answer, sent=noted)) as server:
        pipe.send((server.port, pki.ca))
        await asyncio.to_thread(pipe.recv)
        pipe.send(told)


async def _busy(share: float) -> None:
    while share:
        until = time.perf_counter() + _BURST_S
        while time.perf_counter() < until:
            pass
        await asyncio.sleep(_BURST_S * (1 - share) / share)


async def _fetched(port: int, ca: str, fetches: int) -> dict[float, list[tuple[str, int, int, bool]]]:
    made: dict[float, list[tuple[str, int, int, bool]]] = {}
    fetcher, number = make_fetcher(), 0
    for load in LOADS:
        busy = asyncio.create_task(_busy(load))
        made[load] = []
        for _ in range(fetches):
            number += 1
            target = make_target(port, scheme="https", protocol="h3", path=f"/{number}", address="127.0.0.1")
            target = replace(target, tls=replace(target.tls, ca=ca))
            seen = await fetcher.fetch(target)
            timing = seen.timing
            if seen.failure is not None or timing.response_start_us is None or timing.response_end_us is None:
                click.echo(f"failed: {seen.failure}")
                continue
            first_ns = target.slot_start_ns + timing.response_start_us * 1000
            last_ns = target.slot_start_ns + timing.response_end_us * 1000
            made[load].append((f"/{number}", first_ns, last_ns, timing.uncertainty is not None))
        busy.cancel()
    await fetcher.close()
    return made


def errors(fetches: int) -> dict[float, dict[str, Any]]:
    """By load: the errors of first and last byte in microseconds, of rows that are certain; how many are not."""
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="cdn-probe-times-") as directory:
        ours, theirs = context.Pipe()
        server = context.Process(target=_serve, args=(theirs, directory), daemon=True)
        server.start()
        try:
            port, ca = ours.recv()
            made = run(_fetched(port, ca, fetches))
            ours.send(None)
            told = ours.recv()
        finally:
            server.terminate()
            server.join(10)
    found: dict[float, dict[str, Any]] = {}
    for load, rows in made.items():
        certain = [
            (first, last, told[path]) for path, first, last, unsure in rows if not unsure and path in told
        ]
        found[load] = {
            "first": sorted((first - sent[0]) // 1000 for first, _, sent in certain),
            "last": sorted((last - sent[-1]) // 1000 for _, last, sent in certain),
            "uncertain": len(rows) - len(certain),
            "rows": len(rows),
        }
    return found


def percentile(values: list[int], share: float) -> int:
    """Of sorted values."""
    return values[min(len(values) - 1, int(len(values) * share))]


@click.command()
@click.option(
    "--fetches", type=click.IntRange(min=10), default=1_000, show_default=True, help="At each load."
)
def main(fetches: int) -> None:
    """Hold our instants against the server's."""
    bad = False
    for load, found in errors(fetches).items():
        for which in ("first", "last"):
            values = found[which]
            p50, p99 = percentile(values, 0.5), percentile(values, 0.99)
            bad = bad or p99 > MOST_US
            click.echo(
                f"load {load:>4.0%}  {which:<5}  p50 {p50:>5} us  p99 {p99:>5} us  max {values[-1]:>6} us"
                f"  of {len(values)}; {found['uncertain']} of {found['rows']} say that they are unsure"
            )
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
