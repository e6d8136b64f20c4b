"""Rule: this server knows what it did: it stamps each instant where it happens; what arrives, the kernel stamps.

Run by `benchmarks.truth` as a program: CERTIFICATE TLS_MS. It serves HTTP and HTTPS at 127.0.0.1 and DNS over UDP, with
a thread for each connection. `/t/<id>/<first_ms>/<body_ms>` waits so long before the first byte of the reply and before
the second half of the body; every handshake waits TLS_MS. Prints its ports as JSON, serves until standard input ends,
then prints for each id (of DNS: each first label) its instants in nanoseconds of CLOCK_MONOTONIC, as one JSON line.
"""

from __future__ import annotations

import json
import os
import socket
import ssl
import struct
import sys
import threading
import time

ADDRESS = "127.0.0.1"
BODY_BYTES = 20_000
_SO_TIMESTAMPING = 37  # asm-generic/socket.h
_SOFTWARE_ON_ARRIVAL = 1 << 3 | 1 << 4  # SOF_TIMESTAMPING_RX_SOFTWARE, SOF_TIMESTAMPING_SOFTWARE
_STAMPS = struct.Struct("@qq")
_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    % BODY_BYTES
)
seen: dict[str, dict[str, int]] = {}


def arrived_ns(ancillary: list[tuple[int, int, bytes]]) -> int:
    """When the kernel got what was just read; now, where it does not say."""
    now_ns, wall_ns = time.monotonic_ns(), time.time_ns()
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPING):
            seconds, rest_ns = _STAMPS.unpack_from(data)
            if seconds:
                return int(seconds * 1_000_000_000 + rest_ns - (wall_ns - now_ns))
    return now_ns


def peek(sock: socket.socket) -> int:
    """Wait for the first bytes, leave them where they are, tell when they came."""
    _, ancillary, _, _ = sock.recvmsg(1, 256, socket.MSG_PEEK)
    return arrived_ns(ancillary)


def answer(sock: socket.socket, context: ssl.SSLContext | None, tls_ms: float) -> None:
    """One connection. `tls_ms`: the path is not known before the handshake, so all handshakes wait alike."""
    sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPING, _SOFTWARE_ON_ARRIVAL)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.settimeout(20)
    instants: dict[str, int] = {}
    try:
        if context is not None:
            instants["hello"] = peek(sock)
            time.sleep(tls_ms / 1000)
            sock = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
            instants |= shake(sock)
            instants["asked"] = peek_tls(sock)
        else:
            instants["asked"] = peek(sock)
        head = b""
        while b"\r\n\r\n" not in head:
            head += sock.recv(65536)
        _, _, name, first_ms, body_ms = head.split(b" ", 2)[1].decode().split("/")
        time.sleep(float(first_ms) / 1000)
        instants["first"] = time.monotonic_ns()
        sock.sendall(_HEAD + b"x" * (BODY_BYTES // 2))
        time.sleep(float(body_ms) / 1000)
        instants["last"] = time.monotonic_ns()
        sock.sendall(b"y" * (BODY_BYTES - BODY_BYTES // 2))
        seen[name] = instants
        if isinstance(sock, ssl.SSLSocket):
            sock = sock.unwrap()
    except (OSError, ValueError):
        pass  # a client that left: nothing is claimed of it
    finally:
        sock.close()


def shake(sock: ssl.SSLSocket) -> dict[str, int]:
    """The handshake; when the server's last words in it were sent (TLS 1.3: its only ones).

    Nothing is told where the client's came so fast that nobody knows what passed between.
    """
    sock.setblocking(False)
    told = {}
    try:
        sock.do_handshake()
    except ssl.SSLWantReadError:
        told["shaken"] = time.monotonic_ns()
    sock.settimeout(20)
    sock.do_handshake()
    return told


def peek_tls(sock: ssl.SSLSocket) -> int:
    """As `peek`: OpenSSL reads no further than the record that it needs, the request is still with the kernel."""
    with socket.socket(fileno=os.dup(sock.fileno())) as beneath:
        beneath.settimeout(20)
        return peek(beneath)


def serve_http(listener: socket.socket, context: ssl.SSLContext | None, tls_ms: float) -> None:
    """Accept for ever."""
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=answer, args=(sock, context, tls_ms), daemon=True).start()


def serve_dns(sock: socket.socket) -> None:
    """Answer A questions with one address, after the milliseconds that the second label names."""
    sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPING, _SOFTWARE_ON_ARRIVAL)
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
    sent_ns = time.monotonic_ns()
    sock.sendto(reply, client)
    seen[first] = {"asked": asked_ns, "first": sent_ns}


def main(certificate: str, tls_ms: float) -> None:
    """Serve until standard input ends, then tell."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    ports = {}
    for scheme, tls in (("http", None), ("https", context)):
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
