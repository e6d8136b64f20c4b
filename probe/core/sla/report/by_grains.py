"""A contract that counts by grains: its figures, what shows them, how much the samples can show, and the word."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import isqrt

from probe.core.sla.binomial import least_errors, rate_at_most, samples_to_resolve
from probe.core.sla.contract.load import Agreed
from probe.core.sla.contract.profile import Credit
from probe.core.sla.contract.rules import counting_rule, grain_rule, lost_rule
from probe.core.sla.credits import exact_money, money, rounded
from probe.core.sla.exclusions import Exclusions
from probe.core.sla.facts.row import FactRow
from probe.core.sla.facts.traffic import by_traffic
from probe.core.sla.figures import (
    Figures,
    GrainRule,
    Judged,
    Table,
    View,
    figures_in,
    figures_of_part,
    state_of,
)
from probe.core.sla.grains import CountingRule, FactClass, Grain, Part, Series, Sums, class_of
from probe.core.sla.periods import Span
from probe.core.sla.report.interval import interval
from probe.core.sla.report.shown import exact_percent, instant, percent, percent_up, share
from probe.core.sla.report.subject import (
    Known,
    Named,
    RowsIn,
    exclusions_shown,
    keys_of,
    last_word,
    service_in,
)
from probe.core.sla.report.values import (
    CreditShown,
    Figure,
    GrainsShown,
    Resolution,
    RunShown,
    Slice,
    Subject,
    TrafficShown,
    Words,
)
from probe.core.sla.runs import GrainState, Run, counted

DOUBT = Fraction(1, 20)
SHOWN_RUNS = (View.LITERAL, View.SHOWN)
RUNS_AT_ONCE = 200
MOST_ASKED = 10_000  # rows of runs that are counted; far fewer are named
Parts = Mapping[str, Mapping[str, Part]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Grains of one subject, some of them beside the period: the whole, by dimension and name, and of other protocols.

    `rows_in`: gives the facts in these spans that are errors, or say nothing, in order; at most `most_rows` of them.
    """

    whole: Mapping[int, Grain]
    parts: Parts = field(default_factory=dict)
    apart: Mapping[str, Part] = field(default_factory=dict)
    rows_in: RowsIn = lambda spans: ()
    most_rows: int = MOST_ASKED


def margin_us(agreed: Agreed) -> int:
    """How far beside a period grains are wanted: a run is judged by its whole length."""
    return grain_rule(agreed).at_least_us + 86_400_000_000


def bounds_of(agreed: Agreed, period: Named) -> tuple[int, int]:
    """The first grain of the period in service, and that behind the last one."""
    span = service_in(agreed, period.span) or Span(period.span.from_us, period.span.from_us)
    return _bounds(Judged(period=period.span, service=span), grain_rule(agreed))


def subject_by_grains(
    agreed: Agreed, domain: str, period: Named, counted_: Counted, known: Known, excluded: Exclusions
) -> Subject:
    """All that is said of one domain in one period. Raises NotComputableError."""
    rule = grain_rule(agreed)
    judged = Judged(
        period=period.span,
        service=service_in(agreed, period.span) or Span(period.span.from_us, period.span.from_us),
        excluded=excluded.spans,
        complete_up_to_us=known.complete_up_to_us,
    )
    whole = Series.of(counted_.whole)
    table = Table.of(whole, rule, judged)
    found = figures_in(table, judged)
    bounds = table.first, table.end
    inside = whole.within(*bounds)
    lost = known.lost_in(period.span)
    word, why = last_word(found.word, found.why, final=found.final, lost=lost, rows=bool(inside))
    return Subject(
        customer=agreed.agreement.customer,
        domain=domain,
        period=period.shown,
        word=word,
        why=why,
        judged=found.judged,
        final=found.final,
        complete_up_to=known.shown_until(period.time_zone),
        objective=share(rule.objective),
        grains=_grains_shown(found, inside, rule),
        figures=tuple(_figure(found, view, rule) for view in View),
        runs=tuple(_runs(found, counted_, rule, counting_rule(agreed), period, bounds)),
        resolution=_resolution(inside, found, rule),
        interval=interval(inside, rule.length_us, period.time_zone),
        slices=tuple(_slices(counted_.parts, rule, table)),
        apart=tuple(_slice("protocol", name, part, rule, table) for name, part in counted_.apart.items()),
        exclusions=exclusions_shown(agreed, excluded, period),
        traffic=_traffic(agreed, domain, counted_, known, bounds),
        credit=_credit(agreed, found) if found.judged else None,
        lost=lost,
        strip=tuple(_strip(table)),
    )


def _bounds(judged: Judged, rule: GrainRule) -> tuple[int, int]:
    service = judged.service or judged.period
    first = -(-service.from_us // rule.length_us)
    return first, max(first, service.to_us // rule.length_us)


def _grains_shown(found: Figures, inside: Series, rule: GrainRule) -> GrainsShown:
    return GrainsShown(
        length_us=rule.length_us,
        total=found.total,
        excluded=found.excluded,
        unknown=found.unknown,
        requests=found.requests,
        errors=found.errors,
        unknown_requests=found.unknown_requests,
        clock_unsure=Sums.of(inside).clock_unsure,
        due=found.due,
        measured=found.measured,
    )


def _figure(found: Figures, view: View, rule: GrainRule) -> Figure:
    of = found.views[view]
    return Figure(
        view=view,
        bad_grains=of.bad,
        unavailable_us=of.unavailable * rule.length_us,
        availability=f"{found.total - of.unavailable}/{found.total}",
        percent=percent(found.availability(view)),
        met=found.met(view),
    )


def _runs(
    found: Figures,
    counted_: Counted,
    rule: GrainRule,
    counting: CountingRule,
    period: Named,
    bounds: tuple[int, int],
) -> Iterator[RunShown]:
    of = _rows_of({run for view in SHOWN_RUNS for run in found.views[view].runs}, counted_, rule)
    for view in SHOWN_RUNS:
        for run in found.views[view].runs:
            rows, more, evidence = keys_of(
                fact for fact in of[run] if class_of(fact.fact, counting) is FactClass.ERROR
            )
            yield RunShown(
                view=view,
                begin=instant(run.first * rule.length_us, period.time_zone),
                end=instant((run.last + 1) * rule.length_us, period.time_zone),
                grains=run.grains,
                in_period_us=counted(run, *bounds) * rule.length_us,
                rows=rows,
                more_rows=more,
                evidence=evidence,
            )


def _rows_of(runs: Iterable[Run], counted_: Counted, rule: GrainRule) -> dict[Run, list[FactRow]]:
    """Of each run its rows, of many asked together: each question goes over all rows of the period."""
    made: dict[Run, list[FactRow]] = {}
    ordered = sorted(runs, key=lambda run: run.first)
    for at in range(0, len(ordered), RUNS_AT_ONCE):
        spans = {run: _span(run, rule) for run in ordered[at : at + RUNS_AT_ONCE]}
        rows = list(counted_.rows_in(list(spans.values())))
        whole = len(rows) < counted_.most_rows or len(spans) == 1
        times = [row.scheduled_us for row in rows]
        for run, span in spans.items():  # runs of two views lie over each other
            here = rows[bisect_left(times, span.from_us) : bisect_left(times, span.to_us)]
            made[run] = here if whole else list(counted_.rows_in([span]))
    return made


def _span(run: Run, rule: GrainRule) -> Span:
    return Span(run.first * rule.length_us, (run.last + 1) * rule.length_us)


def _resolution(inside: Series, found: Figures, rule: GrainRule) -> Resolution | None:
    middle = _median(inside)
    if middle is None or not 0 < rule.over < 1:
        return None
    return Resolution(
        per_grain=middle,
        no_error_shows=percent_up(rate_at_most(0, middle, DOUBT)),
        wanted=samples_to_resolve(rule.over, DOUBT),
        period_at_most=percent_up(_rate_bound(found.errors, found.requests)),
        least_errors=least_errors(middle, rule.over, rule.significance),
    )


def _median(inside: Series) -> int | None:
    """Requests of the grain in the middle, of those that have any; of two the greater."""
    sizes = Counter[int]()
    for one in inside.stretches:
        sizes[one.each.n] += one.grains
    del sizes[0]
    left = sum(sizes.values()) // 2
    for size in sorted(sizes):
        left -= sizes[size]
        if left < 0:
            return size
    return None


def _rate_bound(errors: int, n: int) -> Fraction:
    """Of very many errors the exact sum would be long: a bound that lies a little above it.

    1.7 standard deviations and three errors above the rate; the exact bound is 1.645 of them and about one error above.
    """
    if errors <= 5_000:
        return rate_at_most(errors, n, DOUBT)
    deviation = isqrt(errors * (n - errors) * n) + 1  # n times that of the number of errors
    return min(Fraction(1), Fraction(errors + 3, n) + Fraction(17 * deviation, 10 * n * n))


def _slices(parts: Parts, rule: GrainRule, table: Table) -> Iterator[Slice]:
    for dimension, named in parts.items():
        for name in sorted(named):
            yield _slice(dimension, name, named[name], rule, table)


def _slice(dimension: str, name: str, part: Part, rule: GrainRule, table: Table) -> Slice:
    """The others of its grains are good in every view: they add to the requests alone."""
    sums, literal, shown = figures_of_part(part, table)
    return Slice(
        dimension=dimension,
        name=name,
        requests=sums.n + part.rest.n,
        errors=sums.errors,
        unknown_requests=sums.unknown,
        bad_grains=literal.bad,
        unavailable_us=literal.unavailable * rule.length_us,
        shown_unavailable_us=shown.unavailable * rule.length_us,
    )


def _traffic(
    agreed: Agreed, domain: str, counted_: Counted, known: Known, bounds: tuple[int, int]
) -> TrafficShown | None:
    terms, file, node_down = lost_rule(agreed), agreed.agreement.traffic, agreed.profile.node_down
    if terms is None or file is None or node_down is None or known.traffic is None:
        return None
    rule, (told, digest) = grain_rule(agreed), known.traffic
    in_denominator = node_down.requests_in_denominator == "received_and_lost"
    nodes = {name: part.troubled for name, part in counted_.parts.get("address", {}).items()}
    found = by_traffic(told.get(domain, {}), nodes, rule, terms, bounds, lost_in_denominator=in_denominator)
    good = Fraction(found.total - found.unavailable, found.total) if found.total else Fraction(1)
    return TrafficShown(
        by=file.from_,
        digest=digest,
        requests=found.requests,
        errors=found.errors,
        lost=share(found.lost),
        unknown_grains=found.unknown,
        bad_grains=found.bad,
        unavailable_us=found.unavailable * rule.length_us,
        percent=percent(good),
        met=found.met(rule.objective),
    )


def _credit(agreed: Agreed, found: Figures) -> CreditShown | None:
    """By a table of availabilities: the step that the availability lies below."""
    credit, fee = agreed.profile.credit, agreed.agreement.fee
    if not isinstance(credit, Credit) or not isinstance(credit.table, tuple) or fee is None:
        return None
    steps, amount = credit.table, fee.amount

    def owed(view: View) -> Fraction:
        shares = [step.share for step in steps if found.availability(view) < step.below]
        return rounded(amount * max(shares, default=Fraction(0)))

    told = "; ".join(f"{exact_percent(step.below)}: {exact_percent(step.share)}" for step in steps)
    return CreditShown(
        currency=fee.currency,
        shown=money(owed(View.SHOWN)),
        possible=money(owed(View.WORST)),
        how=Words(
            en=f"of a fee of {exact_money(amount)}, below {told}",
            zh=f"费用 {exact_money(amount)}, 低于 {told}",
        ),
    )


_LETTERS = {GrainState.GOOD: "good", GrainState.UNKNOWN: "unknown", GrainState.EXCLUDED: "excluded"}


def _strip(table: Table) -> Iterator[tuple[str, int]]:
    """The period's grains in order, those alike together: good, bad (by chance, perhaps), shown, unknown, excluded."""
    pieces = [(low, high, "unknown") for low, high in table.absent()]
    for low, high in table.excluded:
        cut = Span(low, high).cut(Span(table.first, table.end))
        if cut is not None:
            pieces.append((cut.from_us, cut.to_us - 1, "excluded"))
    pieces += ((low, high, _letter(each, table.rule)) for low, high, each in table.inside())
    at = table.first
    run: tuple[str, int] | None = None
    for low, high, state in [*sorted(pieces), (table.end, table.end, "")]:
        for name, length in (("good", low - at), (state, high - low + 1)):
            if not length:
                continue
            if run is not None and run[0] == name:
                run = name, run[1] + length
            else:
                if run is not None:
                    yield run
                run = name, length
        at = high + 1


def _letter(grain: Grain, rule: GrainRule) -> str:
    state = state_of(grain, View.LITERAL, rule)
    if state is not GrainState.BAD:
        return _LETTERS[state]
    return "shown" if state_of(grain, View.SHOWN, rule) is GrainState.BAD else "bad"
