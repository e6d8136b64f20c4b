"""Contracts that count time down by spans and not by grains: what samples show of it, and what they leave possible.

A track is what one vantage point saw of a subject. Shown is from the first look that saw trouble to the last; possible
is from the last look that saw it well to the next one, and whatever nobody looked at. The truth lies between.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from probe.core.incidents.looks import Sight
from probe.core.sla.episodes import Look, at_once, episodes
from probe.core.sla.figures import Word
from probe.core.sla.periods import Span, union

Spans = tuple[Span, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanRule:
    """`over_us`: how long trouble must last to count (`strict`: longer). `gap_us`: longer silences are unknown."""

    over_us: int = 0
    strict: bool = False
    gap_us: int | None = None

    def counts(self, span: Span) -> bool:
        """Whether a span is long enough."""
        return span.length_us > self.over_us if self.strict else span.length_us >= self.over_us


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeDown:
    """Time down in one period, without what is excluded: at least `shown`, at most `possible`."""

    shown: Spans
    possible: Spans

    @property
    def shown_us(self) -> int:
        return sum(span.length_us for span in self.shown)

    @property
    def possible_us(self) -> int:
        return sum(span.length_us for span in self.possible)

    def word(self, allowed_us: Fraction) -> Word:
        """breach: what is shown is more than may be missed; kept: even what is possible is not."""
        if self.shown_us > allowed_us:
            return Word.BREACH_SHOWN
        return Word.KEPT_SHOWN if self.possible_us <= allowed_us else Word.NOT_DECIDED


def time_down(
    tracks: Mapping[str, Sequence[Look]], rule: SpanRule, period: Span, excluded: Iterable[Span] = ()
) -> TimeDown:
    """When all tracks were down at once. A span is judged by its whole length; what lies in the period is counted.

    Without any track nothing is shown, and all is possible.
    """
    left_out = union(excluded)
    found = at_once([episodes(looks, rule.gap_us) for looks in tracks.values()])
    shown = [Span(one.first_us, one.last_us) for one in found]
    possible: Spans = (period,)
    for looks in tracks.values():
        possible = common(possible, possible_spans(looks, rule.gap_us, period))
    return TimeDown(
        shown=_counted(shown, rule, period, left_out), possible=_counted(possible, rule, period, left_out)
    )


def of_any(parts: Iterable[TimeDown]) -> TimeDown:
    """When any of several was down (regions, carriers, kinds of incident): what overlaps is counted once."""
    made = list(parts)
    return TimeDown(
        shown=union(span for part in made for span in part.shown),
        possible=union(span for part in made for span in part.possible),
    )


def possible_spans(looks: Sequence[Look], gap_us: int | None, within: Span) -> Spans:
    """The instants at which it may have been down: between looks that saw it well, where something else lies between.

    Up to the first such look, and after the last one, nothing is known: these ends reach to those of `within`.
    """
    made: list[Span] = []
    well_us, doubtful = within.from_us, True
    for look in looks:
        if look.sight is not Sight.WELL:
            doubtful = True
            continue
        silent = gap_us is not None and look.at_us - well_us > gap_us
        if doubtful or silent:
            made.append(Span(well_us, look.at_us))
        well_us, doubtful = look.at_us, False
    if doubtful or gap_us is None or within.to_us - well_us > gap_us:
        made.append(Span(well_us, max(well_us, within.to_us)))
    return union(span for span in made if span.length_us)


def common(one: Iterable[Span], other: Iterable[Span]) -> Spans:
    """What both have in common, as few spans as hold it: side by side, so that thousands of both take no time."""
    ones, others = union(one), union(other)
    made: list[Span] = []
    here = there = 0
    while here < len(ones) and there < len(others):
        both = ones[here].cut(others[there])
        if both is not None:
            made.append(both)
        if ones[here].to_us <= others[there].to_us:
            here += 1
        else:
            there += 1
    return tuple(made)


def without(spans: Iterable[Span], excluded: Sequence[Span]) -> Spans:
    """The spans less what is excluded. `excluded`: in order, without overlap."""
    made: list[Span] = []
    ends = [out.to_us for out in excluded]
    for span in spans:
        at = span.from_us
        for number in range(bisect_right(ends, at), len(excluded)):
            out = excluded[number]
            if out.from_us >= span.to_us:
                break
            made.append(Span(at, max(at, out.from_us)))
            at = max(at, out.to_us)
        made.append(Span(at, max(at, span.to_us)))
    return tuple(span for span in made if span.length_us)


def _counted(spans: Iterable[Span], rule: SpanRule, period: Span, excluded: Sequence[Span]) -> Spans:
    long = union(span for span in spans if rule.counts(span))
    return without(common(long, (period,)), excluded)
