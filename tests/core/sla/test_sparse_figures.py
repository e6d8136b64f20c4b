"""Figures look only at grains that are not simply good; held against a loop over every grain of the period."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from probe.core.sla.figures import GrainRule, Judged, View, figures, state_of
from probe.core.sla.grains import Grain
from probe.core.sla.periods import Span
from probe.core.sla.runs import GrainState

RULE = GrainRule()
LENGTH = RULE.length_us
END = 40

counts = st.integers(0, 3)
grain = st.builds(
    Grain,
    n=st.sampled_from((0, 1, 5, 60)),
    errors=st.sampled_from((0, 0, 0, 1, 5)),
    unknown=counts,
    excluded=counts,
).filter(lambda g: g.errors <= g.n)
spans = st.tuples(st.integers(-3, END + 3), st.integers(1, 9), st.booleans()).map(
    lambda s: Span(s[0] * LENGTH + s[2], (s[0] + s[1]) * LENGTH)
)


def slowly(grains: dict[int, Grain], view: View, excluded: list[Span]) -> tuple[int, int, int, int]:
    """(bad, unavailable, unknown, excluded), grain by grain. Of `shown` without its rule on lonely errors."""
    held = {
        n
        for n in range(-20, END + 20)
        if any(s.from_us <= n * LENGTH and (n + 1) * LENGTH <= s.to_us for s in excluded)
    }

    def state(number: int) -> GrainState:
        if not 0 <= number < END and number not in grains:
            return GrainState.UNKNOWN
        return state_of(grains.get(number), view, RULE, excluded=number in held)

    states = {number: state(number) for number in range(-20, END + 20)}
    bad = {number for number in states if states[number] is GrainState.BAD}
    long = {n for n in bad if n - 1 in bad or n + 1 in bad}
    inside = [states[number] for number in range(END)]
    return (
        len(bad & set(range(END))),
        len(long & set(range(END))),
        inside.count(GrainState.UNKNOWN),
        inside.count(GrainState.EXCLUDED),
    )


@given(st.dictionaries(st.integers(-6, END + 6), grain), st.lists(spans, max_size=3))
def test_both_give_the_same(grains: dict[int, Grain], excluded: list[Span]) -> None:
    found = figures(grains, RULE, Judged(period=Span(0, END * LENGTH), excluded=excluded))
    for view in (View.LITERAL, View.BEST, View.WORST):
        bad, unavailable, unknown, out = slowly(grains, view, excluded)
        assert (found.views[view].bad, found.views[view].unavailable) == (bad, unavailable), view
        if view is View.LITERAL:
            assert (found.unknown, found.excluded) == (unknown, out)
    assert found.views[View.SHOWN].bad <= slowly(grains, View.SHOWN, excluded)[0]
    assert found.views[View.SHOWN].bad <= found.views[View.LITERAL].bad + found.unknown
