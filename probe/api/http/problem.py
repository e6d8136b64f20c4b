"""Rule: every refusal is `application/problem+json` (RFC 9457) with words that say what to do."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import web

MEDIA_TYPE = "application/problem+json"
COMMON = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Server": "cdn-probe"}


class Refused(Exception):  # noqa: N818
    """A request that is answered with a problem. `members`: further members of the problem (RFC 9457, 3.2)."""

    def __init__(
        self, status: int, detail: str, headers: Mapping[str, str] | None = None, **members: Any
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = members


def not_found() -> Refused:
    """The same response for what does not exist and for what this reader may not see."""
    return Refused(404, "nothing here that this token may see")


def unavailable(detail: str) -> Refused:
    """It may work a little later."""
    return Refused(503, detail, {"Retry-After": "5"})


def problem(refused: Refused) -> web.Response:
    """The response that says it."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(refused.status).phrase,
        "status": refused.status,
        "detail": refused.detail,
        **refused.members,
    }
    return web.Response(
        status=refused.status,
        body=msgspec.json.encode(body),
        headers={**COMMON, "Content-Type": MEDIA_TYPE, **refused.headers},
    )


def json_response(value: Any, *, status: int = 200) -> web.Response:
    """Any plain value or frozen record as JSON."""
    return web.Response(
        status=status,
        body=msgspec.json.encode(value),
        headers={**COMMON, "Content-Type": "application/json"},
    )
