"""The two flat rows that engines hold: a fact, which is counted, and a look, which is followed through time."""

from __future__ import annotations

from probe.core.model.value import Value
from probe.core.records.failure import Phase
from probe.core.records.rows import State
from probe.core.records.verdict import Fault, Outcome
from probe.core.sla.facts.histogram import Quantity
from probe.core.sla.grains import Fact
from probe.core.sla.periods import US

SERVED = frozenset({Outcome.OK, Outcome.SLOW, Outcome.STALE})


class FactRow(Value, frozen=True, kw_only=True):
    """One request, or one slot without any (`address` null), with whatever a report may be divided by.

    `weight`: of a slot without any, how many requests it would have made. `first`: it stands for its slot in sums of
    slots. `clock`: what vouched for the time. Times in microseconds since the epoch, durations in microseconds.
    """

    agent: str
    customer: str
    domain: str
    path: str
    task: str
    vantage_point: str
    region: str | None
    carrier: str | None
    ip_version: int
    protocol: str
    scheduled_us: int
    seq: int
    number: int
    address: str | None
    weight: int
    first: bool
    state: State
    outcome: Outcome | None
    fault: Fault | None
    reason: str | None
    status_code: int | None
    failure_phase: Phase | None
    clock: str | None
    clock_max_error_us: int | None
    ttfb_us: int | None = None
    total_us: int | None = None
    transfer_us: int | None = None
    body_bytes: int | None = None
    relation: str | None = None
    propagated_us: int | None = None
    evidence_id: str | None = None

    @property
    def key(self) -> str:
        """By which its row is found."""
        return f"{self.customer}/{self.seq}"

    def value_of(self, quantity: Quantity) -> int | None:
        """Of a request; None: it tells nothing of it. Times and throughput are those of served requests."""
        if quantity is Quantity.PROPAGATION:
            return self.propagated_us
        if self.state is not State.MEASURED or self.outcome not in SERVED:
            return None
        if quantity is Quantity.FIRST_BYTE:
            return self.ttfb_us
        if not self.transfer_us or not self.body_bytes:
            return None
        return self.body_bytes * US // self.transfer_us

    @property
    def fact(self) -> Fact:
        """What is counted of it."""
        return Fact(
            agent=self.agent,
            customer=self.customer,
            task=self.task,
            scheduled_us=self.scheduled_us,
            seq=self.seq,
            number=self.number,
            address=self.address,
            weight=self.weight,
            first=self.first,
            state=self.state,
            outcome=self.outcome,
            fault=self.fault,
            status_code=self.status_code,
            failure_phase=self.failure_phase,
            clock=self.clock,
            clock_max_error_us=self.clock_max_error_us,
        )


class SlotLook(Value, frozen=True, kw_only=True):
    """One slot: a look at an object from a vantage point. `nodes`: addresses in trouble, separated by blanks."""

    agent: str
    customer: str
    domain: str
    path: str
    task: str
    vantage_point: str
    region: str | None
    carrier: str | None
    protocol: str
    scheduled_us: int
    seq: int
    state: State
    outcome: Outcome | None
    fault: Fault | None
    reason: str | None
    confirmed: bool
    reach_known: int | None
    reach_asked: int | None
    reach_answered: int | None
    evidence_id: str | None
    clock: str | None
    clock_max_error_us: int | None
    nodes: str = ""
    tagged: bool = False

    @property
    def key(self) -> str:
        """By which its row is found."""
        return f"{self.customer}/{self.seq}"
