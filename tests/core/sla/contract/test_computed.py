"""Readings that an agreement may choose: each is computed as it is listed."""

from __future__ import annotations

from probe.core.sla.periods import Span, instant_us
from probe.core.sla.report.subject import excluded_by
from tests.core.sla.report.test_by_spans import DOMAIN, contract

TEXT = """\
agreement: acme
profile: {profile}
customer: acme
domains: [www.acme.example]
service: {{from: 2026-01-01T00:00:00+08:00}}
exclusions:
  - from: 2026-11-11T10:02:00+08:00
    to: 2026-11-11T10:07:30+08:00
    reason: attack
    source: letter
    declared_at: 2026-11-12T00:00:00+08:00
{more}
"""


def test_an_exclusion_of_whole_grains_takes_each_that_it_touches() -> None:
    """10:02 to 10:07:30 touches the grains of 10:00 and of 10:05; by rows it leaves out 5.5 minutes, no more."""

    def span(begin: str, end: str) -> Span:
        return Span(instant_us(f"2026-11-11T{begin}+08:00"), instant_us(f"2026-11-11T{end}+08:00"))

    by_rows = contract("cloud-cdn-sla", agreement=TEXT)
    assert excluded_by(by_rows, DOMAIN).spans == (span("10:02", "10:07:30"),)
    whole = contract("cloud-cdn-sla", "overrides: {exclusions: {partial_grain: grain}}", TEXT)
    found = excluded_by(whole, DOMAIN)
    assert found.spans == (span("10:00", "10:10"),)
    assert [spans for _, spans in found.by] == [(span("10:00", "10:10"),)]
