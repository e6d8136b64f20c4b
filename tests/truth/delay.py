"""A line that is slow: a relay of packets between two TUN devices that holds each back for a while.

Run as a program: `python -m tests.truth.delay NEAR FAR DELAY_MS`, the first two are namespaces; a device in each.
"""

from __future__ import annotations

import fcntl
import os
import selectors
import struct
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from tests.system.netns import ip
from tests.system.programs import process
from tests.system.sites import until
from tests.truth.internet import BACKBONE, PLACES, UPLINK, Internet

_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_NEAR, _FAR = "slow0", "slow1"
_LARGEST = 65_600


@contextmanager
def delayed(net: Internet, place: str, delay_ms: int) -> Iterator[None]:
    """Packets from and to the place take `delay_ms` longer, each way, while the block lasts."""
    here, there = net.ns(place), net.ns(BACKBONE)
    network = f"10.94.{PLACES[place]}"
    log = net.directory / f"delay-{place}.log"
    arguments = [sys.executable, "-m", "tests.truth.delay", here, there, str(delay_ms)]
    with process(arguments, log) as child:
        until(
            lambda: child.poll() is None and "ready" in log.read_text(errors="replace"),
            "the relay has its devices",
        )
        try:
            ip("link", "set", _NEAR, "up", ns=here)
            ip("link", "set", _FAR, "up", ns=there)
            ip("route", "replace", f"{network}.10/32", "dev", _FAR, ns=there)
            ip("route", "replace", "default", "dev", _NEAR, "src", f"{network}.10", ns=here)
            yield
        finally:
            ip("route", "replace", "default", "via", f"{network}.1", "dev", UPLINK, ns=here)
            ip("route", "del", f"{network}.10/32", "dev", _FAR, ns=there)


def _tun(namespace: str, name: str) -> int:
    """A TUN device in that namespace; this process is back in its own afterwards."""
    own = os.open("/proc/self/ns/net", os.O_RDONLY)
    other = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    try:
        _set_namespace(other)
        made = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(made, _TUNSETIFF, struct.pack("16sH", name.encode(), _IFF_TUN | _IFF_NO_PI))
        return made
    finally:
        _set_namespace(own)
        os.close(own)
        os.close(other)


def _set_namespace(descriptor: int) -> None:
    import ctypes

    if ctypes.CDLL(None, use_errno=True).setns(descriptor, 0x40000000):
        raise OSError(ctypes.get_errno(), "setns")


def relay(near: int, far: int, delay_s: float) -> None:
    """Each packet is written to the other device when its time has come."""
    waiting: dict[int, deque[tuple[float, bytes]]] = {near: deque(), far: deque()}
    others = {near: far, far: near}
    with selectors.DefaultSelector() as selector:
        for one in (near, far):
            selector.register(one, selectors.EVENT_READ)
        while True:
            heads = [queue[0][0] for queue in waiting.values() if queue]
            selector_timeout = max(0.0, min(heads) - time.monotonic()) if heads else None
            for key, _ in selector.select(selector_timeout):
                _read_all(key.fd, waiting[others[key.fd]], delay_s)
            for one, queue in waiting.items():
                while queue and queue[0][0] <= time.monotonic():
                    os.write(one, queue.popleft()[1])


def _read_all(one: int, queue: deque[tuple[float, bytes]], delay_s: float) -> None:
    while True:
        try:
            packet = os.read(one, _LARGEST)
        except BlockingIOError:
            return
        queue.append((time.monotonic() + delay_s, packet))


def main(here: str, there: str, delay_ms: str) -> None:
    """Runs until it is ended."""
    near, far = _tun(here, _NEAR), _tun(there, _FAR)
    print("ready", flush=True)
    relay(near, far, int(delay_ms) / 1000)


if __name__ == "__main__":
    main(*sys.argv[1:4])
