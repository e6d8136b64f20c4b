"""Rule: one domain of fifty is seen by its name; the names are those of the configuration, and their number is bounded.

Counts and times of rows by customer and domain, and when the first of a domain's certificates expires. What is asked
for over another HTTP version than HTTP/1.1 is counted by that too: a listener of HTTP/3 that is down or slow shows.
"""

from __future__ import annotations

import time
from collections.abc import Collection

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from probe.core.model.protocols import H1
from probe.core.model.times import epoch_s
from probe.core.records.observation import Observation, Role
from probe.core.records.phases import phases
from probe.core.records.rows import SlotRecord
from probe.core.records.verdict import Outcome
from probe.core.text.window import Least
from probe.telemetry.metric_labels import Pair, Pairs

LABELS = ("customer", "domain")
SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
NONE = "none"


class DomainMetrics:
    """Series of the first `room` domains; the others share the label `other`. For one thread."""

    def __init__(self, registry: CollectorRegistry, room: int) -> None:
        self._room = room
        self._pairs = Pairs(room)
        self.slots = Counter(
            "cdn_probe_domain_slots",
            "Measured slots of a domain by verdict; fault says whose, none where nothing is wrong.",
            (*LABELS, "outcome", "fault"),
            registry=registry,
        )
        self.duration = Histogram(
            "cdn_probe_domain_duration_seconds",
            "From the start of the connection to the last byte of the body, at edges of a domain.",
            LABELS,
            registry=registry,
            buckets=SECONDS,
        )
        self.last_ok = Gauge(
            "cdn_probe_domain_last_success_timestamp_seconds",
            "When the newest slot of a domain that was ok was due.",
            LABELS,
            registry=registry,
        )
        self.expiry = Gauge(
            "cdn_probe_domain_certificate_expiry_timestamp_seconds",
            "When the first certificate seen at a domain's edges expires.",
            LABELS,
            registry=registry,
        )
        self.protocol_slots = Counter(
            "cdn_probe_domain_protocol_slots",
            "Those of cdn_probe_domain_slots that were asked for over another version than HTTP/1.1: h2, h3, auto.",
            (*LABELS, "protocol", "outcome", "fault"),
            registry=registry,
        )
        self.protocol_duration = Histogram(
            "cdn_probe_domain_protocol_duration_seconds",
            "Those of cdn_probe_domain_duration_seconds that were asked for over another version than HTTP/1.1.",
            (*LABELS, "protocol"),
            registry=registry,
            buckets=SECONDS,
        )
        self._by_protocol: dict[Pair, set[tuple[str, str, str]]] = {}
        self._verdicts: dict[Pair, set[tuple[str, str]]] = {}
        self._expiry: dict[Pair, Least] = {}

    def row(self, row: SlotRecord) -> None:
        """Count one measured row."""
        if not self._room:
            return
        pair = self._pairs.label(row.customer, row.domain)
        verdict = (row.outcome or NONE, row.fault or NONE)
        self._verdicts.setdefault(pair, set()).add(verdict)
        self.slots.labels(*pair, *verdict).inc()
        protocol = None if row.protocol == H1 else row.protocol
        if protocol is not None:
            self._by_protocol.setdefault(pair, set()).add((protocol, *verdict))
            self.protocol_slots.labels(*pair, protocol, *verdict).inc()
        if row.outcome is Outcome.OK:
            self.last_ok.labels(*pair).set(epoch_s(row.scheduled_at))
        for observation in row.observations:
            if observation.role is Role.EDGE:
                self._edge(observation, pair, protocol)

    def _edge(self, observation: Observation, pair: Pair, protocol: str | None) -> None:
        tls = observation.tls
        until = None if tls is None else tls.chain_not_after or tls.not_after
        if until is not None:
            self._expiry.setdefault(pair, Least()).add(time.monotonic(), epoch_s(until))
        if not observation.tainted and (total_us := phases(observation.timing).total_us) is not None:
            self.duration.labels(*pair).observe(total_us / 1e6)
            if protocol is not None:
                self.protocol_duration.labels(*pair, protocol).observe(total_us / 1e6)

    def forget_but(self, pairs: Collection[Pair] | None, customers: Collection[str]) -> None:
        """Drop the series of all other domains: they are no longer measured. `pairs` None: but all of `customers`."""
        if pairs is None:
            pairs = {pair for pair in self._verdicts if pair[0] in customers}
        for pair in self._pairs.forget_but(pairs):
            for verdict in self._verdicts.pop(pair, ()):
                self.slots.remove(*pair, *verdict)
            by_protocol = self._by_protocol.pop(pair, set())
            for labels in by_protocol:
                self.protocol_slots.remove(*pair, *labels)
            for protocol in {labels[0] for labels in by_protocol}:
                self.protocol_duration.remove(*pair, protocol)
            self._expiry.pop(pair, None)
            for metric in (self.duration, self.last_ok, self.expiry):
                metric.remove(*pair)

    @property
    def folded(self) -> int:
        """Domains that share `other`."""
        return len(self._pairs.folded)

    def refresh(self) -> None:
        """The certificates as they are now, before a scrape."""
        now_s = time.monotonic()
        for pair, least in list(self._expiry.items()):
            if (value := least.value(now_s)) is not None:
                self.expiry.labels(*pair).set(value)
