"""Rule: what a row or an event says for incidents: of the domain, and of the vantage point that looked.

A slot that accuses nobody outside (missed, aborted, inconclusive for us) says nothing of the domain. What is the
vantage point's own fault says so of it, and anything else that was measured says that its line works.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import StrEnum
from typing import Protocol

import msgspec

from probe.core.model.times import epoch_s
from probe.core.records.rows import EventRecord, SlotRecord
from probe.core.records.verdict import Fault, Outcome


class Sight(StrEnum):
    """What a look saw. `unknown`: it was due and says nothing."""

    WELL = "well"
    TROUBLE = "trouble"
    UNKNOWN = "unknown"


class Look(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One row, as incidents see it. `domain_sight`: of the domain; `line_sight`: of the vantage point.

    `due_again`: the clock was set back, and another row had this due time before.
    """

    agent: str
    customer: str
    domain: str
    path: str
    task: str
    vantage_point: str
    region: str | None
    carrier: str | None
    at_us: int
    seq: int
    domain_sight: Sight
    line_sight: Sight
    confirmed: bool
    outcome: Outcome | None
    fault: Fault | None
    reason: str | None
    nodes: tuple[str, ...]
    evidence_id: str | None
    exclusions: tuple[str, ...]
    summary: str | None
    due_again: bool = False


class LineLook(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An event about a vantage point's line. `part`: which of its states: `ip4`, `ip6`, `line`."""

    agent: str
    customer: str
    vantage_point: str
    part: str
    at_us: int
    well: bool
    reason: str


class ClockStep(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An agent's clock was set, at `at_us` of the new time, by `delta_us`; so it stands in a stream."""

    agent: str
    customer: str
    at_us: int
    delta_us: int


AnyLook = Look | LineLook | ClockStep


class _Finding(Protocol):
    @property
    def outcome(self) -> Outcome: ...
    @property
    def fault(self) -> Fault | None: ...
    @property
    def address(self) -> str | None: ...


class _FindingFacts(msgspec.Struct):
    outcome: Outcome
    fault: Fault | None = None
    address: str | None = None


class _HostFacts(msgspec.Struct):
    agent: str


class RowFacts(msgspec.Struct):
    """What is read of a stored line: a row has twenty times as much."""

    customer: str
    domain: str
    path: str
    task: str
    vantage_point: str
    scheduled_at: str
    state: str
    host: _HostFacts
    seq: int | None = None
    region: str | None = None
    carrier: str | None = None
    outcome: Outcome | None = None
    fault: Fault | None = None
    reason: str | None = None
    confirmed: bool | None = None
    summary: str | None = None
    findings: tuple[_FindingFacts, ...] = ()
    exclusions: tuple[str, ...] = ()
    evidence_id: str | None = None
    due_again: bool = False


class _Kind(msgspec.Struct):
    kind: str


_KIND = msgspec.json.Decoder(_Kind)
_ROW = msgspec.json.Decoder(RowFacts)
_EVENT = msgspec.json.Decoder(EventRecord)
_OUTSIDE = frozenset((Fault.CDN, Fault.ORIGIN, Fault.CUSTOMER, Fault.PATH, Fault.UNKNOWN))
_LINE_EVENTS = {
    "vantage.offline": (False, "vantage.offline"),
    "vantage.online": (True, "vantage.offline"),
    "vantage.line_down": (False, "vantage.line_down"),
    "vantage.line_up": (True, "vantage.line_down"),
}


def read_line(text: str | bytes) -> RowFacts | EventRecord | None:
    """A stored line; None: neither row nor event. Raises ValueError for what cannot be read."""
    try:
        kind = _KIND.decode(text).kind
        if kind == "slot":
            return _ROW.decode(text)
        return _EVENT.decode(text) if kind == "event" else None
    except msgspec.DecodeError as error:
        raise ValueError(f"not a record: {error}") from error


def look_of(row: SlotRecord | RowFacts, outcomes: Collection[Outcome]) -> Look:
    """A row. `outcomes`: those that are trouble of a domain."""
    domain_sight = line_sight = Sight.UNKNOWN
    if row.state == "measured" and row.outcome is not None:
        if row.fault is Fault.VANTAGE:
            line_sight = Sight.TROUBLE
        elif row.fault is not Fault.AGENT:
            line_sight = Sight.WELL
        if row.outcome is Outcome.INCONCLUSIVE:
            # Nobody's failure is shown, and yet it is somebody's outside: the customer's alias leads elsewhere.
            accuses = row.fault in _OUTSIDE and row.fault is not Fault.UNKNOWN
            domain_sight = Sight.TROUBLE if accuses and Outcome.FAILED in outcomes else Sight.UNKNOWN
            line_sight = Sight.UNKNOWN if row.fault is Fault.UNKNOWN else line_sight
        else:
            trouble = row.outcome in outcomes and row.fault in _OUTSIDE
            domain_sight = Sight.TROUBLE if trouble else Sight.WELL
            if not trouble and row.fault not in _OUTSIDE and row.fault is not None:
                domain_sight = Sight.UNKNOWN
    return Look(
        agent=row.host.agent,
        customer=row.customer,
        domain=row.domain,
        path=row.path,
        task=row.task,
        vantage_point=row.vantage_point,
        region=row.region,
        carrier=row.carrier,
        at_us=round(epoch_s(row.scheduled_at) * 1e6),
        seq=row.seq or 0,
        domain_sight=domain_sight,
        line_sight=line_sight,
        confirmed=bool(row.confirmed) or row.reason == "vantage.offline",
        outcome=row.outcome,
        fault=row.fault,
        reason=row.reason,
        nodes=_nodes(row.findings, row.outcome, row.fault) if domain_sight is Sight.TROUBLE else (),
        evidence_id=row.evidence_id,
        exclusions=row.exclusions,
        summary=row.summary,
        due_again=row.due_again,
    )


def event_look_of(event: EventRecord) -> LineLook | ClockStep | None:
    """An event about a line, or the clock; None: it is about something else."""
    if event.event == "clock.stepped":
        delta_us = event.detail.get("delta_us", "")
        if not delta_us.removeprefix("-").isdigit():
            return None
        return ClockStep(
            agent=event.agent,
            customer=event.customer,
            at_us=round(epoch_s(event.at) * 1e6),
            delta_us=int(delta_us),
        )
    if event.event not in _LINE_EVENTS:
        return None
    well, reason = _LINE_EVENTS[event.event]
    version = event.detail.get("ip_version")
    return LineLook(
        agent=event.agent,
        customer=event.customer,
        vantage_point=event.detail.get("vantage_point", "?"),
        part="line" if version is None else f"ip{version}",
        at_us=round(epoch_s(event.detail.get("since") or event.at) * 1e6),
        well=well,
        reason=reason,
    )


def _nodes(findings: Sequence[_Finding], outcome: Outcome | None, fault: Fault | None) -> tuple[str, ...]:
    """Those that the verdict is about."""
    of_verdict = (f for f in findings if f.outcome is outcome and f.fault is fault and f.address is not None)
    return tuple(dict.fromkeys(f.address or "" for f in of_verdict))
