"""Rule: an edge without a fault is an honest shared cache: RFC 9111, with Age, Via and Cache-Status (RFC 9211).

A small caching reverse proxy. A stale response is never served because the origin fails (no stale-if-error): the
edge answers 502 or 504 then. Faults are `Misdeed`s, each for one host and path, and touch nothing else.
"""

from __future__ import annotations

import gzip
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from probe.core.model.value import replace
from probe.lab.servers.cache import Cache, CacheKey, Entry
from probe.lab.servers.http1 import Fields, Reply, Request
from probe.lab.servers.origin import matches
from probe.lab.servers.server import HttpServer
from probe.lab.servers.upstream import Upstream, UpstreamError

TAMPERED = b"\n/* and something that the customer never wrote */\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Misdeed:
    """What an edge does wrong for one host, at one path or all of them (None).

    `delay_s` before the first byte; `status` in place of the reply; `truncate`: half of the body; `goaway`: likewise,
    ended with GOAWAY (HTTP/2); `tamper`: other content under the same validators; `frozen`: the stored version, however
    old.
    """

    host: str
    path: str | None = None
    delay_s: float = 0.0
    status: int | None = None
    truncate: bool = False
    goaway: bool = False
    tamper: bool = False
    frozen: bool = False

    def meets(self, request: Request) -> bool:
        return self.host == request.host and self.path in (None, request.path)


class Edge:
    """One node of the CDN. `misdeeds` are in force as long as they are in the list; `now_s` is its clock."""

    def __init__(
        self,
        name: str,
        address: str,
        http_port: int,
        https_port: int,
        *,
        upstreams: Mapping[str, Upstream],
        tls: ssl.SSLContext,
        expired_tls: ssl.SSLContext,
    ) -> None:
        self.name = name
        self.misdeeds: list[Misdeed] = []
        self.expired_names: set[str] = set()
        self.now_s: Callable[[], float] = time.monotonic
        self._upstreams = upstreams
        self._cache = Cache()
        self._expired_tls = expired_tls
        tls.sni_callback = self._choose_certificate
        self.server = HttpServer(self.handle, address, http_port, https_port, tls)

    def expire(self, host: str) -> None:
        """Let everything stored for a host run out at once."""
        self._cache.expire(host)

    async def warm(self, host: str, path: str) -> None:
        """Make sure that the object is stored, as if somebody had just asked for it."""
        for coding in ("identity", "gzip"):
            fields = {"accept-encoding": coding}
            await self.handle(Request(method="GET", path=path, host=host, fields=fields, source=self.name))

    async def handle(self, request: Request) -> Reply:
        """Answer one request, with whatever is wrong with it for this host and path."""
        misdeeds = [misdeed for misdeed in self.misdeeds if misdeed.meets(request)]
        reply = await self._honest(request, frozen=any(misdeed.frozen for misdeed in misdeeds))
        for misdeed in misdeeds:
            reply = self._spoil(reply, misdeed)
        return reply

    # --- the honest cache -----------------------------------------------------------------------------

    async def _honest(self, request: Request, *, frozen: bool) -> Reply:
        upstream = self._upstreams.get(request.host)
        if upstream is None:
            return self._own_reply(421, "this edge does not serve that name")
        key: CacheKey = (request.host, request.path, request.accepts_gzip)
        entry, now_s = self._cache.get(key), self.now_s()
        if entry is not None and (frozen or entry.fresh(now_s)):
            return self._from_store(request, entry, "hit", now_s)
        try:
            return await self._forward(request, upstream, key, entry)
        except UpstreamError as error:
            reply = self._own_reply(error.status, "the origin does not answer")
            reply.fields.append(("Cache-Status", f"{self.name}; fwd={_why(entry)}; detail={error.detail}"))
            return reply

    async def _forward(
        self, request: Request, upstream: Upstream, key: CacheKey, entry: Entry | None
    ) -> Reply:
        coding = "gzip" if request.accepts_gzip else "identity"
        fields: Fields = [("Accept-Encoding", coding), ("Via", f"1.1 {self.name}")]
        if entry is not None and entry.etag is not None:
            fields.append(("If-None-Match", entry.etag))
        answer = await upstream.fetch("GET", request.path, fields)
        now_s = self.now_s()
        forwarded = f"fwd={_why(entry)}; fwd-status={answer.status}"
        if answer.status == 304:
            freshened = self._cache.freshen(key, answer, now_s)
            assert freshened is not None, "validators come from an entry"
            return self._from_store(request, freshened, forwarded, now_s)
        stored = self._cache.put(key, answer, now_s)
        if stored is not None:
            return self._from_store(request, stored, f"{forwarded}; stored", now_s)
        return self._signed(answer, forwarded)

    def _from_store(self, request: Request, entry: Entry, forwarded: str, now_s: float) -> Reply:
        fields = [*entry.fields, ("Age", str(int(entry.age_s(now_s))))]
        if matches(request, fields):
            return self._signed(Reply(status=304, fields=fields), forwarded)
        return self._signed(Reply(status=entry.status, fields=fields, body=entry.body), forwarded)

    def _signed(self, reply: Reply, forwarded: str) -> Reply:
        reply.fields = [
            *reply.fields,
            ("Via", f"1.1 {self.name}"),
            ("Cache-Status", f"{self.name}; {forwarded}"),
        ]
        return reply

    def _own_reply(self, status: int, words: str) -> Reply:
        fields = [("Content-Type", "text/plain"), ("Cache-Control", "no-store"), ("Via", f"1.1 {self.name}")]
        return Reply(status=status, fields=fields, body=f"{self.name}: {words}\n".encode())

    # --- what faults make of it -----------------------------------------------------------------------

    def _spoil(self, reply: Reply, misdeed: Misdeed) -> Reply:
        reply.delay_s += misdeed.delay_s
        if misdeed.status is not None:
            spoilt = self._own_reply(misdeed.status, "overloaded")
            spoilt.delay_s = reply.delay_s
            return spoilt
        if misdeed.truncate or misdeed.goaway:
            reply.send_bytes = len(reply.body) // 2
            reply.goaway = misdeed.goaway
        if misdeed.tamper and reply.status == 200:
            return replace(reply, body=_tampered(reply))
        return reply

    def _choose_certificate(self, connection: Any, server_name: str | None, context: ssl.SSLContext) -> None:
        """Called by `ssl` once the client's SNI is known (RFC 6066 section 3)."""
        if server_name in self.expired_names:
            connection.context = self._expired_tls


def _tampered(reply: Reply) -> bytes:
    """Other content in the same coding, so that only its bytes give it away."""
    if reply.get("content-encoding") == "gzip":
        return gzip.compress(gzip.decompress(reply.body) + TAMPERED, mtime=0)
    return reply.body + TAMPERED


def _why(entry: Entry | None) -> str:
    """RFC 9211 section 2.2: why the request was forwarded."""
    return "miss" if entry is None else "stale"
