"""Rule: the lab's HTTP is small and strict, and a handler can break its own response on purpose.

Just enough HTTP/1.1 (RFC 9112) for servers that only the lab's own clients and the agent talk to: no request
bodies, responses with Content-Length. Raw on purpose: an HTTP library would refuse to truncate.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus

LOG_LENGTH = 5_000
_IDLE_S = 15.0
BODYLESS = (204, 304)

Fields = list[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as received. Field names in lower case; `host` without port; `source` an address."""

    method: str
    path: str
    host: str
    fields: dict[str, str]
    source: str

    @classmethod
    def of_stream(cls, lines: dict[str, str], source: str) -> Request:
        """Of a stream's field lines, with pseudo-headers (RFC 9113 section 8.3.1, RFC 9114 section 4.3.1)."""
        return cls(
            method=lines.get(":method", ""),
            path=lines.get(":path", ""),
            host=lines.get(":authority", "").partition(":")[0].lower(),
            fields={name: value for name, value in lines.items() if not name.startswith(":")},
            source=source,
        )

    @property
    def accepts_gzip(self) -> bool:
        """RFC 9110 section 12.5.3, without weights but `q=0`."""
        codings = (item.replace(" ", "") for item in self.fields.get("accept-encoding", "").split(","))
        return any(coding.split(";")[0] == "gzip" and ";q=0" not in coding for coding in codings)


@dataclass(slots=True, kw_only=True)
class Reply:
    """One response. `send_bytes`: how much of the body is sent, where less than Content-Length says.

    `goaway`: over HTTP/2, the connection is ended behind that with GOAWAY and an error.
    """

    status: int
    fields: Fields = field(default_factory=list)
    body: bytes = b""
    delay_s: float = 0.0
    send_bytes: int | None = None
    goaway: bool = False

    def get(self, name: str) -> str | None:
        """The first value of a field; names in any case."""
        return next((value for key, value in self.fields if key.lower() == name.lower()), None)

    @property
    def all_fields(self) -> Fields:
        """Its own, and those that each response has."""
        fields = list(self.fields)
        if self.get("date") is None:
            fields.append(("Date", formatdate(usegmt=True)))
        if self.status not in BODYLESS:
            fields.append(("Content-Length", str(len(self.body))))
        return fields

    def stream_head(self) -> Fields:
        """The same as field lines of a stream, names in lower case, behind `:status`."""
        return [(":status", str(self.status)), *((name.lower(), value) for name, value in self.all_fields)]

    def content_for(self, request: Request) -> tuple[bytes, bytes]:
        """What belongs behind its head, and what of that is sent."""
        body = b"" if self.status in BODYLESS or request.method == "HEAD" else self.body
        return body, body if self.send_bytes is None else body[: self.send_bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """One line of an access log. `status` is what was answered."""

    source: str
    scheme: str
    method: str
    host: str
    path: str
    status: int


Handler = Callable[[Request], Awaitable[Reply]]


async def read_request(reader: asyncio.StreamReader, source: str) -> Request | None:
    """The next request; None where the client has no more, or what it sends is no request."""
    try:
        async with asyncio.timeout(_IDLE_S):
            head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, TimeoutError):
        return None
    first, fields = parse_head(head)
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        return None
    host = fields.get("host", "").partition(":")[0].lower()
    return Request(method=words[0], path=words[1], host=host, fields=fields, source=source)


def parse_head(head: bytes) -> tuple[str, dict[str, str]]:
    """First line and fields; of repeated ones the values are joined (RFC 9110 section 5.3)."""
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        name, value = name.strip().lower(), value.strip()
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
    return first, fields


def write_reply(writer: asyncio.StreamWriter, request: Request, reply: Reply) -> bool:
    """Queue the bytes of the reply; False where it was cut short on purpose."""
    lines = [f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in reply.all_fields]
    body, sent = reply.content_for(request)
    writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + sent)
    return len(sent) == len(body)
