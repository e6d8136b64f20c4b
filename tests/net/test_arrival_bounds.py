"""When bytes came: by the kernel's stamp, and by how much at most that is too late."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
import time
from collections.abc import Callable

import pytest

from probe.net.arrival_bounds import ArrivalBounds, BoundedTime
from probe.net.event_loop import run
from probe.net.tcp_info import read_tcp_info
from probe.net.transport import Transport

SLACK_NS = 2_000_000  # a shared machine puts the sender aside between its clock and its sending


class Reader(asyncio.Protocol):
    """Dates the first and the last byte of each piece that is read."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.pieces: list[tuple[bytes, BoundedTime, BoundedTime]] = []
        self.read = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, Transport)
        self.dates = transport.dates

    def data_received(self, data: bytes) -> None:
        info = read_tcp_info(self.sock)
        self.pieces.append((data, self.dates.first(info), self.dates.last(info)))
        self.read.set()


def _reading(
    act: Callable[[socket.socket], None], *, standing_still_s: float = 0.0
) -> list[tuple[bytes, BoundedTime, BoundedTime]]:
    """What a transport told of what `act` sent, while our loop stood still for so long."""

    async def read() -> list[tuple[bytes, BoundedTime, BoundedTime]]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            ours = socket.create_connection(listener.getsockname())
            ours.setblocking(False)
            theirs, _ = listener.accept()
        theirs.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        reader = Reader(ours)
        transport = Transport(asyncio.get_running_loop(), ours, reader)
        transport.begin()
        await asyncio.sleep(0.02)  # the loop has looked
        sender = threading.Thread(target=act, args=(theirs,))
        sender.start()
        if standing_still_s:
            time.sleep(standing_still_s)
        await asyncio.wait_for(reader.read.wait(), 60)
        await asyncio.to_thread(sender.join)
        transport.abort()
        await asyncio.sleep(0)
        theirs.close()
        return reader.pieces

    return run(read())


def test_one_piece_bears_its_own_stamp_however_late_it_is_read() -> None:
    sent: list[int] = []

    def send(sock: socket.socket) -> None:
        sent.append(time.monotonic_ns())
        sock.send(b"x" * 100)
        sent.append(time.monotonic_ns())

    ((data, first, last),) = _reading(send, standing_still_s=0.05)
    assert len(data) == 100
    for noticed_ns, unsure_ns in (first, last):
        assert unsure_ns == 0
        assert sent[0] - SLACK_NS < noticed_ns < sent[1] + SLACK_NS


def test_pieces_that_were_joined_say_how_much_earlier_the_first_may_have_come() -> None:
    sent: list[int] = []

    def send(sock: socket.socket) -> None:
        for _ in range(2):
            sent.append(time.monotonic_ns())
            sock.send(b"x")
            sent.append(time.monotonic_ns())
            time.sleep(0.03)

    ((data, first, last),) = _reading(send, standing_still_s=0.1)
    assert data == b"xx"
    noticed_ns, unsure_ns = first
    assert noticed_ns - unsure_ns - SLACK_NS < sent[0]  # the bound holds
    assert sent[0] < noticed_ns + SLACK_NS
    assert unsure_ns > 20_000_000  # and says that nobody saw it
    noticed_ns, unsure_ns = last
    assert (unsure_ns, sent[2] - SLACK_NS < noticed_ns < sent[3] + SLACK_NS) == (0, True)


@pytest.mark.parametrize("pieces", [3])
def test_who_looks_in_time_is_sure(pieces: int) -> None:
    sent: list[int] = []

    def send(sock: socket.socket) -> None:
        for _ in range(pieces):
            sent.append(time.monotonic_ns())
            sock.send(b"x")
            time.sleep(0.02)

    told = _reading(send)
    (_, (noticed_ns, unsure_ns), _) = told[0]
    assert noticed_ns - unsure_ns - SLACK_NS < sent[0] < noticed_ns + SLACK_NS
    assert unsure_ns < 15_000_000


def _info(segments: int, *, state: int = 1) -> bytes:
    """TCP_INFO with so many segments of data; state 1: established."""
    return bytes((state,)) + bytes(151) + segments.to_bytes(4, sys.byteorder)


@pytest.mark.parametrize(
    ("segments", "state", "sure"),
    [(1, 1, True), (2, 1, False), (1, 8, False)],
    ids=["in one segment", "in two", "with the end of the stream"],
)
async def test_what_came_behind_a_head_in_its_own_segment_came_with_it(
    segments: int, state: int, sure: bool
) -> None:
    """TLS: the end, or a part of the next record. Of the last byte nobody knows, as its segment may be another."""
    dates = ArrivalBounds(asyncio.get_running_loop(), first_by_poll=False)
    dates.look(_info(0))
    begun_ns = dates.came_ns
    dates.received(time.monotonic_ns() + 1_000_000)
    dates.joined = True
    info = _info(segments, state=state)
    late_ns = dates.came_ns - begun_ns
    assert dates.first(info) == (dates.came_ns, 0 if sure else late_ns)
    assert dates.last(info) == (dates.came_ns, late_ns)
    dates.joined = False
    assert dates.last(info) == (dates.came_ns, 0 if state == 1 else late_ns)
