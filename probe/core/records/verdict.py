"""Rule: a verdict rests on the evidence beside it and on nothing else.

What goes into the judge (`Evidence`) and what comes out (`Finding`, `Verdict` with its `Outcome` and `Fault`).
Written by `core.verdict` and the checks; read by rows, reports, metrics and evaluators.
"""

from __future__ import annotations

from enum import StrEnum

from probe.core.model.times import epoch_s
from probe.core.model.value import Value
from probe.core.records.dns import Resolution
from probe.core.records.observation import Observation
from probe.core.records.origin import Reference
from probe.core.records.surroundings import HostDate, HostFacts, NodeFacts, VantageHealth

# In `Evidence.left_out`: what was not asked for our own pace's sake.
SECOND_LOOKS, CHECK_REQUESTS = "second_looks", "check_requests"


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


class Severity(StrEnum):
    """info: worth knowing; warning: degrades; error: makes the slot fail."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Evidence(Value, frozen=True, kw_only=True):
    """Everything a verdict may rest on, and nothing else. Times as in the record.

    `dates`: what other hosts said of our clock in the minutes before this slot.
    """

    scheduled_at: str
    started_at: str
    resolution: Resolution | None
    observations: tuple[Observation, ...]
    reference: Reference
    host: HostFacts
    nodes: NodeFacts | None = None
    vantage_health: VantageHealth | None = None
    left_out: tuple[str, ...] = ()
    dates: tuple[HostDate, ...] = ()


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


_GRAVITY = {
    Outcome.FAILED: 4,
    Outcome.STALE: 3,
    Outcome.SLOW: 2,
    Outcome.INCONCLUSIVE: 1,
    Outcome.OK: 0,
}
# Of two equally grave findings the one that the contract counts comes first.
_WEIGHT = {
    fault: weight
    for weight, fault in enumerate(
        (Fault.UNKNOWN, Fault.AGENT, Fault.VANTAGE, Fault.ORIGIN, Fault.CUSTOMER, Fault.PATH, Fault.CDN)
    )
}


def gravity(finding: Finding) -> tuple[int, int]:
    """The order of findings: the greatest is the slot's verdict, and what a request is said to be."""
    return _GRAVITY[finding.outcome], -1 if finding.fault is None else _WEIGHT[finding.fault]


class Verdict(Value, frozen=True, kw_only=True):
    """An opinion formed from Evidence by pure functions; `summary` says it in one sentence."""

    outcome: Outcome
    fault: Fault | None
    reason: str | None
    confirmed: bool | None
    findings: tuple[Finding, ...]
    summary: str


def received_at_s(evidence: Evidence, observation: Observation) -> float:
    """When the response began to come, in seconds since the epoch."""
    return epoch_s(evidence.started_at) + (observation.timing.response_start_us or 0) / 1e6
