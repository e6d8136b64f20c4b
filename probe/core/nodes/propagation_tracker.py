"""Rule: the first look at a node with a new version says how long it served the old one, or says nothing.

Follows the nodes while the agent runs, and writes the interval of `core.nodes.propagation` into the comparison of that
one observation. Pure: no clock of its own, bounded memory, the least recently seen node is forgotten first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from probe.core.model.task import Task
from probe.core.model.times import epoch_s, utc_text
from probe.core.model.value import replace
from probe.core.nodes.propagation import Sighting, sighting_of
from probe.core.records.observation import Observation
from probe.core.records.origin import OriginVersion, Reference, identity
from probe.core.records.verdict import Evidence

NODES_KEPT = 20_000


@dataclass(frozen=True, slots=True)
class _Last:
    """The last look at a node with a known version."""

    version: OriginVersion
    look: Sighting


class PropagationTracker:
    """What each node served when it was last looked at, by customer, URL, vantage point and address."""

    def __init__(self, kept: int = NODES_KEPT) -> None:
        self._kept = kept
        self._last: OrderedDict[tuple[str, str, str, str], _Last] = OrderedDict()

    def placed(self, task: Task, evidence: Evidence) -> tuple[Observation, ...]:
        """The slot's observations, the interval in the comparison of each that shows a node's new version first."""
        if evidence.reference.self_comparison or not evidence.reference.versions:
            return evidence.observations
        started_at_s = epoch_s(evidence.started_at)
        name = task.vantage_point.name
        return tuple(
            self._follow(
                task.customer, observation, sighting_of(observation, started_at_s, name), evidence.reference
            )
            for observation in evidence.observations
        )

    def with_served(self, task: Task, reference: Reference, addresses: Iterable[str]) -> Reference:
        """The reference, and which of these nodes served its present version when they were last looked at."""
        keys = ((task.customer, task.request.shown_url, task.vantage_point.name, node) for node in addresses)
        last = [found for found in map(self._last.get, keys) if found is not None]
        served = tuple(
            (found.look.address, utc_text(found.look.until_s))
            for found in last
            if identity(found.version) == reference.newest_digest
        )
        return replace(reference, served_by=served) if served else reference

    def _follow(
        self, customer: str, observation: Observation, look: Sighting | None, reference: Reference
    ) -> Observation:
        if look is None or observation.comparison is None:
            return observation
        place = _place(look.digest, reference.versions)
        if place is None:
            return observation
        key = customer, observation.url, look.vantage_point, look.address
        last, version = self._last.get(key), reference.versions[place]
        if last is not None and look.at_s < last.look.until_s:
            return observation  # the two looks overlap: which of them was served first nobody knows
        self._last[key] = _Last(version, look)
        self._last.move_to_end(key)
        while len(self._last) > self._kept:
            self._last.popitem(last=False)
        if last is None or place == 0 or not _moved_on(last.version, version):
            return observation
        before = reference.versions[place - 1]
        at_least_s = max(0.0, last.look.at_s - epoch_s(version.first_seen))
        at_most_s = max(at_least_s, look.until_s - epoch_s(before.last_asked or before.last_seen))
        comparison = replace(
            observation.comparison,
            propagated_after_s_at_least=at_least_s,
            propagated_after_s_at_most=at_most_s,
        )
        return replace(observation, comparison=comparison)


def _place(digest: str, versions: tuple[OriginVersion, ...]) -> int | None:
    """Where the version with this digest stands; each digest is in a history once."""
    return next((i for i, version in enumerate(versions) if identity(version) == digest), None)


def _moved_on(old: OriginVersion, new: OriginVersion) -> bool:
    """From an older version to a newer one; the same bytes that came back are no move that can be seen."""
    return identity(old) != identity(new) and epoch_s(old.first_seen) < epoch_s(new.first_seen)
