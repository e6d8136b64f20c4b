"""Rule: how many series there are is bounded, whatever the configuration: what goes beyond shares the label `other`.

Only names that an operator gave (customers, vantage points) and closed lists of ours become labels; nothing that a
server sent does.
"""

from __future__ import annotations

from collections.abc import Collection

OTHER = "other"
PAIRS = 150  # a customer seen from a vantage point, each with a histogram for every phase
NAMES = 500  # customers or vantage points, each with a few gauges

Pair = tuple[str, str]


class Pairs:
    """The pairs of customer and vantage point that have series of their own: the first ones to be measured."""

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
        """Keep those that are still measured; gives the ones whose series are to go."""
        gone = [pair for pair in self._known if pair not in pairs]
        for pair in gone:
            del self._known[pair]
        self.folded.intersection_update(pairs)
        return gone


def named(names: Collection[str], room: int = NAMES) -> dict[str, str]:
    """Name -> label: itself for the first ones by name, `other` for the rest."""
    return {name: name if at < room else OTHER for at, name in enumerate(sorted(names))}
