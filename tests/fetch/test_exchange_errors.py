"""Whatever an exchange may raise becomes a failure of the closed list, and never a status that nobody sent.

A fake is better than a server here: several of these exceptions are hard to provoke from the wire.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator
from typing import Any

import pytest

from probe.core.records.failure import FailureType, Phase
from probe.fetch.versions.http1 import Http1Exchange, request_bytes
from tests.support.http_server import make_fetcher, make_target


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """A port that accepts and says nothing: the TCP handshake is real, the reply is not."""
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
        (ConnectionResetError(), Phase.HTTP, FailureType.TCP_RESET),
        (OSError(errno.ECONNRESET, "reset"), Phase.HTTP, FailureType.TCP_RESET),
        (TimeoutError(), Phase.HTTP, FailureType.HTTP_TIMED_OUT),
        (OSError(errno.EMFILE, "too many"), Phase.HOST, FailureType.AGENT_DESCRIPTORS_EXHAUSTED),
        (MemoryError(), Phase.HOST, FailureType.AGENT_MEMORY_EXHAUSTED),
        (ZeroDivisionError("ours"), Phase.HOST, FailureType.AGENT_INTERNAL_ERROR),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
async def test_what_an_exchange_raises(
    port: int, raised: Exception, phase: Phase, kind: FailureType, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ask(exchange: Http1Exchange, *request: Any, **deadlines: float) -> None:
        raise raised

    monkeypatch.setattr(Http1Exchange, "ask", ask)
    found = await make_fetcher().fetch(make_target(port))
    assert found.failure is not None
    assert (found.failure.phase, found.failure.type) == (phase, kind)
    assert found.response is None, "a status was stored that the server never sent"


@pytest.mark.parametrize(
    ("method", "path", "fields"),
    [
        ("GET", "/", [("X", "a\r\nY: b")]),
        ("GET", "/", [("X\n", "a")]),
        ("GET", "/", [("X", "a\0")]),
        ("GET", "/\r", []),
        ("GET\n", "/", []),
    ],
)
def test_what_would_break_the_request_is_refused(
    method: str, path: str, fields: list[tuple[str, str]]
) -> None:
    with pytest.raises(ValueError, match="nothing was sent"):
        request_bytes(method, path, fields)


def test_the_bytes_of_a_request() -> None:
    fields = [("Host", "a.example"), ("X-É", " ü "), ("x", "")]
    made = request_bytes("GET", "/a?b", fields)
    assert made == "GET /a?b HTTP/1.1\r\nHost: a.example\r\nX-É:  ü \r\nx: \r\n\r\n".encode()
