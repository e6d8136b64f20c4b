"""Rule: what these servers say differs from reply to reply as a CDN's does: rows are as hard to keep as real ones.

A small CDN for `benchmarks.row_bytes`, in a process of its own: an origin, so many edges, and a DNS server that names
all of them. Each reply has fields of its own: when, which cache, how old, an id of the request. The first
edge fails one request in twenty.
Run as a program: CERTIFICATE EDGES; prints its ports as one line of JSON and serves until its standard input ends.
"""

from __future__ import annotations

import asyncio
import json
import random
import ssl
import sys
import time
from email.utils import formatdate
from typing import cast

import dns.message
import dns.rrset

from benchmarks.server import CDN_NAME, NAME, ORIGIN, body_of
from probe.lab.servers.http1 import Reply, Request
from probe.lab.servers.listener import free_port
from probe.lab.servers.server import HttpServer

SIZE = 2_000
CITIES = ("bja", "gza", "sha", "cda", "wha", "nja", "xiy", "szx")
# How each edge's replies differ: what its software calls itself, and which fields it adds.
SOFTWARE = (
    "Tengine",
    "nginx/1.24.0",
    "ATS/9.2.3",
    "openresty",
    "NWS_SPMid",
    "Lego Server",
    "cloudfront",
    "Byte-nginx",
)


def edge_address(number: int) -> str:
    """Of the edge with this number, from 0 on."""
    return f"127.0.1.{number + 1}"


class Edge:
    """Answers as one node of a CDN."""

    def __init__(self, number: int) -> None:
        self._chance = random.Random(number)  # noqa: S311 - no secret
        self._number = number
        self._saved_s = time.time()

    async def handle(self, request: Request) -> Reply:
        """The object, from the cache or, seldom, from further away."""
        chance, now_s = self._chance, time.time()
        city = CITIES[self._number % len(CITIES)]
        if now_s - self._saved_s > 600:
            self._saved_s = now_s
        hit = chance.random() < 0.9
        fields = [
            ("Server", SOFTWARE[self._number % len(SOFTWARE)]),
            ("Content-Type", "application/javascript; charset=utf-8"),
            ("Date", formatdate(now_s, usegmt=True)),
            ("Cache-Control", "max-age=3600, public"),
            ("ETag", f'"{len(request.path):x}-v1"'),
            ("Last-Modified", "Sat, 21 Nov 2026 08:00:00 GMT"),
            ("Age", str(int(now_s - self._saved_s) if hit else 0)),
            (
                "Via",
                f"cache{chance.randrange(1, 40)}.l2{city}-{chance.randrange(1, 9)}[{chance.randrange(90)},0,200-0,H]",
            ),
            (
                "X-Cache",
                f"{'HIT' if hit else 'MISS'} {chance.choice(('TCP_MEM_HIT', 'TCP_HIT', 'TCP_REFRESH_HIT'))}",
            ),
            ("X-Request-Id", f"{chance.getrandbits(64):016x}"),
            ("Timing-Allow-Origin", "*"),
            ("Accept-Ranges", "bytes"),
        ]
        return Reply(status=200, fields=fields, body=body_of(SIZE))


class Failing(Edge):
    """The node of a CDN that answers one request in twenty with an error of its own."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self._asked = 0

    async def handle(self, request: Request) -> Reply:
        """As the others, or 503."""
        reply = await super().handle(request)
        self._asked += 1
        if self._asked % 20:
            return reply
        return Reply(status=503, fields=reply.fields[:3] + reply.fields[9:10], body=b"upstream timed out\n")


async def _origin(request: Request) -> Reply:
    fields = [
        ("Server", "nginx"),
        ("Content-Type", "application/javascript; charset=utf-8"),
        ("Date", formatdate(usegmt=True)),
        ("Cache-Control", "max-age=3600, public"),
        ("ETag", f'"{len(request.path):x}-v1"'),
        ("Last-Modified", "Sat, 21 Nov 2026 08:00:00 GMT"),
    ]
    return Reply(status=200, fields=fields, body=body_of(SIZE))


class _Dns(asyncio.DatagramProtocol):
    def __init__(self, edges: int) -> None:
        self._addresses = [edge_address(number) for number in range(edges)]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        response = dns.message.make_response(query, recursion_available=True)
        random.shuffle(self._addresses)
        response.answer = [
            dns.rrset.from_text(f"{NAME}.", random.randrange(1, 600), "IN", "CNAME", f"{CDN_NAME}."),  # noqa: S311
            dns.rrset.from_text(f"{CDN_NAME}.", random.randrange(1, 60), "IN", "A", *self._addresses),  # noqa: S311
        ]
        self._transport.sendto(response.to_wire(), addr)


async def serve(certificate: str, edges: int) -> None:
    """Serve until standard input ends."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.set_alpn_protocols(["http/1.1"])
    hosts = [ORIGIN, *map(edge_address, range(edges))]
    http, https = free_port(hosts), free_port(hosts)
    nodes: list[Edge] = [Failing(0), *map(Edge, range(1, edges))]
    servers = [HttpServer(_origin, ORIGIN, http, https, context)]
    servers += [
        HttpServer(node.handle, edge_address(number), http, https, context)
        for number, node in enumerate(nodes)
    ]
    for server in servers:
        server.open()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Dns(edges), local_addr=(ORIGIN, 0))
    ports = {"http": http, "https": https, "dns": transport.get_extra_info("sockname")[1]}
    print(json.dumps(ports), flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
