"""Fault time added up over a time that may be longer than a period, and that ends with it.

What is not known of it, and what lies before the first row, is possible: it is kept only where rows reach back so far.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from probe.core.sla.contract.load import Agreed
from probe.core.sla.contract.rules import service_span
from probe.core.sla.exclusions import Exclusions
from probe.core.sla.facts.row import SlotLook
from probe.core.sla.figures import Word
from probe.core.sla.periods import Span
from probe.core.sla.report.by_spans import down_in
from probe.core.sla.report.shown import duration, duration_up
from probe.core.sla.report.subject import Known, Named
from probe.core.sla.report.values import CriterionShown


def span_of(agreed: Agreed, period: Named) -> Span | None:
    """The time over which it is added up, as far as the service ran; None: nothing of the kind is promised."""
    within = agreed.profile.cumulated_fault_time.get("within")
    if not isinstance(within, int):
        return None
    return Span(period.span.to_us - within, period.span.to_us).cut(service_span(agreed))


def cumulated_shown(
    agreed: Agreed, period: Named, rows: Sequence[SlotLook], known: Known, excluded: Exclusions
) -> tuple[CriterionShown, ...]:
    """One line. `rows`: those of `span_of`, in order of due time. Raises NotComputableError."""
    span, most = span_of(agreed, period), agreed.profile.cumulated_fault_time.get("at_most")
    if span is None or not isinstance(most, int):
        return ()
    down = down_in(agreed, rows, span, excluded)
    word = down.word(Fraction(most))
    why: tuple[str, ...] = ("bounds",) if word is Word.NOT_DECIDED else ()
    if word is Word.KEPT_SHOWN and (known.complete_up_to_us is None or known.complete_up_to_us < span.to_us):
        word, why = Word.NOT_DECIDED, ("not_final",)
    if word is Word.KEPT_SHOWN and known.lost_in(span):
        word, why = Word.NOT_DECIDED, ("rows_lost",)
    return (
        CriterionShown(
            name="cumulated_fault_time",
            part="",
            value=f"{duration(down.shown_us)} - {duration_up(down.possible_us)}",
            bound=f"<= {duration(most)} / {duration(span.length_us)}",
            samples=len(rows),
            word=word,
            why=why,
        ),
    )
