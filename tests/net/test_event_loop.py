"""The loop's selector: asyncio's contract kept, and what it says of when sockets were empty."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Iterator
from selectors import EVENT_READ, EVENT_WRITE

import pytest

from probe.net.event_loop import WAKE_NS, DatedLoop, Polls, on_signals, polls_of, run
from probe.net.run_queue import RunQueue


@pytest.fixture
def polls() -> Iterator[Polls]:
    made = Polls()
    yield made
    made.close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    with one, other:
        yield one, other


def test_what_can_be_read_or_written(polls: Polls, pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = pair
    polls.register(one, EVENT_READ, "read")
    assert polls.select(0) == []
    other.send(b"x")
    ((key, found),) = polls.select(1)
    assert (key.fileobj, key.fd, key.data, found) == (one, one.fileno(), "read", EVENT_READ)
    polls.modify(one.fileno(), EVENT_READ | EVENT_WRITE, "both")
    ((key, found),) = polls.select(1)
    assert (key.data, found) == ("both", EVENT_READ | EVENT_WRITE)
    polls.modify(one, EVENT_WRITE, "write")
    assert [found for _, found in polls.select(1)] == [EVENT_WRITE]
    assert polls.unregister(one).data == "write"
    assert polls.select(0) == []


def test_an_end_wakes_whoever_waits_for_either(polls: Polls) -> None:
    one, other = socket.socketpair()
    with one:
        polls.register(one, EVENT_READ)
        other.close()
        assert [found for _, found in polls.select(1)] == [EVENT_READ]
        polls.modify(one, EVENT_WRITE)
        assert [found for _, found in polls.select(1)] == [EVENT_WRITE]


def test_what_is_unknown_or_known_already(polls: Polls, pair: tuple[socket.socket, socket.socket]) -> None:
    one, _ = pair
    with pytest.raises(KeyError):
        polls.get_key(one)
    with pytest.raises(KeyError):
        polls.unregister(one)
    with pytest.raises(KeyError):
        polls.modify(one, EVENT_READ)
    key = polls.register(one, EVENT_READ)
    with pytest.raises(KeyError, match="registered already"):
        polls.register(one.fileno(), EVENT_READ)
    assert polls.get_key(one) == polls.get_key(one.fileno()) == polls.get_map()[one.fileno()] == key
    with pytest.raises(ValueError, match="nothing to wait for"):
        polls.modify(one, 0)
    with pytest.raises(ValueError, match="no descriptor"):
        polls.register(-1, EVENT_READ)
    with open(os.devnull) as file, pytest.raises(OSError):
        polls.register(file, EVENT_READ)


def test_a_descriptor_that_was_closed_and_given_anew(polls: Polls) -> None:
    one, other = socket.socketpair()
    number = one.fileno()
    polls.register(number, EVENT_READ, "old")
    one.close()
    other.close()
    polls.unregister(number)
    one, other = socket.socketpair()
    with one, other:
        again = os.dup2(one.fileno(), number) if one.fileno() != number else number
        polls.register(again, EVENT_READ, "new")
        other.send(b"x")
        assert [key.data for key, _ in polls.select(1)] == ["new"]
        polls.unregister(again)
        if again != one.fileno():
            os.close(again)


def test_a_signal_ends_no_poll_with_an_error(polls: Polls) -> None:
    seen: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, _: seen.append(number))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        assert polls.select(0.05) == []
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert seen == [signal.SIGALRM]


def test_when_a_socket_was_empty(polls: Polls, pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = pair
    polls.register(one, EVENT_READ)
    before_ns = time.monotonic_ns()
    assert polls.select(0.05) == []
    after_ns = time.monotonic_ns()
    assert polls.slept
    assert (
        before_ns + 40_000_000 < polls.empty_ns < after_ns
    )  # nothing had come until shortly before it returned
    slept_until_ns, count = polls.empty_ns, polls.count
    other.send(b"x")
    assert polls.select(1) != []
    assert (polls.slept, polls.count) == (False, count + 1)
    assert polls.empty_ns == slept_until_ns  # what is reported now was empty when the poll before it ended
    asked_ns = polls.returned_ns
    assert polls.select(0) != []
    assert slept_until_ns < polls.empty_ns <= asked_ns


class Waited:
    """A kernel that says how long we waited for a processor."""

    def __init__(self, *waited_ns: int | None) -> None:
        self._waited_ns = list(waited_ns)

    def since_ns(self) -> int | None:
        return self._waited_ns.pop(0)

    def close(self) -> None:
        """Nothing."""


def test_a_late_wakening_is_no_proof_that_all_was_empty(
    polls: Polls, monkeypatch: pytest.MonkeyPatch
) -> None:
    long_ns = 3_600_000_000_000
    waited = Waited(0, 5_000_000, long_ns, None)
    monkeypatch.setattr("probe.net.event_loop.RunQueue", lambda: waited)
    asked_ns = time.monotonic_ns()
    polls.select(0.03)
    assert (polls.slept, polls.empty_ns) == (True, polls.returned_ns - WAKE_NS)
    polls.select(0.03)
    assert (polls.slept, polls.empty_ns) == (True, polls.returned_ns - WAKE_NS - 5_000_000)
    for _ in range(2):  # all of it was spent in the queue; and nobody says
        before_ns, asked_ns = asked_ns, time.monotonic_ns()
        polls.select(0.03)
        assert not polls.slept
        assert polls.empty_ns <= polls.returned_ns - 29_000_000, "when it was asked, and not when it woke"
        assert polls.empty_ns >= before_ns


def test_the_kernel_counts_how_long_we_waited() -> None:
    run_queue = RunQueue()
    waited_ns = run_queue.since_ns()
    assert waited_ns is not None
    assert 0 <= waited_ns < 5_000_000_000
    run_queue.close()
    run_queue.close()
    assert run_queue.since_ns() is None


def test_a_kernel_that_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise FileNotFoundError

    monkeypatch.setattr("probe.net.run_queue.os.open", refuse)
    run_queue = RunQueue()
    assert [run_queue.since_ns(), run_queue.since_ns()] == [None, None]
    run_queue.close()


def test_a_timeout_is_not_cut_short(polls: Polls) -> None:
    for timeout_s in (0.0001, 0.0011):
        began = time.monotonic()
        polls.select(timeout_s)
        assert time.monotonic() - began >= timeout_s


def test_asyncio_runs_on_it() -> None:
    async def talk() -> tuple[bytes, bool]:
        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.read(100))
            writer.close()

        async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"hello")
            said = await reader.read()
            writer.close()
            polls = polls_of(asyncio.get_running_loop())
            return said, polls is not None and polls.count > 0

    assert run(talk()) == (b"hello", True)


def test_a_socket_and_its_number_are_the_same(pair: tuple[socket.socket, socket.socket]) -> None:
    here, _ = pair
    loop = DatedLoop()
    try:
        for one, other in ((here, here), (here, here.fileno()), (here.fileno(), here)):
            loop.add_reader(one, print)
            loop.add_writer(other, print)
            loop.add_reader(other, print)
            assert loop.remove_reader(other)
            assert loop.remove_writer(one)
            assert not loop.remove_reader(one)
            assert here.fileno() not in loop.polls.watched
    finally:
        loop.close()


def test_signals_are_forgotten_before_the_loop_ends() -> None:
    before = signal.getsignal(signal.SIGUSR1)
    came: list[str] = []

    async def main() -> None:
        with on_signals((signal.SIGUSR1,), lambda: came.append("signal")):
            signal.raise_signal(signal.SIGUSR1)
            while not came:
                await asyncio.sleep(0)
        assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL

    try:
        run(main())
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert came == ["signal"]


def test_another_loop_keeps_none() -> None:
    loop = asyncio.SelectorEventLoop()
    assert polls_of(loop) is None
    loop.close()
    dated = DatedLoop()
    assert polls_of(dated) is dated.polls
    dated.close()
