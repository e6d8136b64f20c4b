"""Figures from grains: properties that hold for any month, and the corners of the contract's rule."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.core.model.value import replace
from probe.core.sla.figures import Figures, GrainRule, Judged, View, Word, figures
from probe.core.sla.grains import Grain, merged
from probe.core.sla.periods import Span, instant_us, local_minute, month, union, year

RULE = GrainRule()
LENGTH = RULE.length_us
grain = st.builds(
    lambda good, errors, unknown, excluded: Grain(
        n=good + errors,
        errors=errors,
        unknown=unknown,
        excluded=excluded,
        due=good + errors + unknown + excluded,
        measured=good + errors + unknown + excluded,
    ),
    st.integers(0, 80),
    st.integers(0, 6),
    st.integers(0, 5),
    st.integers(0, 2),
)
days = st.dictionaries(st.integers(0, 47), grain, max_size=48)


def over(grains: dict[int, Grain], rule: GrainRule = RULE, **judged: object) -> Figures:
    return figures(grains, rule, replace(Judged(period=Span(0, 48 * LENGTH)), **judged))


@given(days)
def test_best_is_at_most_worst_and_literal_lies_not_below_shown(grains: dict[int, Grain]) -> None:
    found = over(grains)
    bad = {view: found.views[view].bad for view in View}
    assert bad[View.BEST] <= bad[View.WORST]
    assert bad[View.SHOWN] <= bad[View.BEST]
    assert bad[View.SHOWN] <= bad[View.LITERAL]
    assert found.views[View.BEST].unavailable <= found.views[View.WORST].unavailable


@given(days, st.integers(0, 47), st.integers(1, 9))
def test_more_unknown_requests_never_narrow_the_bounds(
    grains: dict[int, Grain], where: int, count: int
) -> None:
    wider = merged((grains, {where: Grain(unknown=count, due=count)}))
    before, after = over(grains), over(wider)
    if where in grains:  # else the grain had no row at all, and was the worst already
        assert after.views[View.WORST].unavailable >= before.views[View.WORST].unavailable
    assert after.views[View.BEST].unavailable <= before.views[View.BEST].unavailable


@given(st.lists(days, min_size=1, max_size=4), st.randoms())
def test_grains_merge_in_any_order_and_partition(parts: list[dict[int, Grain]], shuffle: object) -> None:
    at_once = merged(parts)
    one_by_one: dict[int, Grain] = {}
    order = list(parts)
    shuffle.shuffle(order)  # type: ignore[attr-defined]
    for part in order:
        one_by_one = merged((part, one_by_one))
    assert at_once == one_by_one


@given(days, st.integers(0, 47), st.integers(1, 8))
def test_an_excluded_span_changes_nothing_outside_it_but_the_runs_that_it_ends(
    grains: dict[int, Grain], first: int, length: int
) -> None:
    last = min(48, first + length)
    span = Span(first * LENGTH, last * LENGTH)
    without = over({number: one for number, one in grains.items() if not first <= number < last})
    found = over(grains, excluded=(span,))
    assert found.views[View.LITERAL] == without.views[View.LITERAL]
    assert found.excluded >= last - first


@given(days)
def test_breach_is_never_said_where_only_the_literal_rule_does(grains: dict[int, Grain]) -> None:
    found = over(grains)
    if found.word is Word.BREACH_SHOWN:
        assert not found.met(View.SHOWN)
        assert not found.met(View.BEST)
    if found.word is Word.KEPT_SHOWN:
        assert found.met(View.LITERAL)
        assert found.met(View.WORST)


def month_of(errors: dict[int, Grain]) -> Figures:
    period = month("2026-11", "Asia/Shanghai")
    first = period.from_us // LENGTH
    whole = {first + i: Grain(n=60, due=60, measured=60) for i in range(8640)}
    whole.update((first + number, one) for number, one in errors.items())
    return figures(whole, RULE, Judged(period=period, complete_up_to_us=period.to_us + 600_000_000))


def test_one_error_in_each_of_many_grains_is_a_breach_by_the_text_and_shows_none() -> None:
    """Sixty samples, one error: 1.7 % of them, and what a true rate of 0.01 % gives now and then."""
    found = month_of(dict.fromkeys(range(100, 120), Grain(n=60, errors=1, due=60, measured=60)))
    assert found.views[View.LITERAL].unavailable == 20
    assert (found.views[View.SHOWN].bad, found.word, found.why) == (
        0,
        Word.NOT_DECIDED,
        ("chance_may_explain",),
    )


def test_two_errors_of_sixty_show() -> None:
    found = month_of(dict.fromkeys(range(100, 109), Grain(n=60, errors=2, due=60, measured=60)))
    assert (found.word, found.final) == (Word.BREACH_SHOWN, True)


def test_one_error_of_one_request_shows_only_beside_another() -> None:
    rule = replace(RULE, at_least_us=LENGTH)
    lone = Grain(n=1, errors=1, due=1, measured=1)
    assert over({5: lone}, rule).views[View.SHOWN].bad == 0
    assert over({5: lone, 6: lone}, rule).views[View.SHOWN].bad == 2


def test_an_hour_that_nobody_measured_is_never_kept() -> None:
    found = month_of(dict.fromkeys(range(100, 112), Grain()))
    assert (found.word, found.why) == (Word.NOT_DECIDED, ("unknown_time",))
    assert found.views[View.WORST].unavailable == 12


def test_too_little_coverage_is_not_judged() -> None:
    rule = replace(RULE, coverage=Fraction(95, 100))
    found = over({0: Grain(n=94, due=100, measured=94)}, rule)
    assert (found.judged, found.why, found.word) == (False, ("coverage",), Word.NOT_DECIDED)
    assert over({0: Grain(n=95, due=100, measured=95)}, rule).judged


def test_a_period_is_final_once_a_run_over_its_end_is_known() -> None:
    assert not over({}, complete_up_to_us=48 * LENGTH + 599_999_999).final
    assert over({}, complete_up_to_us=48 * LENGTH + 600_000_000).final


# --- calendars ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "zone", "hours"),
    [
        ("2026-11", "Asia/Shanghai", 720),
        ("2026-02", "Asia/Shanghai", 672),
        ("2028-02", "Asia/Shanghai", 696),
        ("2026-12", "UTC", 744),
        ("2026-03", "Europe/Berlin", 743),
        ("2026-10", "Europe/Berlin", 745),
        ("2026-04", "Australia/Lord_Howe", 720.5),
    ],
)
def test_months_have_the_length_that_the_clock_on_the_wall_gives_them(
    text: str, zone: str, hours: float
) -> None:
    made = month(text, zone)
    assert made.length_us == hours * 3_600_000_000
    assert made.length_us % LENGTH == 0


def test_years_and_leap_years() -> None:
    assert year("2026", "Asia/Shanghai").length_us == 525_600 * 60_000_000
    assert year("2028", "Asia/Shanghai").length_us == 527_040 * 60_000_000
    assert month("2026-12", "UTC").to_us == year("2027", "UTC").from_us


def test_instants_are_exact_and_need_an_offset() -> None:
    assert instant_us("2026-11-01T00:00:00.000001+08:00") == month("2026-11", "Asia/Shanghai").from_us + 1
    assert local_minute(instant_us("2026-11-01T16:05:00Z"), "Asia/Shanghai") == 5
    with pytest.raises(ValueError, match="no offset"):
        instant_us("2026-11-01T00:00:00")


def test_what_overlaps_or_touches_is_one_span() -> None:
    assert union([Span(5, 9), Span(1, 3), Span(3, 4), Span(7, 12), Span(8, 8)]) == (Span(1, 4), Span(5, 12))


def test_a_run_of_which_nothing_lies_in_the_period_is_none_of_it() -> None:
    """The service ended before the period: it has no grain, and trouble around its begin is not its own."""
    grains = {number: Grain(n=60, errors=60) for number in range(-5, 5)}
    length = GrainRule().length_us
    judged = Judged(period=Span(0, 10 * length), service=Span(-20 * length, -10 * length))
    found = figures(grains, GrainRule(), judged)
    assert found.total == 0
    assert [found.views[view].runs for view in View] == [(), (), (), ()]
