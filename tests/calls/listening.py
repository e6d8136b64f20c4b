"""A server on loopback that is called: it keeps what it was sent, and answers what it is told to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass
class Heard:
    """`answers`: status and header fields of the next answers; then 204."""

    url: str = ""
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)


@asynccontextmanager
async def listening(**more: Any) -> AsyncIterator[Heard]:
    heard = Heard()

    async def answer(request: web.Request) -> web.Response:
        heard.requests.append((dict(request.headers), await request.read()))
        status, headers = heard.answers.pop(0) if heard.answers else (204, {})
        return web.Response(status=status, headers=headers)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, **more)
    await site.start()
    port = runner.addresses[0][1]
    heard.url = f"http://127.0.0.1:{port}"
    try:
        yield heard
    finally:
        await runner.cleanup()
