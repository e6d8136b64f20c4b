"""Deadlines: of what was declared, of what the rows show, and of reports, without which time down does not count.

A period's end or an exclusion may cut trouble in two; it began once, and was reported once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from probe.core.model.value import replace
from probe.core.records.verdict import Outcome
from probe.core.sla.contract.agreement import DeclaredIncident
from probe.core.sla.contract.load import Agreed
from probe.core.sla.contract.terms import Deadline
from probe.core.sla.deadlines import Kept, in_time
from probe.core.sla.facts.row import SlotLook
from probe.core.sla.periods import Span, instant_us
from probe.core.sla.report.subject import Known, Named
from probe.core.sla.report.values import DeadlineShown, IncidentShown
from probe.core.sla.spans import TimeDown


def deadlines_shown(
    agreed: Agreed, period: Named, seen: Sequence[IncidentShown], known: Known
) -> tuple[DeadlineShown, ...]:
    """Each deadline of each incident, declared or seen, and of each complaint, that begins in the period."""
    made = [*_declared(agreed, known), *_seen(agreed, seen, known)]
    return tuple(one for one in made if period.span.holds(instant_us(one.begin)))


def _declared(agreed: Agreed, known: Known) -> Iterator[DeadlineShown]:
    deadlines = agreed.profile.deadlines
    for one in agreed.agreement.incidents:
        if deadlines.response is not None:
            begin = one.from_ if deadlines.response.from_ == "incident_begin" else one.reported_at
            if begin is not None:
                yield from _of("response", deadlines.response, begin, one.responded_at, one.source, known)
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
    begin_us = instant_us(begin)
    # Both stand in one declaration: who answered before he was asked, answered in time.
    told = None if declared is None else max(begin_us, instant_us(declared))
    word = in_time(begin_us, [told], terms.within, known.complete_up_to_us)
    yield DeadlineShown(
        name=name, begin=begin, declared=declared, within_us=terms.within, word=word, source=source
    )


# --- reports, without which time down does not count ---------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trouble:
    """One piece. `well_us`: it began after this instant: all was well then, or the trouble before went on."""

    span: Span
    well_us: int


def counted_of(
    agreed: Agreed, down: TimeDown, known: Known, rows: Sequence[SlotLook], whole: TimeDown | None
) -> tuple[TimeDown, tuple[Span, ...]]:
    """(what counts of what is shown, which spans do not, since nobody reported them in time).

    `whole`: the same trouble, neither cut at the period's ends nor by exclusions; None: no report is asked for.
    """
    terms = agreed.profile.exclusions.unreported
    if terms is None or whole is None:
        return down, ()

    def counts(part: Span) -> bool:
        one = _trouble_of(part, whole)
        times = list(_reports(agreed, one)) if "reported_at" in terms.witness else []
        if "first_pull" in terms.witness:
            times += _first_pull(one.span, rows, known)
        # A report that came before our first failing look came in time: the trouble was there, and we had not looked.
        times = [max(at_us, one.span.from_us) for at_us in times]
        word = in_time(one.span.from_us, times, terms.after - (not terms.strict), known.complete_up_to_us)
        return word in (Kept.IN_TIME, Kept.OPEN)

    kept = tuple(span for span in down.shown if counts(span))
    return replace(down, shown=kept), tuple(span for span in down.shown if span not in kept)


def _trouble_of(part: Span, whole: TimeDown) -> _Trouble:
    span = next((one for one in whole.shown if part.within(one)), part)
    bound = next((one for one in whole.possible if span.within(one)), span)
    before_us = max((one.to_us + 1 for one in whole.shown if one.to_us < span.from_us), default=bound.from_us)
    return _Trouble(span=span, well_us=max(bound.from_us, before_us))


def _reports(agreed: Agreed, one: _Trouble) -> Iterator[int]:
    """When declared incidents that touch the trouble were reported."""
    for told in agreed.agreement.incidents:
        if told.reported_at is not None and _touches(told, one):
            yield instant_us(told.reported_at)


def _touches(told: DeclaredIncident, one: _Trouble) -> bool:
    """Of an incident without an end the report tells: what was reported before all was well is not this trouble."""
    if instant_us(told.from_) > one.span.to_us:
        return False
    if told.to is not None:
        return instant_us(told.to) >= one.span.from_us
    return told.reported_at is not None and instant_us(told.reported_at) >= one.well_us


def _first_pull(span: Span, rows: Sequence[SlotLook], known: Known) -> list[int]:
    """When a reader first had a row that shows the span."""
    if not known.pulls:
        return []
    shown = [row for row in rows if span.from_us <= row.scheduled_us <= span.to_us]
    failed = [row for row in shown if row.outcome is Outcome.FAILED]
    times = [known.pulled_us(row.agent, row.seq) for row in failed]
    return [at_us for at_us in times if at_us is not None]
