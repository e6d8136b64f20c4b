"""The HTTP/1.1 exchange on real connections: early replies, bodies as they come, a slow reader, a late server."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import random
import socket
import tracemalloc

import pytest

from probe.core.http.head import Head
from probe.core.model.task import Limits
from probe.core.records.failure import FailureType, Phase
from probe.fetch.body import Body
from probe.fetch.connection import Connection
from probe.fetch.connector import connect_tcp
from probe.fetch.versions.http1 import Http1Exchange
from probe.host.clock import SystemClock
from probe.net.stopwatch import Stopwatch
from tests.support.http_server import hang, make_fetcher, make_target, reply, serve, then_hang

OK = b"HTTP/1.1 200 OK\r\n"


async def opened(port: int, **changes: object) -> Connection:
    target = make_target(port, **changes)
    made = Connection(target, Stopwatch(SystemClock(), target.slot_start_ns), connect_tcp)
    await made.connect(asyncio.get_running_loop().time() + 5)
    made.use_plain()
    return made


def plain_body(head: Head) -> Body:
    return Body((), Limits(), None)


def gzip_body(head: Head) -> Body:
    return Body(("gzip",), Limits(), None)


async def asked(exchange: Http1Exchange) -> Head:
    at_s = asyncio.get_running_loop().time() + 5
    return await exchange.ask("GET", "/", [("Host", "x")], first_byte_at_s=at_s, total_at_s=at_s)


@pytest.mark.parametrize("sent", [b"", b"hel", b"hello", b"hello!"])
async def test_a_declared_length(sent: bytes) -> None:
    async with serve(reply(OK + b"Content-Length: 5\r\nConnection: close\r\n\r\n", sent)) as server:
        seen = await make_fetcher().fetch(make_target(server.port))
    assert seen.response is not None
    if len(sent) >= 5:
        assert (seen.failure, seen.response.encoded_body_bytes) == (None, 5)
        assert seen.response.flags == (("surplus_bytes",) if len(sent) > 5 else ())
        return
    assert seen.failure is not None
    assert (seen.failure.phase, seen.failure.type) == (Phase.BODY, FailureType.BODY_TRUNCATED)
    assert seen.response.encoded_body_bytes == min(5, len(sent))
    assert not seen.response.body_complete


async def test_a_sink_is_given_bytes_of_its_own() -> None:
    pieces: list[bytes] = []
    body = bytes(range(256)) * 4096
    async with serve(reply(OK + b"Content-Length: %d\r\n\r\n" % len(body), body)) as server:
        seen = await make_fetcher().fetch(make_target(server.port, body_sink=pieces.append))
    assert seen.failure is None
    assert all(isinstance(piece, bytes) for piece in pieces)
    assert b"".join(pieces) == body


async def test_what_comes_before_the_request_counts_and_is_bounded() -> None:
    """A server that speaks first: all of its bytes are read, none is kept beyond 64 KiB and a read."""
    body = random.Random(2).randbytes(1 << 20)
    async with serve(then_hang(OK + b"Content-Length: %d\r\n\r\n" % len(body), body), read=False) as server:
        connection = await opened(server.port)
        await asyncio.sleep(0.05)
        assert 64 * 1024 <= len(connection._early) <= 64 * 1024 + 128 * 1024
        exchange = Http1Exchange(connection, Limits(), "GET", plain_body)
        await asked(exchange)
        await exchange.read(asyncio.get_running_loop().time() + 5)
        connection.close()
    assert exchange.body is not None
    assert exchange.body.digest == hashlib.sha256(body).hexdigest()


async def test_a_reader_that_is_slow_stops_the_server() -> None:
    """Of a coded body that nobody reads, little more than the queue's length is taken from the socket."""
    coded = gzip.compress(random.Random(3).randbytes(8 << 20), 1)
    head = OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(coded)
    async with serve(then_hang(head, coded)) as server:
        connection = await opened(server.port)
        exchange = Http1Exchange(connection, Limits(), "GET", gzip_body)
        await asked(exchange)
        tracemalloc.start()
        await asyncio.sleep(0.1)
        assert 512 * 1024 <= exchange._queued_bytes < 700 * 1024
        assert tracemalloc.get_traced_memory()[0] < 4 << 20
        tracemalloc.stop()
        await exchange.read(asyncio.get_running_loop().time() + 20)
        connection.close()
    assert exchange.body is not None
    assert list(exchange.body.take_rest()) == []
    exchange.body.finish()
    assert exchange.body.wire_bytes == len(coded)
    assert exchange.body.decoded_bytes == 8 << 20


async def test_a_body_that_comes_too_late_is_late() -> None:
    async with serve(then_hang(OK + b"Content-Length: 5\r\n\r\nhe")) as server:
        connection = await opened(server.port)
        exchange = Http1Exchange(connection, Limits(), "GET", plain_body)
        await asked(exchange)
        with pytest.raises(TimeoutError):
            await exchange.read(asyncio.get_running_loop().time() + 0.05)
        exchange.received(b"llo")  # nobody takes it any more
        connection.close()
    assert exchange.body is not None
    assert exchange.body.wire_bytes == 2


async def test_the_first_error_counts() -> None:
    async with serve(hang) as server:
        connection = await opened(server.port)
        exchange = Http1Exchange(connection, Limits(), "GET", plain_body)
        waiting = asyncio.ensure_future(asked(exchange))
        await asyncio.sleep(0)
        exchange.ended(ConnectionResetError("first"))
        exchange.ended(None)
        with pytest.raises(ConnectionResetError, match="first"):
            await waiting
        connection.close()


async def test_a_connection_that_is_over_before_the_request_says_so() -> None:
    async with serve(reply(), read=False) as server:
        connection = await opened(server.port)
        while not connection.ended:
            await asyncio.sleep(0.001)
        with pytest.raises(Exception, match="without a whole reply"):
            await asked(Http1Exchange(connection, Limits(), "GET", plain_body))
        connection.close()


async def test_what_the_body_raises_ends_the_reading() -> None:
    taken: list[int] = []

    def sink(piece: bytes) -> None:
        taken.append(len(piece))
        raise OverflowError("too much")

    async with serve(reply(OK + b"Content-Length: 4\r\n\r\nab", b"cd")) as server:
        connection = await opened(server.port)
        exchange = Http1Exchange(connection, Limits(), "GET", lambda head: Body((), Limits(), sink))
        await asked(exchange)
        with pytest.raises(OverflowError, match="too much"):
            await exchange.read(asyncio.get_running_loop().time() + 5)
        connection.close()
    assert len(taken) == 1


async def test_nothing_of_a_fetch_stays_in_a_circle() -> None:
    """Socket and body are let go when the fetch is over, without the collector's help."""
    async with serve(reply(OK + b"Content-Length: 2\r\n\r\nok")) as server:
        connection = await opened(server.port)
        exchange = Http1Exchange(connection, Limits(), "GET", plain_body)
        await asked(exchange)
        await exchange.read(asyncio.get_running_loop().time() + 5)
        connection.close()
        await asyncio.sleep(0)
        sock = connection._sock
        exchange.forget()
        connection.forget()
    assert isinstance(sock, socket.socket)
    assert sock.fileno() == -1
    assert connection._receiver is None
