"""Rule: bytes that are not HTTP are refused as a problem, and an idle connection is closed.

aiohttp's server with our limits: request line and field 8 kB, 100 fields, a whole head within HEAD_S.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from probe.api.http.problem import Refused, problem
from probe.telemetry.logs import fields

HEAD_S = 20.0  # for a whole head to come; also how long a connection may be idle
LINE_BYTES = 8190
FIELDS = 100
log = logging.getLogger("probe.api")
_quiet = logging.getLogger("probe.api.http")

Handle = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Connection(web.RequestHandler):
    """One connection; calls `on_lost` when it is over, `on_known` when somebody showed a right token over it."""

    __slots__ = ("on_known", "on_lost")
    on_lost: Callable[[], None]
    on_known: Callable[[], None]

    def connection_lost(self, exc: BaseException | None) -> None:
        """The end of it, however it came."""
        super().connection_lost(exc)
        self.on_lost()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Refuse what aiohttp cannot parse; its message about the bytes is not sent."""
        if request.writer.output_size > 0:
            raise ConnectionError("an answer is on its way already")
        words = "this is no HTTP request that can be read, or one of its lines is too long"
        made = problem(Refused(400 if status < 500 else status, words if status < 500 else "a mistake here"))
        made.force_close()
        return made

    def log_exception(self, *args: object, **kw: object) -> None:
        """Log the class of the error, without the bytes that a client sent."""
        log.error("api.connection_failed", extra=fields(kind=type(kw.get("exc_info")).__name__))


class HttpServer(web.Server):
    """Makes connections for one handler."""

    def __init__(self, handle: Handle, *, head_s: float = HEAD_S) -> None:
        self._loop_here = asyncio.get_running_loop()
        self._limits: dict[str, Any] = {
            "keepalive_timeout": head_s,
            "access_log": None,
            "logger": _quiet,
            "max_line_size": LINE_BYTES,
            "max_field_size": LINE_BYTES,
            "max_headers": FIELDS,
            "lingering_time": 1.0,
            "auto_decompress": False,
        }
        super().__init__(handle, handler_cancellation=True)

    def connection(self, on_lost: Callable[[], None], on_known: Callable[[], None]) -> Connection:
        """The protocol of a new connection."""
        made = Connection(self, loop=self._loop_here, **self._limits)
        made.on_lost, made.on_known = on_lost, on_known
        return made
