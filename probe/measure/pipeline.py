"""Rule: one due slot becomes one row, whatever happens; every request made for it is in that row.

The flow of one slot: resolve, fetch the edges beside the origin's reference, compare; if anything is off, a
confirmation round on fresh connections; judge. All I/O is passed in; the deciding is in `probe.core`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from operator import is_not
from typing import Protocol

from probe.core.config.plan import task_to_json
from probe.core.content.check_kind import Kinds, Symptom, origin_fields_of, reading_of
from probe.core.content.reading import Reading
from probe.core.content.self_comparison import Selves
from probe.core.model.protocols import H3
from probe.core.model.task import EdgePolicy, Request, Task, VantagePoint
from probe.core.model.times import epoch_s
from probe.core.model.value import replace
from probe.core.nodes.eligibility import learnable
from probe.core.nodes.inventory import Inventory
from probe.core.nodes.propagation_tracker import PropagationTracker
from probe.core.records.codec import encode_any
from probe.core.records.failure import Failure, Phase
from probe.core.records.observation import Observation, Role
from probe.core.records.rows import SlotRecord
from probe.core.records.surroundings import HostDate, HostFacts, VantageHealth
from probe.core.records.verdict import Evidence, Outcome
from probe.core.results.bundle import Bundle, bundle_id
from probe.core.results.rows import measured_row, missed_row
from probe.core.scheduling.bandwidth_budget import Budgets, head_only
from probe.core.scheduling.edge_selection import Visits
from probe.core.vantage.loss import patient
from probe.core.vantage.via_proxy import edges_of, left_to_proxy
from probe.core.verdict.hijack import led_elsewhere
from probe.core.verdict.reach import served
from probe.core.verdict.symptoms import doubtful_edges, examine, late_edges, second_looks, suspicious
from probe.evidence.bundle_builder import COMPARED_BYTES, bundle_of
from probe.evidence.capture import Collector, collecting
from probe.fetch.fetcher import Fetcher, FetchTarget
from probe.fetch.redirects import ended, follow
from probe.host.clock import Clock, rfc3339
from probe.measure.check_requests import ask_further, ask_origin
from probe.measure.edge_pace import EdgePace
from probe.measure.line_doubt import doubt_the_line
from probe.measure.origin import Keep, KeepStanding, Look, OriginReferences
from probe.measure.second_path import look_elsewhere
from probe.measure.slot import Slot
from probe.measure.stagger import Staggered
from probe.measure.sweep import Sweeper
from probe.resolver.lookups import Lookups
from probe.resolver.resolver import Resolver
from probe.watch.anchors import AnchorRequest, ask_anchors
from probe.watch.http3_heard import Http3Heard

SLOW_SLOT_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HostProbe:
    """What the pipeline asks of its own host. `worst_lag_us(since_ns, until_ns)` on the monotonic clock."""

    agent: str
    agent_version: str
    config_digest: Callable[[], str]
    worst_lag_us: Callable[[int, int], int]
    clock_state: Callable[[], tuple[bool | None, int | None]]


class LineHealth(Protocol):
    """What watches over the anchors of the vantage points: `probe.watch.anchor_watch`."""

    def health(self, vantage: VantagePoint, ip_version: int, start_ns: int) -> VantageHealth | None:
        """How the line was from `start_ns` (monotonic) until now; None where nobody watches."""
        ...

    def request_anchor_check(self, vantage: VantagePoint, ip_version: int) -> None:
        """A slot has waited for `SLOW_SLOT_S` and goes on waiting."""
        ...

    def note_round(
        self, vantage: VantagePoint, ip_version: int, anchors: Sequence[Observation], started_ns: int
    ) -> None:
        """What a slot saw of the anchors, asked from `started_ns` (monotonic) until now."""
        ...


class Pipeline:
    """Measures slots. One for the whole agent; holds the origin's histories and the known nodes."""

    def __init__(
        self,
        *,
        kinds: Kinds,
        resolver: Resolver,
        fetcher: Fetcher,
        clock: Clock,
        host: HostProbe,
        keep: Keep = lambda customer, url, version: None,
        keep_standing: KeepStanding = lambda customer, origin, standing: None,
        lines: Sequence[VantagePoint] = (),
        keep_bundle: Callable[[Bundle], str | None] | None = None,
        line_health: LineHealth | None = None,
        dates: Callable[[], tuple[HostDate, ...]] = tuple,
    ) -> None:
        """`kinds`: the checks; `keep` is called with each origin version, `keep_standing` with how an origin answers.

        `lines`: other ways to ask a doubtful edge by. `keep_bundle` gives the digest of a slot's evidence if it keeps
        it. `line_health`: the watch over the anchors. `dates`: what hosts said of our clock lately.
        """
        self._dates, self._line_health = dates, line_health
        self._keep_bundle, self._lines, self._kinds = keep_bundle, lines, kinds
        self._lookups = Lookups(resolver)
        self._fetcher = fetcher = EdgePace(fetcher, clock)
        self._clock, self._host = clock, host
        self._sweeper = Sweeper(fetcher)
        self._visits = Visits()
        self.nodes = Inventory()
        self._readings: dict[str, Reading | None] = {}
        self.budgets, self._selves = Budgets(), Selves()
        self._propagation, self._http3 = PropagationTracker(), Http3Heard(clock)
        self.references = OriginReferences(
            fetcher, clock, lookup=self._lookups.origin_address, keep=keep, keep_standing=keep_standing
        )
        self.references.wanted_fields = lambda task: origin_fields_of(task, self._kinds)

    def adopt(self, lines: Sequence[VantagePoint], definitions: Collection[str]) -> None:
        """Other vantage points from the next slot on; of definitions not in force nothing is kept."""
        self._lines = lines
        self._readings = {d: reading for d, reading in self._readings.items() if d in definitions}

    async def measure(self, task: Task, scheduled_at: str) -> SlotRecord:
        """One slot end to end; `scheduled_at` is RFC 3339 UTC."""
        start_ns = self._clock.monotonic_ns()
        started_at = rfc3339(self._clock.time_ns())
        left_out = self.budgets.left_out(task, epoch_s(started_at))
        slot = Slot(
            task=head_only(task) if left_out else task,
            left_out=left_out,
            scheduled_at=scheduled_at,
            started_at=started_at,
            start_ns=start_ns,
            facts=lambda: self._facts(start_ns, scheduled_at, started_at),
            lag_us=lambda: self._host.worst_lag_us(start_ns, self._clock.monotonic_ns()),
            reading=self._reading(task),
            health=lambda: self._health(slot, start_ns),
            dates=self._dates(),
        )
        with collecting() as collected:
            evidence, symptoms = await self._observe(slot, collected)
        placed = self._propagation.placed(task, evidence)
        if slot.task is not task or any(map(is_not, placed, evidence.observations)):
            evidence, symptoms = replace(evidence, observations=placed), None  # to be examined anew
        self._http3.note(task, evidence.observations)
        now = rfc3339(self._clock.time_ns())
        row = measured_row(task, evidence, self._kinds, finished_at=now, symptoms=symptoms)
        self.budgets.spend(task, row, epoch_s(started_at))
        self.nodes.vouch(task, served(evidence, row.findings))
        return row if row.outcome is Outcome.OK else self._with_bundle(row, task, collected)

    async def _observe(self, slot: Slot, collected: Collector) -> tuple[Evidence, tuple[Symptom, ...] | None]:
        """Everything that is asked for the slot. The evidence, and what was found in it if it was examined already."""
        with self._anchors_checked_if_slow(slot.task):
            slot.resolution = await self._lookups.resolve(slot.task, slot.start_ns)
            await self._first_round(slot)
        await ask_further(slot, self._kinds, self._fetcher, self._lookups)
        evidence = slot.evidence
        symptoms = examine(slot.task, evidence, self._kinds)
        if not suspicious(symptoms, evidence):
            return evidence, symptoms
        collected.body_bytes = COMPARED_BYTES
        await self._confirmation_round(slot, symptoms)
        return slot.evidence, None

    def _with_bundle(self, row: SlotRecord, task: Task, collected: Collector) -> SlotRecord:
        """The row with name and digest of its evidence, if that is kept."""
        if self._keep_bundle is None:
            return row
        named, definition = replace(row, evidence_id=bundle_id(row)), encode_any(task_to_json(task)).decode()
        digest = self._keep_bundle(bundle_of(named, definition, collected))
        return row if digest is None else replace(named, evidence_sha256=digest)

    def missed(self, task: Task, scheduled_at: str, reason: str) -> SlotRecord:
        """The row of a slot that was due and not measured."""
        now_ns, now = self._clock.monotonic_ns(), rfc3339(self._clock.time_ns())
        facts = self._facts(now_ns, scheduled_at, now)
        return missed_row(task, scheduled_at, reason, facts, self._dates())

    def facts(self) -> HostFacts:
        """The host's state now, for events."""
        now = rfc3339(self._clock.time_ns())
        return self._facts(self._clock.monotonic_ns(), now, now)

    # --- the two rounds ---------------------------------------------------------------------------

    async def _first_round(self, slot: Slot) -> None:
        """The edges that the policy names, and at the same time the origin's reference."""
        task, resolution = slot.task, slot.resolution
        assert resolution is not None, "resolved before fetching"
        addresses = edges_of(resolution)
        slot.nodes = self.nodes.facts(task, resolution, epoch_s(slot.started_at))
        self.nodes.learn(task, resolution, epoch_s(slot.started_at))
        answered = addresses if resolution.failure is None else []
        chosen = self._visits.choose(task.id, task.edges, answered, slot.number)
        look, edges = await self._look_and_fetch(slot, [slot.target(Role.EDGE, a) for a in chosen])
        slot.reference = self._selves.marked(task, look.reference, addresses, look.observation)
        slot.append(edges)
        for index, edge in enumerate(edges):
            await self._follow_redirects(slot, index, edge)
        slot.append_chain(look.observation, look.hops)
        slot.compare_all()

    async def _look_and_fetch(self, slot: Slot, targets: list[FetchTarget]) -> tuple[Look, list[Observation]]:
        """The origin's reference and the edges' replies, each request given its time alone."""
        kept = self.references.kept(slot.task, slot.reading)
        if kept is not None and len(targets) == 1:
            return kept, [await self._fetcher.fetch(targets[0])]  # nothing to be kept apart
        look = self.references.look(slot.task, slot.start_ns, reading=slot.reading)
        async with Staggered() as staggered:
            asked = await staggered.start(look)
            fetching = [await staggered.start(self._fetcher.fetch(target)) for target in targets]
        return asked.result(), [fetch.result() for fetch in fetching]

    async def _confirmation_round(self, slot: Slot, symptoms: tuple[Symptom, ...]) -> None:
        """Everything again that can convict or acquit: the edges off, the origin, anchors, other nodes."""
        task, observations, evidence = slot.task, slot.observations, slot.evidence
        off, late = doubtful_edges(symptoms, evidence), late_edges(symptoms, evidence)
        if led_elsewhere(task, evidence, symptoms, (observations[i].address for i in off)):
            assert slot.resolution is not None, "resolved before anything was fetched"
            slot.resolution = await self._lookups.examine(slot.resolution, task, slot.start_ns)
        first, then = (slot.looks_again(i, self._fetcher.admitted) for i in second_looks(off, late))
        before = slot.reference.newest_digest
        async with Staggered() as staggered:
            fetching = [await staggered.start(self._fetcher.fetch(target)) for target in first]
            looking = self.references.look(task, slot.start_ns, force=True, reading=slot.reading)
            asked = await staggered.start(looking)
            fetching += [await staggered.start(self._fetcher.fetch(target)) for target in then]
            anchors = await staggered.start(self._ask_anchors(slot))
            sweeping = await staggered.start(self._sweep(slot, off))
        look, fetched = asked.result(), [fetch.result() for fetch in fetching]
        changed = before is not None and before != look.reference.newest_digest
        addresses = [o.address for o in observations if o.role is Role.EDGE]
        found = replace(look.reference, changed_during_slot=changed)
        found = self._propagation.with_served(task, found, addresses)
        slot.reference = self._selves.marked(task, found, addresses, look.observation)
        begin = len(observations)
        slot.append([*fetched, *sweeping.result(), *anchors.result()])
        slot.append_chain(look.observation, look.hops)
        for index, again in enumerate(fetched, begin):
            if again.of not in slot.further:
                await self._follow_redirects(slot, index, again)
        await doubt_the_line(slot, off, late, self._fetcher, lambda: self._ask_anchors(slot))
        for ask in slot.controls_of(off):
            await ask_origin(slot, ask, self._fetcher, self._lookups.origin_address)
        slot.compare_all()
        await look_elsewhere(slot, self._lines, self._fetcher)

    async def _ask_anchors(self, slot: Slot) -> tuple[Observation, ...]:
        """The anchors in the moment of a failure; the watch over them is given the round."""
        task, started_ns = slot.task, self._clock.monotonic_ns()
        request = AnchorRequest(
            vantage=task.vantage_point,
            ip_version=task.ip_version,
            deadlines=patient(task.deadlines),
            slot_start_ns=slot.start_ns,
            find=lambda host: self._lookups.address(host, task, slot.start_ns),
        )
        asked = await ask_anchors(request, self._fetcher, self._clock)
        if self._line_health is not None:
            self._line_health.note_round(task.vantage_point, task.ip_version, asked, started_ns)
        return asked

    async def _sweep(self, slot: Slot, off: Sequence[int]) -> list[Observation]:
        """The nodes that this slot did not visit, if one that it did failed, or the name led to none."""
        task, observations = slot.task, slot.observations
        if left_to_proxy(task.vantage_point):
            return []  # its proxy chooses the node
        failing = [observations[i].failure for i in off if observations[i].role is Role.EDGE]
        if slot.resolution is not None and slot.resolution.failure is not None:
            failing.append(slot.resolution.failure)
        if all(failure is not None and failure.phase is Phase.HOST for failure in failing):
            return []  # nothing failed, or only what is our own: the nodes were not even asked
        visited = {o.address for o in observations if o.role is Role.EDGE}
        known = self.nodes.known(task, epoch_s(slot.started_at))
        nodes = dict.fromkeys((*known, *learnable(task, slot.resolution).addresses))
        others = [address for address in nodes if address not in visited]
        owner = (task.customer, task.domain, task.ip_version, task.vantage_point.name)
        policy = EdgePolicy(kind="sample", count=task.limits.sweep)
        chosen = self._visits.choose(owner, policy, others, slot.number) if policy.count else ()
        targets = self._fetcher.admitted(slot.target(Role.SWEEP, address) for address in chosen)
        return await self._sweeper.ask(targets)

    @contextmanager
    def _anchors_checked_if_slow(self, task: Task) -> Iterator[None]:
        """If this takes long, the anchors are asked meanwhile: afterwards all may be well again."""
        watch = self._line_health
        if watch is None:
            yield
            return
        loop = asyncio.get_running_loop()
        timer = loop.call_later(SLOW_SLOT_S, watch.request_anchor_check, task.vantage_point, task.ip_version)
        try:
            yield
        finally:
            timer.cancel()

    def _health(self, slot: Slot, start_ns: int) -> VantageHealth | None:
        watch, task = self._line_health, slot.task
        health = None if watch is None else watch.health(task.vantage_point, task.ip_version, start_ns)
        if task.request.protocol != H3 and not (slot.further and slot.asks(H3)):
            return health
        return self._http3.with_answers(health, task, slot.observations)

    def _reading(self, task: Task) -> Reading | None:
        """What the task's checks want read; worked out once for each definition."""
        if task.definition not in self._readings:
            self._readings[task.definition] = reading_of(task, self._kinds)
        return self._readings[task.definition]

    # --- parts ------------------------------------------------------------------------------------

    async def _follow_redirects(self, slot: Slot, index: int, edge: Observation) -> None:
        task = slot.task
        if task.redirects.limit == 0 or edge.answer is None:
            return

        async def lookup(request: Request) -> str | Failure:
            if request.host == task.domain:
                return edge.address
            return await self._lookups.address(request.host, task, slot.start_ns)

        target = slot.target(Role.REDIRECT, edge.address, of=index)
        hops, failure = await follow(edge, index, target, task.redirects, self._fetcher, lookup)
        slot.append(ended(edge, index, hops, failure))

    def _facts(self, since_ns: int, scheduled_at: str, started_at: str) -> HostFacts:
        synchronised, max_error_us = self._host.clock_state()
        return HostFacts(
            agent=self._host.agent,
            agent_version=self._host.agent_version,
            config_digest=self._host.config_digest(),
            loop_lag_us=self._host.worst_lag_us(since_ns, self._clock.monotonic_ns()),
            lateness_us=max(0, round((epoch_s(started_at) - epoch_s(scheduled_at)) * 1e6)),
            clock_synchronised=synchronised,
            clock_max_error_us=max_error_us,
        )
