"""Why aiohttp is not what measures (docs/decisions/0001): what its public client does with what servers send.

It serves the API and pulls results. An upgrade that changes one of these may be a reason to decide anew.
"""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from tests.support.http_server import reply, response, serve

OK = b"HTTP/1.1 200 OK\r\n"


@asynccontextmanager
async def session(**options: object) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(**options) as made:  # type: ignore[arg-type]
        yield made


async def test_half_a_gzip_body_passes_without_an_exception() -> None:
    """So: we decode ourselves and demand the end of the stream."""
    coded = gzip.compress(bytes(range(256)) * 100)
    async with (
        serve(response(coded[: len(coded) // 2], "Content-Encoding: gzip")) as server,
        session() as plain,
    ):
        got = await (await plain.get(f"http://127.0.0.1:{server.port}/")).read()
    assert len(got) < 25_600


async def test_a_disconnect_is_answered_by_a_second_request() -> None:
    """Even on a fresh connection. So: the request is written by us, once."""
    async with serve(reply()) as server, session() as plain:
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await plain.get(f"http://127.0.0.1:{server.port}/")
    assert len(server.requests) == 2


async def test_malformed_reply_is_called_status_400() -> None:
    """So: the wire is judged by our own reader."""
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
