"""Stamps of the kernel, held between two readings of the clock that it stamps by: no slack is needed."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

import pytest

from probe.net.kernel_timestamps import ANCILLARY_BYTES, arrived_ns, ask_for_stamps


def stamp_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """The kernel's clock, told as CLOCK_MONOTONIC: from here on what is made of a stamp is exactly what this says.

    Elsewhere both clocks are read for each stamp, and whoever reads them may be put aside between the two. What they
    differ by stays the same, unless somebody sets the clock. This is never behind CLOCK_MONOTONIC.
    """
    ahead_ns = max(_ahead_at_least_ns() for _ in range(100))

    def both() -> tuple[int, int]:
        now_ns = time.monotonic_ns()
        return now_ns, now_ns + ahead_ns

    def stamped_ns() -> int:
        return time.time_ns() - ahead_ns

    monkeypatch.setattr("probe.net.kernel_timestamps.both_clocks", both)
    _until_the_kernel_stamps(stamped_ns)
    return stamped_ns


def _ahead_at_least_ns() -> int:
    wall_ns = time.time_ns()
    return wall_ns - time.monotonic_ns()


def _until_the_kernel_stamps(stamped_ns: Callable[[], int]) -> None:
    """It takes a moment to begin, and gives the time of reading until then."""
    until = time.monotonic() + 60
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        ask_for_stamps(sock)
        while True:
            sock.sendto(b"x", sock.getsockname())
            sent_ns = stamped_ns()
            time.sleep(0.001)
            came_ns = arrived_ns(sock.recvmsg(1, ANCILLARY_BYTES)[1])
            if came_ns is not None and came_ns <= sent_ns:
                return
            assert time.monotonic() < until, "the kernel does not stamp"
