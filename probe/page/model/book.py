"""Rule: the page tells incidents as stream and API tell them; where nobody told any, it finds them by the same rules.

Records of one agent, or of several, as they come -> incidents, and in short the rows that show them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import merge

from probe.core.incidents.incident import EVENTS, Incident, Kind, from_detail
from probe.core.incidents.looks import AnyLook, Sight, event_look_of, look_of
from probe.core.incidents.rules import Rules
from probe.core.incidents.tracker import Tracker
from probe.core.records.rows import EventRecord, SlotRecord
from probe.core.records.verdict import Fault, Outcome
from probe.page.model.values import RowName, Trouble

MOST_INCIDENTS = 1_000
MOST_ROWS = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """A row in short."""

    at_us: int
    domain: str
    path: str
    vantage_point: str
    outcome: Outcome | None
    fault: Fault | None
    reason: str | None
    summary: str | None


@dataclass(slots=True)
class Book:
    """Feed it records, then `settle`: looks of several streams are taken in the order of their due
    times, those of one in its own."""

    several: bool = False
    briefs: OrderedDict[RowName, Brief] = field(default_factory=OrderedDict)
    _tracker: Tracker = field(init=False)
    _found: OrderedDict[str, Incident] = field(default_factory=OrderedDict)
    _told: OrderedDict[str, Incident] = field(default_factory=OrderedDict)
    _waiting: list[AnyLook] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._tracker = Tracker(Rules(several=self.several))

    def row(self, record: SlotRecord) -> bool:
        """A slot; whether it shows trouble."""
        look = look_of(record, self._tracker.rules.outcomes)
        self._waiting.append(look)
        trouble = Sight.TROUBLE in (look.domain_sight, look.line_sight)
        if trouble:
            self.briefs[look.agent, look.customer, look.seq] = Brief(
                at_us=look.at_us,
                domain=look.domain,
                path=look.path,
                vantage_point=look.vantage_point,
                outcome=look.outcome,
                fault=look.fault,
                reason=look.reason,
                summary=look.summary,
            )
            while len(self.briefs) > MOST_ROWS:
                self.briefs.popitem(last=False)
        return trouble

    def event(self, event: EventRecord) -> None:
        """An event: of a line, or of an incident itself."""
        if (look := event_look_of(event)) is not None:
            self._waiting.append(look)
        if event.event in EVENTS:
            try:
                self.tell(from_detail(event.detail))
            except ValueError:
                return  # of a later version: the rows are here all the same

    def tell(self, incident: Incident) -> None:
        """One as the agent tells it."""
        known = self._told.get(incident.id)
        if known is None or known.revision < incident.revision:
            _put(self._told, incident)

    def settle(self, now_us: int | None = None, *, up_to_us: int | None = None) -> None:
        """Take what waits, each stream in its order, whatever its clock.

        `now_us`: it is so late, whether rows come or not. `up_to_us`: what was due later goes
        on waiting for what other streams have of that time.
        """
        streams: dict[tuple[str, str], list[AnyLook]] = {}
        for look in self._waiting:
            streams.setdefault((look.agent, look.customer), []).append(look)
        self._waiting = []
        for looks in streams.values():
            if up_to_us is not None:
                end = next((at for at, one in enumerate(looks) if one.at_us > up_to_us), len(looks))
                self._waiting += looks[end:]
                del looks[end:]
        for look in merge(*streams.values(), key=lambda one: one.at_us):
            for transition in self._tracker.take(look):
                _put(self._found, transition.incident)
        for transition in self._tracker.tick(now_us) if now_us is not None else ():
            _put(self._found, transition.incident)

    def troubles(self) -> list[Trouble]:
        """Open ones first; of both kinds the newest first."""
        known = dict(self._told)
        grown = {incident.id: incident for incident in self._tracker.open()}
        if self.several or not known:
            known = {**self._found, **grown}
        else:  # what grew since it was told last, as it is now
            lately = {one: known[one] for one in grown if one in known and known[one].is_open}
            known |= {one: grown[one] for one, told in lately.items() if grown[one].rows > told.rows}
        made = map(trouble_of, known.values())
        return sorted(made, key=lambda one: (not one.is_open, -one.last_us, one.id))


def trouble_of(of: Incident) -> Trouble:
    """As the page tells it."""
    return Trouble(
        id=of.id,
        customer=of.customer,
        domain=of.domain,
        vantage_point=of.vantage_point if of.kind is Kind.VANTAGE_POINT else None,
        well_before_us=of.well_before_us,
        first_us=of.first_failing_us,
        confirmed_us=of.confirmed_us,
        last_us=of.last_failing_us,
        well_after_us=of.well_after_us,
        closed_us=of.closed_us,
        outcome=of.outcome,
        fault=of.fault,
        faults=of.faults,
        reasons=of.reasons,
        vantage_points=of.vantage_points,
        looking=of.looking,
        nodes=of.nodes,
        rows=of.rows,
        keys=tuple(_names(of)),
        excluded=of.excluded,
        summary=of.summary,
    )


def _names(of: Incident) -> Iterator[RowName]:
    """Of several agents a key does not say whose it is: each may be meant."""
    for key in of.keys:
        customer, _, seq = key.rpartition("/")
        for agent in of.agents:
            if seq.isdigit():
                yield agent, customer, int(seq)


def _put(kept: OrderedDict[str, Incident], incident: Incident) -> None:
    kept[incident.id] = incident
    kept.move_to_end(incident.id)
    while len(kept) > MOST_INCIDENTS:
        kept.popitem(last=False)
