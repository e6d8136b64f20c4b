"""Rule: the origin is right by definition: whatever it serves is the customer's content of that moment.

One customer's origin on one address: objects with validators and lifetimes, conditional requests (RFC 9110
section 13), gzip by negotiation, and a version of each object that can be changed on demand.
"""

from __future__ import annotations

import gzip
import hashlib
import ssl
import time
from collections import defaultdict
from dataclasses import dataclass
from email.utils import formatdate

from probe.lab.servers.http1 import Fields, Reply, Request
from probe.lab.servers.server import HttpServer
from probe.lab.servers.world import DEFAULT_LIFETIME_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """One object: its media type, its size about, and whether it is text, which gzip shrinks."""

    media_type: str
    size_bytes: int
    text: bool = False
    cached: bool = True


CATALOGUE = {
    "/": Thing(media_type="text/html; charset=utf-8", size_bytes=2_000, text=True),
    "/static/app.js": Thing(media_type="text/javascript", size_bytes=20_000, text=True),
    "/img/hero.bin": Thing(media_type="application/octet-stream", size_bytes=300_000),
    "/large.bin": Thing(media_type="application/octet-stream", size_bytes=1_000_000),
    "/segment.bin": Thing(media_type="application/octet-stream", size_bytes=100_000),
    "/api/time": Thing(media_type="application/json", size_bytes=0, cached=False),
}


def content_of(path: str, version: int) -> bytes:
    """The representation of one version: the same bytes whenever and wherever it is asked for."""
    thing = CATALOGUE[path]
    if thing.text:
        digests = (hashlib.sha256(f"{path} {version} {i}".encode()).hexdigest() for i in range(1_000))
        lines = (f"const part{i} = '{digest}' // {path}\n" for i, digest in enumerate(digests))
        return "".join(lines).encode()[: thing.size_bytes]
    seed = hashlib.sha256(f"{path} {version}".encode()).digest()
    return hashlib.shake_256(seed).digest(thing.size_bytes)


class Origin:
    """Serves CATALOGUE. `status` and `delay_s` make it fail or slow; `change` makes a new version."""

    def __init__(
        self,
        address: str,
        http_port: int,
        https_port: int,
        tls: ssl.SSLContext,
        *,
        lifetime_s: int = DEFAULT_LIFETIME_S,
    ) -> None:
        self.status: int | None = None
        self.delay_s = 0.0
        self.lifetime_s = lifetime_s
        started_s = time.time()
        self._versions: dict[str, int] = defaultdict(lambda: 1)
        self._modified_s: dict[str, float] = defaultdict(lambda: started_s)
        self._built: dict[tuple[str, int, bool], bytes] = {}
        self.server = HttpServer(self.handle, address, http_port, https_port, tls)

    def change(self, path: str) -> int:
        """The customer publishes a new version of an object; its number."""
        self._versions[path] += 1
        self._modified_s[path] = time.time()
        return self._versions[path]

    async def handle(self, request: Request) -> Reply:
        """Answer one request."""
        reply = self._reply(request)
        reply.delay_s = self.delay_s
        return reply

    def _reply(self, request: Request) -> Reply:
        if self.status is not None:
            text = [("Content-Type", "text/plain"), ("Cache-Control", "no-store")]
            return Reply(status=self.status, fields=text, body=b"the origin has a fault\n")
        if request.method not in ("GET", "HEAD"):
            return Reply(status=405, fields=[("Allow", "GET, HEAD")])
        path = request.path.partition("?")[0]
        thing = CATALOGUE.get(path)
        if thing is None:
            return Reply(status=404, fields=[("Cache-Control", "no-store")], body=b"no such object\n")
        if not thing.cached:
            now = f'{{"time": {time.time():.3f}}}\n'.encode()
            return Reply(
                status=200,
                fields=[("Content-Type", thing.media_type), ("Cache-Control", "no-store")],
                body=now,
            )
        return self._stored(request, path, thing)

    def _stored(self, request: Request, path: str, thing: Thing) -> Reply:
        version = self._versions[path]
        zipped = thing.text and request.accepts_gzip
        fields: Fields = [
            ("Content-Type", thing.media_type),
            ("Cache-Control", f"max-age={self.lifetime_s}"),
            ("ETag", f'"v{version}-gzip"' if zipped else f'"v{version}"'),
            ("Last-Modified", formatdate(self._modified_s[path], usegmt=True)),
        ]
        if thing.text:
            fields.append(("Vary", "Accept-Encoding"))
        if matches(request, fields):
            return Reply(status=304, fields=fields)
        if zipped:
            fields.append(("Content-Encoding", "gzip"))
        return Reply(status=200, fields=fields, body=self._body(path, version, zipped))

    def _body(self, path: str, version: int, zipped: bool) -> bytes:
        """Built once a version: a megabyte is not made anew for every request."""
        key = (path, version, zipped)
        if key not in self._built:
            plain = content_of(path, version)
            self._built[key] = gzip.compress(plain, mtime=0) if zipped else plain
        return self._built[key]


def matches(request: Request, fields: Fields) -> bool:
    """Whether the client's validators hold: If-None-Match wins over If-Modified-Since (RFC 9110 section 13.2.2)."""
    own = {name.lower(): value for name, value in fields}
    tags = request.fields.get("if-none-match")
    if tags is not None:
        known = {tag.strip().removeprefix("W/") for tag in tags.split(",")}
        return "*" in known or own.get("etag", "").removeprefix("W/") in known
    since = request.fields.get("if-modified-since")
    return since is not None and since == own.get("last-modified")
