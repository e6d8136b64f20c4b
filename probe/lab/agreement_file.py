"""Writes the agreement of the lab's customer: a contract by which the faults of a demo are a breach that is shown.

A contract speaks of months, of grains of five minutes and of runs of ten; a demo lasts for a minute. So period, grain,
run and coverage are overridden, and the report lists each.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from probe.lab.servers.world import IMG, WWW

GRAIN_S = 5
FILE = "agreement.yaml"
US = 1_000_000
TEXT = """\
# What the demo's customer agreed on. Written by the demo; `cdn-probe sla check` reads it.
agreement: demo
profile: cloud-cdn-sla
customer: {customer}
domains: [{domains}]
service: {{from: {begin}, to: {end}}}
fee: {{amount: "30000.00", currency: CNY}}
overrides:                             # a demo is no month: the report lists each of these
  period: {{unit: span, from: {begin}, to: {end}}}
  grain: {{length: {grain_s}s}}
  run: {{at_least: {run_s}s}}
  coverage: {{at_least: 50%}}
"""


def write(directory: Path, first_us: int, last_us: int) -> Path:
    """For the slots due from the first to the last instant, both included, in whole grains. Raises OSError."""
    length = GRAIN_S * US
    begin, end = first_us // length * length, (last_us // length + 1) * length
    file = directory / FILE
    text = TEXT.format(
        customer=WWW.customer,
        domains=", ".join(domain.name for domain in (WWW, IMG)),
        begin=_time(begin),
        end=_time(end),
        grain_s=GRAIN_S,
        run_s=2 * GRAIN_S,
    )
    file.write_text(text, encoding="utf-8")
    return file


def _time(time_us: int) -> str:
    return datetime.fromtimestamp(time_us // US, UTC).isoformat()
