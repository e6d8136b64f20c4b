"""Rule: a test says byte for byte what a resolver answers; UDP and TCP on one loopback port, every query counted.

With `tls` the TCP port speaks TLS, with `https` too HTTPS.

`DnsServer(script)` calls the script with each query. What it returns is sent: a message, bytes as they are, a list
of several, None for silence, or `CLOSE` to close a TCP connection unanswered.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset

from tests.support.doh_face import Said, serve_http1, serve_http2

CLOSE = object()
Script = Callable[["Query"], object]


@dataclass(frozen=True)
class Query:
    """One query as it arrived."""

    message: dns.message.Message
    transport: str
    wire: bytes
    peer: str = ""
    port: int = 0

    @property
    def name(self) -> str:
        return self.message.question[0].name.to_text().rstrip(".").lower() or "."

    @property
    def qtype(self) -> str:
        return self.message.question[0].rdtype.name

    @property
    def ecs(self) -> dns.edns.ECSOption | None:
        return next((o for o in self.message.options if isinstance(o, dns.edns.ECSOption)), None)


def reply(
    query: Query, *answers: str, authority: Iterable[str] = (), rcode: str = "NOERROR", flags: str = "RA"
):
    """A response; records as zone file lines, kept apart even at one owner."""
    response = dns.message.make_response(query.message)
    response.flags |= dns.flags.from_text(flags)
    response.set_rcode(dns.rcode.from_text(rcode))
    for section, lines in ((response.answer, answers), (response.authority, authority)):
        for line in lines:
            owner, ttl, rdtype, rdata = line.split(maxsplit=3)
            section.append(dns.rrset.from_text(owner, int(ttl), "IN", rdtype, rdata))
    return response


SOA = ". 60 SOA ns. host. 1 60 60 60 60"


def root(query: Query) -> object:
    """What a resolver that is well answers to the control question."""
    return reply(query, ". 60 NS a.root-servers.net.", ". 60 NS b.root-servers.net.")


def beside_the_root(script: Script) -> Script:
    """The script of a resolver that is well, and has trouble with everything but the root."""
    return lambda query: root(query) if (query.name, query.qtype) == (".", "NS") else script(query)


def zone(records: Mapping[str, Iterable[str]], *, recursive: bool = True) -> Script:
    """Answers from `{"name type": [rdata]}`; `"name": "SERVFAIL"` sets an rcode. TTL 60.

    Recursive: the whole chain in one response. Else one link a response, as an authoritative server does.
    """

    def script(query: Query) -> object:
        lines: list[str] = []
        name = query.name
        if recursive and (name, query.qtype) == (".", "NS") and "." not in records:
            return root(query)
        while True:
            rcode = records.get(name)
            if isinstance(rcode, str):
                return reply(query, *([] if rcode == "SERVFAIL" else lines), authority=[SOA], rcode=rcode)
            found = records.get(f"{name} {query.qtype}", ())
            lines += [f"{name}. 60 {query.qtype} {rdata}" for rdata in found]
            aliases = [] if found or query.qtype == "CNAME" else list(records.get(f"{name} CNAME", ()))
            lines += [f"{name}. 60 CNAME {target}." for target in aliases]
            seen = sum(line.startswith(f"{name}. ") for line in lines) > len(aliases)
            if not aliases or not recursive or (seen and not found):
                break
            name = aliases[0]
        known = found or aliases or any(key.split()[0] == name for key in records)
        rcode = "NOERROR" if known else "NXDOMAIN"
        authority = [] if found or aliases else [SOA]
        return reply(query, *lines, authority=authority, rcode=rcode, flags="RA" if recursive else "AA")

    return script


@dataclass
class DnsServer:
    """`async with DnsServer(script) as server:`; `tcp=False` leaves the TCP port closed, `udp=False` the other."""

    script: Script
    tcp: bool = True
    udp: bool = True
    tls: ssl.SSLContext | None = None
    https: bool = False
    host: str = "127.0.0.1"
    queries: list[Query] = field(default_factory=list)
    port: int = 0

    async def __aenter__(self) -> DnsServer:
        loop = asyncio.get_running_loop()
        self._server: asyncio.Server | None = None
        self._held, self.port = _one_port(self.host)
        datagram, stream = self._held
        self._transport: asyncio.DatagramTransport | None = None
        if self.udp:
            self._transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), sock=datagram)
        else:
            datagram.close()
        if self.tcp:
            self._server = await asyncio.start_server(self._serve, sock=stream, ssl=self.tls)
        else:
            stream.close()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._transport is not None:
            self._transport.close()
        if self._server is not None:
            self._server.close()
        for task in list(_tasks(self)):
            task.cancel()
        await asyncio.gather(*_tasks(self), return_exceptions=True)

    def answer(self, wire: bytes, transport: str, peer: tuple[str, int]) -> list[object]:
        query = Query(dns.message.from_wire(wire), transport, wire, *peer[:2])
        self.queries.append(query)
        said = self.script(query)
        return said if isinstance(said, list) else [] if said is None else [said]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        _tasks(self).add(task)
        try:
            if self.https:
                await self._serve_https(reader, writer)
                return
            while True:
                wire = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
                for said in self.answer(
                    wire, "tls" if self.tls else "tcp", writer.get_extra_info("peername")
                ):
                    if said is CLOSE:
                        return
                    data = _bytes(said)
                    writer.write(len(data).to_bytes(2, "big") + data)
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            _tasks(self).discard(task)

    async def _serve_https(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def answer(wire: bytes) -> Said | None:
            for said in self.answer(wire, "https", writer.get_extra_info("peername")):
                if said is CLOSE:
                    raise ConnectionResetError
                return said if isinstance(said, Said) else Said(body=_bytes(said))
            return None

        chosen = writer.get_extra_info("ssl_object").selected_alpn_protocol()
        await (serve_http2 if chosen == "h2" else serve_http1)(reader, writer, answer)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        for said in self._server.answer(data, "udp", addr):
            self._transport.sendto(_bytes(said), addr)


def _bytes(said: object) -> bytes:
    return said if isinstance(said, bytes) else said.to_wire(max_size=65535)  # type: ignore[attr-defined]


def _tasks(server: DnsServer) -> set[asyncio.Task[None]]:
    return server.__dict__.setdefault("_running", set())


def _one_port(host: str) -> tuple[tuple[socket.socket, socket.socket], int]:
    """A UDP and a listening TCP socket on the same port, which the kernel chose."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    while True:
        stream = socket.socket(family, socket.SOCK_STREAM)
        datagram = socket.socket(family, socket.SOCK_DGRAM)
        stream.bind((host, 0))
        port = stream.getsockname()[1]
        try:
            datagram.bind((host, port))
        except OSError:
            stream.close()
            datagram.close()
            continue
        stream.setblocking(False)
        datagram.setblocking(False)
        return (datagram, stream), port
