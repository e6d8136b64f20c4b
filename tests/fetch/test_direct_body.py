"""A body on its way past aiohttp: whole, cut, too late, refused by its reader; and the surplus that is not of it."""

from __future__ import annotations

import asyncio

import pytest

from probe.core.records.failure import FailureType, Phase
from probe.fetch.direct_body import Straight
from tests.support.http_server import make_fetcher, make_target, reply, serve


def taking(length: int) -> tuple[Straight, list[bytes]]:
    pieces: list[bytes] = []
    return Straight(lambda piece: pieces.append(bytes(piece)), length), pieces


def soon() -> float:
    return asyncio.get_running_loop().time() + 0.03


async def test_only_its_own_bytes_are_taken() -> None:
    straight, pieces = taking(5)
    assert straight.came(b"ab") == 2
    assert straight.came(memoryview(b"cdef")) == 3
    assert straight.came(b"g") == 0
    assert (pieces, straight.left) == ([b"ab", b"cde"], 0)
    await straight.whole(0)  # nothing to wait for


async def test_an_empty_one_is_whole() -> None:
    straight, pieces = taking(0)
    await straight.whole(0)
    assert pieces == []


async def test_who_waits_is_woken_by_the_last_byte() -> None:
    straight, _ = taking(2)
    waiting = asyncio.ensure_future(straight.whole(soon() + 60))
    straight.came(b"a")
    await asyncio.sleep(0)
    assert not waiting.done()
    straight.came(b"b")
    await waiting


async def test_what_comes_too_late_is_late() -> None:
    straight, pieces = taking(2)
    with pytest.raises(TimeoutError):
        await straight.whole(soon())
    straight.came(b"ab")
    assert pieces == []


async def test_the_first_reason_counts() -> None:
    straight, _ = taking(2)
    waiting = asyncio.ensure_future(straight.whole(soon() + 60))
    await asyncio.sleep(0)
    straight.fail(ValueError("first"))
    straight.fail(ValueError("second"))
    with pytest.raises(ValueError, match="first"):
        await waiting
    with pytest.raises(ValueError, match="first"):
        await straight.whole(soon())


async def test_what_the_reader_raises_is_told_and_the_rest_passed_over() -> None:
    taken = []

    def take(piece: bytes | memoryview) -> None:
        taken.append(len(piece))
        raise OverflowError("too much")

    straight = Straight(take, 4)
    assert (straight.came(b"ab"), straight.came(b"cd")) == (2, 2)
    assert taken == [2]
    with pytest.raises(OverflowError, match="too much"):
        await straight.whole(soon())


@pytest.mark.parametrize("sent", [b"", b"hel", b"hello", b"hello!"])
async def test_on_the_wire(sent: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n"
    async with serve(reply(head, sent)) as server:
        seen = await make_fetcher().fetch(make_target(server.port))
    assert seen.response is not None
    if sent == b"hello":
        assert (seen.failure, seen.response.encoded_body_bytes) == (None, 5)
        return
    assert seen.failure is not None
    assert (seen.failure.phase, seen.failure.type) == (Phase.BODY, FailureType.BODY_TRUNCATED)
    assert seen.response.encoded_body_bytes == min(5, len(sent))
    assert not seen.response.body_complete


async def test_a_sink_is_given_bytes_of_its_own() -> None:
    pieces: list[bytes] = []
    body = bytes(range(256)) * 4096
    async with serve(reply(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body), body)) as server:
        seen = await make_fetcher().fetch(make_target(server.port, body_sink=pieces.append))
    assert seen.failure is None
    assert all(isinstance(piece, bytes) for piece in pieces)
    assert b"".join(pieces) == body
