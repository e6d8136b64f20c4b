"""Rule: over HTTP/2 the same handlers answer, and a response can be broken by what HTTP/2 has for it.

The connection is kept by `h2` (RFC 9113); streams are answered one after the other. Bodies go out within the client's
windows.
"""

from __future__ import annotations

import asyncio

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions

from probe.lab.servers.http1 import Reply, Request

_READ_BYTES = 65_536
_IDLE_S = 15.0


class Http2Connection:
    """One connection of a client. `requests`: the next one's stream and itself, `None` at the end; then `reply`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, source: str) -> None:
        self._reader, self._writer, self._source = reader, writer, source
        config = h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        self._h2 = h2.connection.H2Connection(config)
        self._h2.initiate_connection()
        self._asked: list[tuple[int, Request]] = []
        self._over = False

    async def next(self) -> tuple[int, Request] | None:
        """The next request; None where the client has no more, or what it sends is no HTTP/2."""
        await self._flush()
        while not self._asked and not self._over:
            await self._receive()
        return self._asked.pop(0) if self._asked else None

    async def reply(self, stream: int, request: Request, reply: Reply) -> bool:
        """Send it; False where the connection was ended on purpose."""
        body, sent = reply.content_for(request)
        self._h2.send_headers(stream, reply.stream_head(), end_stream=not body)
        if body:
            await self._send(stream, sent, end=not reply.goaway)
        if reply.goaway:
            self._h2.close_connection(h2.errors.ErrorCodes.INTERNAL_ERROR, last_stream_id=stream)
        await self._flush()
        return not reply.goaway

    async def _send(self, stream: int, left: bytes, *, end: bool) -> None:
        while left and not self._over:
            window = self._h2.local_flow_control_window(stream)
            count = min(window, self._h2.max_outbound_frame_size, len(left))
            if count <= 0:
                await self._flush()
                await self._receive()
                continue
            self._h2.send_data(stream, left[:count], end_stream=end and count == len(left))
            left = left[count:]

    async def _receive(self) -> None:
        try:
            async with asyncio.timeout(_IDLE_S):
                received = await self._reader.read(_READ_BYTES)
            events = self._h2.receive_data(received) if received else []
        except (TimeoutError, h2.exceptions.H2Error):
            received, events = b"", []
        self._over |= not received
        for event in events:
            if isinstance(event, h2.events.RequestReceived):
                lines = {str(name): str(value) for name, value in event.headers or ()}
                self._asked.append((event.stream_id or 0, Request.of_stream(lines, self._source)))
            elif isinstance(event, h2.events.StreamReset | h2.events.ConnectionTerminated):
                self._over = True
        await self._flush()

    async def _flush(self) -> None:
        if data := self._h2.data_to_send():
            self._writer.write(data)
            await self._writer.drain()
