"""A connected UDP socket: each datagram has its time, what found no room is counted as ours, ICMP ends nothing."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator

import pytest

from probe.fetch.quic.datagrams import Datagrams
from tests.support.stamps import stamp_clock


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Ours and the far end, connected to each other."""
    ours = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    far = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for sock in (ours, far):
        sock.bind(("127.0.0.1", 0))
    ours.connect(far.getsockname())
    far.connect(ours.getsockname())
    yield ours, far
    far.close()
    ours.close()


async def test_each_has_the_time_at_which_it_came(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock_ns = stamp_clock(monkeypatch)
    ours, far = pair
    made = Datagrams(asyncio.get_running_loop(), ours)
    sent = []
    for number in range(3):
        begun_ns = clock_ns()
        far.send(bytes((number,)))
        sent.append((begun_ns, clock_ns()))
        time.sleep(0.01)
    came = [(d, when) for d, when in made.deliveries(made.read(), exact=True)]
    assert [data for data, _ in came] == [[b"\0"], [b"\1"], [b"\2"]]
    for (begun_ns, ended_ns), (_, (at_ns, unsure_ns)) in zip(sent, came, strict=True):
        assert begun_ns <= at_ns <= ended_ns, "as the kernel has it, and not when we looked"
        assert unsure_ns == 0
    made.close()


async def test_what_came_together_has_one_time_with_its_bound(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock_ns = stamp_clock(monkeypatch)
    ours, far = pair
    made = Datagrams(asyncio.get_running_loop(), ours)
    sent = []
    for data in (b"a", b"b"):
        begun_ns = clock_ns()
        far.send(data)
        sent.append((begun_ns, clock_ns()))
        time.sleep(0.01)
    ((together, (at_ns, unsure_ns)),) = made.deliveries(made.read(), exact=False)
    assert together == [b"a", b"b"]
    for (begun_ns, ended_ns), came_ns in zip(sent, (at_ns - unsure_ns, at_ns), strict=True):
        assert begun_ns <= came_ns <= ended_ns
    made.close()


async def test_what_found_no_room_and_what_was_marked_is_counted(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, far = pair
    made = Datagrams(asyncio.get_running_loop(), ours)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    far.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 3)
    for _ in range(100):
        far.send(bytes(1000))
    while made.read():
        continue
    made.close()
    assert 0 < made.received < 100
    assert (made.dropped, made.marked) == (100 - made.received, made.received)


async def test_icmp_is_counted_and_ends_nothing(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, far = pair
    made = Datagrams(asyncio.get_running_loop(), ours)
    far.close()
    made.send(b"a")
    made.send(b"b")
    assert made.read() == []
    assert made.unreachable >= 1
    assert made.sent == 2
    made.close()
