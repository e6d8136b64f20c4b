"""Rule: a message arrives whole or not at all, in the order in which it was sent, many of them at once.

Frames over a stream socket that only a process and its child hold: a length (four bytes, network order), then so many
bytes. What is sent within a moment goes as one frame. Nothing waits in it for long: what may be under way is bounded by
the slots that are measured at once.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from typing import Generic, TypeVar

HEAD = struct.Struct("!I")
MOST_BYTES = 256 * 1024 * 1024  # of one frame: a length beyond that is no length

Out = TypeVar("Out")


class Channel(asyncio.Protocol, Generic[Out]):
    """One end. `on_frame` is given each frame; `on_end` is called once, when the other end is gone."""

    def __init__(
        self,
        *,
        pack: Callable[[list[Out]], bytes],
        on_frame: Callable[[bytes], None],
        on_end: Callable[[], None],
        batch_s: float = 0.0,
    ) -> None:
        """`pack` makes a frame of messages; for `batch_s` more of them are waited for."""
        self._pack = pack
        self._on_frame = on_frame
        self._on_end = on_end
        self._gather_s = batch_s
        self._waiting: list[Out] = []
        self._timer: asyncio.Handle | None = None
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self.frames_in = 0

    def send(self, message: Out) -> None:
        """Send it soon, together with others; nothing is sent once the other end is gone."""
        self._waiting.append(message)
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = (
                loop.call_later(self._gather_s, self.flush) if self._gather_s else loop.call_soon(self.flush)
            )

    def flush(self) -> None:
        """Send what waits, now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting, self._waiting = self._waiting, []
        if waiting:
            self.send_packed(self._pack(waiting))

    def send_packed(self, frame: bytes) -> None:
        """A frame that is packed already; it overtakes what `send` was given."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(HEAD.pack(len(frame)) + frame)

    def close(self) -> None:
        """Send what waits and end."""
        if self._transport is not None:
            self.flush()
            self._transport.close()

    # --- asyncio's side -------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """From now on messages can be sent."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Give out every frame that is whole. What is no frame ends the connection."""
        buffer = self._buffer
        buffer += data
        start = 0
        while len(buffer) - start >= HEAD.size:
            (size,) = HEAD.unpack_from(buffer, start)
            if size > MOST_BYTES:
                self.abort()
                return
            end = start + HEAD.size + size
            if len(buffer) < end:
                break
            self.frames_in += 1
            self._on_frame(bytes(memoryview(buffer)[start + HEAD.size : end]))
            start = end
        if start:
            del buffer[:start]

    def abort(self) -> None:
        """End at once: nothing more is taken from the other side."""
        self._buffer.clear()
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        """The other end is gone; all that it had sent before has been given out."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._transport = None
        self._on_end()
