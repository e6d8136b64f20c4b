"""Contracts B to F, worked by hand: rows in a real store, sealed, verified, and the whole report made of them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from probe.core.model.times import utc_text_us
from probe.core.model.value import replace
from probe.core.records.rows import SlotRecord
from probe.core.records.surroundings import ClockStanding, Reach
from probe.core.records.verdict import Fault, Finding, Outcome, Severity
from probe.core.sla.periods import instant_us
from probe.core.sla.report.values import Subject
from probe.host.clock import SystemClock
from probe.sla.agreement_files import load_agreement
from probe.sla.engines.engine import PlainEngine
from probe.sla.report import Asked, make_report
from probe.store.store import Store
from tests.seal.made import sealed
from tests.support.build import seen
from tests.support.rows import missed, slot

pytestmark = pytest.mark.timeout(600)  # a day of rows each, on a machine that may be busy
CASES = {
    one["id"]: one for one in json.loads(Path(__file__).with_name("worked.json").read_text("utf-8"))["cases"]
}
QUICK = ("B12",)  # the others in the long run
DAY = "2026-11-11"
BEGIN_US = instant_us(f"{DAY}T00:00:00+08:00")
MINUTE_US = 60_000_000
BESIDE = 30  # minutes before and behind the day
AGREED: dict[str, dict[str, Any]] = {
    "cdn-annex": {},
    "network-agreement": {},
    "leased-line": {
        "objective": {"at_least": "99.9%"},
        "cumulated_fault_time": {"within": "1d", "at_most": "30m"},
        "bandwidth": {"agreed": "1Gbps", "deviation": "5%"},
        "deadlines": {"first_notice": {"within": "30m"}, "repair": {"within": "4h"}},
    },
    "storage-year": {
        "deadlines": {"response": {"within": "1h"}},
        "credit": {"table": [{"below": "99.9%", "share": "10%"}, {"below": "99%", "share": "30%"}]},
    },
    "acceptance": {
        "criteria": [
            {"name": "response-time", "at_most": "800ms"},
            {"name": "throughput", "at_least": "1"},
            {"name": "distribution-timely", "at_most": 600},
            {"name": "refresh", "at_most": 300},
        ]
    },
}
FEES = {"network-agreement": "30000.00", "storage-year": "120000.00"}


def _found(
    outcome: Outcome, fault: Fault, reason: str, answered: int, *, confirmed: bool = True
) -> SlotRecord:
    finding = Finding(
        check=reason.partition(".")[0], reason=reason, severity=Severity.ERROR, outcome=outcome, fault=fault,
        observation=0, confirmed=confirmed,
    )  # fmt: skip
    return replace(
        WELL, outcome=outcome, fault=fault, reason=reason, confirmed=confirmed, findings=(finding,),
        observations=(seen(status=200 if reason.startswith("content") else 503),),
        reach=Reach(known=3, asked=3, answered=answered),
    )  # fmt: skip


WELL = replace(slot(), observations=(seen(),), clock=ClockStanding(vouched_by="kernel", bound_us=0))
KINDS = {
    "well": WELL,
    "silent": _found(Outcome.FAILED, Fault.CDN, "http.error", 0),
    "failed": _found(Outcome.FAILED, Fault.CDN, "http.error", 2),
    "asked two": replace(
        _found(Outcome.FAILED, Fault.CDN, "http.error", 0), reach=Reach(known=3, asked=2, answered=0)
    ),
    "nameless": replace(_found(Outcome.FAILED, Fault.CDN, "dns.error", 0), observations=(), reach=None),
    "content": _found(Outcome.FAILED, Fault.CDN, "content.mismatch", 3),
    "hearsay": _found(Outcome.FAILED, Fault.CDN, "content.mismatch", 3, confirmed=False),
    "stale": _found(Outcome.STALE, Fault.CDN, "content.stale", 3),
    "origin": _found(Outcome.FAILED, Fault.ORIGIN, "http.error", 0),
    "unknown": _found(Outcome.FAILED, Fault.UNKNOWN, "http.error", 0),
    "missed": missed(),
}


def minute_of(text: str) -> int:
    hour, minute = text.split(":")
    return int(hour) * 60 + int(minute)


def rows(case: dict[str, Any]) -> list[SlotRecord]:
    kinds = {
        minute: KINDS[kind]
        for first, last, kind in case["looks"]
        for minute in range(minute_of(first), minute_of(last) + 1)
    }
    made = []
    for minute in range(-BESIDE, 24 * 60 + BESIDE):
        row, at = kinds.get(minute, WELL), utc_text_us(BEGIN_US + minute * MINUTE_US)
        made.append(replace(row, scheduled_at=at, started_at=None if row.started_at is None else at))
    return made


async def stored(case: dict[str, Any], directory: Path) -> None:
    store = Store.open(directory, "a1", SystemClock())
    await store.append(rows(case), utc_text_us(BEGIN_US + (24 * 60 + BESIDE) * MINUTE_US))
    await store.close()
    await sealed(directory, most_rows=5_000)


def agreement(case: dict[str, Any], directory: Path) -> Path:
    """The whole day was reported as it began: what counts is not a matter of reports here."""
    span = {"unit": "span", "from": f"{DAY}T00:00:00+08:00", "to": "2026-11-12T00:00:00+08:00"}
    told: dict[str, Any] = {
        "agreement": "case",
        "profile": case["profile"],
        "customer": "acme",
        "domains": ["www.acme.example"],
        "service": {"from": "2026-01-01T00:00:00+08:00"},
        "overrides": {"period": span, **AGREED[case["profile"]]},
        "incidents": [
            {"from": f"{DAY}T00:00:00+08:00", "to": "2026-11-12T00:00:00+08:00",
             "reported_at": f"{DAY}T00:00:00+08:00", "source": "the case"}
        ],
        "exclusions": [
            {"from": f"{DAY}T{begin}:00+08:00", "to": f"{DAY}T{end}:00+08:00", "reason": reason, "source": "the case",
             "declared_at": "2026-11-20T00:00:00+08:00", **({"announced_at": more[0]} if more else {})}
            for begin, end, reason, *more in case.get("exclusions", [])
        ],
    }  # fmt: skip
    if case["profile"] in FEES:
        told["fee"] = {"amount": FEES[case["profile"]]}
    file = directory / "agreement.yaml"
    file.write_text(json.dumps(told), encoding="utf-8")
    return file


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.long) for name in CASES]
)
def test_a_day_of_rows(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    expect = case["expect"]
    asyncio.run(stored(case, tmp_path / "results"))
    found: Subject
    (found,) = make_report(
        load_agreement(agreement(case, tmp_path)), Asked(inputs=(tmp_path / "results",)), PlainEngine()
    ).subjects
    assert found.word.value == expect["word"], case["why"]
    assert list(found.why) == expect.get("why", list(found.why)), case["why"]
    down = {one.kind: [one.shown_us // MINUTE_US, one.possible_us // MINUTE_US] for one in found.down}
    assert {kind: down[kind] for kind in expect.get("down", {})} == expect.get("down", {}), case["why"]
    bad = {figure.view: figure.bad_grains for figure in found.figures}
    assert {view: bad[view] for view in expect.get("bad", {})} == expect.get("bad", {}), case["why"]
    if "credit" in expect:
        assert found.credit is not None
        assert [found.credit.shown, found.credit.possible] == expect["credit"], case["why"]
    criteria = {one.name: one.word.value for one in found.criteria}
    assert {one: criteria[one] for one in expect.get("criteria", {})} == expect.get("criteria", {}), case[
        "why"
    ]
