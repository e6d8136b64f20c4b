"""Response time under more bandwidth than usual, against the same hours of the days before.

When there was a surge is declared in the agreement: nobody sees the bandwidth of a CDN from outside. Quantiles are
bounds, from fixed histograms: kept where even the worst reading keeps the promise, a breach where the best one misses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction

from probe.core.sla.contract.load import Agreed
from probe.core.sla.contract.values import parse_share
from probe.core.sla.facts.histogram import Histogram, quantile
from probe.core.sla.figures import Word
from probe.core.sla.periods import US, Span, instant_us
from probe.core.sla.report.shown import duration, percent
from probe.core.sla.report.subject import Named
from probe.core.sla.report.values import CriterionShown

DAYS = 28
DAY_US = 86_400 * US
FEWEST = 59  # fewer cannot bound a quantile with 95 %
TimesIn = Callable[[Span], Mapping[tuple[str | None, ...], Histogram]]


def surges_shown(agreed: Agreed, period: Named, times_in: TimesIn) -> Iterator[CriterionShown]:
    """A line for each declared surge of the period. `times_in`: histograms of a span, by region and carrier."""
    terms = agreed.profile.surge
    if terms is None:
        return
    promised = parse_share(terms.bandwidth.removeprefix("+"))
    compare = terms.compare
    for one in agreed.agreement.surges:
        span = Span(instant_us(one.from_), instant_us(one.to))
        if not period.span.holds(span.from_us):
            continue
        usual: dict[tuple[str | None, ...], dict[int, int]] = {}
        for day in range(1, DAYS + 1):
            for group, counts in times_in(
                Span(span.from_us - day * DAY_US, span.to_us - day * DAY_US)
            ).items():
                into = usual.setdefault(group, {})
                for bucket, count in counts.items():
                    into[bucket] = into.get(bucket, 0) + count
        for group, counts in sorted(
            times_in(span).items(), key=lambda pair: [name or "" for name in pair[0]]
        ):
            word, why, value = _compared(counts, usual.get(group, {}), compare.quantile, compare.at_most)
            if one.bandwidth > promised:
                word, why = Word.NOT_DECIDED, ("beyond_what_is_promised",)
            yield CriterionShown(
                name="surge",
                part=f"{one.from_} {', '.join(name or '?' for name in group)}",
                value=value,
                bound=f"p{percent(compare.quantile, 0)} <= {percent(compare.at_most, 0)} %",
                samples=sum(counts.values()),
                word=word,
                why=why,
            )


def _compared(
    now: Histogram, usual: Histogram, share: Fraction, at_most: Fraction
) -> tuple[Word, tuple[str, ...], str]:
    one, other = quantile(now, share), quantile(usual, share)
    if one is None or other is None or min(sum(now.values()), sum(usual.values())) < FEWEST:
        return Word.NOT_DECIDED, ("few_samples",), ""
    value = f"{duration(one[1])} / {duration(other[0])}"
    if one[1] * at_most.denominator <= other[0] * at_most.numerator:
        return Word.KEPT_SHOWN, (), value
    if one[0] * at_most.denominator > other[1] * at_most.numerator:
        return Word.BREACH_SHOWN, (), value
    return Word.NOT_DECIDED, ("bounds",), value
