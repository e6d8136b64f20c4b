"""The transport beneath a fetch: whole writes, pauses, ends told once, and when the kernel got what came."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from pathlib import Path

import pytest

from probe.net.kernel_timestamps import ANCILLARY_BYTES, arrived_ns, ask_for_stamps, both_clocks
from probe.net.tls_transport import TlsTransport
from probe.net.transport import Transport
from probe.tls.client import client_for
from tests.support.http_server import HOST, Pki
from tests.support.stamps import stamp_clock

LARGE = bytes(range(256)) * 16_384  # 4 MiB: more than any socket takes at once


class Told(asyncio.Protocol):
    """Keeps what it is told, in order."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.events: list[str] = []
        self.over = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.events.append("made")

    def data_received(self, data: bytes) -> None:
        assert self.events[-1] == "made"
        self.data += data

    def eof_received(self) -> None:
        self.events.append("eof")

    def connection_lost(self, exc: Exception | None) -> None:
        self.events.append("lost")
        self.over.set_result(exc)


def _pair() -> tuple[socket.socket, socket.socket]:
    one, other = socket.socketpair()
    one.setblocking(False)
    return one, other


async def test_a_large_write_goes_out_whole() -> None:
    ours, theirs = _pair()
    told = Told()
    transport = Transport(asyncio.get_running_loop(), ours, told)
    transport.begin()
    transport.write(LARGE[:1000])
    transport.write(LARGE[1000:])

    def drain() -> bytes:
        got = b""
        while len(got) < len(LARGE):
            got += theirs.recv(65536)
        theirs.close()
        return got

    assert await asyncio.to_thread(drain) == LARGE
    assert await asyncio.wait_for(told.over, 60) is None
    assert told.events == ["made", "eof", "lost"]


@pytest.mark.parametrize("secure", [False, True])
async def test_nothing_comes_while_paused_and_all_of_it_after(secure: bool, tmp_path: Path) -> None:
    pki = Pki(tmp_path)

    async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(LARGE)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(send, "127.0.0.1", 0, ssl=pki.issued() if secure else None)
    sock = socket.create_connection(server.sockets[0].getsockname())
    sock.setblocking(False)
    told, loop = Told(), asyncio.get_running_loop()
    if secure:
        transport: Transport = TlsTransport(loop, sock, told, client_for(pki.policy()), HOST)
        assert isinstance(transport, TlsTransport)
        await transport.handshake(10)
    else:
        transport = Transport(loop, sock, told)
        transport.begin()
    while not told.over.done():
        transport.pause_reading()
        before = len(told.data)
        await asyncio.sleep(0.01)
        assert len(told.data) == before
        transport.resume_reading()
        await asyncio.sleep(0.001)
    assert bytes(told.data) == LARGE
    assert told.events == ["made", "eof", "lost"]
    server.close()
    await server.wait_closed()


async def test_who_asks_nothing_has_shaken_hands_for_the_server_too(tmp_path: Path) -> None:
    """Its last word waits for a request to go out with."""
    pki, shaken = Pki(tmp_path), asyncio.Event()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        shaken.set()
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=pki.issued())
    loop = asyncio.get_running_loop()
    for at_once in (True, False):
        shaken.clear()
        sock = socket.create_connection(server.sockets[0].getsockname())
        sock.setblocking(False)
        told = Told()
        transport = TlsTransport(loop, sock, told, client_for(pki.policy()), HOST)
        await transport.handshake(10)
        if at_once:
            transport.abort()
        await asyncio.wait_for(shaken.wait(), 60)
        await asyncio.wait_for(told.over, 60)
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("over", [True, False])
async def test_the_time_for_the_handshake_is_for_the_handshake(over: bool, tmp_path: Path) -> None:
    """One that is done in the turn in which its time is up is done."""
    pki = Pki(tmp_path)

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"well")
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=pki.issued())
    sock = socket.create_connection(server.sockets[0].getsockname())
    sock.setblocking(False)
    told, loop = Told(), asyncio.get_running_loop()
    transport = TlsTransport(loop, sock, told, client_for(pki.policy()), HOST)
    if over:
        with pytest.raises(TimeoutError):
            await transport.handshake(0)
        assert told.events == []
    else:
        await transport.handshake(10)
        transport._late()
        await asyncio.wait_for(told.over, 60)
        assert (bytes(told.data), told.events) == (b"well", ["made", "eof", "lost"])
    server.close()
    await server.wait_closed()


class Dated(Told):
    """Keeps by each delivery whether something else came behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.transport: TlsTransport | None = None
        self.joined: list[bool] = []

    def data_received(self, data: bytes) -> None:
        assert self.transport is not None
        self.joined.append(self.transport.dates.joined)
        super().data_received(data)


@pytest.mark.parametrize(
    ("behind", "joined"),
    [(0, False), (1, True), (5, True), (23, True), (24, True)],
    ids=["nothing", "a byte", "its head", "all but a byte", "all"],
)
async def test_a_stamp_may_be_that_of_a_part_of_the_servers_end(
    tmp_path: Path, behind: int, joined: bool
) -> None:
    """Content, and so many bytes of close_notify (24 of TLS 1.3) in the same read."""
    pki, rest = Pki(tmp_path), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        server = pki.issued().wrap_bio(incoming, outgoing, server_side=True)
        while True:
            incoming.write(await reader.read(65536))
            try:
                server.do_handshake()
            except ssl.SSLWantReadError:
                writer.write(outgoing.read())
                continue
            break
        writer.write(outgoing.read())
        server.write(b"content")
        content = outgoing.read()
        with contextlib.suppress(ssl.SSLWantReadError):
            server.unwrap()
        end = outgoing.read()
        assert len(end) == 24
        writer.write(content + end[:behind])
        await rest.wait()
        writer.write(end[behind:])
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    sock = socket.create_connection(server.sockets[0].getsockname())
    sock.setblocking(False)
    told = Dated()
    told.transport = TlsTransport(asyncio.get_running_loop(), sock, told, client_for(pki.policy()), HOST)
    await told.transport.handshake(60)
    async with asyncio.timeout(60):
        while not told.data:
            await asyncio.sleep(0)
    rest.set()
    await asyncio.wait_for(told.over, 60)
    assert (bytes(told.data), told.joined, told.events) == (b"content", [joined], ["made", "eof", "lost"])
    server.close()
    await server.wait_closed()


async def test_aborting_is_told_once_and_later() -> None:
    ours, theirs = _pair()
    told = Told()
    transport = Transport(asyncio.get_running_loop(), ours, told)
    transport.begin()
    transport.abort()
    transport.abort()
    transport.write(b"too late")
    assert told.events == ["made"]
    assert await told.over is None
    assert told.events == ["made", "lost"]
    assert theirs.recv(10) == b""
    theirs.close()


def test_the_kernel_knows_when_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    clock_ns = stamp_clock(monkeypatch)
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as there,
    ):
        here.bind(("127.0.0.1", 0))
        ask_for_stamps(here)
        before_ns = clock_ns()
        there.sendto(b"x", here.getsockname())
        after_ns = clock_ns()
        time.sleep(0.05)
        _, ancillary, _, _ = here.recvmsg(10, ANCILLARY_BYTES)
        came_ns = arrived_ns(ancillary)
    assert came_ns is not None
    assert before_ns <= came_ns <= after_ns
    assert arrived_ns([]) is None


def test_both_clocks_are_read_of_one_moment() -> None:
    before_ns = time.monotonic_ns(), time.time_ns()
    both_ns = both_clocks()
    after_ns = time.monotonic_ns(), time.time_ns()
    for before, read, after in zip(before_ns, both_ns, after_ns, strict=True):
        assert before <= read <= after


def test_who_is_put_aside_between_two_clocks_reads_both_again(monkeypatch: pytest.MonkeyPatch) -> None:
    aside_ns = [0, 5_000_000, 0, 5_000_000, 0, 0]  # before and after each reading of the wall clock
    now_ns = 1_000

    def passing() -> int:
        nonlocal now_ns
        now_ns += aside_ns.pop(0)
        return now_ns

    monkeypatch.setattr("probe.net.kernel_timestamps.monotonic_ns", passing)
    monkeypatch.setattr("probe.net.kernel_timestamps.time_ns", lambda: now_ns + 7)
    assert both_clocks() == (10_001_000, 10_001_007)
    assert aside_ns == []
