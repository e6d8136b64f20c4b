"""What aiohttp really does, on which the fetch is built: an upgrade that changes one of these must be looked at."""

from __future__ import annotations

import asyncio
import gzip
import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import StreamWriter
from multidict import CIMultiDict

from tests.support.http_server import reply, response, serve

OK = b"HTTP/1.1 200 OK\r\n"


@asynccontextmanager
async def session(**options: object) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(**options) as made:  # type: ignore[arg-type]
        yield made


async def test_half_a_gzip_body_passes_without_an_exception() -> None:
    """So: auto_decompress=False, decode ourselves, demand the end of the stream."""
    coded = gzip.compress(bytes(range(256)) * 100)
    async with (
        serve(response(coded[: len(coded) // 2], "Content-Encoding: gzip")) as server,
        session() as plain,
    ):
        got = await (await plain.get(f"http://127.0.0.1:{server.port}/")).read()
    assert len(got) < 25_600


async def test_a_disconnect_is_answered_by_a_second_request() -> None:
    """Even on a fresh connection. So: the connector gives one connection and refuses another."""
    async with serve(reply()) as server, session() as plain:
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await plain.get(f"http://127.0.0.1:{server.port}/")
    assert len(server.requests) == 2


async def test_malformed_reply_is_called_status_400() -> None:
    """So: the wire is judged before the parser sees it."""
    async with serve(reply(b"<html>\r\n\r\n")) as server, session() as plain:
        with pytest.raises(aiohttp.ClientResponseError) as caught:
            await plain.get(f"http://127.0.0.1:{server.port}/")
    assert caught.value.status == 400


async def test_length_and_chunked_together_are_accepted() -> None:
    wire = OK + b"Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    async with serve(reply(wire)) as server, session() as plain:
        try:
            got: object = await (await plain.get(f"http://127.0.0.1:{server.port}/")).read()
        except aiohttp.ClientResponseError as exc:
            got = exc.status
    assert got in (b"ok", 400)  # either way not what was sent; ours is http.protocol_violation


async def test_reset_at_the_end_of_a_body_until_close_goes_unnoticed() -> None:
    """So: how the connection ended is remembered by WireProtocol."""
    loop = asyncio.get_running_loop()
    handler = ResponseHandler(loop)
    handler.set_response_params(read_until_eof=True)
    handler.data_received(OK + b"\r\nhalf")
    _, payload = await handler.read()
    handler.connection_lost(ConnectionResetError())
    assert await payload.read() == b"half"


async def test_bytes_not_yet_read_are_lost_with_the_connection() -> None:
    """So: aiohttp is told of the end only when everything before it was read."""
    handler = ResponseHandler(asyncio.get_running_loop())
    handler.set_response_params()
    handler.data_received(OK + b"Content-Length: 9\r\n\r\nhalf")
    _, payload = await handler.read()
    handler.connection_lost(None)
    with pytest.raises(aiohttp.ClientPayloadError):
        await payload.readany()


def test_what_the_wire_protocol_leans_on() -> None:
    for name in ("data_received", "connection_lost", "eof_received", "close", "abort", "set_exception"):
        assert callable(getattr(ResponseHandler, name))
    assert "total_bytes" in inspect.getsource(aiohttp.StreamReader.feed_data)


async def test_what_a_request_leans_on() -> None:
    """`probe.fetch.send_request` does what ClientSession does with these; an upgrade that changes them is to
    be seen here."""
    source = inspect.getsource(aiohttp.ClientSession._request)
    for word in ("set_response_params", "skip_payload=req.method in EMPTY_BODY_METHODS", "read_until_eof"):
        assert word in source
    assert "await protocol.read()" in inspect.getsource(aiohttp.ClientResponse.start)
    sent = inspect.getsource(aiohttp.ClientRequest.send)
    assert "await writer.write_headers(status_line, self.headers)" in sent
    assert "writer.set_eof()" in sent
    handler = ResponseHandler(asyncio.get_running_loop())
    with pytest.raises(ValueError, match="Forbidden control character"):
        await StreamWriter(handler, asyncio.get_running_loop()).write_headers(
            "GET / HTTP/1.1", CIMultiDict({"X": "a\r\nY: b"})
        )
