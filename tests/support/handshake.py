"""A TLS handshake of our client with a server on loopback."""

from __future__ import annotations

import socket

from probe.tls.session import TlsClient, TlsSession
from tests.support.http_server import HOST


def shake_hands(client: TlsClient, port: int) -> tuple[TlsSession, OSError | None]:
    """The session, and why its handshake failed; None: it is done."""
    room = memoryview(bytearray(64 * 1024))
    session = client.session(HOST, room)
    with socket.create_connection(("127.0.0.1", port), timeout=20) as sock:
        try:
            while not session.handshake():
                if to_send := session.drain():
                    sock.sendall(to_send)
                if not (count := sock.recv_into(room)):
                    return session, ConnectionResetError("the server closed the connection")
                session.feed(count)
        except OSError as error:  # ssl.SSLError is one
            return session, error
    return session, None
