"""Rule: each request to the origin uses a fresh connection; a failure is one of two statuses, 502 or 504.

The edges' own client: HTTP/1.1 over TCP or TLS, bodies by Content-Length, a bound on the whole.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass

from probe.lab.servers.http1 import Fields, Reply, parse_head

TIMEOUT_S = 1.5


class UpstreamError(Exception):
    """No reply from the origin; `status` is what a gateway answers then: 502 or 504 (RFC 9110 section 15.6)."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """Where an edge fetches a domain from; `tls` is None for plain HTTP. `source` is the edge's own address."""

    host: str
    address: str
    port: int
    source: str
    tls: ssl.SSLContext | None = None

    async def fetch(self, method: str, path: str, fields: Fields) -> Reply:
        """The origin's reply. Raises UpstreamError."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await self._fetch(method, path, fields)
        except TimeoutError:
            raise UpstreamError(504, "timeout") from None
        except (OSError, EOFError, ValueError) as error:
            raise UpstreamError(502, type(error).__name__) from error

    async def _fetch(self, method: str, path: str, fields: Fields) -> Reply:
        reader, writer = await asyncio.open_connection(
            self.address,
            self.port,
            ssl=self.tls,
            server_hostname=self.host if self.tls is not None else None,
            local_addr=(self.source, 0),
        )
        try:
            lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host}", "Connection: close"]
            lines += [f"{name}: {value}" for name, value in fields]
            writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
            await writer.drain()
            return await _read_reply(reader, method)
        finally:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def _read_reply(reader: asyncio.StreamReader, method: str) -> Reply:
    head = await reader.readuntil(b"\r\n\r\n")
    first, fields = parse_head(head)
    status = int(first.split(" ")[1])
    length = 0 if method == "HEAD" or status in (204, 304) else int(fields.get("content-length", "0"))
    body = await reader.readexactly(length)
    skipped = ("content-length", "connection")
    kept = [(_canonical(name), value) for name, value in fields.items() if name not in skipped]
    return Reply(status=status, fields=kept, body=body)


def _canonical(name: str) -> str:
    return {"etag": "ETag"}.get(name, name.title())
