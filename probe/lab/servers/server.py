"""Rule: what a lab server answers does not depend on the HTTP version that it is asked over.

HTTP and HTTPS on one address, over TLS also HTTP/2 where the context agrees on it.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol

from probe.lab.servers.http1 import LOG_LENGTH, Handler, Logged, Reply, Request, read_request, write_reply
from probe.lab.servers.http2 import Http2Connection
from probe.lab.servers.listener import Listener


class Listening(Protocol):
    """What listens at an address; `Listener` says what each member is."""

    blocked: set[str]
    tls_for: dict[str, ssl.SSLContext]

    @property
    def listening(self) -> bool: ...

    def open(self) -> None: ...

    async def close(self) -> None: ...


class HttpServer:
    """HTTP and, with a context, HTTPS on one address. `log` keeps the newest requests."""

    def __init__(
        self,
        handler: Handler,
        address: str,
        http_port: int,
        https_port: int | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.address = address
        self.log: deque[Logged] = deque(maxlen=LOG_LENGTH)
        self._handler = handler
        self._captured: dict[str, Handler] = {}
        self._listeners: list[Listening] = [Listener(address, http_port, self._serving("http"))]
        if https_port is not None and tls is not None:
            self._listeners.append(Listener(address, https_port, self._serving("https"), tls))

    def join(self, listener: Listening) -> None:
        """Open, close, block and capture this one with the others."""
        self._listeners.append(listener)

    async def answer(self, request: Request) -> Reply:
        """As to a request over TLS that came by another way."""
        return await self._answer("https", request)

    @property
    def listening(self) -> bool:
        """Whether connections are accepted; if not, they are refused."""
        return all(listener.listening for listener in self._listeners)

    def open(self) -> None:
        """Start to listen. Raises LabError."""
        for listener in self._listeners:
            listener.open()

    async def close(self) -> None:
        """Refuse connections and cut those that there are."""
        await asyncio.gather(*(listener.close() for listener in self._listeners))

    def block(self, source: str) -> None:
        """Drop connections from this address, without a byte."""
        for listener in self._listeners:
            listener.blocked.add(source)

    def unblock(self, source: str) -> None:
        """Serve this address again."""
        for listener in self._listeners:
            listener.blocked.discard(source)

    def capture(self, source: str, handler: Handler, tls: ssl.SSLContext) -> None:
        """Let another handler answer this source address, over TLS too."""
        self._captured[source] = handler
        for listener in self._listeners:
            listener.tls_for[source] = tls

    def release(self, source: str) -> None:
        """Answer this source address with the own handler again."""
        del self._captured[source]
        for listener in self._listeners:
            del listener.tls_for[source]

    def _serving(
        self, scheme: str
    ) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            agreed = writer.get_extra_info("ssl_object")
            if agreed is not None and agreed.selected_alpn_protocol() == "h2":
                await self._over_http_2(scheme, reader, writer)
            else:
                while await self._one(scheme, reader, writer):
                    pass

        return serve

    async def _one(self, scheme: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its reply; whether the connection goes on."""
        source = writer.get_extra_info("peername")[0]
        request = await read_request(reader, source)
        if request is None:
            return False
        reply = await self._answer(scheme, request)
        whole = write_reply(writer, request, reply)
        await writer.drain()
        return whole and request.fields.get("connection", "").lower() != "close"

    async def _over_http_2(
        self, scheme: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        connection = Http2Connection(reader, writer, writer.get_extra_info("peername")[0])
        while (asked := await connection.next()) is not None:
            stream, request = asked
            if not await connection.reply(stream, request, await self._answer(scheme, request)):
                return

    async def _answer(self, scheme: str, request: Request) -> Reply:
        """What the handler says, noted in the log, once its delay has passed."""
        handler = self._captured.get(request.source, self._handler)
        reply = Reply(status=400) if request.host == "" else await handler(request)
        self.log.append(
            Logged(
                source=request.source,
                scheme=scheme,
                method=request.method,
                host=request.host,
                path=request.path,
                status=reply.status,
            )
        )
        if reply.delay_s:
            await asyncio.sleep(reply.delay_s)
        return reply
