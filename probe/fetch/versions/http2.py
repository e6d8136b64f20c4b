"""Rule: HTTP/2 is one request on one fresh connection; what belongs to the connection is answered and not judged.

A row of `probe.fetch.exchange.EXCHANGES` (RFC 9113): how a request is written, and what is owed to the server while
`probe.core.http.http2.reader` reads. Nothing is sent twice, also where the protocol would allow it (section 8.7).
"""

from __future__ import annotations

from collections.abc import Callable

from probe.core.http.head import Head
from probe.core.http.http2.reader import Http2Reader
from probe.core.http.stream_fields import request_lines
from probe.core.model.task import Limits
from probe.fetch.body import Body
from probe.fetch.connection import Connection
from probe.fetch.versions.reading import ReaderExchange


class Http2Exchange(ReaderExchange[Http2Reader]):
    """One request and its response."""

    protocol = "h2"
    _of_segments = True  # over TLS, where the poll says nothing of a reply
    _lingers = False  # the server keeps the connection for further requests

    def __init__(
        self, connection: Connection, limits: Limits, method: str, body_of: Callable[[Head], Body]
    ) -> None:
        super().__init__(connection, body_of)
        self._authority = b""
        self._reader = Http2Reader(limits, method, self._on_head, self._on_body)

    def shown(self, method: str, path: str, fields: list[tuple[str, str]]) -> list[str]:
        """See `Exchange`. As people write it: the pseudo-header fields as a request line and Host."""
        lines = [
            (name.decode(), value.decode()) for name, value in request_lines(method, "https", path, fields)
        ]
        host = next(value for name, value in lines if name == ":authority")
        named = [("host", host), *((name, value) for name, value in lines if not name.startswith(":"))]
        return [f"{method} {path} HTTP/2", *(f"{name}: {value}" for name, value in named)]

    @property
    def altsvc(self) -> tuple[str, ...]:
        """See `Exchange`. Those for other origins are none of this server's (RFC 7838 section 4)."""
        own = (self._authority.lower(), b"https://" + self._authority.lower())
        return tuple(value.decode("latin-1") for of, value in self._reader.altsvc if of.lower() in own)

    def _request(self, method: str, path: str, fields: list[tuple[str, str]]) -> bytes:
        lines = request_lines(method, "https", path, fields)
        self._authority = next((value for name, value in lines if name == b":authority"), b"")
        return self._reader.request(lines)

    def received(self, data: bytes | memoryview) -> None:
        """Bytes of the connection; what is owed to the server in return goes out."""
        super().received(data)
        if owed := self._reader.to_send():
            self._connection.answer(owed)

    def _reason_of_end(self) -> Exception | None:
        return self._reader.ended_by
