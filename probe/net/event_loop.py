"""Rule: a poll that reports no data proves that there was none; its time is kept as a bound for data that came later.

The kernel joins what it receives and keeps the later stamp. What it joined came after the last poll that found the
socket empty: that poll's time bounds how much too late the stamp can be.
"""

from __future__ import annotations

import asyncio
import math
import signal
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import contextmanager
from select import EPOLLIN, EPOLLOUT, epoll
from selectors import EVENT_READ, EVENT_WRITE, BaseSelector, SelectorKey
from typing import Any, Protocol, TypeVar, TypeVarTuple

from probe.net.run_queue import RunQueue

WAKE_NS = 500_000
"""Who sleeps in a poll runs so soon after what woke him, besides what he then waits for a processor (`RunQueue`)."""

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
_WANTED = (0, EPOLLIN, EPOLLOUT, EPOLLIN | EPOLLOUT)  # by EVENT_READ | EVENT_WRITE


class _HasFileno(Protocol):
    def fileno(self) -> int: ...


FileObject = int | _HasFileno


class Polls(BaseSelector):
    """Epoll, and when it was asked and answered; nanoseconds of CLOCK_MONOTONIC.

    `count`: polls so far. `returned_ns`: when the last one came back. `slept`: it had to wait, so that all was empty
    when it began. `empty_ns`: all that it reported was empty then; where it did not sleep, all that the one before it
    did not report.

    `watched`: what is registered, by descriptor.

    As `selectors.EpollSelector`, at a third of its cost: a fetch registers three times and looks up six times.
    """

    def __init__(self) -> None:
        self._epoll = epoll()
        self.watched: dict[FileObject, SelectorKey] = {}
        self.count = 0
        self.slept = False
        self.returned_ns = self.empty_ns = self._last_ns = time.monotonic_ns()
        self._run_queue: RunQueue | None = None

    def fileno(self) -> int:
        """Of epoll itself."""
        return self._epoll.fileno()

    def register(self, fileobj: FileObject, events: int, data: Any = None) -> SelectorKey:
        """Raises KeyError for what is registered already, OSError for what cannot be polled."""
        number = _number(fileobj)
        if number in self.watched:
            raise KeyError(f"{fileobj!r} (descriptor {number}) is registered already")
        self._epoll.register(number, _wanted(events))
        key = self.watched[number] = SelectorKey(fileobj, number, events, data)
        return key

    def unregister(self, fileobj: FileObject) -> SelectorKey:
        """Raises KeyError for what is not registered; what was closed meanwhile is fine."""
        key = self.watched.pop(_number(fileobj))
        try:
            self._epoll.unregister(key.fd)
        except OSError:  # closed: the kernel has forgotten it already
            return key
        return key

    def modify(self, fileobj: FileObject, events: int, data: Any = None) -> SelectorKey:
        """Raises KeyError for what is not registered."""
        number = _number(fileobj)
        key = self.watched[number]
        if events != key.events:
            self._epoll.modify(number, _wanted(events))
        key = self.watched[number] = SelectorKey(fileobj, number, events, data)
        return key

    def get_key(self, fileobj: FileObject) -> SelectorKey:
        """Raises KeyError for what is not registered."""
        return self.watched[_number(fileobj)]

    def get_map(self) -> Mapping[FileObject, SelectorKey]:
        """By descriptor."""
        return self.watched

    def close(self) -> None:
        """Nothing is polled any more."""
        self._epoll.close()
        self.watched.clear()
        if self._run_queue is not None:
            self._run_queue.close()

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        """What can be read or written now, after at most so many seconds; None: whenever that is."""
        if self._run_queue is None:
            self._run_queue = RunQueue()  # here: of the thread that polls
        # To the next millisecond, as epoll counts: else the loop would spin for the rest of one.
        wait_s = -1.0 if timeout is None else math.ceil(timeout * 1e3) * 1e-3 if timeout > 0 else 0
        asked_ns = time.monotonic_ns()
        try:
            events = self._epoll.poll(wait_s, len(self.watched) or 1)
        except InterruptedError:
            events = []
        self.returned_ns = returned_ns = time.monotonic_ns()
        surely_ns = returned_ns - WAKE_NS
        if surely_ns > asked_ns:
            surely_ns -= self._waited_ns(surely_ns - asked_ns)
        self.slept = surely_ns > asked_ns
        last_ns, self._last_ns = self._last_ns, surely_ns if self.slept else asked_ns
        self.empty_ns = surely_ns if self.slept else last_ns
        self.count += 1
        return self._ready(events)

    def _waited_ns(self, unknown_ns: int) -> int:
        """For a processor, since this was asked last; `unknown_ns` where the kernel does not say."""
        waited_ns = self._run_queue.since_ns() if self._run_queue is not None else None
        return unknown_ns if waited_ns is None else waited_ns

    def _ready(self, events: list[tuple[int, int]]) -> list[tuple[SelectorKey, int]]:
        ready, keys = [], self.watched
        for number, event in events:
            key = keys.get(number)
            if key is not None:  # an error or an end is both: whoever waits for either hears of it
                found = (EVENT_READ if event & ~EPOLLOUT else 0) | (EVENT_WRITE if event & ~EPOLLIN else 0)
                ready.append((key, found & key.events))
        return ready


def _number(fileobj: FileObject) -> int:
    """The descriptor. Raises ValueError for what has none."""
    number = fileobj if isinstance(fileobj, int) else int(fileobj.fileno())
    if number < 0:
        raise ValueError(f"{fileobj!r} has no descriptor")
    return number


def _wanted(events: int) -> int:
    if not 0 < events <= EVENT_READ | EVENT_WRITE:
        raise ValueError(f"nothing to wait for: {events!r}")
    return _WANTED[events]


class DatedLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop; `polls` dates what it is told.

    A descriptor that nobody waits for yet is watched without the questions that asyncio asks first. A socket is watched
    by its number: asyncio of Python 3.13 looks in `Polls.get_map` for whatever it was given.
    """

    def __init__(self) -> None:
        self.polls = Polls()
        self._watched = self.polls.watched
        super().__init__(self.polls)

    def add_reader(self, fd: FileObject, callback: Callable[[*Ts], Any], *args: *Ts) -> None:
        """As asyncio's."""
        fd = _number(fd)
        if fd not in self._watched:
            handle = asyncio.Handle(callback, args, self, None)
            self.polls.register(fd, EVENT_READ, (handle, None))
        else:
            super().add_reader(fd, callback, *args)

    def add_writer(self, fd: FileObject, callback: Callable[[*Ts], Any], *args: *Ts) -> None:
        """As asyncio's."""
        fd = _number(fd)
        if fd not in self._watched:
            handle = asyncio.Handle(callback, args, self, None)
            self.polls.register(fd, EVENT_WRITE, (None, handle))
        else:
            super().add_writer(fd, callback, *args)

    def remove_reader(self, fd: FileObject) -> bool:
        """As asyncio's."""
        fd = _number(fd)
        key = self._watched.get(fd)
        if key is None or key.events != EVENT_READ:
            return super().remove_reader(fd)
        self.polls.unregister(key.fd)
        key.data[0].cancel()
        return True

    def remove_writer(self, fd: FileObject) -> bool:
        """As asyncio's."""
        fd = _number(fd)
        key = self._watched.get(fd)
        if key is None or key.events != EVENT_WRITE:
            return super().remove_writer(fd)
        self.polls.unregister(key.fd)
        key.data[1].cancel()
        return True


@contextmanager
def on_signals(numbers: Iterable[int], callback: Callable[[], object]) -> Iterator[None]:
    """Within, each of these signals calls `callback` from the running loop; afterwards they do as they do by default.

    What is left to the loop's own end comes too late: it closes what signals wake it by before it forgets them, and a
    signal in between is reported as an error.
    """
    loop = asyncio.get_running_loop()
    watched = tuple(numbers)
    for number in watched:
        loop.add_signal_handler(number, callback)
    try:
        yield
    finally:
        for number in watched:
            loop.remove_signal_handler(number)


def polls_of(loop: asyncio.AbstractEventLoop) -> Polls | None:
    """Those of a loop that keeps them."""
    return loop.polls if isinstance(loop, DatedLoop) else None


def run(main: Coroutine[Any, Any, T]) -> T:
    """As `asyncio.run`, on such a loop; SIGINT cancels `main` also where a handler of the program's own takes it."""
    with _interrupts_cancel(), asyncio.Runner(loop_factory=DatedLoop) as runner:
        return runner.run(main)


@contextmanager
def _interrupts_cancel() -> Iterator[None]:
    """A Runner leaves SIGINT alone, and its loop torn in two, unless Python's own handler is there."""
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler) or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
