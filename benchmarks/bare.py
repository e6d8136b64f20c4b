"""Rule: the peer of our fetching is the least that a user of aiohttp would write: one GET and its SHA-256."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from benchmarks.measure import Work, WrongResultError
from benchmarks.peer_process import Ports
from benchmarks.server import EDGE, NAME, body_of
from probe.tls.client import system_client

PEER = "bare aiohttp GET, SHA-256"


@asynccontextmanager
async def bare_fetch(ports: Ports, scheme: str, size: int) -> AsyncIterator[Work]:
    """The work of fetching the object of `size` bytes from the edge, every time on a new connection."""
    expected = hashlib.sha256(body_of(size)).hexdigest()
    tls = system_client(
        str(ports.ca), verify=True, minimum="TLSv1.2"
    ).context  # verified as ours, with the same trust
    url = f"{scheme}://{EDGE}:{ports.of(scheme)}/{size}"
    connector = aiohttp.TCPConnector(force_close=True, ssl=tls)
    headers = {"Host": NAME, "Accept-Encoding": "identity"}
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def work(operations: int) -> None:
            for _ in range(operations):
                digest = hashlib.sha256()
                async with session.get(url, server_hostname=NAME if scheme == "https" else None) as response:
                    async for piece in response.content.iter_any():
                        digest.update(piece)
                if response.status != 200 or digest.hexdigest() != expected:
                    raise WrongResultError(f"bare fetch of {url}: {response.status}, not the object served")

        yield work
