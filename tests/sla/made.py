"""Facts and looks at random, in every combination that rows can have."""

from __future__ import annotations

from random import Random

from probe.core.records.failure import Phase
from probe.core.records.rows import State
from probe.core.records.verdict import Fault, Outcome
from probe.core.sla.facts.row import FactRow, SlotLook

FROM_US = 1_793_462_400_000_000  # 2026-11-01T00:00:00+08:00 is 2026-10-31T16:00:00Z
CUSTOMERS = ("acme", "shop")
DOMAINS = ("www.acme.example", "img.acme.example")


def fact(number: int, draw: Random, span_us: int = 86_400_000_000) -> FactRow:
    """One fact, of whatever kind."""
    at_us = FROM_US + draw.randrange(span_us)
    state = draw.choice((State.MEASURED,) * 6 + (State.MISSED, State.ABORTED))
    vantage = draw.randrange(3)
    return FactRow(
        agent=f"agent-{draw.randrange(2)}",
        customer=draw.choice(CUSTOMERS),
        domain=draw.choice(DOMAINS),
        path=draw.choice(("/", "/app.js", '/it\'s "quoted" \\ 加速')),
        task=f"task-{draw.randrange(5)}",
        vantage_point=f"vp-{vantage}",
        region=(None, "CN-BJ", "CN-SH")[vantage],
        carrier=draw.choice((None, "China Telecom", "China Unicom")),
        ip_version=draw.choice((4, 6)),
        protocol=draw.choice(("h1", "h1", "h1", "h2")),
        scheduled_us=at_us,
        seq=number,
        number=draw.randrange(4),
        address=draw.choice((None, "192.0.2.1", "192.0.2.2", "2001:db8::1")),
        weight=draw.choice((1, 1, 1, 3, 1_000_000)),
        first=draw.random() < 0.6,
        state=state,
        outcome=draw.choice((None, *Outcome)),
        fault=draw.choice((None, *Fault)),
        reason=draw.choice((None, "http.error", "content.mismatch")),
        status_code=draw.choice((None, 200, 404, 499, 500, 503, 599, 600)),
        failure_phase=draw.choice((None, None, *Phase)),
        clock=draw.choice((None, "kernel", "dates")),
        clock_max_error_us=draw.choice((None, 0, 60_000_000, 60_000_001)),
        ttfb_us=draw.choice((None, draw.randrange(10**7))),
        transfer_us=draw.choice((None, 0, 1, draw.randrange(10**7))),
        body_bytes=draw.choice((None, 0, draw.randrange(10**6), 10**12)),
        propagated_us=draw.choice((None, None, None, draw.randrange(10**10))),
        evidence_id=draw.choice((None, "e" * 8)),
    )


def look(of: FactRow, draw: Random) -> SlotLook:
    """The look of the same slot."""
    return SlotLook(
        agent=of.agent,
        customer=of.customer,
        domain=of.domain,
        path=of.path,
        task=of.task,
        vantage_point=of.vantage_point,
        region=of.region,
        carrier=of.carrier,
        protocol=of.protocol,
        scheduled_us=of.scheduled_us,
        seq=of.seq,
        state=of.state,
        outcome=of.outcome,
        fault=of.fault,
        reason=of.reason,
        confirmed=draw.random() < 0.5,
        reach_known=3,
        reach_asked=draw.randrange(4),
        reach_answered=draw.randrange(4),
        evidence_id=of.evidence_id,
        clock=of.clock,
        clock_max_error_us=of.clock_max_error_us,
    )
