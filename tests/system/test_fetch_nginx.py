"""Thousands of healthy fetches from an nginx that closes after each response: nobody may be accused."""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from probe.core.model.task import Deadlines, Limits, Request, TlsPolicy, VantagePoint
from probe.core.records.observation import Observation, Role
from probe.fetch.fetcher import FetchTarget, HttpFetcher
from probe.host.clock import SystemClock
from tests.system.conftest import DOMAIN, EDGES, OBJECTS, SmallCdn

pytestmark = pytest.mark.system

EACH = 1_000
AT_ONCE = 8


def _target(cdn: SmallCdn, name: str, slot_start_ns: int) -> FetchTarget:
    return FetchTarget(
        role=Role.EDGE,
        address=EDGES[0],
        request=Request(scheme="https", host=DOMAIN, port=cdn.edges.tls_port, path=f"/{name}"),
        tls=TlsPolicy(ca=str(cdn.ca_file)),
        deadlines=Deadlines(total_us=60_000_000),
        limits=Limits(),
        vantage=VantagePoint(name="here"),
        slot_start_ns=slot_start_ns,
    )


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_two_thousand_healthy_fetches_have_no_failure(small_cdn: SmallCdn) -> None:
    clock = SystemClock()
    fetcher = HttpFetcher(clock, str, ("127.0.0.0/8",))
    before = len(small_cdn.edges.requests())
    names = ["1m.bin", "5m.bin"] * EACH
    admitted = asyncio.Semaphore(AT_ONCE)

    async def one(name: str) -> Observation:
        async with admitted:
            return await fetcher.fetch(_target(small_cdn, name, clock.monotonic_ns()))

    found = await asyncio.gather(*(one(name) for name in names))
    await fetcher.close()
    failures = [o.failure for o in found if o.failure is not None]
    assert failures == []
    wanted = {name: hashlib.sha256(OBJECTS[name]).hexdigest() for name in set(names)}
    for name, observation in zip(names, found, strict=True):
        assert observation.response is not None
        assert (observation.response.status_code, observation.response.content_digest) == (200, wanted[name])
        assert observation.response.encoded_body_bytes == len(OBJECTS[name])
    assert len(small_cdn.edges.requests()) - before == len(found) == 2 * EACH
