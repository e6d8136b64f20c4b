"""Rule: every socket of a vantage point leaves by its own line, or there is no socket: never by another one.

The one place where sockets are made: in the network namespace, with the firewall mark, bound to the interface
(SO_BINDTODEVICE) and the source address of the vantage point. What stands in the way is our host's or our line's fault
and comes out as `SourceError` or as OSError.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import socket
import struct
from collections.abc import Iterator

from probe.core.task import VantagePoint
from probe.io.failures import SourceError
from probe.io.netns import make_socket

_IP_BIND_ADDRESS_NO_PORT = 24  # linux/in.h: choose the local port at connect, so that ports do not run out
_SIOCGIFFLAGS = 0x8913  # linux/sockios.h
_IFF_UP, _IFF_RUNNING = 0x1, 0x40
_RIGHTS = {"mark": "CAP_NET_ADMIN", "interface": "CAP_NET_RAW"}
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS)


async def open_socket(vantage: VantagePoint, ip_version: int, kind: socket.SocketKind) -> socket.socket:
    """A non-blocking socket, bound as the vantage point says, not connected.

    Raises SourceError where the line is not there or not ours to use, OSError where the host has no sockets left.
    """
    family = socket.AF_INET6 if ip_version == 6 else socket.AF_INET
    if vantage.netns is None:
        sock = socket.socket(family, kind)
    else:
        sock = await make_socket(vantage.netns, family, kind)
    try:
        sock.setblocking(False)
        _bind(sock, vantage, ip_version)
    except BaseException:
        sock.close()
        raise
    return sock


def _bind(sock: socket.socket, vantage: VantagePoint, ip_version: int) -> None:
    if vantage.mark is not None:
        with _told("mark", f"mark {vantage.mark}"):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, vantage.mark)
    if vantage.interface is not None:
        with _told("interface", f"interface {vantage.interface}"):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, vantage.interface.encode() + b"\0")
    source = vantage.source(ip_version)
    if source is not None:
        with _told("source", f"source {source}"):
            if sock.type == socket.SOCK_STREAM:
                with contextlib.suppress(OSError):  # a convenience that some kernels lack
                    sock.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
            sock.bind((source, 0))


@contextlib.contextmanager
def _told(part: str, what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _EXHAUSTED:
            raise
        lacking = part in _RIGHTS and error.errno in (errno.EPERM, errno.EACCES)
        why = f"needs {_RIGHTS[part]}" if lacking else error.strerror or str(error)
        raise SourceError(f"{what}: {why}") from error


async def line_problem(vantage: VantagePoint) -> str | None:
    """What keeps the vantage point's line from being used, in words; None if nothing does.

    Looks at the namespace, the interface and its state, the mark and each source address; sends nothing.
    """
    versions = vantage.ip_versions or ((4, 6) if vantage.source_v4 and vantage.source_v6 else (4,))
    if not vantage.ip_versions and vantage.source_v6 and not vantage.source_v4:
        versions = (6,)
    try:
        for version in versions:
            with await open_socket(vantage, version, socket.SOCK_DGRAM) as sock:
                problem = _interface_problem(sock, vantage.interface)
                if problem is not None:
                    return problem
    except SourceError as error:
        return str(error)
    except OSError as error:
        return f"no socket can be made: {error.strerror or error}"
    return None


def _interface_problem(sock: socket.socket, interface: str | None) -> str | None:
    """The interface as the socket's own namespace sees it."""
    if interface is None:
        return None
    request = struct.pack("16sH14s", interface.encode(), 0, b"")
    try:
        answer = fcntl.ioctl(sock.fileno(), _SIOCGIFFLAGS, request)
    except OSError as error:
        return f"interface {interface}: {error.strerror or error}"
    (flags,) = struct.unpack_from("H", answer, 16)
    if not flags & _IFF_UP:
        return f"interface {interface}: it is down; `ip link set {interface} up` brings it up"
    return None if flags & _IFF_RUNNING else f"interface {interface}: it has no carrier"
