"""Settings that are right in time, times under a surge, faults added up over a year: each with a word of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from probe.core.records.verdict import Fault, Outcome
from probe.core.sla.contract.load import Agreed
from probe.core.sla.facts.histogram import bucket_of
from probe.core.sla.figures import Word
from probe.core.sla.periods import US, Span, instant_us
from probe.core.sla.promises.cumulated import cumulated_shown, span_of
from probe.core.sla.promises.opening import deadline_us, opening_shown, rows_wanted
from probe.core.sla.promises.surge import DAY_US, surges_shown
from probe.core.sla.report.subject import Known, Named, excluded_by, period_of
from probe.core.sla.report.values import CriterionShown
from tests.core.sla.report.test_by_spans import BEGIN, SILENT, TEXT, contract, look

WRONG = {"outcome": Outcome.FAILED, "fault": Fault.CDN, "reason": "redirect.not_followed", "confirmed": True}
KNOWN = Known(complete_up_to_us=instant_us("2026-11-13T00:00:00+08:00"))


# --- opening ------------------------------------------------------------------------------------------

# Opened on Friday the 6th, with Monday to Wednesday as working days: by the end of the 11th, in the middle of the span.
DAYS = 'working_days: ["2026-11-09", "2026-11-10", "2026-11-11"]'


def opened(more: str = DAYS) -> Agreed:
    text = TEXT.replace("2026-01-01T00:00:00+08:00", "2026-11-06T09:00:00+08:00").replace(
        "to: 2026-11-12T00:00:00+08:00", "to: 2026-11-13T00:00:00+08:00"
    )
    return contract("cdn-annex", more, text)


def opening(rows: list[Any], more: str = DAYS) -> CriterionShown:
    agreed = opened(more)
    (made,) = opening_shown(agreed, period_of(agreed.profile.period, "span"), rows)
    return made


def test_wrong_before_the_deadline_and_after_it_is_late_and_leads_to_rows() -> None:
    made = opening([look(0), *(look(60 * hour, **WRONG) for hour in (20, 23, 25)), look(60 * 26)])
    assert (made.word, made.value, made.rows) == (Word.BREACH_SHOWN, "1", ("acme/1501",))
    assert made.bound == "3 d: 2026-11-12T00:00:00+08:00"


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([look(60 * hour) for hour in (20, 23, 25)], "checks_not_named"),
        ([look(60 * 20, **WRONG), look(60 * 23), look(60 * 25, **WRONG)], "checks_not_named"),
        ([look(60 * 25, **WRONG)], "bounds"),
        ([look(60 * 20)], "no_rows"),
        ([look(60 * hour, **{**WRONG, "confirmed": False}) for hour in (20, 25)], "checks_not_named"),
        ([look(60 * hour, **{**WRONG, "fault": Fault.ORIGIN}) for hour in (20, 25)], "checks_not_named"),
    ],
    ids=[
        "right",
        "right at the deadline",
        "nobody looked before",
        "nor after",
        "unconfirmed",
        "the origin's",
    ],
)
def test_what_was_not_wrong_throughout_the_deadline_is_not_decided(rows: list[Any], why: str) -> None:
    made = opening(rows)
    assert (made.word, made.why) == (Word.NOT_DECIDED, (why,))


def test_working_days_are_those_of_the_agreement() -> None:
    begin = instant_us("2026-11-06T09:00:00+08:00")
    days = ("2026-11-06", "2026-11-09", "2026-11-11", "2026-11-10", "2026-11-12")
    assert deadline_us(begin, 3, days, "Asia/Shanghai") == instant_us("2026-11-12T00:00:00+08:00")
    assert deadline_us(begin, 3, days[:3], "Asia/Shanghai") is None
    # A day of 25 hours in between changes nothing: days are the calendar's.
    autumn = instant_us("2026-10-23T09:00:00+02:00")
    assert deadline_us(autumn, 1, ("2026-10-25",), "Europe/Berlin") == instant_us("2026-10-26T00:00:00+01:00")


def test_a_deadline_is_told_in_the_period_that_it_lies_in_alone() -> None:
    agreed = opened('working_days: ["2026-11-16", "2026-11-17", "2026-11-18"]')
    period = period_of(agreed.profile.period, "span")
    assert opening_shown(agreed, period, [look(60 * 25, **WRONG)]) == ()
    assert rows_wanted(agreed, period) is None
    few = opened('working_days: ["2026-11-16"]')
    long_ago = period_of(few.profile.period, "span")
    assert opening_shown(few, long_ago, []) == (), "it began in an earlier period, which says so"


# --- surge --------------------------------------------------------------------------------------------

SURGE = "surges: [{from: 2026-11-11T10:00:00+08:00, to: 2026-11-11T12:00:00+08:00, bandwidth: 40%, source: letter}]"
GROUP = ("CN-BJ", "China Telecom")


def surge(now_us: int, usual_us: int, more: str = SURGE, samples: int = 100) -> CriterionShown:
    agreed = contract("cdn-annex", more)
    asked: list[Span] = []

    def times_in(span: Span) -> Mapping[tuple[str | None, ...], dict[int, int]]:
        asked.append(span)
        inside = span.from_us >= BEGIN
        return {GROUP: {bucket_of(now_us if inside else usual_us): samples if inside else 10}}

    (made,) = surges_shown(agreed, period_of(agreed.profile.period, "span"), times_in)
    assert len(asked) == 29
    assert {(asked[-1].from_us - span.from_us) % DAY_US for span in asked} == {0}, "the same hours"
    return made


def test_times_under_a_surge_are_held_against_the_same_hours_before() -> None:
    assert surge(140_000, 100_000).word is Word.KEPT_SHOWN
    assert surge(200_000, 100_000).word is Word.BREACH_SHOWN
    assert (surge(153_000, 100_000).word, surge(153_000, 100_000).why) == (Word.NOT_DECIDED, ("bounds",))
    assert surge(200_000, 100_000, samples=58).why == ("few_samples",)
    assert surge(200_000, 100_000).bound == "p50 <= 150 %"


def test_nothing_is_promised_of_a_larger_surge() -> None:
    made = surge(900_000, 100_000, SURGE.replace("40%", "51%"))
    assert (made.word, made.why) == (Word.NOT_DECIDED, ("beyond_what_is_promised",))
    assert surge(900_000, 100_000, SURGE.replace("40%", "50%")).word is Word.BREACH_SHOWN


# --- fault time, added up -----------------------------------------------------------------------------


def year(most: str, rows: list[Any], within: str = "12h", known: Known = KNOWN) -> CriterionShown:
    agreed = contract(
        "leased-line", "", TEXT.replace("overrides: {{", f"overrides: {{{{objective: {{{{at_least: 99.9%}}}}, "
        f"cumulated_fault_time: {{{{within: {within}, at_most: {most}}}}}, "
        "bandwidth: {{agreed: 1Gbps, deviation: 5%}}, "
        "deadlines: {{first_notice: {{within: 30m}}, repair: {{within: 4h}}}}, ")
    )  # fmt: skip
    period: Named = period_of(agreed.profile.period, "span")
    span = span_of(agreed, period)
    assert span is not None
    assert span.to_us == period.span.to_us
    (made,) = cumulated_shown(agreed, period, rows, known, excluded_by(agreed, "www.acme.example"))
    return made


def test_fault_time_is_added_up_over_the_time_that_is_agreed() -> None:
    """Twelve hours, a look a minute; ten looks in a row see it down, and later five: 9 + 4 minutes at least."""
    down = {*range(820, 830), *range(1120, 1125)}
    rows = [look(minute, **(SILENT if minute in down else {})) for minute in range(720, 1441)]
    made = year("10m", rows)
    assert (made.word, made.value) == (Word.BREACH_SHOWN, "13m - 17m")
    assert year("20m", rows).word is Word.KEPT_SHOWN
    assert (year("15m", rows).word, year("15m", rows).why) == (Word.NOT_DECIDED, ("bounds",))


def test_what_was_before_the_first_row_may_have_been_a_fault() -> None:
    rows = [look(minute) for minute in range(900, 1441)]
    assert year("20m", rows).why == ("bounds",)
    assert year("20m", rows, within="9h").word is Word.KEPT_SHOWN


def test_it_is_not_kept_before_it_is_over() -> None:
    rows = [look(minute) for minute in range(720, 1441)]
    early = Known(complete_up_to_us=BEGIN + 1_000 * 60 * US)
    assert year("20m", rows, known=early).why == ("not_final",)
