"""Rule: a node once seen answering for a domain stays known, so that a failure can be held against all of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

SWEPT_AT_MOST = 16


class KnownNodes:
    """The addresses that any vantage point was given for a domain, newest last."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, int], dict[str, None]] = defaultdict(dict)

    def learn(self, domain: str, ip_version: int, addresses: Iterable[str]) -> None:
        """Remember addresses from a resolution that passed the CDN."""
        known = self._seen[domain, ip_version]
        for address in addresses:
            known.pop(address, None)
            known[address] = None

    def others(self, domain: str, ip_version: int, visited: Iterable[str]) -> tuple[str, ...]:
        """Known nodes that this slot did not visit, at most SWEPT_AT_MOST, the most recently seen."""
        skip = set(visited)
        rest = [address for address in self._seen[domain, ip_version] if address not in skip]
        return tuple(rest[-SWEPT_AT_MOST:])
