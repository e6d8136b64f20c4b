"""Rule: what was observed for a slot is only ever added to, in the order in which it was asked.

Theory of operation. A `Slot` is the memory of one measurement while `probe.measure.pipeline` makes it; its `evidence`
is what is judged, at any moment. The order:

1. `resolution`: the name is looked up by the vantage point's resolvers.
2. First round: the edges chosen from it, and beside them the origin's `reference` where the one kept is too old. Each
   request is given its time alone (`stagger`); redirects are followed after it.
3. Further requests that checks ask for. Then everything is examined: nothing off means the slot ends here.
4. Confirmation round: each doubtful edge again on a fresh connection, the origin again, the anchors, nodes that were
   not visited; then the line's quality and another way to the edge.

Invariants: an observation has the index at which it was appended, for good, as others refer to it by `of`;
each is compared once with the origin's versions and tainted if our own loop stalled during it. Failing is a value: what
the network does is an observation with a failure, and the slot goes on with what it has; what a limit left out is in
`left_out`. An exception is a defect of ours: the slot becomes a missed row `agent.internal_error` (`schedule`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from probe.core.caching.cache_status import with_caches
from probe.core.content.check_kind import FollowUpRequest
from probe.core.content.reading import Reading
from probe.core.model.task import Task
from probe.core.model.times import epoch_s
from probe.core.model.value import replace
from probe.core.records.dns import Resolution
from probe.core.records.observation import Observation, Role
from probe.core.records.origin import Reference
from probe.core.records.phases import lookup_span_us
from probe.core.records.surroundings import HostDate, HostFacts, NodeFacts, VantageHealth
from probe.core.records.transport import ResourceTiming
from probe.core.records.verdict import SECOND_LOOKS, Evidence
from probe.core.vantage.loss import one_packet_lost, patient
from probe.core.verdict.comparisons import with_comparisons
from probe.fetch.target import FetchTarget, target_of

TAINTING_LAG_US = 100_000


@dataclass(slots=True, kw_only=True)
class Slot:
    """One slot while it is measured. `start_ns` is the zero of all its offsets (monotonic).

    `facts`: of our own host up to now; `lag_us`: the worst lag of our loop among them. `dates`: what other hosts said
    of our clock before it.
    """

    task: Task
    scheduled_at: str
    started_at: str
    start_ns: int
    facts: Callable[[], HostFacts]
    lag_us: Callable[[], int]
    health: Callable[[], VantageHealth | None] = lambda: None
    reading: Reading | None = None
    left_out: tuple[str, ...] = ()
    dates: tuple[HostDate, ...] = ()
    resolution: Resolution | None = None
    nodes: NodeFacts | None = None
    reference: Reference = field(default_factory=lambda: Reference(configured=False))
    observations: list[Observation] = field(default_factory=list)
    judged: Evidence | None = None  # what `compare_all` made, while it holds
    further: dict[int, tuple[FetchTarget, FollowUpRequest]] = field(
        default_factory=dict
    )  # what checks asked beside the object

    @property
    def number(self) -> int:
        """Counts this task's slots since the Unix epoch; rotates the edges of `sample`."""
        return int(epoch_s(self.scheduled_at) * 1_000_000) // self.task.period_us

    @property
    def evidence(self) -> Evidence:
        """Everything so far, as the judge reads it; what `compare_all` made where nothing came since."""
        if self.judged is not None and self._holds(self.judged):
            return self.judged
        return Evidence(
            scheduled_at=self.scheduled_at,
            started_at=self.started_at,
            resolution=self.resolution,
            observations=tuple(self.observations),
            reference=self.reference,
            host=self.facts(),
            nodes=self.nodes,
            vantage_health=self.health(),
            left_out=self.left_out,
            dates=self.dates,
        )

    def _holds(self, made: Evidence) -> bool:
        """Nothing was added since; no time passed either, since nothing was asked."""
        return (
            len(made.observations) == len(self.observations)
            and made.resolution is self.resolution
            and made.reference is self.reference
            and made.nodes is self.nodes
            and made.left_out == self.left_out
        )

    def leave_out(self, what: str) -> None:
        """Note what is not asked, for our own pace's sake."""
        if what not in self.left_out:
            self.left_out = (*self.left_out, what)

    def looks_again(
        self, indices: Iterable[int], admitted: Callable[[Iterable[FetchTarget]], list[FetchTarget]]
    ) -> list[FetchTarget]:
        """Second looks at these edge observations, as many of them as the edges' pace admits."""
        due = [self.target(Role.CONFIRM, self.observations[i].address, of=i) for i in indices]
        targets = admitted(due)
        if len(targets) < len(due):
            self.leave_out(SECOND_LOOKS)
        return targets

    def append(self, observations: Iterable[Observation | None]) -> None:
        """Add observations, each with its cache status and whether our own loop stalled meanwhile."""
        tainted = self.lag_us() >= TAINTING_LAG_US
        for observation in observations:
            if observation is not None:
                self.observations.append(
                    replace(
                        observation,
                        ask=self._ask_of(observation),
                        tainted=tainted,
                        **with_caches(observation),
                        timing=self._with_lookup(observation),
                    )
                )

    def append_chain(self, first: Observation | None, hops: Iterable[Observation]) -> None:
        """Add a reply and what was followed from it."""
        if first is not None:
            index = len(self.observations)
            self.append([first, *(replace(hop, of=index) for hop in hops)])

    def _ask_of(self, observation: Observation) -> str | None:
        """A second look at a further request is of that request."""
        again = observation.role is Role.CONFIRM and observation.of in self.further
        return self.observations[observation.of or 0].ask if again else observation.ask

    def _with_lookup(self, observation: Observation) -> ResourceTiming:
        """The slot's one look-up belongs to the edge observations that it was made for."""
        span = lookup_span_us(self.resolution)
        if observation.role is not Role.EDGE or span is None:
            return observation.timing
        return replace(observation.timing, domain_lookup_start_us=span[0], domain_lookup_end_us=span[1])

    def compare_all(self) -> None:
        """Put every edge-side observation beside the reference as it is known now."""
        self.judged = with_comparisons(self.task, self.evidence)
        self.observations[:] = self.judged.observations

    def append_asked(self, observation: Observation, target: FetchTarget, ask: FollowUpRequest) -> None:
        """Add what came of a check's further request, so that it can be asked again."""
        self.further[len(self.observations)] = target, ask
        self.append([observation])

    def asks(self, protocol: str) -> bool:
        """Whether a check's further request was made over this HTTP version."""
        return any(ask.protocol == protocol for _, ask in self.further.values())

    def controls_of(self, indices: Iterable[int]) -> tuple[FollowUpRequest, ...]:
        """The further requests among these observations that the origin is asked too, each once."""
        asks = [self.further[index][1] for index in indices if index in self.further]
        return tuple({ask.name: ask for ask in asks if ask.origin or ask.origin_if_off}.values())

    def target(self, role: Role, address: str, *, of: int | None = None) -> FetchTarget:
        """What to fetch from an edge of this slot's task; `of`: the observation that is looked at again.

        One that took no connection in time for a single packet is given more time then.
        """
        if of is not None and of in self.further:
            target = replace(self.further[of][0], role=role, of=of)
        else:
            target = target_of(self.task, role, address, self.start_ns, of=of, reading=self.reading)
        if of is None or role is not Role.CONFIRM:
            return target
        one = one_packet_lost(self.observations[of], target.deadlines)
        return replace(target, deadlines=patient(target.deadlines)) if one else target
