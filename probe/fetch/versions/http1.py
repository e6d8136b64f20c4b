"""Rule: HTTP/1.1 is a head in text, and a body whose framing the head declares (RFC 9112).

A row of `probe.fetch.exchange.EXCHANGES`: how a request is written; `probe.core.http.response_reader` reads the reply.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from probe.core.http.head import Head
from probe.core.http.response_reader import ResponseReader
from probe.core.model.protocols import HTTP_1_1
from probe.core.model.task import Limits
from probe.fetch.body import Body
from probe.fetch.connection import Connection
from probe.fetch.versions.reading import ReaderExchange

_FORBIDDEN = re.compile(r"[\r\n\0]")


def request_bytes(method: str, path: str, fields: list[tuple[str, str]]) -> bytes:
    """The head of a request without a body, as it is sent. Raises ValueError for a line break or NUL in any of it."""
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields)]
    if any(_FORBIDDEN.search(line) for line in lines):
        raise ValueError("a line break or a NUL byte in the request: nothing was sent")
    return "\r\n".join((*lines, "", "")).encode("utf-8")


class Http1Exchange(ReaderExchange[ResponseReader]):
    """One request and its response."""

    protocol = HTTP_1_1

    def __init__(
        self, connection: Connection, limits: Limits, method: str, body_of: Callable[[Head], Body]
    ) -> None:
        super().__init__(connection, body_of)
        self._reader = ResponseReader(limits, method, self._on_head, self._on_body)

    def shown(self, method: str, path: str, fields: list[tuple[str, str]]) -> list[str]:
        """See `Exchange`."""
        return [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields)]

    def _request(self, method: str, path: str, fields: list[tuple[str, str]]) -> bytes:
        return request_bytes(method, path, fields)
