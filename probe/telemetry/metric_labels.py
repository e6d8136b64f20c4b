"""Rule: the number of series is bounded, whatever the configuration; names beyond the bound share the label `other`.

Labels are names that an operator gave (customers, vantage points) and closed lists of ours, never text that a server
sent.
"""

from __future__ import annotations

from collections.abc import Collection

OTHER = "other"
PAIRS = 150  # a customer seen from a vantage point, each with a histogram for every phase
NAMES = 500  # customers or vantage points, each with a few gauges

Pair = tuple[str, str]


class Pairs:
    """Which pairs of customer and vantage point have series of their own: the first that were measured."""

    def __init__(self, room: int = PAIRS) -> None:
        self._room = room
        self._known: dict[Pair, Pair] = {}
        self.folded: set[Pair] = set()

    def label(self, customer: str, vantage_point: str) -> Pair:
        """The pair itself, or `other` twice."""
        pair = (customer, vantage_point)
        known = self._known.get(pair)
        if known is not None:
            return known
        if len(self._known) < self._room:
            self._known[pair] = pair
            return pair
        if len(self.folded) < 100_000:
            self.folded.add(pair)
        return (OTHER, OTHER)

    def forget_but(self, pairs: Collection[Pair]) -> list[Pair]:
        """Forget all other pairs; returns those whose series are to be removed."""
        gone = [pair for pair in self._known if pair not in pairs]
        for pair in gone:
            del self._known[pair]
        self.folded.intersection_update(pairs)
        return gone


def named(names: Collection[str], room: int = NAMES) -> dict[str, str]:
    """Name -> label: itself for the first ones by name, `other` for the rest."""
    return {name: name if at < room else OTHER for at, name in enumerate(sorted(names))}
