"""`python -m tests.healthy.http3_cost [--rounds N]`: processor time of a slot over HTTP/3, beside HTTP/1.1 over TLS.

Both from one Caddy, on fresh connections, 10 kB and 1 MB, the median of the rounds. Exit 1 where HTTP/3 takes more than
twice as much at 10 kB, or four times as much at 1 MB. Other load on the machine makes both larger.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import click

from probe.checks import CHECKS
from probe.core.model.value import replace
from probe.fetch.fetcher import HttpFetcher
from probe.host.clock import SystemClock, rfc3339
from probe.measure.pipeline import HostProbe, Pipeline
from probe.net.event_loop import run
from tests.healthy.http3 import EDGES, Names, task_of
from tests.support.http_server import Pki
from tests.system.caddy import caddy

MOST = {"/small": 2.0, "/large": 4.0}
_SLOTS = {"/small": 200, "/large": 40}
_PROTOCOLS = ("h1", "h3")


async def _measured(ca: str, port: int, rounds: int) -> dict[tuple[str, str], list[float]]:
    clock = SystemClock()
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
            worst_lag_us=lambda since, until: 0,
            clock_state=lambda: (True, 10),
        ),
    )
    found: dict[tuple[str, str], list[float]] = {}
    for round_number in range(rounds + 1):  # the first one warms up
        for path, slots in _SLOTS.items():
            for protocol in _PROTOCOLS:
                asked = task_of(ca, port, path)
                name = protocol + path
                request = replace(asked.request, protocol=protocol)
                asked = replace(asked, request=request, id=name, definition=name)
                begun_s = time.process_time()
                for _ in range(slots):
                    row = await pipeline.measure(asked, rfc3339(clock.time_ns()))
                    assert row.outcome == "ok", row.summary
                if round_number:
                    ms = (time.process_time() - begun_s) / slots * 1000
                    found.setdefault((path, protocol), []).append(ms)
    await fetcher.close()
    return found


def cost(rounds: int) -> dict[tuple[str, str], float]:
    """Milliseconds by path and protocol."""
    with tempfile.TemporaryDirectory(prefix="cdn-probe-http3-") as name:
        directory = Path(name)
        pki = Pki(directory)
        with caddy(directory, pki, EDGES) as server:
            (server.root / "small").write_bytes(os.urandom(10_000))
            (server.root / "large").write_bytes(os.urandom(1 << 20))
            return {
                key: median(values) for key, values in run(_measured(pki.ca, server.port, rounds)).items()
            }


@click.command()
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True)
def main(rounds: int) -> None:
    """Measure both."""
    found, bad = cost(rounds), False
    for path, most in MOST.items():
        h1, h3 = found[path, "h1"], found[path, "h3"]
        bad = bad or h3 > most * h1
        click.echo(
            f"{path:<7} h1 over TLS {h1:6.2f} ms   h3 {h3:6.2f} ms   {h3 / h1:4.2f} times, at most {most:.0f}"
        )
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
