"""Rule: every socket of a vantage point leaves by its own line, or there is no socket: never by another one.

The one place where sockets are made: the source address, the interface (SO_BINDTODEVICE) of the vantage point.
What stands in the way is our host's or our line's fault and comes out as `SourceError` or as OSError.
"""

from __future__ import annotations

import contextlib
import socket

from probe.core.task import VantagePoint
from probe.io.failures import SourceError

_IP_BIND_ADDRESS_NO_PORT = 24  # linux/in.h: choose the local port at connect, so that ports do not run out


async def open_socket(vantage: VantagePoint, ip_version: int, kind: socket.SocketKind) -> socket.socket:
    """A non-blocking socket, bound as the vantage point says, not connected.

    Raises SourceError where the line is not there or not ours to use, OSError where the host has no sockets left.
    """
    sock = socket.socket(socket.AF_INET6 if ip_version == 6 else socket.AF_INET, kind)
    try:
        sock.setblocking(False)
        _bind(sock, vantage, ip_version)
    except BaseException:
        sock.close()
        raise
    return sock


def _bind(sock: socket.socket, vantage: VantagePoint, ip_version: int) -> None:
    source = vantage.source(ip_version)
    try:
        if vantage.interface is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, vantage.interface.encode() + b"\0")
        if source is not None:
            if sock.type == socket.SOCK_STREAM:
                with contextlib.suppress(OSError):  # a convenience that some kernels lack
                    sock.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
            sock.bind((source, 0))
    except OSError as error:
        what = f"interface {vantage.interface}" if source is None else f"source {source}"
        raise SourceError(f"{what}: {error.strerror or error}") from error
