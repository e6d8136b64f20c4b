"""The worked cases as rows in a real store, sealed and pulled; the rest of the month as facts that DuckDB makes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from probe.core.model.times import utc_text_us
from probe.core.model.value import replace
from probe.core.records.rows import SlotRecord, State
from probe.core.records.surroundings import ClockStanding
from probe.core.records.verdict import Fault, Finding, Outcome, Severity
from probe.core.sla.facts.row import FactRow
from probe.core.sla.periods import Span, instant_us, month
from probe.host.clock import SystemClock
from probe.sla.engines.duckdb_engine import DuckDbEngine
from probe.store.store import Store
from tests.seal.made import AGENT
from tests.support.build import seen
from tests.support.rows import missed, slot

LENGTH_US = 300_000_000
CUSTOMER, DOMAIN = "acme", "www.acme.example"
BATCH = 2_000
DAY_US = 86_400_000_000


def _finding(outcome: Outcome, fault: Fault) -> Finding:
    return Finding(
        check="availability", reason="http.error", severity=Severity.ERROR, outcome=outcome, fault=fault,
        observation=0, confirmed=True,
    )  # fmt: skip


def _kind(outcome: Outcome, fault: Fault | None = None, status: int = 200, bound_us: int = 0) -> SlotRecord:
    return slot(
        outcome=outcome,
        fault=fault,
        reason=None if fault is None else "http.error",
        findings=() if fault is None else (_finding(outcome, fault),),
        observations=(seen(status=status),),
        clock=ClockStanding(vouched_by="kernel", bound_us=bound_us),
    )


FAILED = Outcome.FAILED
KINDS = {
    "ok": _kind(Outcome.OK),
    "failed_cdn": _kind(FAILED, Fault.CDN, 503),
    "failed_origin": _kind(FAILED, Fault.ORIGIN, 503),
    "failed_unknown": _kind(FAILED, Fault.UNKNOWN, 503),
    "inconclusive": _kind(Outcome.INCONCLUSIVE, Fault.VANTAGE),
    "missed": missed(),
    "slow_cdn": _kind(Outcome.SLOW, Fault.CDN),
    "stale_cdn": _kind(Outcome.STALE, Fault.CDN),
    "unsynchronised_failed_cdn": _kind(FAILED, Fault.CDN, 503, 5_000_000),
}


def span_of(of: dict[str, Any]) -> Span:
    return Span(instant_us(of["from"]), instant_us(of["to"]))


def numbers(span: Span) -> range:
    return range(span.from_us // LENGTH_US, span.to_us // LENGTH_US)


def records(case: dict[str, Any]) -> Iterator[SlotRecord]:
    """The rows of the segments, in order of due time."""
    for segment in sorted(case["segments"], key=lambda s: instant_us(s["from"])):
        if segment.get("counts_only"):
            continue
        kinds = [KINDS[name] for name in segment if name in KINDS for _ in range(segment[name])]
        kinds += [KINDS["ok"]] * (segment["n"] - len(kinds))
        for number in numbers(span_of(segment)):
            for i, kind in enumerate(kinds):
                at = utc_text_us(number * LENGTH_US + i * LENGTH_US // len(kinds))
                yield replace(kind, scheduled_at=at, started_at=None if kind.state is State.MISSED else at)


async def store(case: dict[str, Any], directory: Path) -> int:
    """Into a real store; all that is due until two days behind the period has a row. How many rows."""
    opened = Store.open(directory, AGENT, SystemClock())
    end_us = month(case["period"]["month"], case["period"]["time_zone"]).to_us
    later = utc_text_us(end_us + DAY_US // 4)
    rows = list(records(case)) or [replace(KINDS["ok"], scheduled_at=later, started_at=later)]
    up_to = utc_text_us(end_us + 2 * DAY_US)
    for begin in range(0, len(rows), BATCH):
        await opened.append(rows[begin : begin + BATCH], up_to)
    await opened.close()
    return len(rows)


class WithBackground(DuckDbEngine):
    """DuckDB that holds the background, and what is given as counts alone, before any row comes."""

    def __init__(self, case: dict[str, Any]) -> None:
        super().__init__(threads=2)
        told = [number for segment in case["segments"] for number in numbers(span_of(segment))]
        background = case["background"]
        span = numbers(span_of(background))
        each = background["n"]
        columns = {
            "agent": "'background'", "customer": f"'{CUSTOMER}'", "domain": f"'{DOMAIN}'", "path": "'/'",
            "task": "'background'", "vantage_point": "'vp'", "ip_version": "4", "protocol": "'h1'",
            "scheduled_us": f"g * {LENGTH_US} + i * {LENGTH_US} // {each}", "seq": f"g * {each} + i",
            "number": "0", "address": "'192.0.2.9'", "weight": "1", "first": "TRUE", "state": "'measured'",
            "outcome": "'ok'", "status_code": "200", "clock": "'kernel'", "clock_max_error_us": "0",
        }  # fmt: skip
        self._db.execute(
            f"INSERT INTO facts ({', '.join(columns)}) SELECT {', '.join(columns.values())}"
            f" FROM range({span.start}, {span.stop}) AS grains(g), range({each}) AS each(i)"
            f" WHERE g NOT IN ({', '.join(map(str, told)) or '-1'})"
        )
        self.take(list(_counts(case)), [])


def _counts(case: dict[str, Any]) -> Iterator[FactRow]:
    for segment in case["segments"]:
        if not segment.get("counts_only"):
            continue
        for number in numbers(span_of(segment)):
            errors = segment["failed_cdn"]
            for place, (weight, failed) in enumerate(((segment["n"] - errors, False), (errors, True))):
                yield FactRow(
                    agent="counts",
                    customer=CUSTOMER,
                    domain=DOMAIN,
                    path="/",
                    task="counts",
                    vantage_point="vp",
                    region=None,
                    carrier=None,
                    ip_version=4,
                    protocol="h1",
                    scheduled_us=number * LENGTH_US + place,
                    seq=number * 2 + place,
                    number=0,
                    address="192.0.2.8",
                    weight=weight,
                    first=True,
                    state=State.MEASURED,
                    outcome=Outcome.FAILED if failed else Outcome.OK,
                    fault=Fault.CDN if failed else None,
                    reason=None,
                    status_code=503 if failed else 200,
                    failure_phase=None,
                    clock="kernel",
                    clock_max_error_us=0,
                )


def stored(case: dict[str, Any], directory: Path) -> int:
    return asyncio.run(store(case, directory))
