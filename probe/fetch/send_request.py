"""Rule: one request is written to one connection, once, and the reply is read by aiohttp's own parser.

aiohttp without its session: of a pool, redirects, cookies and second attempts nothing is wanted here, and what they
cost was a sixth of a fetch. `ResponseHandler`, `StreamWriter` and the parser beneath are the engine.
"""

from __future__ import annotations

import asyncio

from aiohttp.http import StreamWriter
from multidict import CIMultiDict

from probe.fetch.http1 import WireProtocol


async def ask(
    loop: asyncio.AbstractEventLoop, wire: WireProtocol, method: str, path: str, fields: list[tuple[str, str]]
) -> None:
    """Write the request, exactly so, and wait for the reply's head; its body is `wire.straight` or `wire.content` then.

    Raises what aiohttp raises (ClientError, HttpProcessingError), ValueError for a line break in a field.
    """
    wire.bodiless = method == "HEAD"
    writer = StreamWriter(wire, loop)
    await writer.write_headers(f"{method} {path} HTTP/1.1", CIMultiDict(fields))
    wire.asking()
    try:
        writer.set_eof()
    finally:
        wire.asked()
    await wire.read()
