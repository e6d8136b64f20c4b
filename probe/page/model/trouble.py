"""Rule: trouble is told in the order in which it is to be acted on: what is open first, the newest first.

Looks of slots, one after another -> incidents, open and over. A track is what one vantage point sees of one object.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from probe.core.records.rows import State
from probe.core.records.verdict import Fault, Outcome
from probe.core.sla.episodes import Ending, Episode, Look, Sight, Track
from probe.core.sla.facts.row import SlotLook
from probe.core.sla.incidents import Incident, Seen, incidents
from probe.page.model.values import RowName, Trouble

KEPT = 2_000  # episodes that are over
APART_US = 300_000_000  # trouble that comes back sooner is the same
MOST_KEYS = 200
_OUTSIDE = frozenset({Fault.CDN, Fault.ORIGIN, Fault.CUSTOMER, Fault.PATH, Fault.UNKNOWN})
_BAD = (Outcome.FAILED, Outcome.STALE, Outcome.SLOW)


@dataclass(slots=True)
class _Subject:
    """One object from one vantage point."""

    look: SlotLook
    track: Track = field(default_factory=Track)
    excluded: bool = False


@dataclass(slots=True)
class TroubleBook:
    """Feed it looks as they come; rows of an outage that come late are taken where they still fit."""

    _subjects: dict[tuple[str, str, str], _Subject] = field(default_factory=dict)
    _over: list[Seen] = field(default_factory=list)
    _worst: dict[str, Outcome] = field(default_factory=dict)

    def feed(self, row: SlotLook) -> None:
        """One slot."""
        key = row.agent, row.customer, row.task
        subject = self._subjects.setdefault(key, _Subject(row))
        look = _look(row)
        if look.sight is Sight.TROUBLE and row.outcome is not None:
            subject.excluded = row.tagged
            self._worst[look.key] = row.outcome
        try:
            ended = subject.track.feed(look)
        except ValueError:  # due before one that was stored earlier
            return
        if ended is not None:
            self._over.append(_seen(ended, subject.look))
            for gone in self._over[:-KEPT]:
                for lost in gone.episode.keys:
                    self._worst.pop(lost, None)
            del self._over[:-KEPT]

    def troubles(self, customers: frozenset[str] | None, now_us: int) -> list[Trouble]:
        """Those of these customers (None: of all)."""
        seen = [one for one in self._over if customers is None or one.customer in customers]
        looking: dict[tuple[str, str], set[str]] = {}
        for subject in self._subjects.values():
            of = subject.look
            if customers is not None and of.customer not in customers:
                continue
            looking.setdefault((of.customer, of.domain), set()).add(of.vantage_point)
            if subject.track.current is not None:
                seen.append(_seen(subject.track.current, of))
        made = [
            self._trouble(one, len(looking.get((one.customer, one.domain), ())))
            for one in incidents(seen, APART_US)
        ]
        return sorted(made, key=lambda one: (not one.is_open, -one.last_us, one.id))

    def _trouble(self, of: Incident, looking: int) -> Trouble:
        fault = of.faults[0][0] if of.faults else Fault.UNKNOWN
        outcomes = [self._worst[key] for key in of.keys if key in self._worst]
        return Trouble(
            id=hashlib.sha256(f"{of.customer}/{of.domain}/{of.first_failing_us}".encode()).hexdigest()[:16],
            customer=of.customer,
            domain=of.domain,
            well_before_us=of.well_before_us,
            first_us=of.first_failing_us,
            confirmed_us=of.first_confirmed_us,
            last_us=of.last_failing_us,
            well_after_us=of.well_after_us,
            closed_us=of.well_after_us,
            outcome=min(outcomes, key=_BAD.index, default=Outcome.FAILED),
            fault=fault,
            faults=of.faults,
            reasons=of.reasons,
            vantage_points=of.vantage_points,
            looking=looking,
            nodes=of.nodes,
            rows=len(of.keys),
            keys=tuple(_names(of.keys)),
        )


def _look(row: SlotLook) -> Look:
    sight = Sight.UNKNOWN
    if row.state is State.MEASURED and row.outcome is Outcome.OK:
        sight = Sight.WELL
    elif row.state is State.MEASURED and row.outcome in _BAD:
        sight = Sight.TROUBLE if (row.fault or Fault.UNKNOWN) in _OUTSIDE else Sight.UNKNOWN
    trouble = sight is Sight.TROUBLE
    return Look(
        at_us=row.scheduled_us,
        sight=sight,
        confirmed=row.confirmed,
        key=f"{row.agent} {row.key}",
        nodes=tuple(row.nodes.split()) if trouble else (),
        fault=(row.fault or Fault.UNKNOWN) if trouble else None,
        reason=row.reason if trouble else None,
        evidence_id=row.evidence_id if trouble else None,
    )


def _seen(episode: Episode, row: SlotLook) -> Seen:
    """An episode that nobody saw end ends for the page where looks say nothing any more."""
    if episode.ending is Ending.UNKNOWN:
        episode = Episode(
            first_us=episode.first_us,
            last_us=episode.last_us,
            well_before_us=episode.well_before_us,
            well_after_us=episode.last_us,
            confirmed_us=episode.confirmed_us,
            ending=episode.ending,
            looks=episode.looks,
        )
    return Seen(
        episode=episode,
        customer=row.customer,
        domain=row.domain,
        vantage_point=row.vantage_point,
        region=row.region,
        carrier=row.carrier,
    )


def _names(keys: Iterable[str]) -> list[RowName]:
    """The first and the newest of them."""
    made = []
    for key in keys:
        agent, _, rest = key.partition(" ")
        customer, _, seq = rest.partition("/")
        made.append((agent, customer, int(seq)))
    return made if len(made) <= MOST_KEYS else [*made[: MOST_KEYS // 2], *made[-MOST_KEYS // 2 :]]
