"""When bytes came: by the kernel's stamp, and by how much at most that is too late."""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from selectors import SelectorKey

import pytest

from probe.net.arrival_bounds import ArrivalBounds, BoundedTime
from probe.net.event_loop import Polls, polls_of, run
from probe.net.tcp_info import read_tcp_info
from probe.net.transport import Transport
from tests.support.stamps import stamp_clock

Clock = Callable[[], int]
Sent = list[tuple[int, int]]  # the kernel's clock before and after each sending, between which it stamped


@dataclass(frozen=True)
class Piece:
    """What was read at once: when its first and last byte came, and by the polls alone.

    `turn_ns`: before the poll that came before the one that told of it. Later than that a turn of the loop begins.
    """

    data: bytes
    first: BoundedTime
    last: BoundedTime
    amid: BoundedTime
    turn_ns: int


class Reader(asyncio.Protocol):
    """Dates the first and the last byte of each piece that is read. `asked_ns`: before each poll."""

    def __init__(self, sock: socket.socket, asked_ns: list[int]) -> None:
        self.sock = sock
        self.asked_ns = asked_ns
        self.pieces: list[Piece] = []
        self.read = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, Transport)
        self.dates = transport.dates

    def data_received(self, data: bytes) -> None:
        info = read_tcp_info(self.sock)
        dates = self.dates
        self.pieces.append(Piece(data, dates.first(info), dates.last(info), dates.amid(), self.asked_ns[-2]))
        self.read.set()


@pytest.fixture
def clock_ns(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return stamp_clock(monkeypatch)


def _send(sock: socket.socket, clock_ns: Clock) -> tuple[int, int]:
    begun_ns = clock_ns()
    sock.send(b"x")
    return begun_ns, clock_ns()


def _reading(act: Callable[[socket.socket, Reader], Awaitable[None]]) -> list[Piece]:
    """What a transport told of what `act` sent, on our own loop: while it does not wait, nobody reads."""

    async def read() -> list[Piece]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            ours = socket.create_connection(listener.getsockname())
            ours.setblocking(False)
            theirs, _ = listener.accept()
        theirs.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        loop = asyncio.get_running_loop()
        reader = Reader(ours, _polls_begun(loop))
        transport = Transport(loop, ours, reader)
        transport.begin()
        await asyncio.sleep(0.02)  # the loop has looked
        await act(theirs, reader)
        await asyncio.wait_for(reader.read.wait(), 60)
        transport.abort()
        await asyncio.sleep(0)
        theirs.close()
        return reader.pieces

    return run(read())


def _polls_begun(loop: asyncio.AbstractEventLoop) -> list[int]:
    """When each poll from here on was asked."""
    polls, asked_ns = polls_of(loop), list[int]()
    assert polls is not None
    select = polls.select

    def asked(timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        asked_ns.append(time.monotonic_ns())
        return select(timeout)

    polls.select = asked  # type: ignore[method-assign]
    return asked_ns


def test_one_piece_bears_its_own_stamp_however_late_it_is_read(clock_ns: Clock) -> None:
    sent: Sent = []

    async def send(sock: socket.socket, _: Reader) -> None:
        sent.append(_send(sock, clock_ns))
        time.sleep(0.05)

    (piece,) = _reading(send)
    assert piece.data == b"x"
    ((begun_ns, ended_ns),) = sent
    for noticed_ns, unsure_ns in (piece.first, piece.last):
        assert unsure_ns == 0
        assert begun_ns <= noticed_ns <= ended_ns


def test_pieces_that_were_joined_say_how_much_earlier_the_first_may_have_come(clock_ns: Clock) -> None:
    sent: Sent = []

    async def send(sock: socket.socket, _: Reader) -> None:
        for _ in range(2):
            sent.append(_send(sock, clock_ns))
            time.sleep(0.03)

    (piece,) = _reading(send)
    assert piece.data == b"xx"
    (begun_ns, ended_ns), (again_ns, over_ns) = sent
    noticed_ns, unsure_ns = piece.first
    assert noticed_ns - unsure_ns <= ended_ns, "the bound holds"
    assert begun_ns <= noticed_ns
    assert unsure_ns > 0, "and says that nobody saw it"
    noticed_ns, unsure_ns = piece.last
    assert unsure_ns == 0
    assert again_ns <= noticed_ns <= over_ns


def test_who_looks_in_time_is_sure(clock_ns: Clock) -> None:
    sent: Sent = []

    async def send(sock: socket.socket, reader: Reader) -> None:
        for _ in range(3):
            reader.read.clear()
            sent.append(_send(sock, clock_ns))
            await asyncio.wait_for(reader.read.wait(), 60)
            await asyncio.sleep(0.02)

    told = _reading(send)
    assert [piece.data for piece in told] == [b"x"] * 3
    for (begun_ns, ended_ns), piece in zip(sent, told, strict=True):
        noticed_ns, unsure_ns = piece.first
        assert unsure_ns == 0
        assert begun_ns <= noticed_ns <= ended_ns
        noticed_ns, unsure_ns = piece.amid
        assert noticed_ns - unsure_ns <= ended_ns, "the bound of the polls holds"
        assert noticed_ns - unsure_ns >= piece.turn_ns, "and is no longer than the turn during which it came"


@pytest.mark.parametrize(("slept", "empty_ns"), [(True, 70), (False, 40)])
async def test_what_a_poll_tells_of_came_after_it_was_empty(
    monkeypatch: pytest.MonkeyPatch, slept: bool, empty_ns: int
) -> None:
    """Who slept in it was woken by it; for who did not, the poll before it is the last that saw nothing."""
    monkeypatch.setattr("probe.net.arrival_bounds.monotonic_ns", lambda: 0)
    polls = Polls()
    monkeypatch.setattr("probe.net.arrival_bounds.polls_of", lambda _: polls)
    dates = ArrivalBounds(asyncio.get_running_loop(), first_by_poll=False)
    polls.count, polls.slept, polls.empty_ns = 2, slept, empty_ns
    dates.received(100)
    assert dates.amid() == (100, 100 - empty_ns)
    polls.close()


@pytest.mark.parametrize(
    ("stamp_ns", "told"),
    [(28_000_000, (28_000_000, 28_000_000)), (10_000_000, (31_000_000, 31_000_000))],
    ids=["somewhat", "much"],
)
async def test_a_poll_that_the_stamp_contradicts_proves_nothing(
    monkeypatch: pytest.MonkeyPatch, stamp_ns: int, told: BoundedTime
) -> None:
    """A machine that stood still while it woke us: what came before that came before the poll was empty."""
    now_ns = 0
    monkeypatch.setattr("probe.net.arrival_bounds.monotonic_ns", lambda: now_ns)
    polls = Polls()
    monkeypatch.setattr("probe.net.arrival_bounds.polls_of", lambda _: polls)
    dates = ArrivalBounds(asyncio.get_running_loop(), first_by_poll=False)
    now_ns, polls.count, polls.slept, polls.empty_ns = 31_000_000, 2, True, 30_000_000
    dates.received(stamp_ns)
    assert dates.amid() == told
    polls.close()


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
