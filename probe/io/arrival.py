"""Rule: what came is timed by the kernel, when it came, and not when our loop got round to it.

Software time stamps on receipt (SO_TIMESTAMPING, Linux Documentation/networking/timestamping.rst), read with the data.
They are of the wall clock, so that only an age is made of them, at the moment of reading: how long ago it came.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Sequence

ANCILLARY_BYTES = 128
OLDEST_NS = 30_000_000_000  # an age beyond this is no age: the wall clock was set meanwhile
_SO_TIMESTAMPING = 37  # asm-generic/socket.h
_ON_RECEIPT = 1 << 3 | 1 << 4  # SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE
_STAMP = struct.Struct("@qq")


def ask_for_stamps(sock: socket.socket) -> None:
    """From now on; where the kernel will not, everything came when it was read."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPING, _ON_RECEIPT)


def age_ns(ancillary: Sequence[tuple[int, int, bytes]]) -> int:
    """How long ago the last of what was just read had come; 0 where nobody says."""
    for level, kind, data in ancillary:
        if kind == _SO_TIMESTAMPING and level == socket.SOL_SOCKET and len(data) >= _STAMP.size:
            seconds, rest_ns = _STAMP.unpack_from(data)
            age = time.time_ns() - seconds * 1_000_000_000 - rest_ns
            return age if 0 < age < OLDEST_NS else 0
    return 0
