"""A contract that counts time down by spans: interruptions and faults, or all nodes silent; what is owed for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from probe.core.incidents.looks import Sight
from probe.core.records.rows import State
from probe.core.records.verdict import Fault, Outcome
from probe.core.sla.contract.load import Agreed
from probe.core.sla.contract.rules import NotComputableError, credit_rule
from probe.core.sla.contract.terms import Condition, Scope
from probe.core.sla.credits import begun, credit, exact_money, money
from probe.core.sla.exclusions import Exclusions
from probe.core.sla.facts.row import SlotLook
from probe.core.sla.figures import Word
from probe.core.sla.periods import Span
from probe.core.sla.report.deadlines_shown import counted_of
from probe.core.sla.report.looking import interval_us, not_counted, sight_of, tracks
from probe.core.sla.report.shown import duration, instant, share
from probe.core.sla.report.subject import Known, Named, exclusions_shown, last_word, service_in
from probe.core.sla.report.values import CreditShown, Subject, TimeDownShown, Words
from probe.core.sla.spans import SpanRule, TimeDown, of_any, time_down

MOST_SPANS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    name: str
    conditions: tuple[Condition, ...]
    counts: bool


STALE = _Kind(name="overlong_caching", conditions=(), counts=False)


def subject_by_spans(
    agreed: Agreed, domain: str, period: Named, rows: Sequence[SlotLook], known: Known, excluded: Exclusions
) -> Subject:
    """All that is said of one domain in one period. Raises NotComputableError."""
    service = service_in(agreed, period.span)
    within = service or Span(period.span.from_us, period.span.from_us)
    gap = _gap_us(agreed, rows)
    kinds = [(kind, _down(agreed, kind, rows, within, excluded, gap)) for kind in _kinds(agreed)]
    down = of_any(part for kind, part in kinds if kind.counts)
    apart = [(STALE, part) for part in _overlong(agreed, rows, within, excluded, gap)]
    reported, unreported = counted_of(agreed, down, known, rows, _whole(agreed, kinds, rows, gap))
    allowed_us = _allowed_us(agreed, within)
    inside = [row for row in rows if within.holds(row.scheduled_us)]
    final = known.complete_up_to_us is not None and known.complete_up_to_us >= period.span.to_us
    lost = known.lost_in(period.span)
    why = _not_judged(agreed, service == period.span, inside)
    word = reported.word(allowed_us)
    reasons: tuple[str, ...] = ()
    if word is Word.NOT_DECIDED:
        reasons = ("bounds",)
    if word is not Word.BREACH_SHOWN and unreported:
        reasons = (*reasons, "unreported")
    word, reasons = last_word(word, reasons, final=final, lost=lost, rows=bool(inside))
    zone = period.time_zone
    return Subject(
        customer=agreed.agreement.customer,
        domain=domain,
        period=period.shown,
        word=Word.NOT_DECIDED if why else word,
        why=tuple(why) or reasons,
        judged=not why,
        final=final,
        complete_up_to=known.shown_until(zone),
        objective=_objective(agreed),
        down=tuple(_shown(kind.name, part, kind.counts, zone) for kind, part in (*kinds, *apart)),
        allowed_us=allowed_us.numerator // allowed_us.denominator,
        together_us=(reported.shown_us, reported.possible_us),
        unreported=tuple((instant(span.from_us, zone), instant(span.to_us, zone)) for span in unreported),
        exclusions=exclusions_shown(agreed, excluded, period),
        credit=None if why else _credit(agreed, reported),
        lost=lost,
    )


def down_in(agreed: Agreed, rows: Sequence[SlotLook], within: Span, excluded: Exclusions) -> TimeDown:
    """Time down within a span, of all kinds that count together. Raises NotComputableError."""
    gap = _gap_us(agreed, rows)
    return of_any(_down(agreed, kind, rows, within, excluded, gap) for kind in _kinds(agreed) if kind.counts)


def _kinds(agreed: Agreed) -> list[_Kind]:
    """The incidents that the contract names; or being disconnected, which is one condition."""
    profile = agreed.profile
    if profile.incidents:
        return [
            _Kind(name=one.name, conditions=one.any_, counts=one.counts_as_unavailable)
            for one in profile.incidents
        ]
    if profile.down is None:
        raise NotComputableError(
            f"{profile.profile}: neither incidents nor down, and nothing is counted by spans"
        )
    down = Condition(
        all_nodes="unanswered",
        needs="all_known_nodes_asked",
        outcome="failed",
        fault=profile.down.fault,
        over="0s",
        strict=False,
        scope="all_vantage_points",
    )
    return [_Kind(name="down", conditions=(down,), counts=True)]


def _gap_us(agreed: Agreed, rows: Sequence[SlotLook]) -> int | None:
    """`2 intervals`: a longer silence ends a span as unknown."""
    terms = agreed.profile.duration
    if terms is None or terms.at_most_gap is None:
        return None
    count, _, unit = terms.at_most_gap.partition(" ")
    if unit not in ("interval", "intervals") or not count.isdecimal():
        raise NotComputableError(f"duration.at_most_gap: {terms.at_most_gap!r} is no number of intervals")
    interval = interval_us(rows)
    return None if interval is None else int(count) * interval


def _down(
    agreed: Agreed,
    kind: _Kind,
    rows: Sequence[SlotLook],
    within: Span,
    excluded: Exclusions,
    gap_us: int | None,
) -> TimeDown:
    parts = [_of_condition(agreed, one, rows, within, excluded, gap_us) for one in kind.conditions]
    return of_any(parts)


def _of_condition(
    agreed: Agreed,
    condition: Condition,
    rows: Sequence[SlotLook],
    within: Span,
    excluded: Exclusions,
    gap_us: int | None,
) -> TimeDown:
    others = not_counted(agreed)
    rule = SpanRule(over_us=condition.over, strict=condition.strict, gap_us=gap_us)

    def of(some: Iterable[SlotLook], by: Sequence[str] = ("vantage_point",)) -> TimeDown:
        found = tracks(some, lambda row: sight_of(row, condition, others), by)
        return time_down({"/".join(key): looks for key, looks in found.items()}, rule, within, excluded.spans)

    if isinstance(condition.scope, Scope):
        groups: dict[tuple[str, ...], list[SlotLook]] = {}
        for row in rows:
            groups.setdefault(tuple(str(getattr(row, name)) for name in condition.scope.by), []).append(row)
        return of_any(of(some) for _, some in sorted(groups.items())) if groups else of(rows)
    if condition.reason:  # of one object at a time: what is well of another one says nothing of it
        tasks: dict[str, list[SlotLook]] = {}
        for row in rows:
            tasks.setdefault(row.task, []).append(row)
        return of_any(of(some, ("task",)) for _, some in sorted(tasks.items())) if tasks else of(rows)
    return of(rows)


def _overlong(
    agreed: Agreed, rows: Sequence[SlotLook], within: Span, excluded: Exclusions, gap_us: int | None
) -> Iterator[TimeDown]:
    """Time in which nodes served an outdated version, at some vantage point of some object; told apart, never down."""
    if not any(one.outcome is Outcome.STALE for one in agreed.profile.not_unavailable):
        return

    def sight(row: SlotLook) -> Sight:
        if row.outcome is Outcome.STALE and row.fault is Fault.CDN:
            return Sight.TROUBLE
        return Sight.WELL if sight_of(row, None, frozenset()) is Sight.WELL else Sight.UNKNOWN

    rule = SpanRule(gap_us=gap_us)
    found = tracks(rows, sight, ("vantage_point", "task"))
    yield of_any(time_down({"": looks}, rule, within, excluded.spans) for looks in found.values())


def _whole(
    agreed: Agreed, kinds: Sequence[tuple[_Kind, TimeDown]], rows: Sequence[SlotLook], gap_us: int | None
) -> TimeDown | None:
    """Time down as whole pieces of trouble: neither cut at the period's ends, nor by what is excluded of them.

    None where the contract does not ask when trouble began.
    """
    if agreed.profile.exclusions.unreported is None or not rows:
        return None
    everything = Span(rows[0].scheduled_us, rows[-1].scheduled_us + 1)
    counting = [kind for kind, _ in kinds if kind.counts]
    return of_any(_down(agreed, kind, rows, everything, Exclusions(), gap_us) for kind in counting)


def _allowed_us(agreed: Agreed, within: Span) -> Fraction:
    objective = agreed.profile.objective
    if objective is None:
        raise NotComputableError(f"{agreed.profile.profile}: no objective, and nothing is promised")
    if objective.allowance is not None:
        if objective.fixed or objective.of is None:
            return Fraction(objective.allowance)
        return Fraction(objective.allowance * within.length_us, objective.of)
    assert isinstance(objective.at_least, Fraction), "what is still to be agreed was refused"
    return within.length_us * (1 - objective.at_least)


def _objective(agreed: Agreed) -> str | None:
    objective = agreed.profile.objective
    if objective is None:
        return None
    if objective.allowance is not None:
        return duration(objective.allowance)
    return share(objective.at_least) if isinstance(objective.at_least, Fraction) else None


def _not_judged(agreed: Agreed, whole: bool, inside: Sequence[SlotLook]) -> list[str]:
    why = []
    if not whole and agreed.profile.period.partial == "not_judged":
        why.append("partial_period")
    coverage = agreed.profile.coverage
    measured = sum(row.state is State.MEASURED for row in inside)
    if coverage is not None and measured < len(inside) * coverage.at_least:
        why.append("coverage")
    return why


def _shown(name: str, part: TimeDown, counts: bool, zone: str) -> TimeDownShown:
    def spans(of: tuple[Span, ...]) -> tuple[tuple[str, str], ...]:
        return tuple((instant(s.from_us, zone), instant(s.to_us, zone)) for s in of[:MOST_SPANS])

    return TimeDownShown(
        kind=name,
        shown_us=part.shown_us,
        possible_us=part.possible_us,
        spans=spans(part.shown),
        possible=spans(part.possible),
        counts=counts,
    )


def _credit(agreed: Agreed, down: TimeDown) -> CreditShown | None:
    rule, fee = credit_rule(agreed), agreed.agreement.fee
    if rule is None or fee is None:
        return None
    hours = begun(down.shown_us - rule.over_us, rule.unit_us)
    allowed, part = duration(rule.over_us), share(rule.share)
    return CreditShown(
        currency=fee.currency,
        shown=money(credit(down.shown_us, fee.amount, rule)),
        possible=money(credit(down.possible_us, fee.amount, rule)),
        how=Words(
            en=f"{hours} begun hours beyond {allowed}, {part} of {exact_money(fee.amount)} each",
            zh=f"超出 {allowed} 的 {hours} 小时(不足一小时按一小时), 每小时 {exact_money(fee.amount)} 的 {part}",
        ),
    )
