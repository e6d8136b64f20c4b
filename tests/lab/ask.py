"""Plain questions to the lab's servers, by clients that are not the agent's."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
from dataclasses import dataclass

import dns.asyncquery
import dns.edns
import dns.message
import dns.rcode
import dns.rdatatype

from probe.lab.lab import Lab
from probe.lab.servers.world import BEIJING, EDGES, SHANGHAI, Domain, Vantage
from tests.support.http2 import END_HEADERS, END_STREAM, HEADERS, WINDOW_UPDATE, frame, section, settings


@dataclass(frozen=True)
class Got:
    """What came back; `whole` is False where the body is shorter than Content-Length."""

    status: int
    fields: dict[str, str]
    body: bytes
    whole: bool

    @property
    def content(self) -> bytes:
        return gzip.decompress(self.body) if self.fields.get("content-encoding") == "gzip" else self.body


async def over_http_2(lab: Lab, domain: Domain, *, edge: str, source: str = SHANGHAI.source) -> bytes:
    """Everything that an edge sends over HTTP/2 until it closes, to one request by hand."""
    context = ssl.create_default_context(cadata=lab.ca_pem.decode())
    context.set_alpn_protocols(["h2"])
    reader, writer = await asyncio.open_connection(
        EDGES[edge], lab.port_of(domain), ssl=context, server_hostname=domain.name, local_addr=(source, 0)
    )
    lines = [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", domain.name),
        (":path", domain.paths[0]),
    ]
    asked = section(lines)
    try:
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings((4, 2**30)))
        writer.write(
            frame(WINDOW_UPDATE, (2**30).to_bytes(4, "big"))
            + frame(HEADERS, asked, END_HEADERS | END_STREAM, 1)
        )
        return await asyncio.wait_for(reader.read(), 60)
    finally:
        writer.close()


def over_udp(lab: Lab, domain: Domain, *, edge: str) -> bool:
    """Whether anything speaks QUIC there: to a version that nobody has it names its own (RFC 9000 section 6.1)."""
    unknown = b"\xc0\x1a\x2a\x3a\x4a" + b"\x08" + b"12345678" + b"\x08" + b"87654321"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((EDGES[edge], lab.port_of(domain)))
        sock.settimeout(60)
        try:
            sock.send(unknown.ljust(1200, b"\0"))
            return sock.recv(2000)[1:5] == b"\0\0\0\0"
        except ConnectionRefusedError:
            return False


async def get(
    lab: Lab,
    domain: Domain,
    path: str | None = None,
    *,
    address: str | None = None,
    edge: str = "edge-1",
    source: str = BEIJING.source,
    method: str = "GET",
    host: str | None = None,
    **fields: str,
) -> Got:
    """One request on a fresh connection, from a vantage point's address. Raises OSError, ssl.SSLError."""
    tls = domain.scheme == "https"
    reader, writer = await asyncio.open_connection(
        address or EDGES[edge],
        lab.port_of(domain),
        ssl=ssl.create_default_context(cadata=lab.ca_pem.decode()) if tls else None,
        server_hostname=domain.name if tls else None,
        local_addr=(source, 0),
    )
    try:
        named = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
        target = domain.paths[0] if path is None else path
        writer.write(f"{method} {target} HTTP/1.1\r\nHost: {host or domain.name}\r\n{named}\r\n".encode())
        return await asyncio.wait_for(_read(reader, method), 60)
    finally:
        writer.transport.abort()


async def _read(reader: asyncio.StreamReader, method: str) -> Got:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    except asyncio.IncompleteReadError as error:
        raise ConnectionResetError("closed without a reply") from error
    lines = (line.partition(":") for line in head[1:] if line)
    fields = {name.lower(): value.strip() for name, _, value in lines}
    status = int(head[0].split()[1])
    expected = 0 if method == "HEAD" or status == 304 else int(fields["content-length"])
    try:
        body, whole = await reader.readexactly(expected), True
    except asyncio.IncompleteReadError as error:
        body, whole = error.partial, False
    return Got(status, fields, body, whole)


async def lookup(
    lab: Lab,
    name: str,
    qtype: str = "A",
    *,
    vantage: Vantage = BEIJING,
    resolver: int = 0,
    subnet: str | None = None,
    tcp: bool = False,
    timeout_s: float = 60.0,
) -> dns.message.Message:
    """One question to one of a vantage point's resolvers. Raises dns.exception.Timeout."""
    options = []
    if subnet is not None:
        address, _, length = subnet.partition("/")
        options.append(dns.edns.ECSOption(address, int(length)))
    query = dns.message.make_query(name, qtype, use_edns=0, options=options)
    ask = dns.asyncquery.tcp if tcp else dns.asyncquery.udp
    return await ask(query, vantage.resolvers[resolver], port=lab.dns_port, timeout=timeout_s)


def records(message: dns.message.Message) -> dict[str, list[str]]:
    """Type -> record data, sorted."""
    found: dict[str, list[str]] = {}
    for rrset in message.answer:
        texts = (item.to_text().rstrip(".") for item in rrset)
        found.setdefault(dns.rdatatype.to_text(rrset.rdtype), []).extend(texts)
    return {rdtype: sorted(texts) for rdtype, texts in found.items()}


def rcode(message: dns.message.Message) -> str:
    return dns.rcode.to_text(message.rcode())


async def addresses(lab: Lab, domain: Domain, vantage: Vantage = BEIJING) -> list[str]:
    """Follow the alias like a client whose resolver does not."""
    first = records(await lookup(lab, domain.name, vantage=vantage))
    if "A" in first:
        return first["A"]
    return records(await lookup(lab, first["CNAME"][0], vantage=vantage)).get("A", [])


__all__ = ["BEIJING", "SHANGHAI", "Got", "addresses", "get", "lookup", "rcode", "records"]
