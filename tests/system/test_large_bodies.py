"""The end of a large body is not lost where the server closes at once, over TLS least of all.

A faster event loop once lost it in a sixth of such downloads: whoever changes what lies between the socket and the body
learns here whether bytes are invented to be missing.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator

import pytest

from benchmarks.programs import Servers, real_servers
from benchmarks.server import EDGE, NAME, body_of
from probe.core.model.task import Deadlines, Limits, Request, TlsPolicy, VantagePoint
from probe.core.records.observation import Role
from probe.fetch.fetcher import HttpFetcher
from probe.fetch.target import FetchTarget
from probe.host.clock import SystemClock
from probe.settings.secrets import reveal
from tests.system.programs import need

SIZE = 1024 * 1024
DIGEST = hashlib.sha256(body_of(SIZE)).hexdigest()
DOWNLOADS = 80


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """nginx that closes each connection right after its reply."""
    need("nginx", "nsd")
    with real_servers(tmp_path_factory.mktemp("large"), [SIZE], "keepalive_timeout 0;") as started:
        yield started


@pytest.mark.parametrize("in_flight", [1, 20])
@pytest.mark.parametrize("scheme", ["https", "http"])
async def test_every_download_is_whole(servers: Servers, scheme: str, in_flight: int) -> None:
    clock = SystemClock()
    fetcher = HttpFetcher(clock, reveal, ("127.0.0.0/8",))
    left, seen = iter(range(DOWNLOADS)), []

    async def download() -> None:
        for _ in left:
            target = FetchTarget(
                role=Role.EDGE,
                address=EDGE,
                request=Request(scheme=scheme, host=NAME, port=servers.ports.of(scheme), path=f"/{SIZE}"),
                tls=TlsPolicy(ca=str(servers.ports.ca)),
                deadlines=Deadlines(),
                limits=Limits(),
                vantage=VantagePoint(name="here"),
                slot_start_ns=clock.monotonic_ns(),
            )
            seen.append(await fetcher.fetch(target))

    await asyncio.gather(*(download() for _ in range(in_flight)))
    await fetcher.close()
    assert [observation.failure for observation in seen] == [None] * DOWNLOADS
    responses = [observation.response for observation in seen if observation.response is not None]
    assert {(r.digest, r.body_complete, r.flags) for r in responses} == {(DIGEST, True, ())}
