"""Rule: every due slot becomes exactly one row; what happened to the agent itself becomes an event beside it.

The two kinds of line in a stream, as they are stored, printed by `once --json`, pulled and sealed: `SlotRecord` and
`EventRecord`. docs/records.md lists every field with its unit and source.
"""

from __future__ import annotations

from enum import StrEnum

from probe.core.model.value import Value
from probe.core.records.dns import Resolution
from probe.core.records.observation import Observation
from probe.core.records.origin import Reference
from probe.core.records.surroundings import (
    ClockStanding,
    HostFacts,
    LineQuality,
    NodeFacts,
    Reach,
    VantageHealth,
)
from probe.core.records.verdict import Fault, Finding, Outcome

SCHEMA_VERSION = 1


class State(StrEnum):
    """Every due slot is one of these; `aborted` is a measurement cut off by the agent's stop."""

    MEASURED = "measured"
    MISSED = "missed"
    ABORTED = "aborted"


class SlotRecord(Value, frozen=True, kw_only=True):
    """One row: one due slot of one task. What is stored, printed by `once --json` and pulled.

    `seq` and `previous` are given by the store: a number, gapless per stream (agent and customer), and the SHA-256
    of the predecessor's line (`probe.core.proof.chain`); None until then. `complete_up_to`: every slot of this customer
    that was due before this time has a row in the stream up to here.
    `due_again`: the clock was set back, and this due time has an earlier row, which is the one that counts.
    `missed_reason` is set where state is not `measured`: agent.stalled, agent.overloaded, agent.overlap,
    agent.stopped, agent.crashed, agent.suspended, agent.aborted, agent.shed, agent.internal_error, agent.worker_lost,
    host.rebooted, host.suspended (docs/records.md).
    """

    schema_version: int
    kind: str  # slot
    seq: int | None
    task: str
    definition: str  # digest of the task's definition in force, for replay
    customer: str
    domain: str
    path: str
    vantage_point: str
    region: str | None
    carrier: str | None
    asn: int | None = None
    ip_version: int
    scheduled_at: str
    started_at: str | None
    finished_at: str | None
    state: State
    missed_reason: str | None
    outcome: Outcome | None
    fault: Fault | None
    reason: str | None
    confirmed: bool | None
    summary: str | None
    findings: tuple[Finding, ...]
    exclusions: tuple[str, ...]  # reasons declared for this time; a tag, never a suppression
    resolution: Resolution | None
    observations: tuple[Observation, ...]
    reference: Reference | None
    host: HostFacts
    nodes: NodeFacts | None = None
    reach: Reach | None = None
    vantage_health: VantageHealth | None = None
    rests_on: tuple[int, ...] = ()  # indices in `observations`
    evidence_id: str | None = None
    evidence_sha256: str | None = None  # of the bundle as JSON, whose own copy of this row has no such digest
    left_out: tuple[str, ...] = ()
    line: LineQuality | None = None
    clock: ClockStanding | None = None
    scheme: str | None = None  # http or https; None in rows of 0.1
    protocol: str = "h1"  # the HTTP version asked for: h1, h2, h3, auto
    due_again: bool = False
    complete_up_to: str | None = None
    previous: str | None = None


class EventRecord(Value, frozen=True, kw_only=True):
    """What happened to the agent itself, written into every stream that it touches."""

    schema_version: int
    kind: str  # event
    seq: int | None
    customer: str
    at: str
    event: str  # agent.started, agent.stopped, config.changed, ledger.gap, clock.stepped ...
    detail: dict[str, str]
    agent: str
    agent_version: str
    config_digest: str
    complete_up_to: str | None = None
    previous: str | None = None


Record = SlotRecord | EventRecord
