"""Rule: a page shows a reader what its token shows it; nothing changes by a GET; nobody else's page acts for it.

Requests for HTML, in this order: the method (405), who looks (303 to the form), how often (429), then the page.
A form is taken from our own pages alone. An office behind one token looks at one page: what others look at as well
costs little, and counts little; one browser that asks without end is refused alone.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable, Hashable
from dataclasses import replace
from functools import lru_cache
from urllib.parse import parse_qsl, urlsplit

from aiohttp import web

from probe.api.http.compression import coder, negotiate
from probe.api.http.problem import COMMON, Refused, not_found
from probe.api.http.protocol import Connection
from probe.api.http.rate_limit import Buckets, address_key
from probe.api.page import rows
from probe.api.page.feed import LiveFeed
from probe.api.page.sessions import Sessions, cookie, sent, session_key
from probe.api.page.viewer import Viewer
from probe.api.request.auth import Gate
from probe.api.request.calls import Call, Services
from probe.api.request.params import Target
from probe.api.request.ports import AgentView
from probe.api.request.settings import Settings
from probe.core.config.results import PageConfig
from probe.core.results.concerns import Concern
from probe.page.domain import domain
from probe.page.incident import incident
from probe.page.look.clock import zone_of
from probe.page.look.shell import LANGUAGES, SERVED_POLICY
from probe.page.model.board import SPANS
from probe.page.model.feed import Feed
from probe.page.model.values import Looking, Standing
from probe.page.overview import overview
from probe.page.row import row
from probe.page.sign_in import sign_in, wrong

HTML = "text/html; charset=utf-8"
FORM_BYTES = 4096
HEADERS = {
    **COMMON,
    "Content-Type": HTML,
    "Content-Security-Policy": SERVED_POLICY,
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # not less: a form would then be sent without the origin that it comes from
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Vary": "Accept-Encoding, Cookie",
}
PATHS = ("/", "/sign-in", "/sign-out")
_PLACES = ("/domain/", "/incident/", "/row/")
_ZONE = re.compile(r"[A-Za-z0-9_+/-]{1,60}")
_STRANGERS_PER_MINUTE = 240  # of an address
_BROWSER_PER_MINUTE = 240  # of a session: twenty pages open, each refreshed as it asks for it
_AGENT_ASKED_S = 2.0  # however many look
_SHARED_WEIGHT = 0.1  # of a request: a page that somebody looks at already
# Stands for the reader's name in a page that several get: nobody can write it.
_SOMEBODY = secrets.token_hex(16)


def is_page(path: str) -> bool:
    """Whether a path asks for a page, and not for the API."""
    return path in PATHS or path.startswith(_PLACES)


class PageApp:
    """Answers what `is_page`."""

    def __init__(self, services: Services, gate: Gate, feed: LiveFeed, now: Callable[[], float]) -> None:
        self._services = services
        self._gate = gate
        self._feed = feed
        self._sessions = Sessions(now)
        self._strangers = Buckets(now)
        self._browsers = Buckets(now)
        self._now = now
        self._view: tuple[float, AgentView | None] | None = None

    async def handle(
        self, request: web.BaseRequest, target: Target, settings: Settings
    ) -> web.StreamResponse:
        """One request. What is refused is said in HTML too."""
        looking = _looking(target, request)
        try:
            return await self._answer(request, target, settings, looking)
        except Refused as refused:
            text = wrong(looking, str(refused.status), refused.detail)
            headers = dict(refused.headers)
            if "Retry-After" in headers and request.method == "GET":
                headers["Refresh"] = headers["Retry-After"]  # a page on a wall comes back by itself
            return _html(request, text, status=refused.status, headers=headers)

    async def _answer(
        self, request: web.BaseRequest, target: Target, settings: Settings, looking: Looking
    ) -> web.StreamResponse:
        secure = request.secure
        value = sent(request.headers.get("Cookie"), secure=secure)
        if target.path in ("/sign-in", "/sign-out") and request.method == "POST":
            _require_own_form(request)
            if target.path == "/sign-out":
                self._sessions.end(value)
                return _to("/sign-in", cookie("", secure=secure))
            return await self._sign_in(request, settings, looking, value, secure=secure)
        if request.method not in ("GET", "HEAD"):
            allowed = "GET, POST" if target.path.startswith("/sign-") else "GET"
            raise Refused(405, f"this path takes {allowed}", {"Allow": allowed})
        if target.path == "/sign-in":
            return _html(request, _form(looking.language))
        if target.path == "/sign-out":
            raise Refused(405, "nothing changes by looking: this path takes POST", {"Allow": "POST"})
        viewer = self._viewer(request, settings, value)
        if viewer is None:
            return _to(f"/sign-in?lang={looking.language}")
        if target.path.startswith("/row/"):
            self._count(request, viewer, settings, value)
            return await self._row(request, target, viewer, looking)
        seen = viewer.looking(looking)
        if seen.reader is not None:  # one page for all who may see the same
            seen = replace(seen, reader=_SOMEBODY)
        key = target.path, seen, viewer.rights
        shared = self._feed.is_looked_at(key)
        self._count(request, viewer, settings, value, weight=_SHARED_WEIGHT if shared else 1.0)
        return await self._page(request, target, viewer, seen, settings, key)

    def _viewer(self, request: web.BaseRequest, settings: Settings, value: str | None) -> Viewer | None:
        """Raises Refused (403)."""
        caller = self._sessions.caller(value, settings.tokens)
        anonymous = frozenset(settings.page.anonymous if settings.page is not None else ())
        if caller is not None:
            if isinstance(request.protocol, Connection):
                request.protocol.on_known()
            if "results" not in caller.token.may:
                raise Refused(403, "this token may not ask for results: see `may` in agent.yaml")
            return Viewer(caller, anonymous)
        return Viewer(None, anonymous) if anonymous else None

    def _count(
        self,
        request: web.BaseRequest,
        viewer: Viewer,
        settings: Settings,
        value: str | None,
        *,
        weight: float = 1.0,
    ) -> None:
        """Raises Refused (429): of an address, or of a browser and of the token that it signed in with."""
        if viewer.caller is None:
            who, most = "this address", _STRANGERS_PER_MINUTE
            wait = self._strangers.take(address_key(request.remote or ""), most, weight=weight)
        else:
            who, most = "this browser", _BROWSER_PER_MINUTE
            wait = self._browsers.take(session_key(value or ""), most)
        if wait:
            words = f"{who} asks for more than {most} pages a minute"
            raise Refused(429, words, {"Retry-After": str(max(1, round(wait + 0.5)))})
        if viewer.caller is not None:
            self._gate.count(viewer.caller, settings.requests_per_minute, weight=weight)

    async def _sign_in(
        self,
        request: web.BaseRequest,
        settings: Settings,
        looking: Looking,
        before: str | None,
        *,
        secure: bool,
    ) -> web.StreamResponse:
        """A session of its own for a right token, whatever session was named before."""
        body = await Call(request, self._services, None, {}).body(FORM_BYTES)
        typed = dict(parse_qsl(body.decode("utf-8", "replace"))).get("credential", "").strip()
        try:
            caller = self._gate.identify([f"Bearer {typed}"], settings.tokens, request.remote or "")
        except Refused as refused:
            words = (
                "Too many tries: wait a minute." if refused.status == 429 else "This token is not known here."
            )
            status = 429 if refused.status == 429 else 403
            return _html(request, sign_in(looking, words), status=status)
        if "results" not in caller.token.may:
            return _html(request, sign_in(looking, "This token may not look at results."), status=403)
        self._gate.count(caller, settings.requests_per_minute)
        self._sessions.end(before)
        tls = secure or request.headers.get("Origin", "").startswith(
            "https:"
        )  # with a proxy before us that speaks it
        return _to(f"/?lang={looking.language}", cookie(self._sessions.begin(caller), secure=secure, tls=tls))

    async def _page(
        self,
        request: web.BaseRequest,
        target: Target,
        viewer: Viewer,
        seen: Looking,
        settings: Settings,
        key: Hashable,
    ) -> web.StreamResponse:
        standing, complete = await self._standing(viewer, settings)
        drawn = _drawing(target.path, viewer, seen, standing)

        def draw(feed: Feed) -> str:
            _told(feed, self._services.agent, complete)
            return drawn(feed)

        text = await self._feed.draw(key, draw)
        caller = viewer.caller
        return _html(request, text if caller is None else text.replace(_SOMEBODY, caller.token.name))

    async def _row(
        self, request: web.BaseRequest, target: Target, viewer: Viewer, looking: Looking
    ) -> web.StreamResponse:
        asked = rows.asked_of(target.path, viewer)
        if asked.file is None:
            view = await rows.view_of(self._services, asked, viewer)
            return _html(request, await asyncio.to_thread(row, view, viewer.looking(looking), None))
        media, data = await rows.file_of(self._services, asked)
        name = f"{asked.customer}-{asked.seq}.{asked.file}"
        headers = {**HEADERS, "Content-Type": media, "Content-Disposition": f'attachment; filename="{name}"'}
        return web.Response(body=data, headers=headers)

    async def _agent_view(self) -> AgentView | None:
        """What the agent knows, or knew a moment ago: it says so in the loop in which it measures."""
        now_s = self._now()
        if self._view is None or now_s - self._view[0] > _AGENT_ASKED_S:
            self._view = now_s, await self._services.link.view()
        return self._view[1]

    async def _standing(self, viewer: Viewer, settings: Settings) -> tuple[Standing, dict[str, str]]:
        """And up to when the living agent says that each stream is complete."""
        view = await self._agent_view()
        complete: dict[str, str] = {}
        trouble: tuple[Concern, ...] = (Concern("silent"),)
        if view is not None:
            all_seen = viewer.caller is not None and viewer.caller.sees_all
            trouble = view.concerns if all_seen and view.concerns else _for_others(view)
            complete = dict(view.complete_up_to)
        if self._feed.behind:
            trouble = (*trouble, Concern("unread"))
        page = settings.page or PageConfig()
        standing = Standing(
            as_of_us=self._services.clock.time_ns() // 1000,
            trouble=trouble,
            fed=view is not None,
            refresh_s=page.refresh // 1_000_000,
        )
        return standing, complete


@lru_cache(maxsize=len(LANGUAGES))
def _form(language: str) -> str:
    """The form of whoever was not refused: asked for by open pages too, to see whether the server is there."""
    return sign_in(Looking(language=language))


def _for_others(view: AgentView) -> tuple[Concern, ...]:
    """What readers of one customer's results are told: that nothing new comes, and nothing of the agent's insides."""
    if view.trouble is None:
        return ()
    unstored = any(one.kind in ("unwritten", "interference") for one in view.concerns)
    return (Concern("unstored" if unstored else "not_measuring"),)


def _told(feed: Feed, agent: str, complete: dict[str, str]) -> None:
    for customer, time in complete.items():
        feed.told(agent, customer, time)


def _drawing(path: str, viewer: Viewer, seen: Looking, standing: Standing) -> Callable[[Feed], str]:
    """How a path is drawn. Raises Refused (404), here or when it is drawn."""
    now_us = standing.as_of_us
    if path == "/":
        return lambda feed: overview(viewer.overview(feed, now_us), seen, viewer.standing(standing, feed))
    kind, *names = path.removeprefix("/").split("/")
    if kind == "domain" and len(names) == 2:
        return lambda feed: domain(
            viewer.domain(feed, names[0], names[1], now_us), seen, viewer.standing(standing, feed)
        )
    if kind == "incident" and len(names) == 1:
        return lambda feed: incident(
            viewer.incident(feed, names[0], now_us), seen, viewer.standing(standing, feed)
        )
    raise not_found()


def _looking(target: Target, request: web.BaseRequest) -> Looking:
    """What the address asks for; what it asks for wrongly is taken as not asked."""
    query = target.query
    language = query.get("lang", "")
    if language not in LANGUAGES:
        preferred = request.headers.get("Accept-Language", "").lower()
        language = "zh" if preferred.startswith("zh") else "en"
    zone = query.get("zone", "UTC")
    page = query.get("page", "1")
    return Looking(
        language=language,
        zone=zone if _ZONE.fullmatch(zone) and zone_of(zone) is not None else "UTC",
        span=query.get("span", "24h") if query.get("span", "24h") in SPANS else "24h",
        wanted=query.get("q", "")[:100],
        only_trouble=query.get("only") == "trouble",
        page=int(page) if page.isascii() and page.isdigit() and len(page) < 6 else 1,
    )


def _require_own_form(request: web.BaseRequest) -> None:
    """Raises Refused (403): the form was not on a page of ours, by what browsers alone can say."""
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if site is not None:
        own = site == "same-origin"
    else:
        own = origin is not None and urlsplit(origin).netloc == request.headers.get("Host")
    if not own:
        raise Refused(403, "this form is taken from this page alone: sign in at /sign-in, with a browser")


def _to(place: str, set_cookie: str | None = None) -> web.Response:
    """See there (303)."""
    headers = {**HEADERS, "Location": place}
    if set_cookie is not None:
        headers["Set-Cookie"] = set_cookie
    return web.Response(status=303, headers=headers)


def _html(
    request: web.BaseRequest, text: str, *, status: int = 200, headers: dict[str, str] | None = None
) -> web.Response:
    data = text.encode("utf-8", "backslashreplace")
    coding = negotiate(request.headers.get("Accept-Encoding"))
    made = {**HEADERS, **(headers or {})}
    if coding != "identity":
        coding_ = coder(coding)
        data = coding_.feed(data) + coding_.finish()
        made["Content-Encoding"] = coding
    return web.Response(status=status, body=data, headers=made)
