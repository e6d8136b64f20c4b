"""The figures of a period from its grains: literal, shown, best and worst, side by side, and what may be said of them.

Pure, in whole numbers: the same grains give the same figures, whoever added them up.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from probe.core.model.value import replace
from probe.core.sla.binomial import least_errors
from probe.core.sla.grains import NOTHING, Grain, Part, Series, Sums
from probe.core.sla.periods import Span, union
from probe.core.sla.runs import GrainState, Run, counted, joined

SHOWN_NEEDS = 3  # requests in a grain, for it to show something without another error beside it
SHOWN_ERRORS = 2  # or so many errors in the run
_NO_GRAINS = Series()


class View(StrEnum):
    """How unknown requests are taken, and what makes a grain bad.

    literal: as the contract counts, unknown neither good nor bad. best, worst: unknown good, failed. shown: bad only
    where chance does not explain it, unknown good.
    """

    LITERAL = "literal"
    SHOWN = "shown"
    BEST = "best"
    WORST = "worst"


class Word(StrEnum):
    """What a report may say."""

    BREACH_SHOWN = "breach shown"
    KEPT_SHOWN = "kept shown"
    NOT_DECIDED = "not decided"


@dataclass(frozen=True, slots=True, kw_only=True)
class GrainRule:
    """When a grain is bad, how long bad time must last, and what is promised.

    `over`: the error rate that is still admitted (strict), or must not be reached. `at_least_us`: the shortest run.
    `clip`: a run is judged by what lies in the period alone. `objective`: the least share of good time.
    `coverage`: below it, measured of due slots, nothing is judged.
    """

    length_us: int = 300 * 1_000_000
    over: Fraction = Fraction(1, 2000)
    strict: bool = True
    significance: Fraction = Fraction(1, 1000)
    min_requests: int = 1
    at_least_us: int = 600 * 1_000_000
    clip: bool = False
    objective: Fraction = Fraction(999, 1000)
    coverage: Fraction = Fraction(0)
    partial_is_judged: bool = False

    @property
    def run_grains(self) -> int:
        """The fewest grains of a run: whole ones that last as long."""
        return max(1, -(-self.at_least_us // self.length_us))

    def is_over(self, errors: int, n: int) -> bool:
        """Never a quotient: errors / n > over, by multiplying out."""
        left, right = errors * self.over.denominator, n * self.over.numerator
        return left > right if self.strict else left >= right and errors > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """Of one view: bad grains, those that lie in runs long enough, and the runs."""

    bad: int
    unavailable: int
    runs: tuple[Run, ...]

    def met(self, total: int, objective: Fraction) -> bool:
        """Whether good time is at least the promised share of all time, in grains."""
        short = objective.denominator - objective.numerator
        return self.unavailable * objective.denominator <= total * short


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Of one subject and period. `total`: grains in service. `judged` False: `why` (a reason for programs)."""

    total: int
    excluded: int
    unknown: int
    requests: int
    errors: int
    unknown_requests: int
    due: int
    measured: int
    views: dict[View, Figure]
    objective: Fraction
    final: bool
    word: Word
    judged: bool
    why: tuple[str, ...] = ()

    def availability(self, view: View = View.LITERAL) -> Fraction:
        """Good time of all time."""
        if not self.total:
            return Fraction(1)
        return Fraction(self.total - self.views[view].unavailable, self.total)

    def met(self, view: View) -> bool:
        """Whether this view keeps the promise, judged or not."""
        return self.views[view].met(self.total, self.objective)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What is to be judged: the period, what of it is in service, declared exclusions, and how far rows are complete.

    `complete_up_to_us` None: nothing is promised of any row.
    """

    period: Span
    service: Span | None = None
    excluded: Sequence[Span] = ()
    complete_up_to_us: int | None = None


def state_of(
    grain: Grain | None, view: View, rule: GrainRule, *, excluded: bool = False, alone: bool = False
) -> GrainState:
    """What a grain is in a view. `excluded`: a declared span holds all of it. `alone`: no other error in its run."""
    cell = NOTHING if grain is None else grain
    if excluded or (cell.excluded and not cell.n and not cell.unknown):
        return GrainState.EXCLUDED
    if view is View.LITERAL:
        if cell.n < rule.min_requests:
            return GrainState.UNKNOWN
        return _bad(rule.is_over(cell.errors, cell.n))
    n = cell.n + cell.unknown
    if view is View.WORST:
        return _bad(n == 0 or rule.is_over(cell.errors + cell.unknown, n))
    if view is View.BEST:
        return _bad(n > 0 and rule.is_over(cell.errors, n))
    return _bad(_shows(cell.errors, n, rule) and not (alone and n < SHOWN_NEEDS))


def _bad(is_bad: bool) -> GrainState:
    return GrainState.BAD if is_bad else GrainState.GOOD


def _shows(errors: int, n: int, rule: GrainRule) -> bool:
    if not errors or not rule.is_over(errors, n):
        return False
    return errors >= least_errors(n, rule.over, rule.significance)


def figures(grains: Mapping[int, Grain], rule: GrainRule, judged: Judged) -> Figures:
    """All figures of one subject in one period. Grains beside the period tell how long runs at its ends are.

    Takes as long as there are stretches of grains alike; those without any trouble are good in every view.
    """
    return figures_in(Table.of(grains, rule, judged), judged)


def figures_in(table: Table, judged: Judged) -> Figures:
    """The same of a table that was made of the grains."""
    rule, absent = table.rule, table.absent()
    inside = Sums.of(table.grains.within(table.first, table.end))
    views = {view: _figure(table, view, absent if view is View.WORST else ()) for view in View}
    why = _not_judged(rule, judged, table.service, inside.due, inside.measured)
    excluded, unknown = _without_state(table, absent)
    made = Figures(
        total=table.end - table.first,
        excluded=excluded,
        unknown=unknown,
        requests=inside.n,
        errors=inside.errors,
        unknown_requests=inside.unknown,
        due=inside.due,
        measured=inside.measured,
        views=views,
        objective=rule.objective,
        final=_is_final(rule, judged),
        word=Word.NOT_DECIDED,
        judged=not why,
        why=tuple(why),
    )
    if not made.judged:
        return made
    word, reasons = _word(made)
    return replace(made, word=word, why=reasons)


def figures_of_part(part: Part, frame: Table) -> tuple[Sums, Figure, Figure]:
    """Sums of a part's troubled grains in the period, and what it is in the views `literal` and `shown`.

    `frame`: a table of the same rule and period, of any grains.
    """
    table = frame.of_part(part)
    inside = Sums.of(table.troubled.within(table.first, table.end))
    return inside, _figure(table, View.LITERAL), _figure(table, View.SHOWN)


@dataclass(frozen=True, slots=True)
class Table:
    """The grains of a subject, those in [first, end) to be counted; `troubled`: whatever is not simply good.

    `excluded`: grains, half open, that declared spans hold whole; apart from each other, and in order.
    """

    grains: Series
    rule: GrainRule
    service: Span
    first: int
    end: int
    troubled: Series
    excluded: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, grains: Mapping[int, Grain], rule: GrainRule, judged: Judged) -> Table:
        """What is to be looked at."""
        period = judged.period
        service = period.cut(judged.service or period) or Span(period.from_us, period.from_us)
        first, end = -(-service.from_us // rule.length_us), service.to_us // rule.length_us
        fewest = max(rule.min_requests, 1)
        series = Series.of(grains)
        troubled = Series(
            one
            for one in (series.within(first, end) if rule.clip else series).stretches
            if one.each.errors or one.each.unknown or one.each.excluded or one.each.n < fewest
        )
        whole = [Span(-(-s.from_us // rule.length_us), s.to_us // rule.length_us) for s in judged.excluded]
        spans = tuple((span.from_us, span.to_us) for span in union(whole))
        return cls(series, rule, service, first, max(first, end), troubled, spans)

    def of_part(self, part: Part) -> Table:
        """The same period and rule, of the troubled grains of a part alone."""
        some = Series.of(part.troubled)
        troubled = some.within(self.first, self.end) if self.rule.clip else some
        return replace(self, grains=_NO_GRAINS, troubled=troubled)

    def bad(self, view: View) -> Iterator[tuple[int, int]]:
        """Those troubled grains, both ends included, that are bad in a view. Each kind of grain is decided once."""
        known: dict[Grain, bool] = {}
        for one in self.troubled.stretches:
            is_bad = known.get(one.each)
            if is_bad is None:
                is_bad = known[one.each] = state_of(one.each, view, self.rule) is GrainState.BAD
            if is_bad:
                yield from self.not_excluded(one.first, one.last)

    def inside(self) -> Iterator[tuple[int, int, Grain]]:
        """Troubled grains of the period, both ends included, that no declared span excludes, and what each is."""
        for one in self.troubled.within(self.first, self.end).stretches:
            for low, high in self.not_excluded(one.first, one.last):
                yield low, high, one.each

    def not_excluded(self, low: int, high: int) -> Iterator[tuple[int, int]]:
        """What declared spans leave of some grains; both ends included."""
        for at in range(max(0, bisect_right(self.excluded, (low,)) - 1), len(self.excluded)):
            begin, end = self.excluded[at]
            if begin > high:
                break
            if begin > low:
                yield low, begin - 1
            low = max(low, end)
        if low <= high:
            yield low, high

    def absent(self) -> list[tuple[int, int]]:
        """Grains of the period, both ends included, that no row is of and no declared span excludes."""
        taken = [(one.first, one.last + 1) for one in self.grains.stretches]
        found, at = [], self.first
        for begin, end in [*sorted([*taken, *self.excluded]), (self.end, self.end)]:
            if begin > at:
                found.append((at, min(begin, self.end) - 1))
            at = max(at, end)
            if at >= self.end:
                break
        return [(low, high) for low, high in found if low <= high]


def _without_state(table: Table, absent: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """(excluded, unknown) grains of the period, as the literal rule has them."""
    left = sum(high - low + 1 for low, high in table.not_excluded(table.first, table.end - 1))
    excluded = table.end - table.first - left
    counts = Counter[GrainState]()
    for low, high, each in table.inside():
        counts[state_of(each, View.LITERAL, table.rule)] += high - low + 1
    missing = sum(high - low + 1 for low, high in absent)
    return excluded + counts[GrainState.EXCLUDED], missing + counts[GrainState.UNKNOWN]


def _figure(table: Table, view: View, absent: Sequence[tuple[int, int]] = ()) -> Figure:
    first, end = table.first, table.end
    bad = joined(sorted([*table.bad(view), *absent]))
    runs = [run for run in bad if counted(run, first, end)]
    if view is View.SHOWN:
        runs = [run for run in runs if _is_shown(run, table)]
    long = tuple(run for run in runs if run.grains >= table.rule.run_grains)
    return Figure(
        bad=sum(counted(run, first, end) for run in runs),
        unavailable=sum(counted(run, first, end) for run in long),
        runs=long,
    )


def _is_shown(run: Run, table: Table) -> bool:
    """Not where its only error, of fewer than three requests, stands alone. Each bad grain of it has an error."""
    some = table.troubled.within(run.first, run.last + 1)
    if Sums.of(some).errors >= SHOWN_ERRORS:
        return True
    states = (state_of(one.each, View.SHOWN, table.rule, alone=True) for one in some.stretches)
    return all(state is GrainState.BAD for state in states)


def _is_final(rule: GrainRule, judged: Judged) -> bool:
    """A run may reach over the period's end: only then is all told that decides it."""
    up_to = judged.complete_up_to_us
    return up_to is not None and up_to >= judged.period.to_us + rule.at_least_us


def _not_judged(rule: GrainRule, judged: Judged, service: Span, due: int, measured: int) -> list[str]:
    why = []
    if service != judged.period and not rule.partial_is_judged:
        why.append("partial_period")
    if measured * rule.coverage.denominator < due * rule.coverage.numerator:
        why.append("coverage")
    return why


def _word(made: Figures) -> tuple[Word, tuple[str, ...]]:
    """breach: what is shown misses the promise though all that is unknown was good; kept: the worst case keeps it."""
    if not made.met(View.SHOWN):
        return Word.BREACH_SHOWN, ()
    if made.met(View.WORST):
        return Word.KEPT_SHOWN, ()
    if not made.met(View.BEST):
        return Word.NOT_DECIDED, ("chance_may_explain",)
    if made.met(View.LITERAL):
        return Word.NOT_DECIDED, ("unknown_time",)
    return Word.NOT_DECIDED, ("unknown_requests",)
