"""Rule: what the kernel knows of a connection is read field by field as linux/tcp.h lays it out."""

from __future__ import annotations

import socket
import struct

from probe.core.records import TcpInfo

_LAYOUT = struct.Struct("8B24I")  # struct tcp_info up to tcpi_total_retrans; later kernels only append
_SND_MSS, _RTT, _RTT_VAR, _TOTAL_RETRANS = 8 + 2, 8 + 15, 8 + 16, 8 + 23


def read_tcp_info(sock: socket.socket) -> bytes:
    """The raw structure, empty where the socket is gone; cheap enough for every read."""
    try:
        return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LAYOUT.size)
    except OSError:
        return b""


def parse_tcp_info(raw: bytes) -> TcpInfo | None:
    """None for a structure that is too short (socket gone, or no TCP)."""
    if len(raw) < _LAYOUT.size:
        return None
    values = _LAYOUT.unpack(raw[: _LAYOUT.size])
    return TcpInfo(
        rtt_us=values[_RTT],
        rtt_var_us=values[_RTT_VAR],
        retransmits_total=values[_TOTAL_RETRANS],
        mss_bytes=values[_SND_MSS],
    )
