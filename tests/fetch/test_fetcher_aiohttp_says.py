"""Whatever aiohttp itself may raise becomes a failure of the closed list, and never a status that nobody sent.

A fake is better than a server here: several of these exceptions cannot be provoked from the wire any more, since we
judge the wire before aiohttp does; an upgrade may bring them back.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator

import aiohttp
import pytest
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from probe.core.model.task import Deadlines, Limits, Request, TlsPolicy, VantagePoint
from probe.core.records.failure import FailureType, Phase
from probe.core.records.observation import Role
from probe.fetch.fetcher import AiohttpFetcher
from probe.fetch.http1 import WireProtocol
from probe.fetch.target import FetchTarget
from probe.host.clock import SystemClock

INFO = aiohttp.RequestInfo(
    URL("http://127.0.0.1/"), "GET", CIMultiDictProxy(CIMultiDict()), URL("http://127.0.0.1/")
)


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """A port that accepts and says nothing: the TCP handshake is real, aiohttp's reply is not."""
    held: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda reader, writer: held.append(writer), "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    for writer in held:
        writer.close()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize(
    ("raised", "phase", "kind"),
    [
        (
            aiohttp.ClientResponseError(INFO, (), status=400, message="bad http"),
            Phase.HTTP,
            FailureType.HTTP_PROTOCOL_VIOLATION,
        ),
        (aiohttp.ServerDisconnectedError(), Phase.HTTP, FailureType.TCP_CLOSED),
        (aiohttp.ClientOSError(errno.ECONNRESET, "reset"), Phase.HTTP, FailureType.TCP_RESET),
        (aiohttp.ServerTimeoutError(), Phase.HTTP, FailureType.HTTP_TIMED_OUT),
        (OSError(errno.EMFILE, "too many"), Phase.HOST, FailureType.AGENT_DESCRIPTORS_EXHAUSTED),
        (MemoryError(), Phase.HOST, FailureType.AGENT_MEMORY_EXHAUSTED),
        (ZeroDivisionError("ours"), Phase.HOST, FailureType.AGENT_INTERNAL_ERROR),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
async def test_what_aiohttp_raises(
    port: int, raised: Exception, phase: Phase, kind: FailureType, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def read(wire: WireProtocol) -> None:
        raise raised

    monkeypatch.setattr(WireProtocol, "read", read)
    clock = SystemClock()
    target = FetchTarget(
        role=Role.EDGE,
        address="127.0.0.1",
        request=Request(scheme="http", host="www.a.example", port=port, path="/"),
        tls=TlsPolicy(),
        deadlines=Deadlines(),
        limits=Limits(),
        vantage=VantagePoint(name="here"),
        slot_start_ns=clock.monotonic_ns(),
    )
    found = await AiohttpFetcher(clock, str, ("127.0.0.0/8",)).fetch(target)
    assert found.failure is not None
    assert (found.failure.phase, found.failure.type) == (phase, kind)
    assert found.response is None, "a status was stored that the server never sent"
