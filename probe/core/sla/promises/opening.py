"""Initial settings, to be right within so many working days, which both sides list in the agreement.

Wrong in time is what was seen wrong before the deadline and after it, and never well in between. Rows name a check only
where it found something, so that all of them were right is never shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from probe.core.incidents.looks import Sight
from probe.core.records.rows import State
from probe.core.records.verdict import Fault, Outcome
from probe.core.sla.contract.load import Agreed
from probe.core.sla.episodes import Look, episodes
from probe.core.sla.facts.row import SlotLook
from probe.core.sla.figures import Word
from probe.core.sla.periods import US, Span, instant_us
from probe.core.sla.report.shown import instant
from probe.core.sla.report.subject import MOST_ROWS, Named
from probe.core.sla.report.values import CriterionShown

NAME = "opening"


def opening_shown(agreed: Agreed, period: Named, rows: Sequence[SlotLook]) -> tuple[CriterionShown, ...]:
    """Of the period that the deadline lies in. `rows`: in order of due time, from a day before the period on."""
    terms = agreed.profile.deadlines.opening
    if terms is None:
        return ()
    begin_us = instant_us(agreed.agreement.service.from_)
    part, bound = ", ".join(terms.checks), f"{terms.within_working_days} d"
    zone = period.time_zone
    end_us = deadline_us(begin_us, terms.within_working_days, agreed.agreement.working_days, zone)
    if end_us is None:
        if not period.span.holds(begin_us):
            return ()
        return (
            CriterionShown(
                name=NAME, part=part, value="", bound=bound, samples=0, word=Word.NOT_DECIDED,
                why=("working_days_not_listed",),
            ),
        )  # fmt: skip
    if not period.span.holds(end_us):
        return ()
    wrong, wrong_before, after = [], False, 0
    tasks: dict[str, list[SlotLook]] = {}
    for row in rows:
        tasks.setdefault(row.task, []).append(row)
    for of in tasks.values():
        after += sum(row.scheduled_us >= end_us and row.state is State.MEASURED for row in of)
        for one in episodes([_look(row, terms.checks) for row in of]):
            if one.last_us >= end_us and one.first_us < end_us:
                wrong += [look.key for look in one.looks if look.at_us >= end_us]
            wrong_before |= one.well_before_us is None and one.last_us >= end_us
    word = Word.NOT_DECIDED
    why: tuple[str, ...] = ("checks_not_named",)
    if wrong:
        word, why = Word.BREACH_SHOWN, ()
    elif wrong_before:
        why = ("bounds",)
    elif not after:
        why = ("no_rows",)
    return (
        CriterionShown(
            name=NAME,
            part=part,
            value=str(len(wrong)),
            bound=f"{bound}: {instant(end_us, zone)}",
            samples=after,
            word=word,
            why=why,
            rows=tuple(wrong[:MOST_ROWS]),
        ),
    )


def deadline_us(begin_us: int, days: int, working: Sequence[str], time_zone: str) -> int | None:
    """The end of the last of so many working days, the first being the next one after the begin; None: not listed."""
    zone = ZoneInfo(time_zone)
    begin = datetime.fromtimestamp(begin_us // US, zone).date()
    later = sorted({day for text in working if (day := date.fromisoformat(text)) > begin})
    if len(later) < days:
        return None
    next_day = later[days - 1] + timedelta(days=1)
    return int(datetime(next_day.year, next_day.month, next_day.day, tzinfo=zone).timestamp()) * US


def _look(row: SlotLook, checks: Sequence[str]) -> Look:
    known = row.state is State.MEASURED and row.outcome not in (None, Outcome.INCONCLUSIVE)
    is_one = (row.reason or "").partition(".")[0] in checks
    trouble = known and row.outcome is Outcome.FAILED and row.fault is Fault.CDN and is_one and row.confirmed
    well = known and row.outcome is not Outcome.FAILED
    sight = Sight.TROUBLE if trouble else Sight.WELL if well else Sight.UNKNOWN
    return Look(at_us=row.scheduled_us, sight=sight, confirmed=row.confirmed, key=row.key)


def rows_wanted(agreed: Agreed, period: Named) -> Span | None:
    """The time that is looked at: around the deadline; None: nothing is promised, or not in this period."""
    terms = agreed.profile.deadlines.opening
    if terms is None:
        return None
    days, working = terms.within_working_days, agreed.agreement.working_days
    end_us = deadline_us(instant_us(agreed.agreement.service.from_), days, working, period.time_zone)
    if end_us is None or not period.span.holds(end_us):
        return None
    return Span(end_us - 86_400 * US, end_us + 86_400 * US)
