"""Rule: how long a node went on serving the old version is recorded as the interval between two of our looks.

We see the origin and each node at moments only. At least: from when the new version was first seen at the origin to
the last look at the node with an older one. At most: from when the origin was last known to have the version before
to the end of the first look at the node with the new one, after which no older one was seen. The true time lies
within. Content that may be older or newer, unknown bytes or a version that came back, never narrows it.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from probe.core.model.times import epoch_s, utc_text
from probe.core.records.observation import Observation, Role
from probe.core.records.origin import OriginVersion, identity
from probe.core.records.rows import SlotRecord

LOOKED_AT = (Role.EDGE, Role.CONFIRM, Role.SWEEP, Role.ELSEWHERE)
# As in `core.caching.staleness`: an age may be wrong by a second at each of two caches.
SLACK_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The origin's change to a new version. Seconds since the Unix epoch.

    `had_old_s`: when it was last known to have the version before; `had_new_s`: when it was first seen to have the
    new one. `allowed_s`: for how long the origin let a cache serve the version before; None if it bound nobody.
    """

    digest: str
    had_old_s: float
    had_new_s: float
    allowed_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One look at one node: between the two moments (seconds since the epoch) it served `digest`.

    `allowed_s`: how long after a change a cache may serve it, where that is bound.
    """

    vantage_point: str
    address: str
    at_s: float
    until_s: float
    digest: str
    allowed_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePropagation:
    """One node and one change. Times RFC 3339 UTC; `at_most_s` is None until it serves the new version.

    `over_lifetime`: True where even `at_least_s` is more than was allowed, False where `at_most_s` is not.
    """

    customer: str
    url: str
    vantage_point: str
    address: str
    digest: str
    changed_after: str
    changed_before: str
    last_old_at: str | None
    first_new_at: str | None
    at_least_s: float
    at_most_s: float | None
    allowed_s: float | None
    over_lifetime: bool | None


def changes_of(versions: Sequence[OriginVersion]) -> tuple[Change, ...]:
    """The changes between versions, given in the order in which the origin had them."""
    return tuple(
        Change(
            digest=identity(new) or "",
            had_old_s=epoch_s(old.last_asked or old.last_seen),
            had_new_s=epoch_s(new.first_seen),
            allowed_s=_bound_s(old),
        )
        for old, new in itertools.pairwise(versions)
    )


def _bound_s(version: OriginVersion) -> float | None:
    said = version.declared
    if said is None or not said.explicit or said.lifetime_s is None:
        return None
    return said.lifetime_s + (0.0 if said.must_revalidate else said.stale_while_revalidate_s or 0.0)


def sighting_of(observation: Observation, started_at_s: float, vantage_point: str) -> Sighting | None:
    """A complete successful body that an edge gave, as a sighting; None for anything else."""
    response, timing = observation.response, observation.timing
    if observation.role not in LOOKED_AT or observation.ask is not None or observation.failure is not None:
        return None
    digest = None if response is None else identity(response)
    if response is None or digest is None or not 200 <= response.status_code < 300:
        return None
    if timing.request_start_us is None or timing.response_end_us is None:
        return None
    return Sighting(
        vantage_point=observation.vantage_point or vantage_point,
        address=observation.address,
        at_s=started_at_s + timing.request_start_us / 1e6,
        until_s=started_at_s + timing.response_end_us / 1e6,
        digest=digest,
        allowed_s=_allowed_s(observation),
    )


def _allowed_s(observation: Observation) -> float | None:
    found = observation.comparison
    if found is None or found.within_lifetime is None or found.freshness_lifetime_s is None:
        return None
    return found.freshness_lifetime_s + (found.stale_while_revalidate_s or 0.0)


@dataclass(slots=True)
class _Order:
    """Where in the origin's history a digest stands: the first and the last place that it had."""

    places: dict[str, tuple[int, int]] = field(default_factory=dict)

    def add(self, digest: str, place: int) -> None:
        first, _ = self.places.get(digest, (place, place))
        self.places[digest] = first, place

    def of(self, digest: str) -> tuple[int, float]:
        """(-1, infinity) for bytes that no version had: they may be any."""
        return self.places.get(digest, (-1, math.inf))


@dataclass(slots=True, kw_only=True)
class _Node:
    """The looks at one node in the order of time, and for each place in the history the last look before it."""

    looks: list[Sighting]
    old: dict[int, int]  # change -> index of the last look that surely was older
    maybe: dict[int, int]  # change -> index of the last look that may have been older


def propagation(
    customer: str, url: str, first: str, changes: Sequence[Change], sightings: Iterable[Sighting]
) -> tuple[NodePropagation, ...]:
    """How long each node served what was older, for each change of one object.

    `first`: digest of the version before the first change; `changes` in their order. Nodes that were not looked at
    after a change say nothing about it.
    """
    order = _Order()
    for place, digest in enumerate((first, *(change.digest for change in changes))):
        order.add(digest, place)
    nodes: dict[tuple[str, str], list[Sighting]] = {}
    for sighting in sightings:
        nodes.setdefault((sighting.vantage_point, sighting.address), []).append(sighting)
    found: list[NodePropagation] = []
    for looks in nodes.values():
        looks.sort(key=lambda look: look.at_s)
        node = _node(looks, order, len(changes))
        for place, change in enumerate(changes, start=1):
            returned = order.of(change.digest)[0] != place
            if not returned and looks[-1].at_s >= change.had_new_s:
                found.append(_told(customer, url, node, place, change))
    return tuple(found)


def _node(looks: list[Sighting], order: _Order, changes: int) -> _Node:
    old: dict[int, int] = {}
    maybe: dict[int, int] = {}
    for index, look in enumerate(looks):
        earliest, latest = order.of(look.digest)
        if latest < changes:
            old[int(latest) + 1] = index
        maybe[earliest + 1] = index
    for place in range(1, changes + 1):  # what was older than one change is older than the next
        old[place] = max(old.get(place - 1, -1), old.get(place, -1))
        maybe[place] = max(maybe.get(place - 1, -1), maybe.get(place, -1))
    return _Node(looks=looks, old=old, maybe=maybe)


def _told(customer: str, url: str, node: _Node, place: int, change: Change) -> NodePropagation:
    old, maybe = node.old[place], node.maybe[place]
    last_old = node.looks[old] if old >= 0 else None
    first_new = _first_new(node.looks, maybe)
    at_least_s = 0.0 if last_old is None else max(0.0, last_old.at_s - change.had_new_s)
    at_most_s = None if first_new is None else max(at_least_s, first_new.until_s - change.had_old_s)
    known = [s for s in (change.allowed_s, last_old.allowed_s if last_old else None) if s is not None]
    allowed_s = max(known, default=None)
    return NodePropagation(
        customer=customer,
        url=url,
        vantage_point=node.looks[0].vantage_point,
        address=node.looks[0].address,
        digest=change.digest,
        changed_after=utc_text(change.had_old_s),
        changed_before=utc_text(change.had_new_s),
        last_old_at=None if last_old is None else utc_text(last_old.at_s),
        first_new_at=None if first_new is None else utc_text(first_new.until_s),
        at_least_s=at_least_s,
        at_most_s=at_most_s,
        allowed_s=allowed_s,
        over_lifetime=_over(at_least_s, at_most_s, allowed_s),
    )


def _first_new(looks: list[Sighting], maybe: int) -> Sighting | None:
    """The first look after all that may have been older, begun when those were over."""
    if maybe < 0:
        return looks[0]
    over_s = max(look.until_s for look in looks[max(0, maybe - 32) : maybe + 1])
    index = max(maybe + 1, bisect_left(looks, over_s, key=lambda look: look.at_s))
    return looks[index] if index < len(looks) else None


def _over(at_least_s: float, at_most_s: float | None, allowed_s: float | None) -> bool | None:
    if allowed_s is None:
        return None
    if at_least_s > allowed_s + SLACK_S:
        return True
    return False if at_most_s is not None and at_most_s <= allowed_s else None


@dataclass(slots=True)
class _Object:
    """What rows say of one object."""

    versions: dict[tuple[str, str], OriginVersion] = field(default_factory=dict)
    sightings: list[Sighting] = field(default_factory=list)

    def add(self, row: SlotRecord, sighting: Sighting) -> None:
        self.sightings.append(sighting)
        for version in () if row.reference is None else row.reference.versions:
            key = identity(version) or "", version.first_seen
            known = self.versions.get(key)
            # Both were written by `rfc3339`, in one width and zone: the text sorts as the time does.
            if known is None or known.last_seen < version.last_seen:
                self.versions[key] = version


def propagation_report(rows: Iterable[SlotRecord]) -> tuple[NodePropagation, ...]:
    """From stored rows, in any order: each node and each change of each object."""
    objects: dict[tuple[str, str, str | None], _Object] = {}
    for row in rows:
        if row.started_at is None or row.reference is None or row.reference.self_comparison:
            continue
        started_at_s = epoch_s(row.started_at)
        for observation in row.observations:
            sighting = sighting_of(observation, started_at_s, row.vantage_point)
            if sighting is not None:
                key = row.customer, observation.url, _rules(observation)
                objects.setdefault(key, _Object()).add(row, sighting)
    found: list[NodePropagation] = []
    for (customer, url, _), known in objects.items():
        versions = sorted(known.versions.values(), key=lambda version: epoch_s(version.first_seen))
        if len(versions) > 1:
            first = identity(versions[0]) or ""
            found.extend(propagation(customer, url, first, changes_of(versions), known.sightings))
    return tuple(found)


def _rules(observation: Observation) -> str | None:
    """By which rules its content was read: each has a history of its own."""
    content = None if observation.response is None else observation.response.content
    return None if content is None else content.rules
