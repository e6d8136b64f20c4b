"""What a report says of a period by its grains."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import pytest

from probe.core.sla.binomial import shown_at_most
from probe.core.sla.facts.row import FactRow
from probe.core.sla.figures import GrainRule, Judged
from probe.core.sla.periods import Span
from probe.core.sla.report.by_grains import DOUBT, Counted, _bounds, _rate_bound, _rows_of
from probe.core.sla.runs import Run
from tests.core.sla.report.test_by_criteria import fact


@pytest.mark.parametrize(
    ("errors", "n"),
    [(5_001, 5_001), (5_001, 5_002), (5_001, 5_100), (5_001, 10_002), (6_000, 20_000), (5_001, 10**7)],
)
def test_the_bound_of_very_many_errors_is_one_and_is_near(errors: int, n: int) -> None:
    """Once it was a hundred-thousandth above the rate, however many requests there were: under the rate of chance."""
    bound = _rate_bound(errors, n)
    assert shown_at_most(errors, n, bound, DOUBT)
    assert bound <= 1
    nearer = bound - Fraction(errors, n) * Fraction(1, 200)
    assert errors == n or nearer <= Fraction(errors, n) or not shown_at_most(errors, n, nearer, DOUBT)


@pytest.mark.timeout(60)
def test_the_bound_of_a_million_errors_takes_no_time() -> None:
    bound = _rate_bound(1_000_000, 10**9)
    assert Fraction(1_001_644, 10**9) < bound < Fraction(1_001_710, 10**9)


def test_a_service_within_one_grain_has_no_grains() -> None:
    """They were -1 of a traffic file."""
    service = Span(100_000_000, 200_000_000)
    first, end = _bounds(Judged(period=Span(0, 600_000_000), service=service), GrainRule())
    assert (first, end) == (1, 1)


@pytest.mark.parametrize("most", [3, 10_000])
def test_rows_of_very_many_runs_are_asked_for_together(most: int) -> None:
    """Once each run was a question over all rows: a week of minutes that fail in turn took minutes, a year days."""
    rule = GrainRule(length_us=60_000_000)
    rows = [fact(n, scheduled_us=n * 60_000_000) for n in range(900) if n % 3 < 2] + [
        fact(900 + n, scheduled_us=60_000_000 + n) for n in range(5)
    ]
    rows.sort(key=lambda row: row.scheduled_us)
    asked: list[int] = []

    def rows_in(spans: Sequence[Span]) -> list[FactRow]:
        asked.append(len(spans))
        return [row for row in rows if any(span.holds(row.scheduled_us) for span in spans)][:most]

    runs = [Run(n, n + 1) for n in range(0, 900, 3)]
    found = _rows_of(runs, Counted(whole={}, rows_in=rows_in, most_rows=most), rule)
    assert most == 3 or len(asked) <= 10
    assert found == {
        run: rows_in([Span(run.first * 60_000_000, (run.last + 1) * 60_000_000)]) for run in runs
    }
    assert sum(len(of) for of in found.values()) == (601 if most == 3 else len(rows))


@pytest.mark.parametrize("most", [3, 10_000])
def test_each_of_two_runs_over_each_other_has_all_of_its_rows(most: int) -> None:
    """What is shown may be a part of what the text calls bad, and begin in its midst."""
    rule = GrainRule(length_us=60_000_000)
    rows = [fact(n, scheduled_us=n * 60_000_000) for n in range(12)]

    def rows_in(spans: Sequence[Span]) -> list[FactRow]:
        return [row for row in rows if any(span.holds(row.scheduled_us) for span in spans)][:most]

    runs = [Run(0, 9), Run(2, 5), Run(2, 3), Run(8, 11)]
    found = _rows_of(runs, Counted(whole={}, rows_in=rows_in, most_rows=most), rule)
    for run in runs:
        assert [row.scheduled_us // 60_000_000 for row in found[run]] == list(range(run.first, run.last + 1))[
            :most
        ]
