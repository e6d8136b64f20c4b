"""Rule: each datagram has its own time of arrival, by the kernel, and what our own host dropped is counted as ours.

A connected UDP socket, which this owns. In: datagrams to send. Out: datagrams with the instants at which they came.
Nothing is joined, as TCP's bytes are: the kernel's stamp is exact (`probe.net.kernel_timestamps`). ECONNREFUSED is
what an ICMP message says, which anybody can forge: it is counted, and ends nothing here (RFC 9000 section 14.2.1).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import struct
from collections.abc import Iterator, Sequence
from time import monotonic_ns

from probe.net.arrival_bounds import ArrivalBounds, BoundedTime
from probe.net.kernel_timestamps import ANCILLARY_BYTES, arrived_ns, ask_for_stamps

_BUFFER_BYTES = 4 * 1024 * 1024  # asked for; the host's net.core.rmem_max bounds it
_DATAGRAM_BYTES = 65_535
_AT_ONCE = 64  # datagrams, after which the loop gets its turn
_AT_ONCE_NS = 200_000  # what came within this time is one delivery
_SO_MEMINFO, _DROPS = (
    55,
    struct.Struct("=32xI"),
)  # asm-generic/socket.h; linux/sock_diag.h: SK_MEMINFO_DROPS is last
_SOL_SOCKET = socket.SOL_SOCKET
_IP_MTU_DISCOVER, _IPV6_MTU_DISCOVER, _PROBE = 10, 23, 3  # linux/in.h: DF is set, nothing is cut in pieces
_MARK = 3  # congestion experienced (RFC 3168 section 5)
_HINTS = frozenset({errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.EPROTO})
# What does not fit the interface, or finds its queue full, is lost as on any other link of the way.
_LOST = frozenset({errno.EMSGSIZE, errno.EAGAIN, errno.ENOBUFS})


Ancillary = list[tuple[int, int, bytes]]  # what the kernel says of a datagram


class Datagrams:
    """One connected, non-blocking socket. End it with `close`.

    `received`, `sent`: datagrams. `dropped`: came and found no room here. `marked`: came with ECN's mark of congestion.
    `unreachable`: how often ICMP said that nobody listens. `dates`: when the last one came and was sent.
    """

    __slots__ = ("_sock", "dates", "dropped", "marked", "received", "sent", "unreachable")

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
        self._sock = sock
        self.received = self.sent = self.dropped = self.marked = self.unreachable = 0
        ask_for_stamps(sock)
        v6 = sock.family == socket.AF_INET6
        options = (
            (socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES),
            (socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, 1) if v6 else (socket.IPPROTO_IP, socket.IP_RECVTOS, 1),
            (socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _PROBE) if v6 else (socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PROBE),
        )  # fmt: skip
        for level, name, value in options:
            with contextlib.suppress(OSError):  # facts and conveniences that a kernel may lack
                sock.setsockopt(level, name, value)
        self.dates = ArrivalBounds(loop, first_by_poll=False)

    def fileno(self) -> int:
        """Of the socket."""
        return self._sock.fileno()

    def read(self) -> list[tuple[bytes, Ancillary]]:
        """What has come, in order; nothing of it is dated yet. Raises OSError for what is no hint."""
        made: list[tuple[bytes, Ancillary]] = []
        recvmsg, marked = self._sock.recvmsg, 0
        while len(made) < _AT_ONCE:
            try:
                data, ancillary, _, _ = recvmsg(_DATAGRAM_BYTES, ANCILLARY_BYTES)
            except (BlockingIOError, InterruptedError):
                break
            except OSError as error:
                self._hear(error)
                continue
            made.append((data, ancillary))
            if ancillary:  # the class of traffic stands last, its first byte is all of it
                level, _, value = ancillary[-1]
                if level != _SOL_SOCKET and value[0] & _MARK == _MARK:
                    marked += 1
        self.received += len(made)
        self.marked += marked
        return made

    def deliveries(
        self, read: Sequence[tuple[bytes, Ancillary]], *, exact: bool
    ) -> Iterator[tuple[list[bytes], BoundedTime]]:
        """What was read in pieces that have one time each: what came at once; unless `exact`, all of it.

        A piece has the time of its last datagram, and the time since its first as its bound.
        """
        if not exact and len(read) > 1:
            yield self._piece([data for data, _ in read], arrived_ns(read[0][1]), arrived_ns(read[-1][1]))
            return
        piece: list[bytes] = []
        first_ns = last_ns = None
        for data, ancillary in read:
            came_ns = arrived_ns(ancillary)
            if piece and (first_ns is None or came_ns is None or came_ns - first_ns > _AT_ONCE_NS):
                yield self._piece(piece, first_ns, last_ns)
                piece = []
            if not piece:
                first_ns = came_ns
            piece.append(data)
            last_ns = came_ns
        if piece:
            yield self._piece(piece, first_ns, last_ns)

    def _piece(
        self, piece: list[bytes], first_ns: int | None, last_ns: int | None
    ) -> tuple[list[bytes], BoundedTime]:
        self.dates.received(first_ns)
        began_ns, unsure_ns = self.dates.pausing()
        if len(piece) == 1:
            return piece, (began_ns, unsure_ns)
        self.dates.received(last_ns)
        came_ns, late_ns = self.dates.pausing()
        return piece, (came_ns, max(late_ns, came_ns - began_ns + unsure_ns))

    def send(self, data: bytes) -> None:
        """Send one; what does not leave is lost. Raises OSError where this host has no way to send."""
        begun_ns = monotonic_ns()
        for _ in range(2):  # an ICMP message that came before is reported first, and then forgotten
            try:
                self._sock.send(data)
                break
            except InterruptedError:
                continue
            except OSError as error:
                if error.errno in _LOST:
                    return
                self._hear(error)
        self.sent += 1
        self.dates.spoken(begun_ns)

    def close(self) -> None:
        """Nothing is sent or read any more."""
        with contextlib.suppress(OSError, struct.error):
            self.dropped = _DROPS.unpack(self._sock.getsockopt(_SOL_SOCKET, _SO_MEMINFO, _DROPS.size))[0]
        self._sock.close()

    def _hear(self, error: OSError) -> None:
        if error.errno not in _HINTS:
            raise error
        self.unreachable += 1
