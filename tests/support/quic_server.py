"""A server of HTTP/3 on loopback that does what a test tells it to, rightly or wrongly. By aioquic, not by us."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.asyncio.server import QuicServer
from aioquic.buffer import encode_uint_var
from aioquic.h3.connection import H3Connection
from aioquic.h3.events import HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import HandshakeCompleted, ProtocolNegotiated, QuicEvent
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.http_server import HOST, Pki, sign

OK_BODY = b"x" * 10_000
DATA, HEADERS, SETTINGS, PUSH_PROMISE, GOAWAY = 0, 1, 4, 5, 7


@dataclass
class Server:
    """A running one. `requests`: the field sections that came. `connections`: how many."""

    port: int = 0
    requests: list[list[tuple[bytes, bytes]]] = field(default_factory=list)
    connections: int = 0
    handshakes: int = 0


@dataclass
class Ask:
    """One request, and what an answer is made with."""

    quic: Any
    http: H3Connection
    stream: int
    protocol: Any
    section: list[tuple[bytes, bytes]]

    def fields(self, *fields: tuple[bytes, bytes], status: bytes = b"200", fin: bool = False) -> None:
        """A head, well formed."""
        self.http.send_headers(self.stream, [(b":status", status), *fields], fin)

    def data(self, data: bytes, *, fin: bool = True) -> None:
        """Content, well formed."""
        self.http.send_data(self.stream, data, fin)

    def raw(self, data: bytes, *, fin: bool = False, stream: int | None = None) -> None:
        """Bytes on a stream, whatever they are."""
        self.quic.send_stream_data(self.stream if stream is None else stream, data, fin)

    def section_raw(self, *fields: tuple[bytes, bytes]) -> bytes:
        """A HEADERS frame of any fields, by QPACK's literals alone (RFC 9204 section 4.5.6)."""
        block = b"\0\0"
        for name, value in fields:
            block += _prefixed(0x20, 3, len(name)) + name + _prefixed(0, 7, len(value)) + value
        return frame(HEADERS, block)

    def send(self) -> None:
        """Now."""
        self.protocol.transmit()


def _prefixed(first: int, bits: int, number: int) -> bytes:
    most = (1 << bits) - 1
    if number < most:
        return bytes((first | number,))
    out, number = bytearray((first | most,)), number - most
    while number >= 128:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes(out) + bytes((number,))


def frame(kind: int, payload: bytes) -> bytes:
    """A frame (RFC 9114 section 7.1)."""
    return encode_uint_var(kind) + encode_uint_var(len(payload)) + payload


Answer = Callable[[Ask], None]


def well(ask: Ask) -> None:
    """A whole response, with its length."""
    ask.fields((b"content-length", b"%d" % len(OK_BODY)), (b"content-type", b"text/plain"))
    ask.data(OK_BODY)


@dataclass
class Pem:
    """A chain and its key."""

    chain: bytes
    key: bytes


def pem(pki: Pki, kind: str = "good", names: tuple[str, ...] = (HOST,)) -> Pem:
    """good, expired, not_yet, wrong_host, self_signed, untrusted, incomplete, long (much of a chain)."""
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    changes: dict[str, Any] = {}
    authority = pki.trusted
    match kind:
        case "expired":
            changes = {"not_before": now - 9 * day, "not_after": now - day}
        case "not_yet":
            changes = {"not_before": now + day, "not_after": now + 9 * day}
        case "wrong_host":
            names = ("other.example",)
        case "untrusted":
            authority = pki.untrusted
        case "self_signed" | "incomplete":
            return _made(None if kind == "self_signed" else "intermediate")
        case "long":
            names = (*names, *(f"{number}.{'long' * 12}.example" for number in range(150)))
    leaf = authority.issue_cert(*names, **changes)
    return Pem(b"".join(part.bytes() for part in leaf.cert_chain_pems), leaf.private_key_pem.bytes())


def _made(issuer: str | None) -> Pem:
    key, issuer_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    leaf = sign(HOST, key, issuer or HOST, issuer_key if issuer else key, aia=issuer is not None)
    return Pem(
        leaf.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )


@dataclass
class How:
    """How the server behaves. `sent` and `came` see each datagram and give those that pass instead."""

    answer: Answer = well
    on_handshake: Callable[[Any], None] | None = None
    on_made: Callable[[Any], None] | None = None
    sent: Callable[[bytes], list[bytes]] | None = None
    came: Callable[[bytes], list[bytes]] | None = None
    silent_after_handshake: bool = False
    retry: bool = False
    first: Callable[[bytes], list[bytes]] | None = None  # what is sent in answer to the very first datagram


@asynccontextmanager
async def serve_quic(
    pki: Pki,
    directory: Path,
    how: How | Answer = well,
    certificate: Pem | None = None,
    at: tuple[str, int] = ("127.0.0.1", 0),
    **settings: Any,
) -> AsyncIterator[Server]:
    """`settings`: of aioquic's configuration."""
    how = how if isinstance(how, How) else How(answer=how)
    certificate = certificate or pem(pki)
    chain, key = directory / "quic-chain.pem", directory / "quic-key.pem"
    chain.write_bytes(certificate.chain)
    key.write_bytes(certificate.key)
    configuration = QuicConfiguration(is_client=False, alpn_protocols=["h3"])
    for name, value in settings.items():
        setattr(configuration, name, value)
    configuration.load_cert_chain(str(chain), str(key))
    running = Server()

    class Serving(QuicConnectionProtocol):
        http: H3Connection | None = None

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            running.connections += 1
            if how.on_made is not None:
                how.on_made(self._quic)

        def quic_event_received(self, event: QuicEvent) -> None:
            if isinstance(event, ProtocolNegotiated):
                self.http = H3Connection(self._quic)
            if isinstance(event, HandshakeCompleted):
                running.handshakes += 1
                if how.on_handshake is not None:
                    how.on_handshake(self._quic)
                    self.transmit()
                if how.silent_after_handshake:
                    self.transmit()
                    self.transmit = lambda: None  # type: ignore[method-assign]
            if self.http is None:
                return
            for each in self.http.handle_event(event):
                if isinstance(each, HeadersReceived):
                    running.requests.append(each.headers)
                    ask = Ask(self._quic, self.http, each.stream_id, self, each.headers)
                    how.answer(ask)
                    self.transmit()

    class Wire(QuicServer):
        begun = False

        def connection_made(self, transport: Any) -> None:
            super().connection_made(_Seen(transport, how.sent) if how.sent is not None else transport)
            self.wire = transport

        def datagram_received(self, data: bytes | str, addr: Any) -> None:
            assert isinstance(data, bytes)
            if how.first is not None and not self.begun:
                self.begun = True
                for made in how.first(data):
                    self.wire.sendto(made, addr)
            for each in [data] if how.came is None else how.came(data):
                super().datagram_received(each, addr)

    loop = asyncio.get_running_loop()
    transport, wire = await loop.create_datagram_endpoint(
        lambda: Wire(configuration=configuration, create_protocol=Serving, retry=how.retry),
        local_addr=at,
    )
    running.port = transport.get_extra_info("sockname")[1]
    try:
        yield running
    finally:
        for serving in wire._protocols.values():
            serving.transmit = lambda: None
        transport.close()
        await asyncio.sleep(0)


class _Seen:
    """A transport whose datagrams are changed on their way."""

    def __init__(self, transport: Any, change: Callable[[bytes], list[bytes]]) -> None:
        self._transport, self._change = transport, change

    def sendto(self, data: bytes, addr: Any) -> None:
        for each in self._change(data):
            self._transport.sendto(each, addr)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Datagrams(asyncio.DatagramProtocol):
    """Answers each datagram with those that `answer` gives."""

    def __init__(self, answer: Callable[[bytes], list[bytes]]) -> None:
        self._answer = answer
        self.came = 0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.came += 1
        for made in self._answer(data):
            self._transport.sendto(made, addr)


@asynccontextmanager
async def serve_datagrams(
    answer: Callable[[bytes], list[bytes]], at: tuple[str, int] = ("127.0.0.1", 0)
) -> AsyncIterator[tuple[int, Datagrams]]:
    """A port that speaks UDP and whatever `answer` says. (port, what came)."""
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(lambda: Datagrams(answer), local_addr=at)
    try:
        yield transport.get_extra_info("sockname")[1], protocol
    finally:
        transport.close()
        await asyncio.sleep(0)


def cids_of(initial: bytes) -> tuple[bytes, bytes]:
    """(destination, source) of a long header (RFC 8999 section 5.1)."""
    length = initial[5]
    at = 6 + length
    return initial[6:at], initial[at + 1 : at + 1 + initial[at]]


def version_negotiation(initial: bytes, *versions: int, swapped: bool = True) -> bytes:
    """In answer to a client's first datagram (RFC 8999 section 6)."""
    destination, source = cids_of(initial)
    if not swapped:
        destination, source = source, bytes(len(destination))
    listed = b"".join(version.to_bytes(4, "big") for version in versions)
    return (
        b"\x80"
        + bytes(4)
        + bytes((len(source),))
        + source
        + bytes((len(destination),))
        + destination
        + listed
    )
