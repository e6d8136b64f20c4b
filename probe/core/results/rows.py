"""Rule: every due slot is one row, and a row that could not be measured says why.

Builds the rows that are stored: from evidence and its verdict, or from the reason why there is none.
"""

from __future__ import annotations

from probe.core.content.check_kind import Kinds, Symptom
from probe.core.model.task import Task
from probe.core.model.value import replace
from probe.core.records.rows import SCHEMA_VERSION, EventRecord, SlotRecord, State
from probe.core.records.surroundings import ClockStanding, HostDate, HostFacts
from probe.core.records.verdict import Evidence, Outcome
from probe.core.vantage.clock_standing import clock_between_slots, clock_standing
from probe.core.vantage.line_quality import line_quality
from probe.core.verdict.basis import basis_of
from probe.core.verdict.judge import exclusions_at, judge
from probe.core.verdict.node_symptoms import trusted_reach


def measured_row(
    task: Task,
    evidence: Evidence,
    kinds: Kinds,
    *,
    finished_at: str,
    symptoms: tuple[Symptom, ...] | None = None,
) -> SlotRecord:
    """Evidence and the verdict on it. `seq` is None until the store gives it. `symptoms`: see `judge`."""
    verdict = judge(task, evidence, kinds, symptoms)
    return replace(
        _bare_row(task, evidence.scheduled_at, evidence.host),
        started_at=evidence.started_at,
        finished_at=finished_at,
        state=State.MEASURED,
        outcome=verdict.outcome,
        fault=verdict.fault,
        reason=verdict.reason,
        confirmed=verdict.confirmed,
        summary=verdict.summary,
        rests_on=basis_of(verdict, evidence),
        findings=verdict.findings,
        resolution=evidence.resolution,
        observations=evidence.observations,
        reference=evidence.reference,
        nodes=evidence.nodes,
        reach=trusted_reach(task, evidence),
        vantage_health=evidence.vantage_health,
        left_out=evidence.left_out,
        line=line_quality(evidence.observations),
        clock=_clock(evidence, verdict.outcome),
    )


def _clock(evidence: Evidence, outcome: Outcome) -> ClockStanding:
    """A row that accuses nobody needs the bound alone, not what it was worked out from."""
    standing = clock_standing(evidence)
    return replace(standing, earlier=()) if outcome is Outcome.OK else standing


def missed_row(
    task: Task, scheduled_at: str, reason: str, host: HostFacts, dates: tuple[HostDate, ...] = ()
) -> SlotRecord:
    """A due slot without a measurement: `agent.stalled`, `agent.overloaded`, `agent.aborted` ...

    `dates`: what other hosts said of our clock lately.
    """
    state = State.ABORTED if reason == "agent.aborted" else State.MISSED
    return replace(
        _bare_row(task, scheduled_at, host),
        state=state,
        missed_reason=reason,
        clock=replace(clock_between_slots(host, dates), earlier=()),
        summary=f"{task.domain}{task.request.shown_path} was due and not measured: {reason}.",
    )


def _bare_row(task: Task, scheduled_at: str, host: HostFacts) -> SlotRecord:
    vantage = task.vantage_point
    return SlotRecord(
        schema_version=SCHEMA_VERSION,
        kind="slot",
        seq=None,
        task=task.id,
        definition=task.definition,
        customer=task.customer,
        domain=task.domain,
        path=task.request.shown_path,
        vantage_point=vantage.name,
        region=vantage.region,
        carrier=vantage.carrier,
        asn=vantage.asn,
        ip_version=task.ip_version,
        scheduled_at=scheduled_at,
        started_at=None,
        finished_at=None,
        state=State.MISSED,
        missed_reason=None,
        outcome=None,
        fault=None,
        reason=None,
        confirmed=None,
        summary=None,
        findings=(),
        exclusions=exclusions_at(task, scheduled_at),
        resolution=None,
        observations=(),
        reference=None,
        host=host,
        scheme=task.request.scheme,
        protocol=task.request.protocol,
    )


def evidence_of(row: SlotRecord) -> Evidence:
    """A measured row's evidence, as it was judged. Raises ValueError for a row that was not measured."""
    if row.started_at is None or row.reference is None:
        raise ValueError(f"slot {row.seq} of {row.customer} was not measured: {row.missed_reason}")
    return Evidence(
        scheduled_at=row.scheduled_at,
        started_at=row.started_at,
        resolution=row.resolution,
        observations=row.observations,
        reference=row.reference,
        host=row.host,
        nodes=row.nodes,
        vantage_health=row.vantage_health,
        left_out=row.left_out,
        dates=() if row.clock is None else row.clock.earlier,
    )


def event_row(customer: str, at: str, event: str, detail: dict[str, str], host: HostFacts) -> EventRecord:
    """What happened to the agent, for one customer's stream."""
    return EventRecord(
        schema_version=SCHEMA_VERSION,
        kind="event",
        seq=None,
        customer=customer,
        at=at,
        event=event,
        detail=detail,
        agent=host.agent,
        agent_version=host.agent_version,
        config_digest=host.config_digest,
    )
