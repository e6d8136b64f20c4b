"""Rule: the server counts its requests and transfers; labels are few and never hold what a client sent."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest


class Counters:
    """Counters of one server, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "cdn_probe_api_requests",
            "Requests answered, by route and status",
            ("route", "status"),
            registry=self.registry,
        )
        self.rows = Counter("cdn_probe_api_rows", "Rows handed out", registry=self.registry)
        self.sent_bytes = Counter(
            "cdn_probe_api_sent_bytes", "Bytes of pages as sent, in bytes", registry=self.registry
        )
        self.cut = Counter(
            "cdn_probe_api_cut",
            "Transfers that did not end whole, by why",
            ("why",),
            registry=self.registry,
        )
        self.connections = Gauge("cdn_probe_api_connections", "Connections open", registry=self.registry)
        self.refused = Counter(
            "cdn_probe_api_connections_refused", "Connections beyond the bound", registry=self.registry
        )
        self.agent_answers = Gauge(
            "cdn_probe_api_agent_answers", "1: the agent answered when last asked", registry=self.registry
        )

    def text(self) -> str:
        """In Prometheus' text format."""
        return generate_latest(self.registry).decode()
