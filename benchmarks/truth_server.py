"""Rule: this server knows what it did: what it receives and what it sends, the kernel stamps as it happens.

Run by `benchmarks.truth` as a program: CERTIFICATE TLS_MS. It serves HTTP, HTTPS and HTTP/2 at 127.0.0.1 and DNS over
UDP, with a thread for each connection. `/t/<id>/<first_ms>/<body_ms>` waits so long before the first byte of the reply
and before the second half of the body; every handshake waits TLS_MS. Prints its ports as JSON, serves until standard
input ends, then prints for each id (of DNS: each first label) its instants in nanoseconds of CLOCK_MONOTONIC, as one
JSON line.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import ssl
import struct
import sys
import threading
import time
from collections.abc import Callable

import hpack

ADDRESS = "127.0.0.1"
BODY_BYTES = 20_000
_SO_TIMESTAMPING = 37  # asm-generic/socket.h
_SOFTWARE_ON_ARRIVAL = 1 << 3 | 1 << 4  # SOF_TIMESTAMPING_RX_SOFTWARE, SOF_TIMESTAMPING_SOFTWARE
_ON_LEAVING = 1 << 1 | 1 << 7 | 1 << 11  # SOF_TIMESTAMPING_TX_SOFTWARE, _OPT_ID, _OPT_TSONLY
_TOGETHER_NS = 20_000  # clocks read within this time were read together
_STAMPS = struct.Struct("@qq")
_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    % BODY_BYTES
)
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_STREAM = (1).to_bytes(4, "big")
_SETTINGS, _ACKNOWLEDGED = b"\0\0\0\4\0\0\0\0\0", b"\0\0\0\4\1\0\0\0\0"
_FIELDS = hpack.Encoder().encode(
    [(":status", "200"), ("content-type", "application/octet-stream"), ("content-length", str(BODY_BYTES))]
)
_H2_HEAD = len(_FIELDS).to_bytes(3, "big") + b"\1\4" + _STREAM + _FIELDS
_sending = threading.Lock()  # of one socket for all, so that a stamp is that of this answer
seen: dict[str, dict[str, int]] = {}


def stamp_ns(ancillary: list[tuple[int, int, bytes]]) -> int | None:
    """The kernel's stamp among these, on CLOCK_MONOTONIC."""
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPING):
            seconds, rest_ns = _STAMPS.unpack_from(data)
            if seconds:
                return int(seconds * 1_000_000_000 + rest_ns - ahead_ns())
    return None


def ahead_ns() -> int:
    """How much later it is by the wall clock; both are read until nothing came between."""
    for _ in range(50):
        now_ns, wall_ns = time.monotonic_ns(), time.time_ns()
        if time.monotonic_ns() - now_ns < _TOGETHER_NS:
            break
    return wall_ns - now_ns


def arrived_ns(ancillary: list[tuple[int, int, bytes]]) -> int:
    """When the kernel got what was just read; now, where it does not say."""
    return stamp_ns(ancillary) or time.monotonic_ns()


def left_ns(sock: socket.socket, at_least_ns: int) -> int:
    """When the last of what was sent so far left, by the kernel; `at_least_ns` where it does not say."""
    told_ns = at_least_ns
    sock.settimeout(0)
    with contextlib.suppress(BlockingIOError):
        while True:
            _, ancillary, _, _ = sock.recvmsg(1, 512, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT)
            told_ns = max(told_ns, stamp_ns(ancillary) or 0)
    return told_ns


def peek(sock: socket.socket) -> int:
    """Wait for the first bytes, leave them where they are, tell when they came."""
    _, ancillary, _, _ = sock.recvmsg(1, 256, socket.MSG_PEEK)
    return arrived_ns(ancillary)


def answer(sock: socket.socket, context: ssl.SSLContext | None, tls_ms: float) -> None:
    """One connection. `tls_ms`: the path is not known before the handshake, so all handshakes wait alike."""
    sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPING, _SOFTWARE_ON_ARRIVAL | _ON_LEAVING)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.settimeout(20)
    instants: dict[str, int] = {}
    try:
        if context is not None:
            instants["hello"] = peek(sock)
            time.sleep(tls_ms / 1000)
            sock = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
            instants |= handshake(sock)
            instants["asked"] = peek_tls(sock)
        else:
            instants["asked"] = peek(sock)
        over_h2 = isinstance(sock, ssl.SSLSocket) and sock.selected_alpn_protocol() == "h2"
        path = path_of_frames(sock) if over_h2 else path_of_head(sock)
        _, _, name, first_ms, body_ms = path.split("/")
        head, data = (_H2_HEAD, in_frames) if over_h2 else (_HEAD, as_it_is)
        time.sleep(float(first_ms) / 1000)
        instants["first"] = send(sock, head + data(b"x" * (BODY_BYTES // 2), 0))
        time.sleep(float(body_ms) / 1000)
        instants["last"] = send(sock, data(b"y" * (BODY_BYTES - BODY_BYTES // 2), 1))
        seen[name] = instants
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPING, _SOFTWARE_ON_ARRIVAL)
        if isinstance(sock, ssl.SSLSocket):
            sock = sock.unwrap()
    except (OSError, ValueError):
        pass  # a client that left: nothing is claimed of it
    finally:
        sock.close()


def path_of_head(sock: socket.socket) -> str:
    """What is asked for over HTTP/1.1."""
    head = b""
    while b"\r\n\r\n" not in head:
        head += sock.recv(65536)
    return head.split(b" ", 2)[1].decode()


def path_of_frames(sock: socket.socket) -> str:
    """What is asked for over HTTP/2; settings are said and acknowledged at once, as servers do."""
    reader = sock.makefile("rb")
    reader.read(len(_PREFACE))
    while True:
        start = reader.read(9)
        payload = reader.read(int.from_bytes(start[:3], "big"))
        if start[3] == 1:  # HEADERS
            sock.sendall(_SETTINGS + _ACKNOWLEDGED)
            lines = hpack.Decoder().decode(payload, raw=True)
            return next(bytes(line[1]).decode() for line in lines if line[0] == b":path")


def in_frames(content: bytes, end: int) -> bytes:
    """DATA frames on stream 1; `end` 1: the last ones."""
    return len(content).to_bytes(3, "big") + bytes((0, end)) + _STREAM + content


def as_it_is(content: bytes, end: int) -> bytes:
    """A body over HTTP/1.1, whose length its head told."""
    return content


def handshake(sock: ssl.SSLSocket) -> dict[str, int]:
    """The handshake; when the server's last words in it were sent (TLS 1.3: its only ones).

    Nothing is told where the client's came so fast that nobody knows what passed between.
    """
    sock.setblocking(False)
    told = {}
    try:
        sock.do_handshake()
    except ssl.SSLWantReadError:
        told["shaken"] = beneath(sock, lambda plain: left_ns(plain, 0))
    sock.settimeout(20)
    sock.do_handshake()
    beneath(sock, lambda plain: left_ns(plain, 0))  # the tickets': whoever waits would be woken by it
    return told


def send(sock: socket.socket, data: bytes) -> int:
    """Send all of it; when it left."""
    begun_ns = beneath(sock, lambda plain: left_ns(plain, time.monotonic_ns()))
    sock.sendall(data)
    return beneath(sock, lambda plain: left_ns(plain, begun_ns))


def beneath(sock: socket.socket, act: Callable[[socket.socket], int]) -> int:
    """What is done with the socket itself, without TLS: an ssl.SSLSocket refuses it."""
    with socket.socket(fileno=os.dup(sock.fileno())) as plain:
        plain.settimeout(20)  # of this object alone: the socket beneath does not block in any case
        return act(plain)


def peek_tls(sock: ssl.SSLSocket) -> int:
    """As `peek`: OpenSSL reads no further than the record that it needs, the request is still with the kernel."""
    return beneath(sock, peek)


def serve_http(listener: socket.socket, context: ssl.SSLContext | None, tls_ms: float) -> None:
    """Accept for ever."""
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=answer, args=(sock, context, tls_ms), daemon=True).start()


def serve_dns(sock: socket.socket) -> None:
    """Answer A questions with one address, after the milliseconds that the second label names."""
    sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPING, _SOFTWARE_ON_ARRIVAL | _ON_LEAVING)
    sock.settimeout(3600)
    while True:
        wire, ancillary, _, client = sock.recvmsg(2048, 256)
        threading.Thread(
            target=answer_dns, args=(sock, wire, client, arrived_ns(ancillary)), daemon=True
        ).start()


def answer_dns(sock: socket.socket, wire: bytes, client: tuple[str, int], asked_ns: int) -> None:
    """The question as it came, and the one answer."""
    end = wire.index(0, 12) + 5
    first = wire[13 : 13 + wire[12]].decode()
    place = 13 + wire[12]
    time.sleep(float(wire[place + 1 : place + 1 + wire[place]].decode().removeprefix("d")) / 1000)
    record = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + socket.inet_aton("127.0.0.1")
    reply = wire[:2] + struct.pack("!HHHHH", 0x8180, 1, 1, 0, 0) + wire[12:end] + record
    with _sending:
        begun_ns = time.monotonic_ns()
        sock.sendto(reply, client)
        sent_ns = beneath(sock, lambda plain: left_ns(plain, begun_ns))
    seen[first] = {"asked": asked_ns, "first": sent_ns}


def main(certificate: str, tls_ms: float) -> None:
    """Serve until standard input ends, then tell."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    ports = {}
    with_h2 = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with_h2.load_cert_chain(certificate)
    with_h2.set_alpn_protocols(["h2"])
    for scheme, tls in (("http", None), ("https", context), ("h2", with_h2)):
        listener = socket.create_server((ADDRESS, 0), backlog=1024)
        ports[scheme] = listener.getsockname()[1]
        threading.Thread(target=serve_http, args=(listener, tls, tls_ms), daemon=True).start()
    dns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    dns.bind((ADDRESS, 0))
    ports["dns"] = dns.getsockname()[1]
    threading.Thread(target=serve_dns, args=(dns,), daemon=True).start()
    print(json.dumps(ports), flush=True)
    sys.stdin.read()
    print(json.dumps(seen), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
