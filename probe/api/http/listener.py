"""Rule: connections are bounded, in all and for each address, from the moment they are accepted.

Has its own accept loop, so that TLS handshakes count too. Nobody without a token keeps a reader out: where there is
no room, the oldest connection over which no right token came yet makes it, of the address that has most of them. Only
where all are readers' does a further one get a 503.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from probe.api.http.counters import Counters
from probe.api.http.protocol import Connection, HttpServer
from probe.api.http.rate_limit import address_key
from probe.telemetry.logs import fields

log = logging.getLogger("probe.api")

BACKLOG = 128
HANDSHAKE_S = 10.0
OUT_OF = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\nContent-Length: 0\r\n"
    b"Cache-Control: no-store\r\n\r\n"
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Connections at once: in all, and from one address."""

    connections: int = 128
    each: int = 64


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, port))
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise OSError(error.errno, f"cannot listen on {host} port {port}: {error.strerror}") from error
    return sock


@dataclass(slots=True, eq=False)
class _Open:
    """A connection from accepting to its end."""

    key: str
    socket: socket.socket
    task: asyncio.Task[None] | None = None
    protocol: Connection | None = None
    over: bool = False


class Listener:
    """Accepts until `close`. `context`: gives the TLS context for the next connection; None: plain."""

    def __init__(
        self,
        sock: socket.socket,
        server: HttpServer,
        counters: Counters,
        *,
        context: Callable[[], ssl.SSLContext] | None = None,
        bounds: Bounds | None = None,
    ) -> None:
        self._sock = sock
        self._server = server
        self._counters = counters
        self._context = context
        self._bounds = bounds or Bounds()
        self._open = 0
        self._by_address: Counter[str] = Counter()
        self._tasks: dict[asyncio.Task[None], socket.socket] = {}
        self._strangers: dict[str, dict[_Open, None]] = {}  # by address, each the oldest first
        self._none_open = asyncio.Event()
        self._resume: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to accept."""
        asyncio.get_running_loop().add_reader(self._sock, self._readable)

    async def close(self) -> None:
        """Accept no more, and end handshakes."""
        asyncio.get_running_loop().remove_reader(self._sock)
        if self._resume is not None:
            self._resume.cancel()
        self._sock.close()
        for task, connection in tuple(self._tasks.items()):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            connection.close()  # one that had not begun could not do it itself

    async def all_gone(self, within_s: float) -> None:
        """Until no connection is open any more; or so many seconds."""
        if self._open:
            with suppress(TimeoutError):
                async with asyncio.timeout(within_s):
                    await self._none_open.wait()

    def _readable(self) -> None:
        """Accept what is waiting, a bounded number at once."""
        for _ in range(BACKLOG):
            try:
                connection, address = self._sock.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in OUT_OF:
                    log.error("api.accept_failed", extra=fields(problem=error.strerror))
                    self._pause(1.0)
                    return
                continue  # it was gone before it was taken
            self._accepted(connection, address_key(str(address[0])))

    def _accepted(self, connection: socket.socket, key: str) -> None:
        connection.setblocking(False)
        if not self._has_room(key):
            victim = self._victim(key)
            if victim is None:
                self._refuse(connection)
                return
            self._end(victim)
        opened = _Open(key, connection)
        self._count(key, 1)
        self._strangers.setdefault(key, {})[opened] = None
        opened.task = task = asyncio.create_task(self._connect(opened))
        self._tasks[task] = connection
        task.add_done_callback(lambda done: self._tasks.pop(done, None))

    def _has_room(self, key: str) -> bool:
        return self._open < self._bounds.connections and self._by_address[key] < self._bounds.each

    def _victim(self, key: str) -> _Open | None:
        """Whose connection ends so that one from this address has room; None: nobody's may."""
        if self._by_address[key] >= self._bounds.each:
            return next(iter(self._strangers.get(key, ())), None)
        most = max(self._strangers.values(), key=len, default=None)
        return None if most is None else next(iter(most))

    def _end(self, opened: _Open) -> None:
        self._counters.refused.inc()
        self._lost(opened)
        if opened.protocol is not None and opened.protocol.transport is not None:
            opened.protocol.transport.abort()
        elif opened.task is not None:  # it has not come through the handshake
            opened.task.cancel()

    def _known(self, opened: _Open) -> None:
        """A right token came over it."""
        self._forget(opened)

    def _lost(self, opened: _Open) -> None:
        if not opened.over:
            opened.over = True
            self._forget(opened)
            self._count(opened.key, -1)

    def _forget(self, opened: _Open) -> None:
        """It is no stranger any more."""
        strangers = self._strangers.get(opened.key, {})
        strangers.pop(opened, None)
        if not strangers:
            self._strangers.pop(opened.key, None)

    def _pause(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._sock)
        self._resume = loop.call_later(seconds, self.start)

    async def _connect(self, opened: _Open) -> None:
        try:
            context = self._context() if self._context is not None else None
            _, opened.protocol = await asyncio.get_running_loop().connect_accepted_socket(
                lambda: self._server.connection(lambda: self._lost(opened), lambda: self._known(opened)),
                opened.socket,
                ssl=context,
                ssl_handshake_timeout=HANDSHAKE_S if context is not None else None,
                ssl_shutdown_timeout=5.0 if context is not None else None,
            )
        except (OSError, TimeoutError):  # the handshake failed: not TLS, or a client without our authority
            self._lost(opened)
            opened.socket.close()
        except BaseException:
            self._lost(opened)
            opened.socket.close()
            raise

    def _refuse(self, connection: socket.socket) -> None:
        self._counters.refused.inc()
        try:
            if self._context is None:
                connection.send(BUSY)
        except OSError:
            pass
        finally:
            connection.close()

    def _count(self, key: str, change: int) -> None:
        self._open += change
        self._none_open.clear() if self._open else self._none_open.set()
        self._by_address[key] += change
        if not self._by_address[key]:
            del self._by_address[key]
        self._counters.connections.set(self._open)
