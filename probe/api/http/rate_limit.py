"""Rule: the rate of requests of each key is bounded, and so is the number of keys remembered.

Token buckets: each key has room for `burst` at once and gains `per_minute` a minute. Time is the caller's (seconds,
monotonic).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from ipaddress import ip_address, ip_network

KEYS = 10_000


class Buckets:
    """One bucket a key; beyond the bound, the keys not seen for longest are forgotten."""

    def __init__(self, now: Callable[[], float], *, keys: int = KEYS) -> None:
        self._now = now
        self._keys = keys
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str, per_minute: float, burst: float | None = None, *, weight: float = 1.0) -> float:
        """0 if there was room for `weight` requests, which is taken; else the seconds until there is."""
        now, room, rate = self._now(), per_minute if burst is None else burst, per_minute / 60
        level, at = self._levels.pop(key, (room, now))
        level = min(room, level + max(0.0, now - at) * rate)
        wait = 0.0 if level >= weight else (weight - level) / rate
        self._levels[key] = (level - weight if wait == 0.0 else level, now)
        while len(self._levels) > self._keys:
            self._levels.popitem(last=False)
        return wait


def address_key(address: str) -> str:
    """Who an address stands for: itself, or its /64 where it is IPv6 (one host has as many as it likes)."""
    try:
        known = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if known.version == 6 and known.ipv4_mapped is not None:
        return str(known.ipv4_mapped)
    return str(known) if known.version == 4 else str(ip_network((known, 64), strict=False))
