"""Rule: a metric means what Prometheus users take its name for: seconds, bytes, counters that only grow.

Rows are counted here when they are stored; the state of the agent's parts is read at each scrape
(`probe.telemetry.state_metrics`). The phases are those of blackbox_exporter's `probe_http_duration_seconds`.
docs/monitoring.md lists every metric.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Collection

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from probe.core.model.times import epoch_s
from probe.core.records.observation import Observation, Role
from probe.core.records.phases import lookup_span_us, phases
from probe.core.records.rows import SlotRecord, State
from probe.core.results.live_state import LiveState
from probe.telemetry.domain_metrics import DomainMetrics
from probe.telemetry.metric_labels import OTHER, Pair, Pairs
from probe.telemetry.state_metrics import StateCollector

PHASES = ("connect", "tls", "processing", "transfer")
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
LATENESS = (0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
NONE = "none"  # no fault, no reason
LABELS = ("customer", "vantage_point")


class _OfPair:
    """One pair's children of the histograms, so that a row needs no look-up by labels."""

    def __init__(self, metrics: Metrics, pair: Pair) -> None:
        phase = metrics.phase
        self.resolve = phase.labels("resolve", *pair)
        self.phases = tuple((f"{name}_us", phase.labels(name, *pair)) for name in PHASES)
        self.first_byte = metrics.first_byte.labels(*pair)
        self.total = metrics.total.labels(*pair)
        self.last = metrics.last.labels(*pair)
        self.last_ok = metrics.last_ok.labels(*pair)
        self.verdicts: dict[tuple[str, str], Counter] = {}


class Metrics:
    """The metrics of one agent, in a registry of its own. For one thread; only `text` may be called from another."""

    def __init__(self, version: str, domains: int = 200) -> None:
        """`domains`: so many have series of their own."""
        disable_created_metrics()  # type: ignore[no-untyped-call] # they say nothing that the start time does not
        registry = self._registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._state = StateCollector()
        registry.register(self._state)
        build = Info("cdn_probe_build", "Version of the agent and of what it runs on.", registry=registry)
        build.info({"version": version, "python": platform.python_version()})
        self.phase = Histogram(
            "cdn_probe_phase_duration_seconds",
            "Duration of each phase of the requests to edges that reached its end.",
            ("phase", *LABELS),
            registry=registry,
            buckets=SECONDS,
        )
        self.first_byte = Histogram(
            "cdn_probe_first_byte_seconds",
            "From the start of the connection to the first byte of the reply, at edges.",
            LABELS,
            registry=registry,
            buckets=SECONDS,
        )
        self.total = Histogram(
            "cdn_probe_duration_seconds",
            "From the start of the connection to the last byte of the body, at edges.",
            LABELS,
            registry=registry,
            buckets=SECONDS,
        )
        self.last = _gauge(
            registry, "last_measurement_timestamp_seconds", "When the newest measured slot was due."
        )
        self.last_ok = _gauge(
            registry, "last_success_timestamp_seconds", "When the newest slot that was ok was due."
        )
        self.slots = Counter(
            "cdn_probe_slots",
            "Measured slots by verdict; fault says whose, none where nothing is wrong.",
            (*LABELS, "outcome", "fault"),
            registry=registry,
        )
        self.missed = Counter(
            "cdn_probe_missed_slots",
            "Slots that were due and not measured, by why.",
            ("reason",),
            registry=registry,
        )
        self.failures = Counter(
            "cdn_probe_edge_failures",
            "Requests to edges that got no whole reply, by type (docs/records.md).",
            ("type",),
            registry=registry,
        )
        self.responses = Counter(
            "cdn_probe_edge_responses",
            "Replies of edges by class of status: 1xx to 5xx, or other.",
            ("status_class",),
            registry=registry,
        )
        self.events = Counter(
            "cdn_probe_events",
            "What happened to the agent itself: clock.stepped, vantage.offline, config.changed ...",
            ("event",),
            registry=registry,
        )
        self.lateness = Histogram(
            "cdn_probe_slot_lateness_seconds",
            "From when a slot was due to when it was begun.",
            registry=registry,
            buckets=LATENESS,
        )
        self.domains = DomainMetrics(registry, domains)
        self._pairs = Pairs()
        self._of_pair: dict[Pair, _OfPair] = {}
        self._text: tuple[float, str] | None = None

    def row(self, row: SlotRecord) -> None:
        """Count one stored row."""
        if row.state is not State.MEASURED:
            self.missed.labels(row.missed_reason or NONE).inc()
            return
        pair = self._pairs.label(row.customer, row.vantage_point)
        of_pair = self._of_pair.get(pair)
        if of_pair is None:
            of_pair = self._of_pair[pair] = _OfPair(self, pair)
        verdict = (row.outcome or NONE, row.fault or NONE)
        counter = of_pair.verdicts.get(verdict)
        if counter is None:
            counter = of_pair.verdicts[verdict] = self.slots.labels(*pair, *verdict)
        counter.inc()
        self.domains.row(row)
        due_s = epoch_s(row.scheduled_at)
        of_pair.last.set(due_s)
        if row.outcome == "ok":
            of_pair.last_ok.set(due_s)
        if row.host.lateness_us is not None:
            self.lateness.observe(row.host.lateness_us / 1e6)
        lookup = lookup_span_us(row.resolution)
        if lookup is not None:
            of_pair.resolve.observe((lookup[1] - lookup[0]) / 1e6)
        for observation in row.observations:
            if observation.role is Role.EDGE:
                self._edge(observation, of_pair)

    def _edge(self, observation: Observation, of_pair: _OfPair) -> None:
        if observation.failure is not None:
            self.failures.labels(observation.failure.type.value).inc()
        response = observation.response
        if response is not None:
            known = 100 <= response.status_code <= 599
            self.responses.labels(f"{response.status_code // 100}xx" if known else OTHER).inc()
        if observation.tainted:
            return  # our own event loop was blocked: these times say nothing about the network
        spans = phases(observation.timing)
        for name, histogram in of_pair.phases:
            if (span_us := getattr(spans, name)) is not None:
                histogram.observe(span_us / 1e6)
        if spans.ttfb_us is not None:
            of_pair.first_byte.observe(spans.ttfb_us / 1e6)
        if spans.total_us is not None:
            of_pair.total.observe(spans.total_us / 1e6)

    def event(self, event: str) -> None:
        """Count something that happened to the agent; `event` is one of our own names."""
        self.events.labels(event).inc()

    def forget_but(self, pairs: Collection[Pair], domains: Collection[Pair] | None = None) -> None:
        """Drop the series of all other pairs: they are no longer measured.

        `domains`: customer and domain, of those that are; None: all of these customers.
        """
        self.domains.forget_but(domains, {customer for customer, _ in pairs})
        for pair in self._pairs.forget_but(pairs):
            of_pair = self._of_pair.pop(pair, None)
            if of_pair is None:
                continue
            for verdict in of_pair.verdicts:
                self.slots.remove(*pair, *verdict)
            for phase in ("resolve", *PHASES):
                self.phase.remove(phase, *pair)
            for metric in (self.first_byte, self.total, self.last, self.last_ok):
                metric.remove(*pair)

    def text(self, state: LiveState, now_s: float | None = None) -> str:
        """All metrics in Prometheus' text format, made at most once a second. Call it in a thread: it may be large."""
        now_s = time.monotonic() if now_s is None else now_s
        if self._text is None or not 0 <= now_s - self._text[0] < 1.0:
            self._state.state = state
            self._state.folded = len(self._pairs.folded)
            self._state.folded_domains = self.domains.folded
            self._text = (now_s, generate_latest(self._registry).decode())
        return self._text[1]


def _gauge(registry: CollectorRegistry, name: str, words: str) -> Gauge:
    return Gauge(f"cdn_probe_{name}", words, LABELS, registry=registry)
