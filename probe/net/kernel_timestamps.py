"""Rule: what came is timed by the kernel, when it came, and not when our loop got round to it.

Software time stamps on receipt (SO_TIMESTAMPING, Linux Documentation/networking/timestamping.rst), read with the data.
They are of the wall clock; both clocks are read at the moment of reading, and only an age is made of the two.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Sequence
from functools import cache
from time import monotonic_ns, time_ns

ANCILLARY_BYTES = 128
OLDEST_NS = 30_000_000_000  # an age beyond this is no age: the wall clock was set meanwhile
_TOGETHER_NS = 20_000  # clocks read within this time were read together
_SO_TIMESTAMPING = 37  # asm-generic/socket.h
_ON_RECEIPT = 1 << 3 | 1 << 4  # SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE
_STAMP = struct.Struct("@qq")


def ask_for_stamps(sock: socket.socket) -> None:
    """From now on; where the kernel will not, nobody says when something came."""
    _keep_stamping()
    _ask(sock)


def _ask(sock: socket.socket) -> None:
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPING, _ON_RECEIPT)
    except OSError:
        return


@cache
def _keep_stamping() -> None:
    """The kernel stamps while any socket asks, and takes a moment to begin and to end: let one ask for ever."""
    with contextlib.suppress(OSError):
        keeper = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        _ask(keeper)
        keeper.detach()  # open until the process ends


def arrived_ns(ancillary: Sequence[tuple[int, int, bytes]]) -> int | None:
    """When the last of what was just read had come, on CLOCK_MONOTONIC; None where nobody says."""
    for level, kind, data in ancillary:
        if kind == _SO_TIMESTAMPING and level == socket.SOL_SOCKET and len(data) >= _STAMP.size:
            seconds, rest_ns = _STAMP.unpack_from(data)
            now_ns, wall_ns = both_clocks()
            age_ns = wall_ns - seconds * 1_000_000_000 - rest_ns
            return now_ns - age_ns if 0 <= age_ns < OLDEST_NS else None
    return None


def both_clocks() -> tuple[int, int]:
    """CLOCK_MONOTONIC and CLOCK_REALTIME of one moment, though we may be put aside between the two readings."""
    for _ in range(4):
        now_ns, wall_ns = monotonic_ns(), time_ns()
        if monotonic_ns() - now_ns < _TOGETHER_NS:
            break
    return now_ns, wall_ns
