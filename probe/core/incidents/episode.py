"""Rule: all that is known of trouble is plain data, so that it can be written down and gone on with after a restart.

`Track`: one thing that is looked at again and again: a task, a vantage point by its rows, a line by its events.
`Episode`: trouble of one subject, from the first row that showed it; an incident once it was opened (`revision` > 0).
"""

from __future__ import annotations

from hashlib import sha256
from typing import TypeVar

import msgspec

from probe.core.incidents.incident import MOST_NAMES, MOST_ROWS, Ending, Incident, Kind
from probe.core.incidents.looks import Look, Sight
from probe.core.records.verdict import Fault, Outcome

Name = TypeVar("Name", bound=str)

_GRAVITY = (Outcome.INCONCLUSIVE, Outcome.SLOW, Outcome.STALE, Outcome.FAILED)


class Subject(msgspec.Struct, frozen=True):
    """Whose trouble: of a domain (`owner` its customer), or of a vantage point (`owner` its agent)."""

    kind: Kind
    owner: str
    name: str


class Track(msgspec.Struct, kw_only=True):
    """What was seen of one thing. `steady`: its state holds until the next look, as that of a line does."""

    point: str  # the vantage point, by the name that incidents give it
    steady: bool = False
    last_us: int = 0  # the last look, whatever it saw
    definite_us: int = 0  # the last that saw something
    interval_us: int = 0
    well_us: int | None = None
    first_well_us: int | None = None  # since the last trouble
    wells: int = 0  # since the last trouble
    trouble_us: int | None = None

    def see(self, sight: Sight, at_us: int) -> None:
        """One look more."""
        if self.last_us and at_us > self.last_us:
            self.interval_us = at_us - self.last_us
        self.last_us = max(self.last_us, at_us)
        if sight is Sight.UNKNOWN:
            return
        self.definite_us = self.last_us
        if sight is Sight.TROUBLE:
            self.trouble_us, self.wells, self.first_well_us = at_us, 0, None
            return
        self.wells += 2 if self.steady else 1
        self.well_us = at_us
        if self.first_well_us is None:
            self.first_well_us = at_us

    def shift(self, delta_us: int) -> None:
        """The clock was set: what was seen is as long ago as before."""
        self.last_us += delta_us if self.last_us else 0
        self.definite_us += delta_us if self.definite_us else 0
        self.well_us = _shifted(self.well_us, delta_us)
        self.first_well_us = _shifted(self.first_well_us, delta_us)
        self.trouble_us = _shifted(self.trouble_us, delta_us)


class Shown(msgspec.Struct):
    """How a track showed the trouble."""

    rows: int = 0
    confirmed: bool = False


class Episode(msgspec.Struct, kw_only=True):
    """Trouble of one subject. `seqs`: agent and customer -> the last row in it; `told_us`: its last event.

    `recent_us`: the newest trouble by the clock as it is now, where that was set since it began; 0: it was not.
    """

    subject: Subject
    first_us: int
    last_us: int
    well_before_us: int | None
    outcome: Outcome = Outcome.INCONCLUSIVE
    id: str = ""
    again: str = ""  # what its id is made of beside its begin: see `new_id`
    revision: int = 0
    confirmed_us: int | None = None
    told_us: int = 0
    recent_us: int = 0
    news: bool = False
    lost: bool = False
    adopted_us: int = 0  # read from the stream, with all until then: which tracks showed it is not known
    shown_by: dict[str, Shown] = {}
    well_after_us: int | None = None
    closed_us: int | None = None
    ending: Ending | None = None
    agents: list[str] = []
    customers: list[str] = []
    faults: dict[Fault, int] = {}
    reasons: dict[str, int] = {}
    grave_faults: dict[Fault, int] = {}  # of the rows with the gravest outcome
    grave_reasons: dict[str, int] = {}
    vantage_points: list[str] = []
    regions: list[str] = []
    carriers: list[str] = []
    nodes: list[str] = []
    paths: list[str] = []
    rows: int = 0
    keys: list[str] = []
    evidence_ids: list[str] = []
    excluded: bool = False
    exclusions: list[str] = []
    summary: str | None = None
    seqs: dict[str, int] = {}

    def show(self, track_key: str, confirmed: bool, at_us: int) -> None:
        """A track shows it; a second look of the same track confirms what the first alone did not."""
        shown = self.shown_by.setdefault(track_key, Shown())
        shown.rows += 1
        shown.confirmed = shown.confirmed or confirmed or shown.rows > 1
        if self.recent_us:  # what is due again did not begin earlier than the first time
            self.recent_us = max(self.recent_us, at_us)
        else:
            self.first_us = min(self.first_us, at_us)
        self.last_us = max(self.last_us, at_us)

    @property
    def newest_us(self) -> int:
        """The newest trouble, by the clock as it is now."""
        return self.recent_us or self.last_us

    def shift(self, delta_us: int) -> None:
        """The clock was set."""
        self.recent_us = self.newest_us + delta_us
        self.told_us += delta_us if self.told_us else 0
        self.adopted_us += delta_us if self.adopted_us else 0

    def describe(
        self, point: str, fault: Fault, reason: str | None, outcome: Outcome | None, agent: str
    ) -> None:
        """What it is, by one row or event; notes whether that is news."""
        before = self.fault if self.faults else None
        if outcome is not None and _gravity(outcome) > _gravity(self.outcome):
            self.outcome, self.news = outcome, True
            self.grave_faults, self.grave_reasons = {}, {}
        if outcome is None or _gravity(outcome) == _gravity(self.outcome):
            _count(self.grave_faults, fault)
            _count(self.grave_reasons, reason)
        _count(self.faults, fault)
        if reason in self.reasons or (reason is not None and len(self.reasons) < MOST_NAMES):
            self.reasons[reason] = self.reasons.get(reason, 0) + 1
            self.news |= self.reasons[reason] == 1
        self.news |= before is not self.fault
        self._add(self.vantage_points, point)
        self._add(self.agents, agent)

    def add(self, look: Look) -> None:
        """What a row tells beside; of a vantage point's trouble nothing of one customer: others are told of it."""
        self.rows += 1
        self.seqs[stream_of(look.agent, look.customer)] = look.seq
        self._add(self.regions, look.region)
        self._add(self.carriers, look.carrier)
        if self.subject.kind is Kind.VANTAGE_POINT:
            return
        for known, new in (
            (self.nodes, look.nodes),
            (self.paths, (look.path,)),
            (self.exclusions, look.exclusions),
        ):
            for name in new:
                self._add(known, name)
        excluded = bool(look.exclusions)
        self.news |= excluded is not self.excluded
        self.excluded = excluded
        self.summary = look.summary or self.summary
        _keep_ends(self.keys, f"{look.customer}/{look.seq}")
        _keep_ends(self.evidence_ids, look.evidence_id)

    def _add(self, known: list[str], name: str | None) -> None:
        if name and name not in known and len(known) < MOST_NAMES:
            known.append(name)
            self.news = True

    @property
    def fault(self) -> Fault:
        """The most frequent of the gravest rows; of several the first seen."""
        return max(self.grave_faults, key=lambda fault: self.grave_faults[fault])

    def incident(self, looking: int) -> Incident:
        """As a value."""
        subject, of_domain = self.subject, self.subject.kind is Kind.DOMAIN
        return Incident(
            id=self.id,
            revision=self.revision,
            kind=subject.kind,
            agents=tuple(sorted(self.agents)),
            customer=subject.owner if of_domain else None,
            domain=subject.name if of_domain else None,
            vantage_point=None if of_domain else subject.name,
            well_before_us=self.well_before_us,
            first_failing_us=self.first_us,
            confirmed_us=self.first_us if self.confirmed_us is None else self.confirmed_us,
            last_failing_us=self.last_us,
            well_after_us=self.well_after_us,
            closed_us=self.closed_us,
            ending=self.ending,
            outcome=self.outcome,
            fault=self.fault,
            faults=_counted(self.faults, self.grave_faults),
            reasons=_counted(self.reasons, self.grave_reasons),
            vantage_points=tuple(sorted(self.vantage_points)),
            looking=max(looking, len(self.vantage_points)),
            regions=tuple(sorted(self.regions)),
            carriers=tuple(sorted(self.carriers)),
            nodes=tuple(sorted(self.nodes)),
            paths=tuple(sorted(self.paths)),
            rows=self.rows,
            keys=tuple(self.keys),
            evidence_ids=tuple(self.evidence_ids),
            excluded=self.excluded,
            exclusions=tuple(self.exclusions),
            summary=self.summary,
        )


def episode_of(incident: Incident) -> Episode:
    """An incident of an earlier run, as the stream tells it; which tracks showed it, it does not know any more."""
    of_domain = incident.kind is Kind.DOMAIN
    owner = incident.customer if of_domain else next(iter(incident.agents), "")
    name = incident.domain if of_domain else incident.vantage_point
    return Episode(
        subject=Subject(incident.kind, owner or "", name or ""),
        first_us=incident.first_failing_us,
        last_us=incident.last_failing_us,
        well_before_us=incident.well_before_us,
        outcome=incident.outcome,
        id=incident.id,
        revision=incident.revision,
        adopted_us=incident.last_failing_us,
        confirmed_us=incident.confirmed_us,
        told_us=incident.last_failing_us,
        well_after_us=incident.well_after_us,
        closed_us=incident.closed_us,
        ending=incident.ending,
        agents=list(incident.agents),
        faults=dict(incident.faults) or {incident.fault: 1},
        reasons=dict(incident.reasons),
        grave_faults={incident.fault: 1},
        grave_reasons={incident.reason: 1},
        vantage_points=list(incident.vantage_points),
        regions=list(incident.regions),
        carriers=list(incident.carriers),
        nodes=list(incident.nodes),
        paths=list(incident.paths),
        rows=incident.rows,
        keys=list(incident.keys),
        evidence_ids=list(incident.evidence_ids),
        excluded=incident.excluded,
        exclusions=list(incident.exclusions),
        summary=incident.summary,
    )


def new_id(subject: Subject, first_us: int, again: str = "") -> str:
    """16 hex digits: the same for the same trouble, whoever works it out.

    `again`: stream and number of the row, where the clock was set back: trouble of this time may have been before.
    """
    text = "\0".join((subject.kind, subject.owner, subject.name, str(first_us), *filter(None, (again,))))
    return sha256(text.encode()).hexdigest()[:16]


def stream_of(agent: str, customer: str) -> str:
    """A stream as a key."""
    return f"{agent}\t{customer}"


def _shifted(time_us: int | None, delta_us: int) -> int | None:
    return None if time_us is None else time_us + delta_us


def _gravity(outcome: Outcome) -> int:
    return _GRAVITY.index(outcome) if outcome in _GRAVITY else 0


def _count(counts: dict[Name, int], name: Name | None) -> None:
    if name is not None and (name in counts or len(counts) < MOST_NAMES):
        counts[name] = counts.get(name, 0) + 1


def _counted(counts: dict[Name, int], grave: dict[Name, int]) -> tuple[tuple[Name, int], ...]:
    """Those of the gravest rows first, then the most frequent."""
    return tuple(sorted(counts.items(), key=lambda pair: (-grave.get(pair[0], 0), -pair[1], str(pair[0]))))


def _keep_ends(known: list[str], new: str | None) -> None:
    """The first half stays; behind it the newest."""
    if not new or new in known:
        return
    if len(known) >= MOST_ROWS:
        del known[MOST_ROWS // 2]
    known.append(new)
