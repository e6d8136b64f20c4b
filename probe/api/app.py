"""Rule: a request is authorised before anything is looked up for it, and every refusal says in words what is wrong.

In this order: the address (400), a secret in it (400), the path (404) and method (405), the token (401), its verb
(403), its ceiling (429), the parameters (400); then the route's handler.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter

from aiohttp import web

from probe.api.http.problem import Refused, problem
from probe.api.http.protocol import Connection
from probe.api.http.rate_limit import Buckets, address_key
from probe.api.page.app import PageApp, is_page
from probe.api.request.auth import Caller, Gate
from probe.api.request.calls import Call, Route, Services
from probe.api.request.params import Target, parse_target, read_query
from probe.api.request.settings import LiveSettings, Settings
from probe.api.routes import ROUTES
from probe.telemetry.logs import fields

log = logging.getLogger("probe.api")

AT_ONCE = 16  # requests of one token
LOGGED_PER_MINUTE = 30
LOOPBACK = ("127.", "::1", "::ffff:127.")


class App:
    """The handler of every request."""

    def __init__(
        self, services: Services, settings: LiveSettings, gate: Gate, logged: Buckets, page: PageApp
    ) -> None:
        self._services = services
        self._settings = settings
        self._gate = gate
        self._logged = logged
        self._page = page
        self._running: Counter[str] = Counter()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        route: Route | None = None
        try:
            settings = await self._settings.now()
            target = parse_target(request.raw_path)
            self._gate.refuse_secrets(target, settings.tokens)
            if settings.page is not None and is_page(target.path):
                response = await self._page.handle(request, target, settings)
                return await self._counted(request, "page", response)
            route, tail = _route(request.method, target)
            caller = self._admit(request, route, settings)
            values = read_query(target.query, route.params)
            call = Call(request, self._services, caller, values, tail)
            response = await self._answer(route, call)
        except Refused as refused:
            response = problem(refused)
            self._log_refusal(request, refused)
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception as error:
            log.error("api.error", exc_info=error, extra=fields(route=route.path if route else None))
            response = problem(Refused(500, "the server made a mistake; its log says which"))
        return await self._counted(request, route.path if route else "none", response)

    async def _counted(
        self, request: web.BaseRequest, route: str, response: web.StreamResponse
    ) -> web.StreamResponse:
        self._services.counters.requests.labels(route, str(response.status)).inc()
        return await self._deliver(request, response)

    def _admit(self, request: web.BaseRequest, route: Route, settings: Settings) -> Caller | None:
        address = request.remote or ""
        open_metrics = settings.open_metrics and route.verb == "metrics" and address.startswith(LOOPBACK)
        if route.verb is None or open_metrics:
            return None
        caller = self._gate.identify(request.headers.getall("Authorization", []), settings.tokens, address)
        if isinstance(request.protocol, Connection):
            request.protocol.on_known()
        if route.verb not in caller.token.may:
            raise Refused(403, f"this token may not ask for {route.verb}: see `may` in agent.yaml")
        self._gate.count(caller, settings.requests_per_minute)
        return caller

    async def _answer(self, route: Route, call: Call) -> web.StreamResponse:
        name = None if call.caller is None else call.caller.token.name
        if name is None:
            return await route.handler(call)
        if self._running[name] >= AT_ONCE:
            raise Refused(429, f"{AT_ONCE} requests with this token run already", {"Retry-After": "1"})
        self._running[name] += 1
        try:
            return await route.handler(call)
        finally:
            self._running[name] -= 1

    async def _deliver(self, request: web.BaseRequest, response: web.StreamResponse) -> web.StreamResponse:
        """Send what is not sent yet, within the deadline."""
        if response.prepared:
            return response
        try:
            async with asyncio.timeout(self._services.deadlines.write):
                await response.prepare(request)
                await response.write_eof()
        except TimeoutError:
            self._services.counters.cut.labels("slow_reader").inc()
            if request.transport is not None:
                request.transport.abort()
        return response

    def _log_refusal(self, request: web.BaseRequest, refused: Refused) -> None:
        address = address_key(request.remote or "")
        if refused.status in (400, 401, 403, 429) and not self._logged.take(address, LOGGED_PER_MINUTE):
            log.warning(
                "api.refused", extra=fields(address=address, status=refused.status, problem=refused.detail)
            )


def _route(method: str, target: Target) -> tuple[Route, str]:
    """The route of a path, and what stands for its {id}. Raises Refused (404, 405)."""
    here: list[tuple[Route, str]] = []
    for route in ROUTES:
        stem, _, _ = route.path.partition("{")
        tail = target.path.removeprefix(stem)
        whole = stem == route.path
        if target.path == route.path or (
            not whole and target.path.startswith(stem) and tail and "/" not in tail
        ):
            here.append((route, "" if whole else tail))
    for route, tail in here:
        if route.method == method:
            return route, tail
    if here:
        allowed = ", ".join(route.method for route, _ in here)
        raise Refused(405, f"this path takes {allowed}", {"Allow": allowed})
    raise Refused(404, "no such path: /v1/openapi.json names all")
