"""Rule: a stored response is used while it is fresh and never a moment longer, unless a fault says so.

The edges' store: what may be kept, how old it is, whether it is fresh (RFC 9111 sections 3, 4.2; shared cache,
max-age only, which is all that the lab's origins send). Times are monotonic seconds.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass

from probe.core.model.value import replace
from probe.lab.servers.http1 import Fields, Reply

ENTRIES_AT_MOST = 256
_MAX_AGE = re.compile(r"max-age=(\d+)")

CacheKey = tuple[str, str, bool]  # host, path, gzip


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One stored response, received at `since_s`."""

    status: int
    fields: Fields
    body: bytes
    since_s: float
    lifetime_s: float
    expired: bool = False

    def age_s(self, now_s: float) -> float:
        return max(0.0, now_s - self.since_s)

    def fresh(self, now_s: float) -> bool:
        return not self.expired and self.age_s(now_s) < self.lifetime_s

    @property
    def etag(self) -> str | None:
        return next((value for name, value in self.fields if name.lower() == "etag"), None)


class Cache:
    """The stored responses of one edge, the least recently stored dropped first."""

    def __init__(self) -> None:
        self._entries: OrderedDict[CacheKey, Entry] = OrderedDict()

    def get(self, key: CacheKey) -> Entry | None:
        """What is stored, fresh or not."""
        return self._entries.get(key)

    def put(self, key: CacheKey, reply: Reply, now_s: float) -> Entry | None:
        """Store a reply from the origin if it may be; the entry, or None."""
        lifetime_s = storable_for_s(reply)
        if lifetime_s is None:
            return None
        entry = Entry(
            status=reply.status,
            fields=list(reply.fields),
            body=reply.body,
            since_s=now_s,
            lifetime_s=lifetime_s,
        )
        self._entries[key] = entry
        self._entries.move_to_end(key)
        while len(self._entries) > ENTRIES_AT_MOST:
            self._entries.popitem(last=False)
        return entry

    def freshen(self, key: CacheKey, confirmation: Reply, now_s: float) -> Entry | None:
        """After a 304: the stored response with its new fields (RFC 9111 section 4.3.4)."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        updated = {name.lower() for name, _ in confirmation.fields}
        fields = [pair for pair in entry.fields if pair[0].lower() not in updated] + confirmation.fields
        entry = replace(entry, fields=fields, since_s=now_s, expired=False)
        self._entries[key] = entry
        return entry

    def expire(self, host: str) -> None:
        """Nothing stored for this host is fresh any more; it can still be revalidated."""
        for key, entry in self._entries.items():
            if key[0] == host:
                self._entries[key] = replace(entry, expired=True)


def storable_for_s(reply: Reply) -> float | None:
    """The declared lifetime of a complete success; None where it must not be stored."""
    control = reply.get("cache-control") or ""
    found = _MAX_AGE.search(control)
    if reply.status != 200 or "no-store" in control or found is None:
        return None
    return float(found[1])
