"""Rule: one fetch beside one fetch: same object, same server, same trust, a new connection for each."""

from __future__ import annotations

import hashlib
import time

from benchmarks.bare import PEER, bare_fetch
from benchmarks.measure import Effort, Result, Work, WrongResultError, compare
from benchmarks.peer_process import Ports
from benchmarks.server import EDGE, NAME, body_of
from probe.core.model.task import Deadlines, Limits, Request, TlsPolicy, VantagePoint
from probe.core.records.observation import Role
from probe.fetch.fetcher import FetchTarget, HttpFetcher
from probe.host.clock import SystemClock
from probe.settings.secrets import reveal

SMALL, LARGE = 10_000, 1_000_000
OPERATIONS = {SMALL: 60, LARGE: 25}
LABELS = {SMALL: "10 kB", LARGE: "1 MB"}


async def run(ports: Ports, effort: Effort) -> list[Result]:
    """CPU of a fetch, both sizes over HTTP and HTTPS."""
    results = []
    for scheme in ("http", "https"):
        for size, operations in OPERATIONS.items():
            async with bare_fetch(ports, scheme, size) as peer:
                results.append(
                    await compare(
                        f"fetch {LABELS[size]} over {scheme.upper()}",
                        ours=_our_fetch(ports, scheme, size),
                        peer=peer,
                        peer_name=PEER,
                        operations=effort.operations(operations),
                        rounds=effort.rounds,
                    )
                )
    return results


def _our_fetch(ports: Ports, scheme: str, size: int) -> Work:
    expected = hashlib.sha256(body_of(size)).hexdigest()
    fetcher = HttpFetcher(SystemClock(), reveal, ("127.0.0.0/8",))
    request = Request(scheme=scheme, host=NAME, port=ports.of(scheme), path=f"/{size}")
    tls = TlsPolicy(ca=str(ports.ca))

    async def work(operations: int) -> None:
        for _ in range(operations):
            target = FetchTarget(
                role=Role.EDGE,
                address=EDGE,
                request=request,
                tls=tls,
                deadlines=Deadlines(),
                limits=Limits(),
                vantage=VantagePoint(name="here"),
                slot_start_ns=time.monotonic_ns(),
            )
            seen = await fetcher.fetch(target)
            if seen.failure is not None or seen.response is None or seen.response.digest != expected:
                raise WrongResultError(
                    f"our fetch of {request.url}: {seen.failure or 'not the object served'}"
                )

    return work
