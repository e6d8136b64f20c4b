"""Incidents: episodes of several tracks, hosts and rows that are one piece of trouble, with what readers ask of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from probe.core.records.verdict import Fault
from probe.core.sla.episodes import Episode

T = TypeVar("T", bound=str)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An episode, and from where it was seen."""

    episode: Episode
    customer: str
    domain: str
    vantage_point: str
    region: str | None = None
    carrier: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One piece of trouble of a domain. Times in microseconds since the epoch; what was not seen is None.

    It began after `well_before_us`, at the latest at `first_failing_us`; was confirmed at `first_confirmed_us`; was
    seen until `last_failing_us`, and was over by `well_after_us`. `keys`: its rows; `faults`, `reasons`: how many tell.
    """

    customer: str
    domain: str
    well_before_us: int | None
    first_failing_us: int
    first_confirmed_us: int | None
    last_failing_us: int
    well_after_us: int | None
    vantage_points: tuple[str, ...]
    regions: tuple[str, ...]
    carriers: tuple[str, ...]
    nodes: tuple[str, ...]
    faults: tuple[tuple[Fault, int], ...]
    reasons: tuple[tuple[str, int], ...]
    keys: tuple[str, ...]
    evidence_ids: tuple[str, ...]


def incidents(seen: Iterable[Seen], apart_us: int = 0) -> list[Incident]:
    """Episodes of one domain that overlap, or lie at most `apart_us` from each other, are one incident. In order."""
    groups: list[list[Seen]] = []
    ends: dict[tuple[str, str], tuple[list[Seen], int]] = {}
    for one in sorted(seen, key=_order):
        subject = one.customer, one.domain
        group, until_us = ends.get(subject, ([], 0))
        if not group or one.episode.first_us > until_us + apart_us:
            group, until_us = [], one.episode.last_us
            groups.append(group)
        group.append(one)
        ends[subject] = group, max(until_us, _end_us(one.episode))
    return [_incident(group) for group in groups]


def _order(one: Seen) -> tuple[int, int, str, str, str]:
    return one.episode.first_us, one.episode.last_us, one.customer, one.domain, one.vantage_point


def _end_us(episode: Episode) -> int:
    """As long as nobody saw it well, the same trouble may go on."""
    return episode.last_us if episode.well_after_us is None else episode.well_after_us


def _incident(group: list[Seen]) -> Incident:
    first = min(group, key=_order)
    last_us = max(one.episode.last_us for one in group)
    looks = [look for one in group for look in one.episode.looks]
    confirmed = [one.episode.confirmed_us for one in group if one.episode.confirmed_us is not None]
    return Incident(
        customer=first.customer,
        domain=first.domain,
        well_before_us=first.episode.well_before_us,
        first_failing_us=first.episode.first_us,
        first_confirmed_us=min(confirmed, default=None),
        last_failing_us=last_us,
        well_after_us=_over_by(group),
        vantage_points=_names(one.vantage_point for one in group),
        regions=_names(one.region for one in group),
        carriers=_names(one.carrier for one in group),
        nodes=_names(node for look in looks for node in look.nodes),
        faults=_counts(look.fault for look in looks),
        reasons=_counts(look.reason for look in looks),
        keys=tuple(
            dict.fromkeys(look.key for look in sorted(looks, key=lambda k: (k.at_us, k.key)) if look.key)
        ),
        evidence_ids=_names(look.evidence_id for look in looks),
    )


def _over_by(group: list[Seen]) -> int | None:
    """When the last of those who saw it saw it well; None while one of them did not."""
    afters = [one.episode.well_after_us for one in group]
    known = [after for after in afters if after is not None]
    return max(known) if len(known) == len(afters) else None


def _names(names: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(sorted({name for name in names if name}))


def _counts(values: Iterable[T | None]) -> tuple[tuple[T, int], ...]:
    """The most frequent first."""
    counted = Counter(value for value in values if value is not None)
    return tuple(sorted(counted.items(), key=lambda pair: (-pair[1], str(pair[0]))))
