"""Contracts that count spans, on looks: bounds on both sides, what was reported, credits, deadlines, incidents."""

from __future__ import annotations

from importlib import resources
from typing import Any

import pytest

from probe.core.model.value import replace
from probe.core.records.rows import State
from probe.core.records.verdict import Fault, Outcome
from probe.core.sla.contract.load import Agreed, agreed, read_agreement
from probe.core.sla.facts.row import SlotLook
from probe.core.sla.facts.stream import FirstPull
from probe.core.sla.figures import Word
from probe.core.sla.periods import instant_us
from probe.core.sla.report.by_spans import subject_by_spans
from probe.core.sla.report.deadlines_shown import deadlines_shown
from probe.core.sla.report.evaluate import not_computed
from probe.core.sla.report.looking import incidents_in
from probe.core.sla.report.subject import Known, excluded_by, period_of
from probe.core.sla.report.values import Subject

DOMAIN = "www.acme.example"
MINUTE_US = 60_000_000
BEGIN = instant_us("2026-11-11T00:00:00+08:00")
TEXT = """\
agreement: acme
profile: {profile}
customer: acme
domains: [www.acme.example]
service: {{from: 2026-01-01T00:00:00+08:00}}
fee: {{amount: "30000.00"}}
overrides: {{period: {{unit: span, from: 2026-11-11T00:00:00+08:00, to: 2026-11-12T00:00:00+08:00}}}}
{more}
"""


def contract(profile: str, more: str = "", agreement: str = TEXT) -> Agreed:
    text = (resources.files("probe.core.sla.contract") / "profiles" / f"{profile}.yaml").read_text("utf-8")
    return agreed(
        text, "p.yaml", read_agreement(agreement.format(profile=profile, more=more), "a.yaml")[0], "a.yaml"
    )


def look(minute: int, point: str = "bj", **changes: Any) -> SlotLook:
    made = SlotLook(
        agent="a1",
        customer="acme",
        domain=DOMAIN,
        path="/",
        task=f"task-{point}",
        vantage_point=point,
        region=f"CN-{point}",
        carrier="China Telecom",
        protocol="h1",
        scheduled_us=BEGIN + minute * MINUTE_US,
        seq=minute + 1,
        state=State.MEASURED,
        outcome=Outcome.OK,
        fault=None,
        reason=None,
        confirmed=False,
        reach_known=3,
        reach_asked=1,
        reach_answered=1,
        evidence_id=None,
        clock="kernel",
        clock_max_error_us=0,
    )
    return replace(made, **changes)


SILENT = {
    "outcome": Outcome.FAILED, "fault": Fault.CDN, "reason": "tcp.timed_out", "confirmed": True,
    "reach_asked": 3, "reach_answered": 0, "evidence_id": "e1",
}  # fmt: skip


def day(changed: dict[int, dict[str, Any]], points: tuple[str, ...] = ("bj",)) -> list[SlotLook]:
    """A look a minute from each vantage point; those of these minutes differ (from the first point alone)."""
    return [
        look(minute, point, **(changed.get(minute, {}) if point == points[0] else {}))
        for minute in range(24 * 60)
        for point in points
    ]


def said(of: Agreed, rows: list[SlotLook], up_to: str = "2026-11-13T00:00:00+08:00") -> Subject:
    known = Known(complete_up_to_us=instant_us(up_to))
    return subject_by_spans(
        of, DOMAIN, period_of(of.profile.period, "span"), rows, known, excluded_by(of, DOMAIN)
    )


def outage(first: int, last: int, **changes: Any) -> dict[int, dict[str, Any]]:
    return {minute: {**SILENT, **changes} for minute in range(first, last + 1)}


# --- B ------------------------------------------------------------------------------------------------


def test_ten_minutes_of_silence_are_possibly_an_interruption_and_eleven_surely() -> None:
    """Sweeps a minute apart, all silent from 10:00 to 10:10, well at 09:59 and 10:11: golden case B01."""
    annex = contract(
        "cdn-annex",
        "incidents: [{from: 2026-11-11T10:00:00+08:00, reported_at: 2026-11-11T10:12:00+08:00, source: t}]",
    )
    first = said(annex, day(outage(600, 610)))
    assert (first.down[0].kind, first.down[0].shown_us, first.down[0].possible_us) == (
        "interruption",
        0,
        720_000_000,
    )
    assert first.word is Word.NOT_DECIDED
    assert first.why == ("bounds",)
    second = said(annex, day(outage(600, 611)))
    assert second.down[0].shown_us == 660_000_000
    assert second.word is Word.BREACH_SHOWN, "eleven minutes of a day are more than a thousandth"
    assert second.together_us == (660_000_000, 780_000_000), "the fault of all regions is the same time"


def test_what_the_customer_did_not_report_does_not_count() -> None:
    silent = day(outage(600, 660))
    unreported = said(contract("cdn-annex"), silent)
    assert unreported.word is Word.NOT_DECIDED
    assert "unreported" in unreported.why
    late = "incidents: [{from: 2026-11-11T10:00:00+08:00, reported_at: 2026-11-12T10:00:01+08:00, source: t}]"
    assert "unreported" in said(contract("cdn-annex", late), silent).why
    in_time = late.replace("10:00:01", "10:00:00")
    assert said(contract("cdn-annex", in_time), silent).word is Word.BREACH_SHOWN


def test_a_reader_that_had_the_rows_in_time_is_a_witness_too() -> None:
    rows = day(outage(600, 660))
    later = instant_us("2026-11-13T00:00:00+08:00")

    def judged(pulled: str, first_seq: int) -> Subject:
        pull = FirstPull(agent="a1", first_seq=first_seq, last_seq=9_999, pulled_us=instant_us(pulled))
        of = contract("cdn-annex")
        known = Known(complete_up_to_us=later, pulls=(pull,))
        period = period_of(of.profile.period, "span")
        return subject_by_spans(of, DOMAIN, period, rows, known, excluded_by(of, DOMAIN))

    assert judged("2026-11-12T10:00:00+08:00", 1).word is Word.BREACH_SHOWN
    assert "unreported" in judged("2026-11-12T10:00:01+08:00", 1).why, "a second too late"
    assert "unreported" in judged("2026-11-12T10:00:00+08:00", 2_000).why, "of other rows"


def test_a_fault_of_one_region_is_one_and_the_other_region_is_well() -> None:
    rows = day(outage(600, 630, reach_answered=1, reason="http.error"), ("bj", "sh"))
    found = said(contract("cdn-annex"), rows)
    assert [(part.kind, part.shown_us) for part in found.down] == [
        ("interruption", 0),
        ("fault", 1_800_000_000),
        ("overlong_caching", 0),
    ]


def test_wrong_content_is_an_interruption_once_it_is_confirmed() -> None:
    wrong = {"reason": "content.mismatch", "reach_answered": 1}
    kept = said(contract("cdn-annex"), day(outage(600, 605, **wrong)))
    assert kept.down[0].shown_us == 300_000_000
    hearsay = said(contract("cdn-annex"), day(outage(600, 605, **wrong, confirmed=False)))
    assert hearsay.down[0].shown_us == 0


@pytest.mark.parametrize("fault", [Fault.ORIGIN, Fault.CUSTOMER, Fault.PATH])
def test_what_others_cause_is_no_time_down(fault: Fault) -> None:
    found = said(contract("cdn-annex"), day(outage(600, 660, fault=fault)))
    assert [part.possible_us for part in found.down if part.counts] == [0, 0]
    assert found.word is Word.KEPT_SHOWN


def test_what_nobody_can_witness_is_possible_and_never_kept() -> None:
    found = said(contract("cdn-annex"), day(outage(600, 660, fault=Fault.UNKNOWN)))
    assert found.down[0].shown_us == 0
    assert found.down[0].possible_us > 3_600_000_000
    assert found.word is Word.NOT_DECIDED


def test_a_day_that_is_not_over_is_not_kept() -> None:
    assert said(contract("cdn-annex"), day({})).word is Word.KEPT_SHOWN
    early = said(contract("cdn-annex"), day({}), up_to="2026-11-11T23:59:00+08:00")
    assert (early.word, early.why) == (Word.NOT_DECIDED, ("not_final",))


def test_overlong_caching_is_told_apart_and_is_no_time_down() -> None:
    """Outdated from 10:00 to 11:00 at one vantage point, of an object that is well at the other one."""
    outdated = outage(600, 660, outcome=Outcome.STALE, reason="content.stale", reach_answered=3)
    found = said(contract("cdn-annex"), day(outdated, ("bj", "sh")))
    stale = found.down[2]
    assert (stale.kind, stale.counts) == ("overlong_caching", False)
    assert (stale.shown_us, stale.possible_us) == (60 * MINUTE_US, 62 * MINUTE_US)
    assert found.together_us == (0, 0)
    assert found.word is Word.KEPT_SHOWN
    said_apart = [one.en for one in not_computed(contract("cdn-annex")) if "over-long caching" in one.en]
    assert len(said_apart) == 1
    agreed_on = not_computed(contract("cdn-annex", "overlong_cache_agreed: true"))
    assert not [one for one in agreed_on if "over-long caching" in one.en]


def test_an_allowance_that_is_not_fixed_goes_with_the_time() -> None:
    """44 of 43,200 minutes: of a day 88 seconds."""
    whole = "objective: {{fixed: false}}, period:"
    loose = contract("network-agreement", agreement=TEXT.replace("period:", whole))
    assert said(loose, day({})).allowed_us == 88_000_000


# --- C ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("minutes", "word", "owed"),
    [(44, Word.NOT_DECIDED, "0.00"), (45, Word.BREACH_SHOWN, "1000.00"), (105, Word.BREACH_SHOWN, "2000.00")],
)
def test_the_network_agreement_owes_for_begun_hours(minutes: int, word: Word, owed: str) -> None:
    found = said(contract("network-agreement"), day(outage(600, 600 + minutes)))
    assert found.word is word
    assert found.credit is not None
    assert found.credit.shown == owed
    assert found.down[0].shown_us == minutes * MINUTE_US


def test_one_vantage_point_that_gets_through_is_connected() -> None:
    found = said(contract("network-agreement"), day(outage(600, 700), ("bj", "sh")))
    assert found.down[0].shown_us == 0
    assert found.word is Word.KEPT_SHOWN


def test_maintenance_in_its_hours_is_left_out() -> None:
    more = (
        "exclusions: [{from: 2026-11-11T07:00:00+08:00, to: 2026-11-11T09:00:00+08:00, reason: maintenance,"
        " announced_at: 2026-11-09T00:00:00+08:00, declared_at: 2026-11-09T00:00:00+08:00, source: notice}]"
    )
    found = said(contract("network-agreement", more), day(outage(7 * 60, 9 * 60)))
    assert found.down[0].shown_us == 60 * MINUTE_US, "from 08:00 on it counts"
    assert found.exclusions[0].excluded_us == 60 * MINUTE_US


def test_nothing_is_owed_by_a_word_that_is_not_said() -> None:
    """Coverage below what was agreed: no word, and no money beside it."""
    few = day(
        {**outage(600, 720), **{minute: {"state": State.MISSED, "outcome": None} for minute in range(120)}}
    )
    found = said(contract("network-agreement"), few)
    assert (found.judged, found.why, found.credit) == (False, ("coverage",), None)


# --- incidents and deadlines --------------------------------------------------------------------------


def test_an_incident_has_its_bounds_rows_and_evidence() -> None:
    rows = day(outage(600, 605), ("bj", "sh"))
    period = period_of(contract("cdn-annex").profile.period, "span")
    (one,) = incidents_in(rows, period)
    assert (one.begin_after, one.over_by) == ("2026-11-11T09:59:00+08:00", "2026-11-11T10:06:00+08:00")
    assert (one.at_least_us, one.at_most_us) == (300_000_000, 420_000_000)
    assert one.first_confirmed == "2026-11-11T10:00:00+08:00"
    assert one.rows[0] == "acme/601"
    assert (one.name, one.records) == ("www.acme.example/span/1", (("a1", 601, 606),))
    assert (one.faults, one.reasons) == ((("cdn", 6),), (("tcp.timed_out", 6),))
    assert one.evidence == ("e1",)
    assert one.regions == ("CN-bj",)


def test_deadlines_are_those_of_what_was_declared_and_of_what_was_seen() -> None:
    blanks = (
        "objective: {at_least: 99.9%}, cumulated_fault_time: {within: 365d, at_most: 8h},"
        " bandwidth: {agreed: 1G, deviation: 5%},"
        " deadlines: {first_notice: {within: 30m}, repair: {within: 5m}}"
    )
    of = contract(
        "leased-line",
        "incidents: [{from: 2026-11-11T10:00:00+08:00, responded_at: 2026-11-11T10:30:00+08:00, source: t}]",
    )
    text = TEXT.format(profile="leased-line", more="").replace("overrides: {", "overrides: {" + blanks + ", ")
    agreement = replace_incidents(text, of)
    period = period_of(agreement.profile.period, "span")
    seen = incidents_in(day(outage(600, 605)), period)
    known = Known(complete_up_to_us=instant_us("2026-11-13T00:00:00+08:00"))
    found = {one.name: one.word for one in deadlines_shown(agreement, period, seen, known)}
    assert found == {"first_notice": "in_time", "repair": "late"}


def replace_incidents(text: str, of: Agreed) -> Agreed:
    profile = (resources.files("probe.core.sla.contract") / "profiles" / "leased-line.yaml").read_text(
        "utf-8"
    )
    agreement = read_agreement(text, "a.yaml")[0].model_copy(update={"incidents": of.agreement.incidents})
    return agreed(profile, "p.yaml", agreement, "a.yaml")
