"""Rule: what the kernel knows of a connection is read field by field as linux/tcp.h lays it out."""

from __future__ import annotations

import socket
import struct

from probe.core.records.transport import TcpInfo

_LAYOUT = struct.Struct("8B24I")  # struct tcp_info up to tcpi_total_retrans; later kernels only append
_SND_MSS, _RTT, _RTT_VAR, _TOTAL_RETRANS = 8 + 2, 8 + 15, 8 + 16, 8 + 23
_NUMBER = struct.Struct("=I")
_RTT_AT, _TOTAL_RETRANS_AT, _DATA_SEGMENTS_AT = 68, 100, 152  # bytes; the last of them since Linux 4.6
_BYTES = _DATA_SEGMENTS_AT + _NUMBER.size
_ESTABLISHED = 1  # tcpi_state, include/net/tcp_states.h


def read_tcp_info(sock: socket.socket) -> bytes:
    """The raw structure, empty where the socket is gone; about a microsecond."""
    try:
        return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES)
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


def handshake_us(raw: bytes) -> int | None:
    """From SYN to SYN and ACK, of a connection over which nothing was sent yet; None if the SYN was sent again."""
    if len(raw) < _LAYOUT.size or _NUMBER.unpack_from(raw, _TOTAL_RETRANS_AT)[0]:
        return None
    return int(_NUMBER.unpack_from(raw, _RTT_AT)[0]) or None


def data_segments(raw: bytes) -> int | None:
    """How many segments with data have come so far; None where the kernel does not say."""
    return int(_NUMBER.unpack_from(raw, _DATA_SEGMENTS_AT)[0]) if len(raw) >= _BYTES else None


def has_fin(raw: bytes) -> bool:
    """Whether the peer has ended its side, or may have for all that is known."""
    return not raw or raw[0] != _ESTABLISHED
