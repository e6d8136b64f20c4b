"""Deadlines of a contract, from what was declared and from what was seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from probe.core.sla.contract.load import Agreed
from probe.core.sla.contract.terms import Deadline
from probe.core.sla.deadlines import in_time
from probe.core.sla.periods import instant_us
from probe.core.sla.report.subject import Known, Named
from probe.core.sla.report.values import DeadlineShown, IncidentShown


def deadlines_shown(
    agreed: Agreed, period: Named, seen: Sequence[IncidentShown], known: Known
) -> tuple[DeadlineShown, ...]:
    """Each deadline of each incident, declared or seen, and of each complaint, that begins in the period."""
    made = [*_declared(agreed, known), *_seen(agreed, seen, known)]
    return tuple(one for one in made if period.span.holds(instant_us(one.begin)))


def _declared(agreed: Agreed, known: Known) -> Iterator[DeadlineShown]:
    deadlines = agreed.profile.deadlines
    for one in agreed.agreement.incidents:
        if deadlines.response is not None and one.reported_at is not None:
            yield from _of(
                "response", deadlines.response, one.reported_at, one.responded_at, one.source, known
            )
        if deadlines.first_notice is not None:
            yield from _of(
                "first_notice", deadlines.first_notice, one.from_, one.responded_at, one.source, known
            )
    for complaint in agreed.agreement.complaints:
        if deadlines.complaint_report is not None:
            terms, begin = deadlines.complaint_report, complaint.complaint_at
            yield from _of("complaint_report", terms, begin, complaint.reported_at, complaint.source, known)


def _seen(agreed: Agreed, seen: Sequence[IncidentShown], known: Known) -> Iterator[DeadlineShown]:
    """Repair is what the rows show: of incidents of the CDN, until it was seen well again."""
    repair = agreed.profile.deadlines.repair
    if repair is None:
        return
    for one in seen:
        if one.faults and one.faults[0][0] == "cdn":
            yield from _of("repair", repair, one.first_failing, one.over_by, ", ".join(one.rows[:1]), known)


def _of(
    name: str, terms: Deadline, begin: str, declared: str | None, source: str, known: Known
) -> Iterator[DeadlineShown]:
    if isinstance(terms.within, str):
        return
    told = None if declared is None else instant_us(declared)
    word = in_time(instant_us(begin), [told], terms.within, known.complete_up_to_us)
    yield DeadlineShown(
        name=name, begin=begin, declared=declared, within_us=terms.within, word=word, source=source
    )
