"""HTTP/2 as a server may say it, right or wrong: frames by hand, and a server that writes them.

Nothing here checks anything, so that a server can say whatever a test wants. `Hpack` codes field sections as a server
would; `frames` are bytes of the connection, after the client's preface.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import hpack

from tests.support.http_server import Pki, Script, Server, read_before, serve

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = (
    range(10)
)
ALTSVC = 10
END_STREAM, ACK, END_HEADERS, PADDED, HAS_PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20
Fields = Sequence[tuple[str, str]]


def frame(
    kind: int, payload: bytes = b"", flags: int = 0, stream: int = 0, length: int | None = None
) -> bytes:
    """One frame; `length`: what it says of itself, where that is to be wrong."""
    size = len(payload) if length is None else length
    return size.to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def settings(*pairs: tuple[int, int]) -> bytes:
    """A SETTINGS frame."""
    return frame(SETTINGS, b"".join(k.to_bytes(2, "big") + v.to_bytes(4, "big") for k, v in pairs))


def section(fields: Fields, encoder: hpack.Encoder | None = None) -> bytes:
    """A field section in HPACK, the names as they stand here."""
    coded: bytes = (encoder or hpack.Encoder()).encode(
        [(n.encode("latin-1"), v.encode("latin-1")) for n, v in fields]
    )
    return coded


def head(
    *fields: tuple[str, str], status: str = "200", end: bool = False, block: bytes | None = None
) -> bytes:
    """HEADERS on stream 1, whole in one frame."""
    coded = section([(":status", status), *fields]) if block is None else block
    return frame(HEADERS, coded, END_HEADERS | (END_STREAM if end else 0), 1)


def data(content: bytes = b"", *, end: bool = False, stream: int = 1) -> bytes:
    """A DATA frame."""
    return frame(DATA, content, END_STREAM if end else 0, stream)


def goaway(last: int = 0, error: int = 0) -> bytes:
    """A GOAWAY frame."""
    return frame(GOAWAY, last.to_bytes(4, "big") + error.to_bytes(4, "big"))


def reset(error: int, stream: int = 1) -> bytes:
    """A RST_STREAM frame."""
    return frame(RST_STREAM, error.to_bytes(4, "big"), 0, stream)


PREFACE = settings()
WHOLE = PREFACE + head(("content-length", "2")) + data(b"ok", end=True)


def tls_of(pki: Pki, *protocols: str) -> ssl.SSLContext:
    """A server's context that agrees on HTTP/2, or on what is named."""
    context = pki.issued()
    context.set_alpn_protocols(list(protocols or ("h2",)))
    return context


def saying(*pieces: bytes, hang: bool = False) -> Script:
    """Read the client's preface and request, write the pieces, then close, or say no more."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(24 - len(read_before(reader)))
        while (await _frame_of(reader)) != HEADERS:
            pass
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        if hang:
            await reader.read()

    return script


async def _frame_of(reader: asyncio.StreamReader) -> int:
    start = await reader.readexactly(9)
    await reader.readexactly(int.from_bytes(start[:3], "big"))
    return start[3]


@contextlib.asynccontextmanager
async def speaking(pki: Pki, script: Script) -> AsyncIterator[Server]:
    """A server over TLS that agrees on HTTP/2 and then does as the script says."""
    async with serve(script, tls=tls_of(pki), read=False) as server:
        yield server


@dataclass
class Asked:
    """What a healthy server was asked."""

    requests: list[dict[str, str]] = field(default_factory=list)


Answer = Callable[[dict[str, str]], Awaitable[tuple[Fields, bytes]] | tuple[Fields, bytes]]


def healthy(answer: Answer, asked: Asked | None = None) -> Script:
    """A server by `h2` that answers each request with fields and a body, within the client's windows."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        config = h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        connection = h2.connection.H2Connection(config)
        connection.initiate_connection()
        writer.write(connection.data_to_send())
        connection.receive_data(read_before(reader))
        left: dict[int, bytes] = {}
        while received := await reader.read(65536):
            for event in connection.receive_data(received):
                if isinstance(event, h2.events.RequestReceived):
                    request = dict(event.headers or ())
                    if asked is not None:
                        asked.requests.append(request)  # type: ignore[arg-type]
                    made = answer(request)  # type: ignore[arg-type]
                    fields, body = await made if isinstance(made, Awaitable) else made
                    stream = event.stream_id or 0
                    connection.send_headers(stream, fields, end_stream=not body)
                    left[stream] = body
            for stream in list(left):
                left[stream] = _more(connection, stream, left[stream])
                if not left[stream]:
                    del left[stream]
            writer.write(connection.data_to_send())
            await writer.drain()

    return script


def _more(connection: h2.connection.H2Connection, stream: int, body: bytes) -> bytes:
    while body:
        count = min(
            connection.local_flow_control_window(stream), connection.max_outbound_frame_size, len(body)
        )
        if count <= 0:
            return body
        connection.send_data(stream, body[:count], end_stream=count == len(body))
        body = body[count:]
    return b""


def plain(body: bytes, *fields: tuple[str, str], status: str = "200") -> Answer:
    """The same reply to everything."""
    return lambda request: ([(":status", status), ("content-length", str(len(body))), *fields], body)
