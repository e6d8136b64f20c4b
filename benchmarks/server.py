"""Rule: what answers is another process, so that its CPU time is not counted, and it does as little as it can.

HTTP and HTTPS on two loopback addresses (edge and origin) and one DNS server that sends every name to the edge, on
ports that the kernel chose.
Run by `benchmarks.peer_process` as a program: CERTIFICATE SIZE...; prints its ports as one line of JSON and serves
until its standard input ends. The object `/<n>` is n bytes long.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
import ssl
import sys
from typing import cast

import dns.message
import dns.rrset

ORIGIN, EDGE = "127.0.0.1", "127.0.0.2"
NAME, CDN_NAME = "www.bench.example", "bench.cdn.example.net"
_ATTEMPTS = 20


def body_of(size: int) -> bytes:
    """The object of so many bytes: the same in every process, and not all alike."""
    block = b"".join(hashlib.sha256(i.to_bytes(4, "big")).digest() for i in range(64))
    return (block * (size // len(block) + 1))[:size]


def reply_of(size: int) -> bytes:
    """The whole reply, head and body."""
    head = (
        "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
        f'Content-Length: {size}\r\nCache-Control: max-age=3600\r\nETag: "v{size}"\r\nX-Cache: HIT\r\n'
        "Connection: close\r\n\r\n"
    )
    return head.encode() + body_of(size)


class _Http(asyncio.Protocol):
    def __init__(self, replies: dict[bytes, bytes]) -> None:
        self._replies = replies
        self._head = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._head += data
        if b"\r\n\r\n" in self._head and self._transport is not None:
            self._transport.write(self._replies[self._head.split(b" ", 2)[1]])
            self._transport.close()


class _Dns(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        response = dns.message.make_response(query, recursion_available=True)
        asked = query.question[0].name
        response.answer = [
            dns.rrset.from_text(asked, 60, "IN", "CNAME", f"{CDN_NAME}."),
            dns.rrset.from_text(f"{CDN_NAME}.", 60, "IN", "A", EDGE),
        ]
        self._transport.sendto(response.to_wire(), addr)


def _listeners() -> list[socket.socket]:
    """One port, free on both addresses."""
    for _ in range(_ATTEMPTS):
        first = socket.create_server((ORIGIN, 0), backlog=512)
        try:
            return [first, socket.create_server((EDGE, first.getsockname()[1]), backlog=512)]
        except OSError:
            first.close()
    raise SystemExit(f"no port is free on both {ORIGIN} and {EDGE}")


async def serve(certificate: str, sizes: list[int]) -> None:
    """Serve until standard input ends."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.set_alpn_protocols(["http/1.1"])
    replies = {f"/{size}".encode(): reply_of(size) for size in sizes}
    loop = asyncio.get_running_loop()
    ports = {}
    for scheme, tls in (("http", None), ("https", context)):
        for listener in _listeners():
            ports[scheme] = listener.getsockname()[1]
            # asyncio leaves this out for sockets it did not make; Nagle and delayed ACKs then cost 40 ms a reply.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.create_server(lambda: _Http(replies), sock=listener, ssl=tls)
    transport, _ = await loop.create_datagram_endpoint(_Dns, local_addr=(ORIGIN, 0))
    ports["dns"] = transport.get_extra_info("sockname")[1]
    print(json.dumps(ports), flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], [int(size) for size in sys.argv[2:]]))
