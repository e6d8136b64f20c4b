"""Rule: a record states what was seen, with its unit in its name; it decides nothing and never changes.

Frozen values shared by every part of the agent. Wall-clock times are RFC 3339 strings in UTC
(`2026-11-22T10:00:00.000000Z`); everything called `_us` inside an observation is an offset in microseconds
from the slot's `started_at`, measured on the monotonic clock, unless its docstring says that it is a duration.
What was not measured is None, never 0. docs/records.md lists every field with its unit and source.
"""

from __future__ import annotations

from enum import StrEnum

from probe.core.model.failure import Failure, FailureType, Phase
from probe.core.model.observation import (
    CacheStatus,
    Comparison,
    ContentFacts,
    Freshness,
    Observation,
    ProxyStatus,
    Relation,
    ResourceTiming,
    Response,
    Role,
    TcpInfo,
    TimingUncertainty,
    Tls,
)
from probe.core.model.resolution import AddressRecord, CnameLink, DnsQuery, Resolution, ResolverAnswer
from probe.core.model.surroundings import LineState, NodeFacts, Reach, VantageHealth
from probe.core.model.value import Value

SCHEMA_VERSION = 1


def identity(content: OriginVersion | Response) -> str | None:
    """What two pieces of content must share to count as the same: by the declared rules if there are any, else bytes.

    None where it cannot be told.
    """
    return content.content_digest if content.content is None else content.content.normalised_digest


class Outcome(StrEnum):
    """What a slot says about the service (design: the verdict)."""

    OK = "ok"
    SLOW = "slow"
    STALE = "stale"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"


class Fault(StrEnum):
    """Where the evidence puts the cause."""

    CDN = "cdn"
    ORIGIN = "origin"
    CUSTOMER = "customer"
    PATH = "path"
    VANTAGE = "vantage"
    AGENT = "agent"
    UNKNOWN = "unknown"


class State(StrEnum):
    """Every due slot is one of these; `aborted` is a measurement cut off by the agent's stop."""

    MEASURED = "measured"
    MISSED = "missed"
    ABORTED = "aborted"


class OriginVersion(Value, frozen=True, kw_only=True):
    """One version of an object as the origin itself served it. Times RFC 3339 UTC.

    `last_asked`: when the request was begun that `last_seen` ended; the origin still had this version after it.
    `declared`: for how long the origin lets a cache serve it, the most generous of what it said.
    """

    content_digest: str
    decoded_body_bytes: int | None
    status_code: int
    etag: str | None
    last_modified: str | None
    first_seen: str
    last_seen: str
    content: ContentFacts | None = None
    last_asked: str | None = None
    declared: Freshness | None = None


class Reference(Value, frozen=True, kw_only=True):
    """The origin's side of a slot: the versions known, newest last, and how fresh that knowledge is.

    `configured` is False where the customer named no origin. `verified_at`: when the newest version was last
    fetched or revalidated. `changed_during_slot`: two looks within this slot, or since `verified_at`,
    disagreed. `self_comparison`: the origin answered from the CDN itself. `left_out`: the origin was due to be asked
    and was not, since its ceiling of requests was reached: nothing that disagrees with it can be held against anybody.
    """

    configured: bool
    versions: tuple[OriginVersion, ...] = ()
    verified_at: str | None = None
    changed_during_slot: bool = False
    self_comparison: bool = False
    left_out: bool = False

    @property
    def newest_digest(self) -> str | None:
        """What identifies the content of the origin's present version."""
        return identity(self.versions[-1]) if self.versions else None


class HostFacts(Value, frozen=True, kw_only=True):
    """The agent's own state during the slot."""

    agent: str
    agent_version: str
    config_digest: str
    loop_lag_us: int | None = None  # greatest lag of the event loop while the slot ran
    lateness_us: int | None = None  # from scheduled_at to started_at
    clock_synchronised: bool | None = None  # adjtimex
    clock_max_error_us: int | None = None


class Evidence(Value, frozen=True, kw_only=True):
    """Everything a verdict may rest on, and nothing else. Times as in the record."""

    scheduled_at: str
    started_at: str
    resolution: Resolution | None
    observations: tuple[Observation, ...]
    reference: Reference
    host: HostFacts
    nodes: NodeFacts | None = None
    vantage_health: VantageHealth | None = None
    left_out: tuple[str, ...] = ()


class Severity(StrEnum):
    """info: worth knowing; warning: degrades; error: makes the slot fail."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Finding(Value, frozen=True, kw_only=True):
    """One thing that a check or the judge noticed, attributed. `observation` indexes `observations`."""

    check: str
    reason: str
    severity: Severity
    outcome: Outcome
    fault: Fault | None
    observation: int | None = None
    address: str | None = None
    confirmed: bool | None = None  # None: nobody looked again
    detail: str | None = None


class Verdict(Value, frozen=True, kw_only=True):
    """An opinion formed from Evidence by pure functions; `summary` says it in one sentence."""

    outcome: Outcome
    fault: Fault | None
    reason: str | None
    confirmed: bool | None
    findings: tuple[Finding, ...]
    summary: str


class SlotRecord(Value, frozen=True, kw_only=True):
    """One row: one due slot of one task. What is stored, printed by `once --json` and pulled.

    `seq` and `previous` are given by the store: a number, gapless per stream (agent and customer), and the SHA-256
    of the predecessor's line (`probe.core.proof.chain`); None until then. `complete_up_to`: every slot of this customer
    that was due before this time has a row in the stream up to here.
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
    left_out: tuple[str, ...] = ()
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

__all__ = [
    "SCHEMA_VERSION",
    "AddressRecord",
    "CacheStatus",
    "CnameLink",
    "Comparison",
    "ContentFacts",
    "DnsQuery",
    "EventRecord",
    "Evidence",
    "Failure",
    "FailureType",
    "Fault",
    "Finding",
    "Freshness",
    "HostFacts",
    "LineState",
    "NodeFacts",
    "Observation",
    "OriginVersion",
    "Outcome",
    "Phase",
    "ProxyStatus",
    "Reach",
    "Record",
    "Reference",
    "Relation",
    "Resolution",
    "ResolverAnswer",
    "ResourceTiming",
    "Response",
    "Role",
    "Severity",
    "SlotRecord",
    "State",
    "TcpInfo",
    "TimingUncertainty",
    "Tls",
    "VantageHealth",
    "Verdict",
    "identity",
]
