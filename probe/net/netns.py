"""Rule: work in another network namespace is done by a thread of its own, which is there only while it works.

A socket belongs to the namespace of the thread that made it (setns(2)). Each namespace has one thread; it enters by the
namespace's file for each piece of work and goes home again. So a namespace that was removed and made anew is found as
it is now, one that is removed is kept alive by nobody, and the event loop is never in a foreign one. The loop waits for
a bounded time; what comes too late is discarded.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import os
import queue
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

from probe.net.failures import SocketLateError, SourceError

NAMED = Path("/run/netns")  # ip-netns(8)
HANDED_OVER_WITHIN_S = 1.0
RESOURCES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})  # our host's, not the line's
_CLONE_NEWNET = 0x40000000  # linux/sched.h
_WAITING_AT_MOST = 1000  # pieces of work for one namespace
_OWN = "/proc/thread-self/ns/net"
_libc = ctypes.CDLL(None, use_errno=True)  # os.setns comes with Python 3.12

T = TypeVar("T")


def namespace_path(netns: str) -> Path:
    """The file of a namespace: of that name below /run/netns, or the absolute path that was given."""
    return NAMED / netns


async def in_namespace(netns: str, work: Callable[[], T], discard: Callable[[T], None]) -> T:
    """What `work` gives when it is called in the namespace `netns`; it must be short and must not wait.

    `discard` gets a result that nobody waits for any more. Raises what `work` raises; SourceError where the namespace
    cannot be entered; OSError where this host lacks descriptors, memory or threads; SocketLateError, an OSError, where
    the thread did not come to it in time.
    """
    loop = asyncio.get_running_loop()
    job = _Job(work, discard, loop)
    _put(netns, job)
    late = loop.call_later(HANDED_OVER_WITHIN_S, job.give_up, netns)
    try:
        return await job.future
    except asyncio.CancelledError:
        job.discard_result()
        raise
    finally:
        late.cancel()


def close_namespaces() -> None:
    """End all threads, once they have done what they were given. May be called again; later work begins new ones."""
    with _lock:
        ended = list(_rooms.values())
        _rooms.clear()
        for room in ended:
            room.end()
    for room in ended:
        room.thread.join(HANDED_OVER_WITHIN_S)


class _LostError(SourceError):
    """The thread could not go home: it must do nothing more."""


class _Job(Generic[T]):
    """One piece of work on its way to the thread and back. Only `run` is called by the thread."""

    def __init__(
        self, work: Callable[[], T], discard: Callable[[T], None], loop: asyncio.AbstractEventLoop
    ) -> None:
        self.future: asyncio.Future[T] = loop.create_future()
        self._work = work
        self._discard = discard
        self._loop = loop

    def run(self, path: Path) -> None:
        if self.future.done():
            return  # nobody waits any more
        try:
            result = _inside(path, self._work)
        except Exception as error:
            self._hand_over(partial(self._fail, error))
            if isinstance(error, _LostError):
                raise
        else:
            if not self._hand_over(partial(self._deliver, result)):
                self._discard(result)

    def _hand_over(self, call: Callable[[], None]) -> bool:
        try:
            self._loop.call_soon_threadsafe(call)
        except RuntimeError:  # the loop was closed meanwhile
            return False
        return True

    def _deliver(self, result: T) -> None:
        if self.future.done():
            self._discard(result)
        else:
            self.future.set_result(result)

    def _fail(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)

    def give_up(self, netns: str) -> None:
        self._fail(
            SocketLateError(f"network namespace {netns}: not entered within {HANDED_OVER_WITHIN_S:g} s")
        )

    def discard_result(self) -> None:
        """Whoever waited was cancelled in the moment in which the result came."""
        if self.future.done() and not self.future.cancelled() and self.future.exception() is None:
            self._discard(self.future.result())


class _Room:
    """The thread of one namespace. A daemon: it keeps no process from ending."""

    def __init__(self, netns: str) -> None:
        self._netns = netns
        self._jobs: queue.SimpleQueue[_Job[Any] | None] = queue.SimpleQueue()
        self.thread = threading.Thread(target=self._run, name=f"netns {netns}", daemon=True)
        try:
            self.thread.start()
        except RuntimeError as error:
            raise OSError(errno.ENOMEM, "no further thread can be started") from error

    def put(self, job: _Job[Any]) -> None:
        if self._jobs.qsize() >= _WAITING_AT_MOST:
            raise SocketLateError(f"network namespace {self._netns}: its thread is stuck")
        self._jobs.put(job)

    def end(self) -> None:
        self._jobs.put(None)

    def _run(self) -> None:
        path = namespace_path(self._netns)
        while (job := self._jobs.get()) is not None:
            try:
                job.run(path)
            except _LostError:
                _forget(self)
                return
            del job  # what it holds is not to live on until the next one comes


_lock = threading.Lock()
_rooms: dict[str, _Room] = {}


def _put(netns: str, job: _Job[Any]) -> None:
    """Under the lock, so that no work is given to a thread that is to end."""
    with _lock:
        if netns not in _rooms:
            _rooms[netns] = _Room(netns)
        _rooms[netns].put(job)


def _forget(room: _Room) -> None:
    with _lock:
        for netns in [name for name, held in _rooms.items() if held is room]:
            del _rooms[netns]


# --- in the thread ------------------------------------------------------------------------------------


def _inside(path: Path, work: Callable[[], T]) -> T:
    home = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _enter(path)
        try:
            return work()
        finally:
            _go(home)
    finally:
        os.close(home)


def _enter(path: Path) -> None:
    shown = f"network namespace {path.name if path.parent == NAMED else path}"
    try:
        namespace = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe would not open else
    except FileNotFoundError:
        raise SourceError(f"{shown}: it does not exist; `ip netns list` shows those that do") from None
    except OSError as error:
        if error.errno in RESOURCES:
            raise
        raise SourceError(f"{shown}: cannot be opened: {error.strerror}") from None
    try:
        code = _setns(namespace)
    finally:
        os.close(namespace)
    if code in RESOURCES:
        raise OSError(code, os.strerror(code))
    if code:
        raise SourceError(f"{shown}: {_REFUSED.get(code) or os.strerror(code)}")


_REFUSED = {
    errno.EPERM: "entering it (setns) needs CAP_SYS_ADMIN",
    errno.EINVAL: "the file is no network namespace, or one of another mount namespace",
}


def _go(home: int) -> None:
    code = _setns(home)
    if code:
        raise _LostError(f"cannot go back to the own network namespace: {os.strerror(code)}")


def _setns(descriptor: int) -> int:
    """0, or the error's number."""
    if _libc.setns(descriptor, _CLONE_NEWNET) == 0:
        return 0
    return ctypes.get_errno() or errno.ENOSYS
