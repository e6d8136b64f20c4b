"""Rule: the HTTPS face of the test's resolver speaks as the client chose by ALPN: HTTP/2 or HTTP/1.1 (RFC 8484).

`Said` is what a script returns to say more than the message: another status, other fields, a reset, a GOAWAY.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import h2.config
import h2.connection
import h2.events
import h11

MEDIA = ("content-type", "application/dns-message")


@dataclass(frozen=True, kw_only=True)
class Said:
    """One HTTP response. `pad`: octets of padding on each DATA frame; `goaway`: sent before the response."""

    body: bytes = b""
    status: int = 200
    fields: tuple[tuple[str, str], ...] = (MEDIA,)
    reset: int | None = None
    goaway: tuple[int, int] | None = None
    pad: int | None = None
    chunk: int = 16384
    informational: int = 0


Answer = Callable[[bytes], Awaitable[Said | None]]
"""The request's message -> the response; None: silence. Raises ConnectionError to close."""


async def serve_http2(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answer) -> None:
    """Until the client leaves."""
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
    connection.initiate_connection()
    writer.write(connection.data_to_send())
    asked: dict[int, bytearray] = {}
    unsent: dict[int, tuple[bytes, Said]] = {}
    while data := await reader.read(65536):
        for event in connection.receive_data(data):
            if isinstance(event, h2.events.RequestReceived):
                asked[event.stream_id] = bytearray()
                check_request({k.decode() if isinstance(k, bytes) else k: v for k, v in event.headers})
            elif isinstance(event, h2.events.DataReceived):
                asked[event.stream_id] += event.data
            elif isinstance(event, h2.events.StreamEnded):
                said = await answer(bytes(asked[event.stream_id]))
                if said is not None and _heads(connection, event.stream_id, said, writer):
                    unsent[event.stream_id] = (said.body, said)
        for stream in list(unsent):
            _send_what_fits(connection, stream, unsent)
        writer.write(connection.data_to_send())
        await writer.drain()


def _heads(
    connection: h2.connection.H2Connection, stream: int, said: Said, writer: asyncio.StreamWriter
) -> bool:
    """What comes before the body; False where there will be none."""
    if said.goaway is not None:
        code, last = said.goaway
        writer.write(connection.data_to_send())
        writer.write(
            b"\0\0\x08\x07\0\0\0\0\0" + last.to_bytes(4, "big") + code.to_bytes(4, "big")
        )  # by hand: after its own GOAWAY h2 sends nothing more
    if said.reset is not None:
        connection.reset_stream(stream, said.reset)
        return False
    for _ in range(said.informational):
        connection.send_headers(stream, [(":status", "103"), ("link", "</>")])
    connection.send_headers(stream, [(":status", str(said.status)), *said.fields])
    return True


def _send_what_fits(
    connection: h2.connection.H2Connection, stream: int, unsent: dict[int, tuple[bytes, Said]]
) -> None:
    """As much as the client's window allows; the rest when it opens again."""
    left, said = unsent[stream]
    padding = 0 if said.pad is None else said.pad + 1
    while left:
        room = connection.local_flow_control_window(stream) - padding
        if room <= 0:
            unsent[stream] = (left, said)
            return
        step = min(said.chunk, room)
        connection.send_data(stream, left[:step], pad_length=said.pad)
        left = left[step:]
    connection.end_stream(stream)
    del unsent[stream]


async def serve_http1(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answer) -> None:
    """One request."""
    connection = h11.Connection(h11.SERVER)
    body = b""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(65536))
        elif isinstance(event, h11.Request):
            check_request({":method": event.method, **{k.decode(): v for k, v in event.headers}})
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            break
        else:
            return
    said = await answer(body)
    if said is None:
        await reader.read()
        return
    head = h11.Response(
        status_code=said.status, headers=[*said.fields, ("content-length", str(len(said.body)))]
    )
    for part in (head, h11.Data(data=said.body), h11.EndOfMessage()):
        writer.write(connection.send(part) or b"")
    await writer.drain()


def check_request(fields: dict[str, bytes | str]) -> None:
    """What RFC 8484 section 4.1 demands of every request."""
    text = {name: value.decode() if isinstance(value, bytes) else value for name, value in fields.items()}
    assert text[":method"] == "POST"
    assert text["content-type"] == text["accept"] == "application/dns-message"
    assert text.get(":path", "/dns-query") == "/dns-query"
