"""Rule: DNS over HTTPS is one POST on a connection of its own, and only a 200 with a DNS message is an answer.

Sans-I/O (h2, h11): bytes in, bytes out; HTTP/2 where the server chose it by ALPN, else HTTP/1.1 (RFC 8484). Bounded
in what it reads: 65,535 bytes of body, four times that on the wire, so that neither padding nor endless fields,
1xx responses or pings can hold it up. Raises `HttpsError` for what the server does wrong, EOFError where it closes
without a response.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Protocol

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings
import h11

from probe.core.model.task import ResolverSpec

ALPN = ("h2", "http/1.1")
MEDIA_TYPE = "application/dns-message"
MAX_BODY_BYTES = 65535
_MAX_RECEIVED_BYTES = 4 * MAX_BODY_BYTES
_READ_BYTES = 65536
_FRAME_HEAD_BYTES = 9
_GOAWAY = 7
_STREAM = 1  # the only stream of the connection
_SHOWN = 60
_SETTINGS = {
    h2.settings.SettingCodes.ENABLE_PUSH: 0,
    h2.settings.SettingCodes.MAX_HEADER_LIST_SIZE: 16384,
}

Fields = Iterable[tuple[bytes, bytes]]


class HttpsError(Exception):
    """The server speaks HTTP, but this is no answer; the words say what it is."""


class DohBody:
    """The response: its head is judged, its body collected. `age_s`: how long it lay in a cache (RFC 9111)."""

    def __init__(self) -> None:
        self.content = bytearray()
        self.age_s = 0
        self.begun = False

    def head(self, status: int, fields: Fields) -> None:
        """Raises HttpsError unless it is a 200 with a DNS message (RFC 8484 section 4.2.1)."""
        self.begun = True
        known = {name.decode("latin-1").lower(): value.decode("latin-1").strip() for name, value in fields}
        media = known.get("content-type", "").partition(";")[0].strip().lower()
        if status != 200 or media != MEDIA_TYPE:
            raise HttpsError(f"status {status}, {_shown(media) or 'no media type'}")
        coding = known.get("content-encoding", "identity").lower()
        if coding != "identity":
            raise HttpsError(f"content coding {_shown(coding)}, which was not asked for")
        age = known.get("age", "")
        self.age_s = int(age[:10]) if age.isascii() and age.isdigit() else 0

    def more(self, data: bytes) -> None:
        """Raises HttpsError over 65,535 bytes, the longest DNS message."""
        if len(self.content) + len(data) > MAX_BODY_BYTES:
            raise HttpsError(f"a body of more than {MAX_BODY_BYTES} bytes")
        self.content += data


def _shown(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text[:_SHOWN])


class DohExchange(Protocol):
    """One request and its response: send what `begin` and `feed` give, until `done`."""

    body: DohBody
    done: bool

    def begin(self) -> bytes: ...

    def feed(self, data: bytes) -> bytes: ...


def _authority(resolver: ResolverSpec) -> str:
    host = resolver.tls_name or resolver.address
    host = f"[{host}]" if ":" in host else host
    return host if resolver.port == 443 else f"{host}:{resolver.port}"


class Http2Exchange:
    """RFC 9113. No server push; what is received is acknowledged, padding included."""

    def __init__(self, resolver: ResolverSpec, message: bytes) -> None:
        self.body = DohBody()
        self.done = False
        self._message = message
        self._fields = [
            (":method", "POST"),
            (":scheme", "https"),
            (":authority", _authority(resolver)),
            (":path", resolver.path or "/dns-query"),
            ("accept", MEDIA_TYPE),
            ("content-type", MEDIA_TYPE),
            ("content-length", str(len(message))),
        ]
        config = h2.config.H2Configuration(client_side=True, header_encoding=None)
        self._connection = h2.connection.H2Connection(config)
        # Set before the preface is made: a change to the settings that are there waits for an acknowledgement.
        self._connection.local_settings = h2.settings.Settings(client=True, initial_values=_SETTINGS)
        self._unread = bytearray()

    def begin(self) -> bytes:
        """The connection's preface and the whole request."""
        self._connection.initiate_connection()
        self._connection.send_headers(_STREAM, self._fields)
        self._connection.send_data(_STREAM, self._message, end_stream=True)
        return self._connection.data_to_send()

    def feed(self, data: bytes) -> bytes:
        """Take what was received (nothing: the end); gives what is to be sent."""
        if not data:
            raise _closed(self.body)
        self._unread += data
        try:
            while not self.done and (frame := self._frame()) is not None:
                self._take(self._connection.receive_data(frame) if not self._farewell(frame) else ())
        except h2.exceptions.H2Error as error:
            raise HttpsError(f"HTTP/2: {str(error)[:200] or type(error).__name__}") from error
        return self._connection.data_to_send()

    def _frame(self) -> bytes | None:
        """The next whole frame, cut off here since h2 reads nothing any more after a GOAWAY."""
        if len(self._unread) < _FRAME_HEAD_BYTES:
            return None
        end = _FRAME_HEAD_BYTES + int.from_bytes(self._unread[:3], "big")
        if end > _FRAME_HEAD_BYTES + self._connection.max_inbound_frame_size:
            raise HttpsError("HTTP/2: a frame longer than allowed")
        if len(self._unread) < end:
            return None
        frame = bytes(self._unread[:end])
        del self._unread[:end]
        return frame

    def _farewell(self, frame: bytes) -> bool:
        """Whether it is a GOAWAY that lets our stream finish, as servers send that close after one request."""
        if frame[3] != _GOAWAY or len(frame) < _FRAME_HEAD_BYTES + 8:
            return False
        last = int.from_bytes(frame[9:13], "big") & 0x7FFFFFFF
        code = int.from_bytes(frame[13:17], "big")
        if code or last < _STREAM:
            raise HttpsError(f"HTTP/2: GOAWAY, error {code}, last stream {last}")
        return True

    def _take(self, events: Sequence[h2.events.Event]) -> None:
        for event in events:
            if isinstance(event, h2.events.ResponseReceived):
                fields = [(bytes(name), bytes(value)) for name, value in event.headers or ()]
                status = next((value for name, value in fields if name == b":status"), b"0")
                self.body.head(int(status), fields)
            elif isinstance(event, h2.events.DataReceived):
                self.body.more(event.data or b"")
                if event.flow_controlled_length:
                    self._connection.acknowledge_received_data(event.flow_controlled_length, _STREAM)
            elif isinstance(event, h2.events.StreamReset):
                raise HttpsError(f"HTTP/2: RST_STREAM, error {int(event.error_code or 0)}")
            elif isinstance(event, h2.events.StreamEnded):
                self.done = True


class Http1Exchange:
    """RFC 9112, for servers that do not know HTTP/2."""

    def __init__(self, resolver: ResolverSpec, message: bytes) -> None:
        self.body = DohBody()
        self.done = False
        self._message = message
        self._resolver = resolver
        self._connection = h11.Connection(h11.CLIENT)

    def begin(self) -> bytes:
        """The whole request."""
        request = h11.Request(
            method="POST",
            target=self._resolver.path or "/dns-query",
            headers=[
                ("Host", _authority(self._resolver)),
                ("Accept", MEDIA_TYPE),
                ("Content-Type", MEDIA_TYPE),
                ("Content-Length", str(len(self._message))),
                ("Connection", "close"),
            ],
        )
        parts = (request, h11.Data(data=self._message), h11.EndOfMessage())
        return b"".join(self._connection.send(part) or b"" for part in parts)

    def feed(self, data: bytes) -> bytes:
        """Take what was received (nothing: the end, which may end the body). Nothing is ever to be sent."""
        if not data and not self.body.begun:
            raise _closed(self.body)
        try:
            self._connection.receive_data(data)
            while not self.done and self._take(self._connection.next_event()):
                pass
        except h11.RemoteProtocolError as error:
            raise HttpsError(f"HTTP/1.1: {str(error)[:200]}") from error
        return b""

    def _take(self, event: object) -> bool:
        if isinstance(event, h11.Response):
            self.body.head(event.status_code, event.headers)
        elif isinstance(event, h11.Data):
            self.body.more(bytes(event.data))
        elif isinstance(event, h11.EndOfMessage):
            self.done = True
        elif not isinstance(event, h11.InformationalResponse):
            return False  # NEED_DATA
        return True


def _closed(body: DohBody) -> Exception:
    return HttpsError("closed within the response") if body.begun else EOFError("closed without a response")


async def post(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, resolver: ResolverSpec, message: bytes
) -> DohBody:
    """The response to `message` over a connection whose TLS handshake is done. Raises HttpsError, EOFError, OSError."""
    tls = writer.get_extra_info("ssl_object")
    kind = Http2Exchange if tls is not None and tls.selected_alpn_protocol() == "h2" else Http1Exchange
    exchange: DohExchange = kind(resolver, message)
    received = 0
    to_send = exchange.begin()
    while not exchange.done:
        if to_send:
            writer.write(to_send)
            await writer.drain()
        data = await reader.read(_READ_BYTES)
        received += len(data)
        if received > _MAX_RECEIVED_BYTES:
            raise HttpsError(f"more than {_MAX_RECEIVED_BYTES} bytes and no response")
        to_send = exchange.feed(data)
    return exchange.body
