"""Scriptable raw HTTP and TLS servers on loopback, and certificates of every kind of wrong.

A script is what the server does with one connection after it has read the request head; `Reply(...)` builds the
common ones. Nothing here parses HTTP beyond the blank line, so that a server can say whatever a test wants.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import re
import socket
import ssl
import struct
import threading
import time
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from probe.core.model.task import Deadlines, Limits, Request, TlsPolicy, VantagePoint
from probe.core.records.observation import Role
from probe.fetch.fetcher import FetchTarget, HttpFetcher
from probe.host.clock import SystemClock

HOST = "www.acme.example"
Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
_REQUESTS: weakref.WeakKeyDictionary[asyncio.StreamReader, bytes] = weakref.WeakKeyDictionary()


@dataclass
class Server:
    """A running server: its port and what it saw."""

    port: int
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)


def read_before(reader: asyncio.StreamReader) -> bytes:
    """What was read of a connection before its script began: a request's head, or what looks like one."""
    return _REQUESTS.get(reader, b"")


def reply(*pieces: bytes) -> Script:
    """Write the pieces, then close."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()

    return script


def response(body: bytes = b"", *fields: str, status: str = "200 OK") -> Script:
    """A whole response with Content-Length, then close."""
    head = "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status}", *fields, f"Content-Length: {len(body)}"))
    return reply(head.encode("latin-1") + b"\r\n" + body)


def by_request(choose: Callable[[bytes], Script]) -> Script:
    """Whatever `choose` says for the request's head; of a reader that nobody asked by, for a plain GET."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await choose(_REQUESTS.get(reader, b"GET / HTTP/1.1\r\n\r\n"))(reader, writer)

    return script


def ranged(body: bytes, *fields: str) -> Script:
    """As `response`; a request for one range gets that range (RFC 9110 section 15.3.7)."""

    def choose(request: bytes) -> Script:
        asked = re.search(rb"\r\nRange: bytes=([0-9]+)-([0-9]+)\r\n", request)
        if asked is None:
            return response(body, *fields)
        first, last = int(asked[1]), int(asked[2])
        place = f"Content-Range: bytes {first}-{last}/{len(body)}"
        return response(body[first : last + 1], place, *fields, status="206 Partial Content")

    return by_request(choose)


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say nothing until the client goes away."""
    await reader.read()


def then_hang(*pieces: bytes) -> Script:
    """Write the pieces, then nothing more."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reply(*pieces)(reader, writer)
        await hang(reader, writer)

    return script


def then_reset(*pieces: bytes) -> Script:
    """Write the pieces, wait until they were acknowledged, then reset the connection."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reply(*pieces)(reader, writer)
        await until_acknowledged(writer)
        reset(writer)

    return script


def reset(writer: asyncio.StreamWriter) -> None:
    """RST instead of FIN."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def until_acknowledged(writer: asyncio.StreamWriter) -> None:
    """The client's kernel has everything (TCP_INFO: nothing unacknowledged), and it had a moment to read it."""
    sock = writer.get_extra_info("socket")
    for _ in range(200):
        raw = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
        if struct.unpack_from("I", raw, 8 + 4 * 4)[0] == 0:
            break
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def serve(
    script: Script,
    *,
    tls: ssl.SSLContext | None = None,
    host: str = "127.0.0.1",
    read: bool = True,
    port: int = 0,
) -> AsyncIterator[Server]:
    """Run `script` for every connection; `read`: first read the request head. `port` 0: one that is free."""
    tasks: set[asyncio.Task[Any]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        server.connections += 1
        try:
            if read:
                _REQUESTS[reader] = await reader.readuntil(b"\r\n\r\n")
                server.requests.append(_REQUESTS[reader])
            await script(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            tasks.discard(task)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    listener = await asyncio.start_server(handle, host, port, ssl=tls, limit=1 << 20)
    server = Server(port=listener.sockets[0].getsockname()[1])
    try:
        yield server
    finally:
        listener.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def openssl_server(context: ssl.SSLContext) -> AsyncIterator[int]:
    """A blocking TLS server in a thread: unlike asyncio's it sends the alert when a handshake fails."""
    listener = socket.create_server(("127.0.0.1", 0))

    def one(raw: socket.socket) -> None:
        raw.settimeout(60)
        with raw:
            try:
                # Wrapped by hand: wrap_socket would close at once, and unread bytes turn a close into a reset
                # that takes the alert with it.
                sock = context.wrap_socket(raw.dup(), server_side=True, do_handshake_on_connect=False)
                with sock:
                    sock.settimeout(60)
                    try:
                        sock.do_handshake()
                        sock.recv(65536)
                        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                    except ssl.SSLError:
                        raw.shutdown(socket.SHUT_WR)
                        while raw.recv(65536):
                            pass
            except OSError:
                pass

    def run() -> None:
        with contextlib.suppress(OSError):
            while True:
                one(listener.accept()[0])

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        await asyncio.to_thread(
            thread.join
        )  # it may wait for the end of a connection that our loop is about to close
        listener.close()


@contextlib.contextmanager
def black_hole() -> Iterator[int]:
    """A port that answers no handshake: its listener's queue is full and nobody accepts."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    fillers = []
    for _ in range(4):
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex(listener.getsockname())
        fillers.append(filler)
    try:
        yield listener.getsockname()[1]
    finally:
        for filler in fillers:
            filler.close()
        listener.close()


def closed_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
    return port


_LINE = frozenset(VantagePoint.__struct_fields__) - {"name"}


def make_target(port: int, **changes: Any) -> FetchTarget:
    """A target on loopback; `changes` go to the request, the deadlines, the limits, the line or the target itself."""
    request = {"scheme": "http", "host": HOST, "port": port, "path": "/object"}
    parts: dict[str, dict[str, Any]] = {
        "request": request,
        "deadlines": {"total_us": 5_000_000},
        "limits": {},
    }
    kinds = {"request": Request, "deadlines": Deadlines, "limits": Limits}
    rest: dict[str, Any] = {}
    line = {name: changes.pop(name) for name in _LINE & changes.keys()}
    for name, value in changes.items():
        part = next((part for part in parts if name in kinds[part].__struct_fields__), None)
        (parts[part] if part else rest)[name] = value
    return FetchTarget(
        **{
            "role": Role.EDGE,
            "address": "127.0.0.1",
            "tls": TlsPolicy(),
            "vantage": VantagePoint(name="here", **line),
            "slot_start_ns": time.monotonic_ns(),
            **{part: kinds[part](**values) for part, values in parts.items()},
            **rest,
        }
    )


def make_fetcher(secrets: dict[str, str] | None = None) -> HttpFetcher:
    """A fetcher that may connect to loopback and knows the given secrets by name."""
    return HttpFetcher(
        SystemClock(), lambda reference: (secrets or {})[reference.name], ("127.0.0.0/8", "::1/128")
    )


class Pki:
    """A trusted authority (its PEM file: `ca`), an untrusted one, and server contexts for every case."""

    def __init__(self, directory: Path) -> None:
        self.trusted = trustme.CA()
        self.untrusted = trustme.CA()
        self.ca = str(directory / "ca.pem")
        self.trusted.cert_pem.write_to_path(self.ca)
        self._directory = directory

    def policy(self, **changes: Any) -> TlsPolicy:
        """Trust the trusted authority."""
        return TlsPolicy(**{"ca": self.ca, **changes})

    def issued(self, *names: str, ca: trustme.CA | None = None, **changes: Any) -> ssl.SSLContext:
        """A server whose certificate an authority issued for `names`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        (ca or self.trusted).issue_cert(*(names or (HOST,)), **changes).configure_cert(context)
        return context

    def odd(self, kind: str) -> ssl.SSLContext:
        """expired, not_yet, wrong_host, self_signed, untrusted, untrusted_with_root, incomplete, old."""
        now = datetime.datetime.now(datetime.UTC)
        day = datetime.timedelta(days=1)
        match kind:
            case "expired":
                return self.issued(not_before=now - 9 * day, not_after=now - day)
            case "not_yet":
                return self.issued(not_before=now + day, not_after=now + 9 * day)
            case "wrong_host":
                return self.issued("other.example")
            case "self_signed":
                return self._made(issuer=None)
            case "untrusted":
                return self.issued(ca=self.untrusted)
            case "untrusted_with_root":
                return self._made(issuer="root", chain=True)
            case "incomplete":
                return self._made(issuer="intermediate")
        raise ValueError(kind)

    def _made(self, *, issuer: str | None, chain: bool = False) -> ssl.SSLContext:
        key, issuer_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        leaf = sign(HOST, key, issuer or HOST, issuer_key if issuer else key, aia=issuer == "intermediate")
        pem = leaf.public_bytes(serialization.Encoding.PEM)
        if chain:
            root = sign(issuer or "", issuer_key, issuer or "", issuer_key, ca=True)
            pem += root.public_bytes(serialization.Encoding.PEM)
        pem += key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        path = self._directory / "odd.pem"
        path.write_bytes(pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


def sign(
    subject: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    ca: bool = False,
    aia: bool = False,
) -> x509.Certificate:
    """A certificate for one DNS name, which may be odd, signed by the issuer's key."""
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=9))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(subject)]), critical=False)
    )
    if aia:
        where = x509.UniformResourceIdentifier("http://ca.example/intermediate.der")
        access = x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, where)
        builder = builder.add_extension(x509.AuthorityInformationAccess([access]), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())
