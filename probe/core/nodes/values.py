"""Rule: what is kept of a node says who saw it, by which CDN, and when; nothing more is concluded in it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby

from probe.core.model.addresses import in_prefixes
from probe.core.model.times import epoch_s

# A node that no look-up gave for so long is no longer in use: it is not swept, and counts as unknown.
UNSEEN_S = 7 * 86_400
# A new node that never served as agreed is taken for one all the same after a day: by then a lie would have been
# noticed, and a broken node must not stay a stranger.
TRIAL_S = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One node of a domain as one vantage point was given it. Times RFC 3339 UTC.

    `suffix`: the declared CDN suffix that the look-up passed; empty where none is declared. `on_trial`: first seen
    by an inventory that was settled, and did not serve as agreed yet.
    """

    customer: str
    domain: str
    ip_version: int
    address: str
    vantage_point: str
    suffix: str
    first_seen: str
    last_seen: str
    on_trial: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Learning:
    """How long and from how many look-ups one vantage point's nodes of a domain are known. Times RFC 3339 UTC."""

    customer: str
    domain: str
    ip_version: int
    vantage_point: str
    since: str
    last: str
    resolutions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Nodes and observation spans that the store has to write."""

    nodes: tuple[Sighting, ...] = ()
    learning: tuple[Learning, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.nodes or self.learning)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One address with all that saw it, for people. Times RFC 3339 UTC."""

    customer: str
    domain: str
    ip_version: int
    address: str
    suffix: str
    first_seen: str
    last_seen: str
    on_trial: bool
    by: tuple[Sighting, ...]


def gather(sightings: Iterable[Sighting]) -> tuple[Node, ...]:
    """One node for each (customer, domain, IP version, address), in that order."""

    def key(s: Sighting) -> tuple[str, str, int, str]:
        return s.customer, s.domain, s.ip_version, s.address

    return tuple(_node(tuple(group)) for _, group in groupby(sorted(sightings, key=key), key))


def _node(by: tuple[Sighting, ...]) -> Node:
    newest = max(by, key=lambda s: s.last_seen)
    return Node(
        customer=newest.customer,
        domain=newest.domain,
        ip_version=newest.ip_version,
        address=newest.address,
        suffix=newest.suffix,
        first_seen=min(s.first_seen for s in by),
        last_seen=newest.last_seen,
        on_trial=all(s.on_trial for s in by),
        by=tuple(sorted(by, key=lambda s: s.vantage_point)),
    )


def in_use(
    address: str,
    suffix: str,
    last_seen_s: float,
    now_s: float,
    *,
    suffixes: tuple[str, ...],
    prefixes: tuple[str, ...],
) -> bool:
    """Whether a node once learned still counts: seen lately, of a CDN that is still declared, in its prefixes.

    A time so far ahead that the clock must have been wrong counts as long ago.
    """
    if abs(now_s - last_seen_s) > UNSEEN_S:
        return False
    if suffixes and suffix not in suffixes:
        return False
    return not prefixes or _held(address, prefixes)


@lru_cache(maxsize=65_536)
def _held(address: str, prefixes: tuple[str, ...]) -> bool:
    """Asked of every node in every slot: remembered."""
    return in_prefixes(address, prefixes)


def trial_over(first_seen_s: float, now_s: float) -> bool:
    """Whether a node that was new to a settled inventory has been seen for long enough."""
    return abs(now_s - first_seen_s) >= TRIAL_S


def swept(node: Node, now_s: float, *, suffixes: tuple[str, ...], prefixes: tuple[str, ...]) -> bool:
    """Whether a kept node would be asked in a sweep now."""
    if node.on_trial and not trial_over(epoch_s(node.first_seen), now_s):
        return False
    seen_s = epoch_s(node.last_seen)
    return in_use(node.address, node.suffix, seen_s, now_s, suffixes=suffixes, prefixes=prefixes)
