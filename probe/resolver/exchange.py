"""Rule: one call is one question to one resolver over one fresh socket, over by its deadline whatever comes back.

What all transports share: the error that an exchange ends with, the socket, the reader of responses and the reader of
datagrams. Sockets are bound to the vantage point's source address or interface; the port is the kernel's random
choice (RFC 5452 section 9). `Inbox` takes the bytes of messages and gives the first one that is the response to the
question; others are counted and ignored until the deadline. How the bytes travel: `probe.resolver.transports`.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable

from probe.core.dns.message import MalformedError, Question, Reply, UnrelatedReplyError, read_reply
from probe.core.model.task import ResolverSpec, VantagePoint
from probe.core.records.failure import Failure
from probe.net.failures import SocketLateError
from probe.net.kernel_timestamps import ANCILLARY_BYTES, arrived_ns
from probe.net.line import open_socket
from probe.resolver.bootstrap import is_address
from probe.resolver.failures import SilenceError, dns_failure

_MAX_MESSAGE_BYTES = 65535
_IGNORED_LIMIT = 256  # a flood of rubbish must not cost a whole deadline of CPU


class ExchangeError(Exception):
    """No acceptable response came; `failure` says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.type.value)
        self.failure = failure


class as_failure:  # noqa: N801 - used as a statement, like those of contextlib
    """What is raised within becomes an ExchangeError of this operation."""

    __slots__ = ("_operation",)

    def __init__(self, operation: str) -> None:
        self._operation = operation

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, ExchangeError):
            raise ExchangeError(dns_failure(error, self._operation)) from error


class Inbox:
    """Reads messages until one is the response; counts the others."""

    def __init__(self, question: Question) -> None:
        self._question = question
        self._malformed = 0
        self._strays = 0
        self._last = ""

    async def first_response(self, receive: Callable[[], Awaitable[bytes]]) -> Reply:
        """Read with `receive` until a message is the response. Raises SilenceError after 256 that are not."""
        while self._malformed + self._strays < _IGNORED_LIMIT:
            wire = await receive()
            try:
                return read_reply(wire, self._question)
            except UnrelatedReplyError as error:
                self._strays += 1
                self._last = str(error)
            except MalformedError as error:
                self._malformed += 1
                self._last = str(error)
            await asyncio.sleep(0)  # datagrams at hand are read without waiting: let the deadline pass
        raise self.silence()

    def silence(self) -> SilenceError:
        """The error for a deadline that passed; it says how many messages were ignored."""
        return SilenceError(self._malformed, self._strays, self._last)


async def open_socket_to(
    resolver: ResolverSpec, vantage: VantagePoint, kind: socket.SocketKind, deadline_s: float
) -> socket.socket:
    """A non-blocking socket from the vantage point, not yet connected. Raises ExchangeError.

    Made in at most half of the time that is left, so that no resolver is blamed for what the making of it took: that
    is our own host's, `agent.socket_late`.
    """
    now_s = asyncio.get_running_loop().time()
    with as_failure("locate"):
        if not is_address(resolver.address):  # a name that was not found; asking it here would stop the loop
            raise OSError(errno.EHOSTUNREACH, "the host's own resolver knows no such resolver")
    with as_failure("bind"):
        version = 6 if ":" in resolver.address else 4
        if vantage.netns is None:  # made here and now, nothing is waited for
            return await open_socket(vantage, version, kind)
        try:
            async with asyncio.timeout_at((now_s + deadline_s) / 2 if now_s < deadline_s else None):
                return await open_socket(vantage, version, kind)
        except TimeoutError:
            raise SocketLateError("no socket was made in time") from None


class Datagrams:
    """What comes in on a connected socket, one datagram after the other. `close` before the socket is closed."""

    def __init__(self, sock: socket.socket, deadline_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._sock = sock
        self._waiter: asyncio.Future[bytes] | None = None
        self._timer = self._loop.call_at(deadline_s, self._late)
        self._is_late = False
        self.came_s = 0.0  # of the last one, on the clock of the loop
        self._loop.add_reader(sock.fileno(), self._readable)

    async def next(self) -> bytes:
        """The next one. Raises TimeoutError at the deadline, OSError."""
        if self._is_late:
            raise TimeoutError
        self._waiter = self._loop.create_future()
        return await self._waiter

    def _readable(self) -> None:
        if self._waiter is None or self._waiter.done():
            return
        try:
            wire, ancillary, _, _ = self._sock.recvmsg(_MAX_MESSAGE_BYTES, ANCILLARY_BYTES)
            came_ns = arrived_ns(ancillary)
            self.came_s = self._loop.time() if came_ns is None else came_ns / 1e9
            self._waiter.set_result(wire)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._waiter.set_exception(error)

    def _late(self) -> None:
        self._is_late = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(TimeoutError())

    def close(self) -> None:
        """Stop reading; nothing may wait in `next` any more."""
        self._timer.cancel()
        self._loop.remove_reader(self._sock.fileno())
        self._waiter = None  # its error was raised through a frame that refers to us
