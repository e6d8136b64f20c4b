"""Rows of a stream become facts: what is counted of a slot, what an unmeasured one weighs, and what is lost."""

from __future__ import annotations

from typing import Any

import pytest

from probe.checks import CHECKS
from probe.core.model.value import replace
from probe.core.records.codec import encode
from probe.core.records.failure import FailureType, Phase
from probe.core.records.observation import Role
from probe.core.records.rows import SlotRecord, State
from probe.core.records.verdict import Fault, Finding, Outcome, Severity
from probe.core.results.rows import event_row, measured_row
from probe.core.sla.facts.row import FactRow, SlotLook
from probe.core.sla.facts.stream import StreamFacts
from probe.core.sla.grains import CountingRule, Error, FactClass, class_of, kind_of
from probe.core.tables.rows import rows_of
from tests.support.build import (
    evidence,
    host,
    reference,
    refused,
    resolution,
    seen,
    task,
    unresolved,
    version,
)
from tests.support.rows import HOST, missed

RULE = CountingRule()


def slot(*observations: Any, seq: int = 1, **changes: Any) -> SlotRecord:
    made = measured_row(
        task(),
        evidence(
            *observations,
            resolution=changes.pop("resolution", resolution("192.0.2.1")),
            reference=reference(version()),
            host=host(clock_synchronised=True, clock_max_error_us=1_000),
        ),
        CHECKS,
        finished_at="2026-11-22T10:00:01Z",
    )
    return replace(made, seq=seq, **changes)


def feed(stream: StreamFacts, record: Any) -> tuple[list[FactRow], SlotLook | None]:
    rows = rows_of("a1", record.customer, encode(record))
    facts, look = stream.slot(rows.slots[0], rows.requests) if rows.slots else ([], None)
    return [*facts, *stream.events(rows.events)], look


def facts_of(record: Any) -> list[FactRow]:
    return feed(StreamFacts(), record)[0]


def test_each_edge_is_counted_and_nothing_else_is() -> None:
    found = facts_of(
        slot(
            seen(address="192.0.2.1"), refused(address="192.0.2.2"), seen(Role.ORIGIN), refused(Role.CONFIRM)
        )
    )
    assert [(f.address, f.first, f.weight) for f in found] == [
        ("192.0.2.1", True, 1),
        ("192.0.2.2", False, 1),
    ]
    assert [class_of(f.fact, RULE) for f in found] == [FactClass.GOOD, FactClass.ERROR]
    assert kind_of(found[1].fact) is Error.NO_COMPLETE_REPLY


def test_a_503_is_an_error_of_the_cdn_and_found_by_its_row() -> None:
    [fact] = facts_of(slot(seen(status=503, digest=None), seen(Role.ORIGIN), seq=42))
    assert (fact.status_code, fact.outcome, fact.fault, fact.key) == (
        503,
        Outcome.FAILED,
        Fault.CDN,
        "acme/42",
    )
    assert kind_of(fact.fact) is Error.STATUS_5XX


def test_an_unmeasured_slot_weighs_what_the_last_one_of_its_task_asked() -> None:
    stream = StreamFacts()
    before, _ = feed(stream, missed(5))
    assert [f.weight for f in before] == [1], "nothing is known yet: at least one"
    feed(stream, slot(*(seen(address=f"192.0.2.{n}") for n in (1, 2, 3)), seq=2))
    [after], look = feed(stream, replace(missed(70), seq=3))
    assert (after.weight, after.address, after.first, after.state) == (3, None, True, State.MISSED)
    assert class_of(after.fact, RULE) is FactClass.UNKNOWN
    assert look is not None
    assert look.state is State.MISSED


def test_a_name_that_cannot_be_resolved_is_a_request_without_a_reply() -> None:
    stream = StreamFacts()
    feed(stream, slot(seen(address="192.0.2.1"), seen(address="192.0.2.2")))
    broken = slot(seq=2, resolution=unresolved(FailureType.DNS_SERVER_FAILURE, "cdn.example.net"))
    [fact], _ = feed(
        stream, replace(broken, outcome=Outcome.FAILED, fault=Fault.CDN, reason="dns.server_failure")
    )
    assert (fact.address, fact.weight, fact.failure_phase) == (None, 2, Phase.DNS)
    assert class_of(fact.fact, RULE) is FactClass.ERROR


@pytest.mark.parametrize(
    ("outcome", "fault", "kind"),
    [
        (Outcome.INCONCLUSIVE, Fault.VANTAGE, FactClass.UNKNOWN),
        (Outcome.FAILED, Fault.UNKNOWN, FactClass.UNKNOWN),
        (Outcome.FAILED, Fault.PATH, FactClass.GOOD),
        (Outcome.FAILED, Fault.CDN, FactClass.GOOD),
        (Outcome.SLOW, Fault.CDN, FactClass.GOOD),
    ],
)
def test_what_is_found_of_the_slot_and_of_no_request_holds_for_each(
    outcome: Outcome, fault: Fault, kind: FactClass
) -> None:
    """Failed of the CDN with whole replies is no error by itself: it is one by content, where that counts."""
    found = facts_of(slot(seen(), seen(), findings=(), outcome=outcome, fault=fault, reason="alias.changed"))
    assert [class_of(f.fact, RULE) for f in found] == [kind, kind]
    counting = CountingRule(errors=frozenset(Error))
    counted = FactClass.ERROR if (outcome, fault) == (Outcome.FAILED, Fault.CDN) else kind
    assert [class_of(f.fact, counting) for f in found] == [counted, counted]


def test_an_edge_that_nothing_was_found_of_is_well_beside_one_that_failed() -> None:
    finding = Finding(
        check="availability", reason="http.error", severity=Severity.ERROR, outcome=Outcome.FAILED,
        fault=Fault.CDN, observation=1,
    )  # fmt: skip
    found = facts_of(
        slot(seen(), seen(status=502), findings=(finding,), outcome=Outcome.FAILED, fault=Fault.CDN)
    )
    assert [f.outcome for f in found] == [Outcome.OK, Outcome.FAILED]


def test_slots_that_only_an_event_speaks_of_are_missed_ones_of_their_task() -> None:
    stream = StreamFacts()
    feed(stream, slot(seen(), seen()))
    gap = event_row(
        "acme",
        "2026-11-22T11:00:00Z",
        "ledger.gap",
        {"task": task().id, "records": "2", "slots": "2026-11-22T10:01:00Z 2026-11-22T10:02:00Z"},
        HOST,
    )
    found, _ = feed(stream, replace(gap, seq=9))
    assert [(f.state, f.weight, f.number, f.domain) for f in found] == [
        (State.MISSED, 2, 0, "www.acme.example"),
        (State.MISSED, 2, 1, "www.acme.example"),
    ]
    assert found[1].scheduled_us - found[0].scheduled_us == 60_000_000
    assert stream.lost == []


def test_slots_of_a_task_that_no_row_is_of_are_lost() -> None:
    stream = StreamFacts()
    detail = {"task": "ffff", "records": "2", "slots": "2026-11-22T10:01:00Z 2026-11-22T10:02:00Z"}
    feed(stream, replace(event_row("acme", "2026-11-22T11:00:00Z", "ledger.gap", detail, HOST), seq=9))
    assert [one.what for one in stream.lost] == ["2 slots of task ffff, event 9"] * 2


def test_rows_that_are_gone_were_due_before_the_next_one_that_is_here() -> None:
    stream = StreamFacts()
    gone = rows_of("a1", "acme", b'{"kind":"dropped","first_seq":1,"last_seq":7,"reason":"retention"}')
    list(stream.events(gone.events))
    assert stream.lost[0].before_us is None, "nothing after it yet"
    [fact], _ = feed(stream, slot(seen(), seq=8))
    assert stream.lost[0].before_us == fact.scheduled_us
    assert stream.lost[0].what == "rows 1 to 7 (retention)"
