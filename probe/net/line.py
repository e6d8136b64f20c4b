"""Rule: every socket of a vantage point leaves by its own line, or there is no socket: never by another one.

The one place where sockets are made: in the network namespace, on the interface (SO_BINDTODEVICE), with the mark
(SO_MARK), from the source address of the vantage point. What stands in the way is our host's or our line's and comes
out as `SourceError` in words for a person, or, where this host lacks descriptors, memory or time, as OSError.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import struct
from collections.abc import Iterator
from functools import partial
from ipaddress import ip_address
from pathlib import Path

from probe.core.model.task import VantagePoint
from probe.net.failures import SourceError
from probe.net.netns import RESOURCES, in_namespace

_IP_BIND_ADDRESS_NO_PORT = 24  # linux/in.h: choose the local port at connect, so that ports do not run out
_SIOCGIFFLAGS = 0x8913  # linux/sockios.h, netdevice(7)
_IFF_UP, _IFF_RUNNING = 0x1, 0x40
_NONLOCAL_BIND = {
    4: Path("/proc/sys/net/ipv4/ip_nonlocal_bind"),
    6: Path("/proc/sys/net/ipv6/ip_nonlocal_bind"),
}
_RIGHTS = frozenset({errno.EPERM, errno.EACCES})


async def open_socket(vantage: VantagePoint, ip_version: int, kind: socket.SocketKind) -> socket.socket:
    """A non-blocking socket, bound as the vantage point says, not connected.

    In a namespace it is waited for, a second at most (`netns.HANDED_OVER_WITHIN_S`). Raises SourceError where the line
    is not there or not ours to use, OSError where the host has no sockets left, is late (SocketLateError) or does not
    know the IP version.
    """
    make = partial(_made, vantage, ip_version, kind)
    if vantage.netns is None:
        return make()
    return await in_namespace(vantage.netns, make, socket.socket.close)


async def line_problem(vantage: VantagePoint) -> str | None:
    """What of the line, as it is configured, is not there or not ours to use; in words for a person. None: nothing.

    Asked of this host only; nothing is sent. Raises OSError where this host lacks descriptors, memory or time.
    """
    try:
        if vantage.netns is None:
            return _problem(vantage)
        return await in_namespace(vantage.netns, partial(_problem, vantage), _nothing_to_end)
    except SourceError as error:
        return str(error)


def _nothing_to_end(problem: str | None) -> None:
    """Words need no ending."""


# --- making: in whichever thread is in the right namespace ----------------------------------------------


def _made(vantage: VantagePoint, ip_version: int, kind: socket.SocketKind) -> socket.socket:
    family = socket.AF_INET6 if ip_version == 6 else socket.AF_INET
    sock = socket.socket(family, kind | socket.SOCK_NONBLOCK)
    if vantage.interface is None and vantage.mark is None and vantage.source(ip_version) is None:
        return sock
    try:
        _bind(sock, vantage, ip_version)
    except BaseException:
        sock.close()
        raise
    return sock


def _bind(sock: socket.socket, vantage: VantagePoint, ip_version: int) -> None:
    interface, source, mark = vantage.interface, vantage.source(ip_version), vantage.mark
    if interface is not None:
        with _told(f"interface {interface}", vantage, "CAP_NET_RAW"):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")
    if mark is not None:
        with _told(f"mark {mark:#x}", vantage, "CAP_NET_ADMIN"):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, struct.pack("=I", mark))
    if source is not None:
        if sock.type == socket.SOCK_STREAM:
            with contextlib.suppress(OSError):  # a convenience that some kernels lack
                sock.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
        with _told(f"source {source}", vantage, "rights that this process lacks"):
            sock.bind((source, 0))


@contextlib.contextmanager
def _told(what: str, vantage: VantagePoint, right: str) -> Iterator[None]:
    """An error of the system, as what it means for the line."""
    try:
        yield
    except OSError as error:
        if error.errno in RESOURCES:
            raise
        words = f"using it needs {right}" if error.errno in _RIGHTS else _MEANING.get(error.errno or 0)
        raise SourceError(f"{what}{_where(vantage)}: {words or error.strerror or error}") from error


_MEANING = {
    errno.ENODEV: "it does not exist; `ip link` shows those that do",
    errno.EADDRNOTAVAIL: "it is not assigned; `ip address` shows those that are",
    errno.EADDRINUSE: "no local port is free",
}


def _where(vantage: VantagePoint) -> str:
    return "" if vantage.netns is None else f" in network namespace {vantage.netns}"


# --- checking: the same -------------------------------------------------------------------------------


def _problem(vantage: VantagePoint) -> str | None:
    if vantage.interface is not None:
        problem = _interface_problem(vantage.interface, vantage)
        if problem is not None:
            return problem  # an IPv6 address goes with its interface: no second trouble
    found = [words for version in _versions(vantage) for words in _problems_of(vantage, version)]
    return "; ".join(dict.fromkeys(found)) or None


def _interface_problem(interface: str, vantage: VantagePoint) -> str | None:
    """The interface as the namespace of this thread has it."""
    what = f"interface {interface}{_where(vantage)}"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            answer = fcntl.ioctl(sock, _SIOCGIFFLAGS, struct.pack("16s24x", interface.encode()))
        except OSError as error:
            return f"{what}: {_MEANING.get(error.errno or 0, error.strerror)}"
    (flags,) = struct.unpack_from("H", answer, 16)
    if not flags & _IFF_UP:
        return f"{what}: it is down; `ip link set {interface} up`"
    return None if flags & _IFF_RUNNING else f"{what}: it is up, and its link is not"  # RFC 2863 operStatus


def _versions(vantage: VantagePoint) -> tuple[int, ...]:
    sources = tuple(version for version in (4, 6) if vantage.source(version) is not None)
    return tuple(dict.fromkeys((*sources, *vantage.ip_versions))) or (4,)


def _problems_of(vantage: VantagePoint, ip_version: int) -> Iterator[str]:
    try:
        _made(vantage, ip_version, socket.SOCK_DGRAM).close()
    except SourceError as error:
        yield str(error)
    except OSError as error:
        if error.errno in RESOURCES:
            raise
        yield f"IPv{ip_version}{_where(vantage)}: {os.strerror(error.errno or 0)}"
    else:
        yield from _not_ours(vantage, ip_version)


def _not_ours(vantage: VantagePoint, ip_version: int) -> Iterator[str]:
    """With ip_nonlocal_bind any address can be bound to: then ask for the route to it, which is local if it is ours."""
    source = vantage.source(ip_version)
    if source is None or not _any_can_be_bound(ip_version) or ip_address(source).is_loopback:
        return
    with socket.socket(socket.AF_INET6 if ip_version == 6 else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect((source, 9))
            ours = sock.getsockname()[0] == source
        except OSError:
            ours = False
    if not ours:
        yield f"source {source}{_where(vantage)}: {_MEANING[errno.EADDRNOTAVAIL]}"


def _any_can_be_bound(ip_version: int) -> bool:
    try:
        return _NONLOCAL_BIND[ip_version].read_text().strip() == "1"
    except OSError:
        return False
