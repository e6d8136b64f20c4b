"""The script and the judge of the demo, with made-up rows."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from probe.core.model.value import replace
from probe.core.records.rows import SlotRecord, State
from probe.core.records.surroundings import HostFacts
from probe.core.records.verdict import Fault, Outcome
from probe.host.clock import rfc3339
from probe.lab.assessment import Assessment, accuses, assess
from probe.lab.faults import FAULTS
from probe.lab.script import LEAD_S, PAUSE_S, TAIL_S, Step, schedule
from probe.lab.servers.world import all_keys

BEGAN_NS = 1_795_341_600_000_000_000
BEGAN = rfc3339(BEGAN_NS)

# --- the schedule -------------------------------------------------------------------------------------


def test_forty_seconds_hold_every_fault() -> None:
    steps = schedule(40)
    assert {step.fault for step in steps} == set(FAULTS)
    assert max(step.end_s for step in steps) <= 40 - TAIL_S


@pytest.mark.parametrize("seconds", [None, 12, 20, 30, 40, 60, 90, 600])
def test_the_rules_of_a_schedule(seconds: float | None) -> None:
    steps = schedule(seconds)
    assert [step.start_s for step in steps] == sorted(step.start_s for step in steps)
    assert steps[0].start_s == LEAD_S
    assert len({step.fault for step in steps}) == len(steps)
    for step in steps:
        assert step.end_s - step.start_s >= FAULTS[step.fault].lasts_s - 0.001
    for one, other in itertools.combinations(steps, 2):
        if FAULTS[one.fault].reach.keys() & FAULTS[other.fault].reach.keys():
            first, second = sorted((one, other), key=lambda step: step.start_s)
            assert second.start_s >= first.end_s + PAUSE_S - 0.001, (one, other)


def test_more_time_is_used_for_calm() -> None:
    def at_once(seconds: float) -> int:
        steps = schedule(seconds)
        return max(sum(o.start_s <= s.start_s < o.end_s for o in steps) for s in steps)

    assert at_once(40) > at_once(120) == 1


def test_the_comfortable_pace_stays_below_a_minute() -> None:
    steps = schedule(None)
    assert len(steps) == len(FAULTS)
    assert max(step.end_s for step in steps) < 60


def test_less_time_holds_fewer_but_always_one() -> None:
    counts = [len(schedule(seconds)) for seconds in (2, 8, 14, 20, 30, 40)]
    assert counts == sorted(counts)
    assert counts[0] == 1
    only = schedule(2)[0]
    assert only.fault == "edge_down"
    assert 0 < only.start_s < only.end_s <= 2


def test_no_time_is_an_error() -> None:
    with pytest.raises(ValueError, match="40 for all"):
        schedule(0)


# --- the judge ----------------------------------------------------------------------------------------


def row(
    start_s: float,
    verdict: str = "ok",
    *,
    key: tuple[str, str, str] = ("img.shop.example", "/img/hero.bin", "bj-ct"),
    takes_s: float = 0.1,
    state: State = State.MEASURED,
) -> SlotRecord:
    """A row that began `start_s` after the demo; verdict as outcome/fault/reason."""
    outcome, fault, reason = (*verdict.split("/"), None, None)[:3]
    domain, path, vantage = key
    nothing: dict[str, Any] = dict.fromkeys(
        ("seq", "region", "carrier", "missed_reason", "confirmed", "summary", "resolution", "reference")
    )
    return SlotRecord(
        schema_version=1,
        kind="slot",
        task="t",
        definition="d",
        customer="shop",
        domain=domain,
        path=path,
        vantage_point=vantage,
        ip_version=4,
        scheduled_at=_at(start_s),
        started_at=_at(start_s),
        finished_at=_at(start_s + takes_s),
        state=state,
        outcome=Outcome(outcome) if state is State.MEASURED else None,
        fault=Fault(fault) if fault else None,
        reason=reason,
        findings=(),
        exclusions=(),
        observations=(),
        host=HostFacts(agent="a", agent_version="0", config_digest="0"),
        **nothing,
    )


def _at(offset_s: float) -> str:
    return rfc3339(BEGAN_NS + round(offset_s * 1e9))


DOWN = Step(fault="edge_down", start_s=3.0, end_s=6.0)
REFUSED = "failed/cdn/tcp.refused"
BJ = [key for key in all_keys() if key[2] == "bj-ct"]
SH = [key for key in all_keys() if key[2] == "sh-cu"]


def found(*rows: SlotRecord, steps: tuple[Step, ...] = (DOWN,)) -> list[Assessment]:
    return assess(steps, rows, BEGAN)


def well(*starts: float) -> list[SlotRecord]:
    return [row(start, key=key) for start in starts for key in all_keys()]


def test_found_and_right() -> None:
    rows = well(1.0, 7.0)
    rows += [row(4.0, REFUSED, key=key) for key in BJ] + [row(4.0, key=key) for key in SH]
    one, healthy = found(*rows)
    assert (one.outcome, one.blamed, one.reason) == (Outcome.FAILED, Fault.CDN, "tcp.refused")
    assert (one.right, one.why, one.shown, one.affected) == (True, "", len(BJ), len(BJ))
    assert one.first_seen_after_s == pytest.approx(1.1)
    assert (one.start_s, one.end_s, one.expected) == (3.0, 6.0, str(FAULTS["edge_down"].expected))
    assert (healthy.fault, healthy.right, healthy.outcome, healthy.shown) == (
        "healthy",
        True,
        Outcome.OK,
        len(BJ + SH),
    )


def test_a_fault_that_a_row_overlooks_is_wrong() -> None:
    one, healthy = found(*well(1.0), row(3.5, REFUSED), row(4.5, "ok"))
    assert not one.right
    assert [r.outcome for r in one.contradicting] == [Outcome.OK]
    assert one.why == "1 of 2 affected rows say otherwise: img.shop.example/img/hero.bin from bj-ct: ok"
    assert healthy.right


def test_blaming_another_is_wrong() -> None:
    one, _ = found(*well(1.0), row(4.0, "failed/origin/origin.tcp.refused"))
    assert (one.right, one.outcome, one.blamed) == (False, Outcome.FAILED, Fault.ORIGIN)
    assert len(one.contradicting) == 1


def test_another_reason_is_wrong() -> None:
    one, _ = found(row(4.0, "failed/cdn/tcp.timed_out"))
    assert (one.right, one.reason) == (False, "tcp.timed_out")


def test_reasons_may_be_a_family() -> None:
    step = Step(fault="origin_down", start_s=3.0, end_s=6.0)
    assert found(row(4.0, "failed/origin/origin.tcp.refused"), steps=(step,))[0].right
    assert not found(row(4.0, "failed/origin/originality"), steps=(step,))[0].right


def test_an_accusation_outside_the_reach_is_wrong() -> None:
    elsewhere = row(4.0, REFUSED, key=SH[0])
    one, healthy = found(*well(1.0), row(4.0, REFUSED), elsewhere)
    assert (one.right, one.wrongly_accused, one.contradicting) == (False, (elsewhere,), ())
    assert one.why == f"accused without cause: {SH[0][0]}/ from sh-cu: failed/cdn/tcp.refused"
    assert healthy.right, "told once, beside the fault"


def test_an_accusation_in_healthy_time_is_told_at_the_end() -> None:
    early = row(1.0, REFUSED)
    one, healthy = found(early, row(4.0, REFUSED), row(8.0))
    assert one.right
    assert (healthy.right, healthy.wrongly_accused, healthy.reason) == (False, (early,), "tcp.refused")


def test_rows_across_an_edge_are_excused() -> None:
    one, healthy = found(
        row(2.9, "failed/cdn/tcp.reset", takes_s=0.2),
        row(4.0, REFUSED),
        row(5.9, "failed/cdn/http.error", takes_s=0.3),
        row(6.4, "failed/cdn/tcp.reset"),
        row(8.0),
    )
    assert (one.right, healthy.right) == (True, True)
    assert not found(row(4.0, REFUSED), row(6.6, REFUSED))[1].right, "but not for longer than a moment"


def test_time_to_settle() -> None:
    settle_s = FAULTS["stale_version"].settle_s
    step = Step(fault="stale_version", start_s=3.0, end_s=12.0)
    stale = "stale/cdn/content.overlong_cache"
    fresh_yet = row(3.0 + settle_s - 0.1, "ok", takes_s=0.05)
    assert found(fresh_yet, row(10.0, stale), steps=(step,))[0].right
    overlooked = row(3.0 + settle_s + 0.1, "ok")
    assert not found(overlooked, row(10.0, stale), steps=(step,))[0].right


def test_nothing_measured_is_nothing_found() -> None:
    missed = row(4.0, state=State.MISSED)
    one, _ = found(*well(1.0), missed)
    assert (one.right, one.outcome, one.first_seen_after_s) == (False, None, None)
    assert one.why == "no affected row was measured in that time"


def test_a_fault_that_was_cut_short_is_not_held_against_the_agent() -> None:
    short = Step(fault="edge_down", start_s=3.0, end_s=3.4)
    assert [a.fault for a in found(*well(1.0), steps=(short,))] == ["healthy"]
    one, healthy = found(*well(1.0), row(3.1, REFUSED), steps=(short,))
    assert (one.fault, one.right, healthy.right) == ("edge_down", True, True)
    assert found(*well(1.0), row(3.7, REFUSED), steps=(short,))[-1].right, "its rows are excused all the same"


def test_our_own_trouble_accuses_nobody() -> None:
    own = row(4.0, "inconclusive/agent/agent.stalled")
    unknown = row(4.0, "inconclusive/unknown/vantage.no_witness")
    assert (accuses(own), accuses(unknown)) == (False, False)
    assert accuses(row(4.0, "failed/unknown/http.error"))
    assert accuses(row(4.0, "inconclusive/vantage/vantage.offline"))
    one, healthy = found(
        row(4.0, REFUSED), own, replace(own, started_at=_at(1), finished_at=_at(1.1)), row(8.0)
    )
    assert (one.right, healthy.right) == (True, True)


def test_faults_at_once_are_told_apart() -> None:
    other = Step(fault="tampered_body", start_s=3.0, end_s=6.0)
    app = ("www.shop.example", "/static/app.js", "sh-cu")
    down, tampered, healthy = found(
        *well(1.0), row(4.0, REFUSED), row(4.0, "failed/cdn/content.mismatch", key=app), steps=(DOWN, other)
    )
    assert (down.right, tampered.right, healthy.right) == (True, True, True)
    assert (down.reason, tampered.reason) == ("tcp.refused", "content.mismatch")


def test_a_run_without_faults() -> None:
    (healthy,) = found(*well(1.0), steps=())
    assert (healthy.fault, healthy.right, healthy.affected) == ("healthy", True, len(BJ + SH))
    (nothing,) = found(steps=())
    assert not nothing.right, "no rows at all are no proof of health"
