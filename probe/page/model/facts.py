"""What is known of a domain beside its sums: times by phase, certificates, versions of its objects, how fast they came.

Taken from each record as it comes; bounded, the newest kept.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import OrderedDict, deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from probe.core.model.times import epoch_s
from probe.core.records.observation import Comparison, Observation, Relation, Role
from probe.core.records.origin import OriginVersion
from probe.core.records.phases import phases
from probe.core.records.rows import SlotRecord
from probe.core.records.transport import Tls
from probe.core.sla.facts.grain_rows import TTFB_BOUNDS_US

US = 1_000_000
SLICE_US = 3_600_000_000  # an hour: what a point of the curve is made of
SLICES_KEPT = 26
GROUP_SLICE_US = 4 * SLICE_US  # of regions and carriers sums are shown, and no curve
GROUP_SLICES_KEPT = 7
PHASES = ("resolve_us", "connect_us", "tls_us", "processing_us", "transfer_us", "ttfb_us")
CERTIFICATES_KEPT, OBJECTS_KEPT, SERVED_KEPT, ARRIVALS_KEPT = 8, 50, 500, 50
Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")
Counts: TypeAlias = "array[int]"
Group = tuple[str | None, str | None]
"""Region and carrier."""


@dataclass(slots=True)
class Certificate:
    """A leaf that edges showed. `nodes`: where it was seen, the first of them."""

    tls: Tls
    first_us: int
    last_us: int
    nodes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedVersion:
    """What a node gave of an object when it was asked last."""

    node: str
    path: str
    at_us: int
    relation: Relation
    digest: str | None
    behind_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A new version's way to a node, in seconds after the origin served it first."""

    at_us: int
    path: str
    node: str
    vantage_point: str
    at_least_s: float | None
    at_most_s: float


@dataclass(slots=True)
class DomainFacts:
    """Of one domain."""

    times: dict[str, dict[int, Counts]] = field(default_factory=dict)  # phase -> slice -> counts by bucket
    groups: dict[Group, dict[int, Counts]] = field(default_factory=dict)  # of the first byte
    certificates: OrderedDict[str, Certificate] = field(default_factory=OrderedDict)
    versions: OrderedDict[str, tuple[OriginVersion, ...]] = field(default_factory=OrderedDict)
    served: OrderedDict[tuple[str, str], ServedVersion] = field(default_factory=OrderedDict)
    arrivals: deque[Arrival] = field(default_factory=lambda: deque(maxlen=ARRIVALS_KEPT))

    def take(self, record: SlotRecord, *, summed: bool = False) -> None:
        """One measured slot. `summed`: its first bytes are in sums that were added."""
        at_us = round(epoch_s(record.scheduled_at) * US)
        if record.reference is not None and record.reference.versions:
            _keep(self.versions, record.path, record.reference.versions[-5:], OBJECTS_KEPT)
        for seen in record.observations:
            if seen.role is not Role.EDGE:
                continue
            if not seen.tainted:
                self._time(record, seen, at_us, summed=summed)
            if seen.tls is not None and seen.tls.chain_sha256:
                self._certificate(seen.tls, seen.address, at_us)
            if seen.comparison is not None:
                self._version(record, seen, seen.comparison, at_us)

    def add_first_bytes(self, group: Group, at_us: int, counts: Sequence[int]) -> None:
        """Kept sums, of a time before anything was taken."""
        for sums in (
            _slice(self.times.setdefault("ttfb_us", {}), at_us // SLICE_US, SLICES_KEPT),
            _slice(self.groups.setdefault(group, {}), at_us // GROUP_SLICE_US, GROUP_SLICES_KEPT),
        ):
            for bucket, count in enumerate(counts):
                sums[bucket] += count

    def _time(self, record: SlotRecord, seen: Observation, at_us: int, *, summed: bool) -> None:
        took = phases(seen.timing, record.resolution)
        for phase in PHASES:
            value_us = getattr(took, phase)
            if value_us is not None and not (summed and phase == "ttfb_us"):
                sums = _slice(self.times.setdefault(phase, {}), at_us // SLICE_US, SLICES_KEPT)
                sums[bisect_right(TTFB_BOUNDS_US, value_us)] += 1
        if took.ttfb_us is not None and not summed:
            group = self.groups.setdefault((record.region, record.carrier), {})
            sums = _slice(group, at_us // GROUP_SLICE_US, GROUP_SLICES_KEPT)
            sums[bisect_right(TTFB_BOUNDS_US, took.ttfb_us)] += 1

    def _certificate(self, tls: Tls, node: str, at_us: int) -> None:
        leaf = tls.chain_sha256[0]
        known = self.certificates.get(leaf)
        if known is None:
            known = Certificate(tls, at_us, at_us)
        known.last_us = max(known.last_us, at_us)
        if node not in known.nodes and len(known.nodes) < 20:
            known.nodes.append(node)
        _keep(self.certificates, leaf, known, CERTIFICATES_KEPT)

    def _version(self, record: SlotRecord, seen: Observation, compared: Comparison, at_us: int) -> None:
        digest = None if seen.response is None else seen.response.content_digest
        served = ServedVersion(
            node=seen.address,
            path=record.path,
            at_us=at_us,
            relation=compared.relation,
            digest=digest,
            behind_s=compared.behind_s,
        )
        _keep(self.served, (record.path, seen.address), served, SERVED_KEPT)
        if compared.propagated_after_s_at_most is not None:
            self.arrivals.append(
                Arrival(
                    at_us=at_us,
                    path=record.path,
                    node=seen.address,
                    vantage_point=record.vantage_point,
                    at_least_s=compared.propagated_after_s_at_least,
                    at_most_s=compared.propagated_after_s_at_most,
                )
            )


def quantile_us(counts: Sequence[int], share: float) -> int | None:
    """At most so long took this share of all; None of none, or longer than the last bound."""
    total, reached = sum(counts), 0
    for bucket, count in enumerate(counts):
        reached += count
        if total and reached >= share * total:
            return TTFB_BOUNDS_US[bucket] if bucket < len(TTFB_BOUNDS_US) else None
    return None


def summed(slices: dict[int, Counts]) -> Counts:
    """All together."""
    made = array("Q", bytes(8 * (len(TTFB_BOUNDS_US) + 1)))
    for counts in slices.values():
        for bucket, count in enumerate(counts):
            made[bucket] += count
    return made


def _slice(slices: dict[int, Counts], number: int, kept: int) -> Counts:
    """The sums of one slice; the oldest ones go. Of one that is too old: sums that nobody keeps."""
    sums = slices.get(number)
    if sums is None:
        sums = array("I", bytes(4 * (len(TTFB_BOUNDS_US) + 1)))
        if slices and number <= max(slices) - kept:
            return sums
        slices[number] = sums
        for gone in [one for one in slices if one <= max(slices) - kept]:
            del slices[gone]
    return sums


def _keep(kept: OrderedDict[Key, Value], key: Key, value: Value, most: int) -> None:
    kept[key] = value
    kept.move_to_end(key)
    while len(kept) > most:
        kept.popitem(last=False)
