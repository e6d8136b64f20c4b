"""What counts only if it was reported: from the begin of the whole trouble, however the period or exclusions cut it."""

from __future__ import annotations

from probe.core.records.verdict import Outcome
from probe.core.sla.figures import Word
from probe.core.sla.periods import instant_us
from probe.core.sla.report.deadlines_shown import deadlines_shown
from probe.core.sla.report.subject import Known, period_of
from tests.core.sla.report.test_by_spans import MINUTE_US, contract, day, look, outage, said

COMPLETE = Known(complete_up_to_us=instant_us("2026-11-20T00:00:00+08:00"))


def incidents(*told: str) -> str:
    return f"incidents: [{', '.join('{' + one + ', source: t}' for one in told)}]"


def test_trouble_that_began_before_the_period_was_reported_then() -> None:
    """Silent from 23:00 on the day before to 02:00, reported at 23:10: the two hours of this day count."""
    before = [look(minute, **outage(-60, -1).get(minute, {})) for minute in range(-180, 0)]
    rows = before + day(outage(0, 120))
    in_time = contract(
        "cdn-annex", incidents("from: 2026-11-10T23:00:00+08:00, reported_at: 2026-11-10T23:10:00+08:00")
    )
    found = said(in_time, rows)
    assert (found.word, found.unreported) == (Word.BREACH_SHOWN, ())
    late = contract(
        "cdn-annex", incidents("from: 2026-11-10T23:00:00+08:00, reported_at: 2026-11-11T23:30:00+08:00")
    )
    found = said(late, rows)
    assert found.word is Word.NOT_DECIDED, "24.5 hours after it began, though 23.5 after the day did"
    assert found.unreported == (("2026-11-11T00:00:00+08:00", "2026-11-11T02:00:00+08:00"),)


def test_what_an_exclusion_cuts_in_two_was_reported_once() -> None:
    """10:00 to 16:00, of it 11:00 to 15:00 left out, reported at 10:05: the hour after it counts as the one before."""
    cut = (
        "exclusions: [{from: 2026-11-11T11:00:00+08:00, to: 2026-11-11T15:00:00+08:00, reason: attack,"
        " declared_at: 2026-11-12T00:00:00+08:00, source: letter}]\n"
    )
    told = incidents("from: 2026-11-11T10:00:00+08:00, reported_at: 2026-11-11T10:05:00+08:00")
    found = said(contract("cdn-annex", cut + told), day(outage(600, 960)))
    assert (found.word, found.unreported) == (Word.BREACH_SHOWN, ())
    assert found.down[0].shown_us == 2 * 60 * MINUTE_US


def test_a_customer_may_see_it_before_our_next_look_does() -> None:
    """Well at 09:59, first failing at 10:00; reported at 09:59:30, as beginning at 09:59:20."""
    told = incidents("from: 2026-11-11T09:59:20+08:00, reported_at: 2026-11-11T09:59:30+08:00")
    assert said(contract("cdn-annex", told), day(outage(600, 660))).word is Word.BREACH_SHOWN
    earlier = told.replace("09:59:20", "09:58:00").replace("09:59:30", "09:58:30")
    assert said(contract("cdn-annex", earlier), day(outage(600, 660))).word is Word.NOT_DECIDED, (
        "of something before 09:59, when all was well"
    )


def test_an_incident_with_an_end_covers_all_trouble_until_then() -> None:
    """Reported at 10:05 as going on until 13:00: trouble from 12:00 to 13:00 is of it, well though it was at 11:00."""
    rows = day({**outage(600, 650), **outage(720, 780)})
    told = "from: 2026-11-11T10:00:00+08:00, reported_at: 2026-11-11T10:05:00+08:00"
    whole = incidents(told + ", to: 2026-11-11T13:00:00+08:00")
    assert said(contract("cdn-annex", whole), rows).unreported == ()
    open_ended = said(contract("cdn-annex", incidents(told)), rows)
    assert open_ended.unreported == (("2026-11-11T12:00:00+08:00", "2026-11-11T13:00:00+08:00"),)
    assert open_ended.word is Word.BREACH_SHOWN, "the 50 minutes that were reported"


def test_two_reports_of_which_the_first_is_of_other_trouble() -> None:
    told = incidents(
        "from: 2026-11-11T01:00:00+08:00, to: 2026-11-11T02:00:00+08:00, reported_at: 2026-11-11T01:05:00+08:00",
        "from: 2026-11-11T10:00:00+08:00, reported_at: 2026-11-12T10:00:01+08:00",
    )
    found = said(contract("cdn-annex", told), day(outage(600, 660)))
    assert (found.word, len(found.unreported)) == (Word.NOT_DECIDED, 1)


def test_who_answers_before_he_is_asked_answers_in_time() -> None:
    """The provider saw it at 10:02 and said so; the customer's report came at 10:12. Nothing is missing."""
    told = incidents(
        "from: 2026-11-11T10:00:00+08:00, reported_at: 2026-11-11T10:12:00+08:00,"
        " responded_at: 2026-11-11T10:02:00+08:00"
    )
    annex = contract("cdn-annex", told)
    period = period_of(annex.profile.period, "span")
    assert [(one.name, one.word) for one in deadlines_shown(annex, period, (), COMPLETE)] == [
        ("response", "in_time")
    ]


def test_what_is_well_in_between_is_two_pieces_of_trouble() -> None:
    rows = day({**outage(600, 660), 630: {"outcome": Outcome.OK}})
    told = incidents("from: 2026-11-11T10:00:00+08:00, reported_at: 2026-11-11T10:01:00+08:00")
    assert said(contract("cdn-annex", told), rows).unreported == (
        ("2026-11-11T10:31:00+08:00", "2026-11-11T11:00:00+08:00"),
    )
