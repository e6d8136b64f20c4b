"""What a contract does not count, and the formula of lost requests; answers worked by hand."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from probe.core.sla.credits import CreditRule, begun, credit, exact_money, money, rounded
from probe.core.sla.exclusions import Clause, Declared, Refusal, exclusions
from probe.core.sla.lost_requests import LostRule, is_over, lost_requests
from probe.core.sla.periods import Span, instant_us
from probe.core.sla.report.shown import exact_percent

HOUR = 3_600 * 1_000_000
SHANGHAI = "Asia/Shanghai"
NIGHT = Clause(announced_before_us=24 * HOUR, between=(0, 480), time_zone=SHANGHAI)
CLAUSES = {
    "maintenance": NIGHT,
    "attack": Clause(),
    "surge": Clause(unannounced=True),
    "planned": Clause(announced_before_us=0),
}
DOMAIN = "www.acme.example"


def declared(first: str, last: str, reason: str = "attack", **more: Any) -> Declared:
    span = Span(instant_us(f"2026-11-{first}+08:00"), instant_us(f"2026-11-{last}+08:00"))
    return Declared(span=span, reason=reason, **more)


def hours(*of: Declared, clauses: dict[str, Clause] = CLAUSES) -> float:
    return sum(span.length_us for span in exclusions(of, clauses, DOMAIN).spans) / HOUR


def at(text: str) -> int:
    return instant_us(f"2026-11-{text}+08:00")


def test_overlapping_declarations_count_once() -> None:
    first, second = declared("11T10:00", "11T12:00"), declared("11T11:00", "11T13:00")
    found = exclusions([first, second], CLAUSES, DOMAIN)
    assert found.spans == (Span(at("11T10:00"), at("11T13:00")),)
    assert [one for one, _ in found.by] == [first, second]


def test_maintenance_counts_in_its_hours_alone_if_announced_a_day_before() -> None:
    announced = at("10T22:00")
    night = declared("11T22:00", "12T09:00", "maintenance", announced_at_us=announced)
    assert exclusions([night], CLAUSES, DOMAIN).spans == (Span(at("12T00:00"), at("12T08:00")),)
    late = declared("11T22:00", "12T09:00", "maintenance", announced_at_us=announced + 1)
    assert exclusions([late], CLAUSES, DOMAIN).refused == ((late, Refusal.TOO_LATE),)
    three_nights = declared("11T06:00", "14T02:00", "maintenance", announced_at_us=at("01T00:00"))
    assert hours(three_nights) == 2 + 8 + 8 + 2


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (declared("11T00:00", "11T01:00", "weather"), Refusal.REASON),
        (declared("11T00:00", "11T01:00", "maintenance"), Refusal.NOT_ANNOUNCED),
        (declared("11T10:00", "11T11:00", "maintenance", announced_at_us=0), Refusal.HOURS),
        (declared("11T10:00", "11T11:00", "surge", announced_at_us=0), Refusal.ANNOUNCED),
        (declared("11T10:00", "11T11:00", "planned", announced_at_us=at("11T10:00") + 1), Refusal.TOO_LATE),
    ],
)
def test_what_a_clause_does_not_admit_is_told_with_why(one: Declared, why: Refusal) -> None:
    found = exclusions([one], CLAUSES, DOMAIN)
    assert (found.spans, found.refused) == ((), ((one, why),))


def test_a_surge_that_was_told_of_afterwards_is_none_that_was_announced() -> None:
    assert hours(declared("11T10:00", "11T11:00", "surge", announced_at_us=at("11T10:00"))) == 1


def test_a_declaration_for_other_domains_is_not_looked_at() -> None:
    other = declared("11T10:00", "11T11:00", "weather", domains=frozenset({"img.acme.example"}))
    assert exclusions([other], CLAUSES, DOMAIN).refused == ()
    assert hours(declared("11T10:00", "11T11:00", domains=frozenset({DOMAIN}))) == 1


def test_hours_on_days_of_23_and_25_hours() -> None:
    """Berlin, 29 March 2026: 02:00 does not exist; 25 October: 02:00 to 03:00 comes twice."""
    clauses = {"night": Clause(between=(0, 240), time_zone="Europe/Berlin")}
    for day, expected in (("2026-03-29", 3), ("2026-10-25", 5), ("2026-06-01", 4)):
        span = Span(instant_us(f"{day}T00:00:00+00:00") - 12 * HOUR, instant_us(f"{day}T12:00:00+00:00"))
        assert hours(Declared(span=span, reason="night"), clauses=clauses) == expected, day


def test_hours_must_lie_on_one_day() -> None:
    with pytest.raises(ValueError, match="begin before they end"):
        Clause(between=(1_320, 360))
    assert Clause(between=(0, 1_440)).between == (0, 1_440)


# --- lost requests --------------------------------------------------------------------------------------

WEEK = {5_000 - lag * 288: 1_000 * lag for lag in range(1, 8)}  # a sum of 28,000, a mean of 4,000


def test_lost_requests_are_the_mean_of_seven_days_times_the_dead_share() -> None:
    assert lost_requests(WEEK, 5_000, 300, LostRule()) == 4_000
    assert lost_requests(WEEK, 5_000, 45, LostRule()) == 600
    assert lost_requests(WEEK, 5_000, 0, LostRule()) == 0
    assert lost_requests(WEEK, 5_000, 1, LostRule()) == Fraction(28_000, 2_100)


def test_a_day_that_the_file_does_not_tell_of() -> None:
    missing = {number: n for number, n in WEEK.items() if n != 7_000}
    assert lost_requests(missing, 5_000, 300, LostRule()) is None
    assert lost_requests(missing, 5_000, 300, LostRule(missing_counts=True)) == 3_500
    assert lost_requests({}, 5_000, 300, LostRule(missing_counts=True)) is None
    every = dict.fromkeys(range(5_000 - 7 * 288, 5_000), 12)
    assert lost_requests(every, 5_000, 100, LostRule(all_grains=True)) == 4
    with pytest.raises(ValueError, match="0 to 300 s"):
        lost_requests(WEEK, 5_000, 301, LostRule())


@pytest.mark.parametrize(
    ("errors", "sum7", "dead_s", "received", "over"),
    [(3, 1_400, 3, 10_000, False), (4, 1_400, 2, 10_000, True), (5, 0, 0, 10_000, False), (6, 0, 0, 10_000, True)],
)  # fmt: skip
def test_the_grain_rule_with_lost_requests(
    errors: int, sum7: int, dead_s: int, received: int, over: bool
) -> None:
    """(errors * 2100 + sum7 * dead_s) * 2000 > all * 2100."""
    lost = Fraction(sum7 * dead_s, 2_100)
    assert is_over(errors, lost, received, Fraction(1, 2000), lost_in_denominator=False) is over
    assert ((errors * 2_100 + sum7 * dead_s) * 2_000 > received * 2_100) is over


# --- money ----------------------------------------------------------------------------------------------


def test_a_begun_hour_is_a_whole_one_and_none_is_none() -> None:
    assert [begun(us) for us in (-1, 0, 1, HOUR, HOUR + 1)] == [0, 0, 1, 1, 2]


def test_money_is_exact_and_rounded_half_up_at_the_end() -> None:
    rule = CreditRule(over_us=0)
    assert credit(HOUR, Fraction("100.01"), rule) == Fraction("100.01") / 30
    assert money(credit(HOUR, Fraction("100.01"), rule)) == "3.33"
    assert rounded(Fraction("0.005")) == Fraction("0.01")
    assert rounded(Fraction("0.00499")) == 0
    assert (money(Fraction(0)), money(Fraction("1234.5")), money(Fraction("7.5"), 0)) == (
        "0.00",
        "1234.50",
        "8",
    )


@pytest.mark.parametrize(
    ("amount", "text"),
    [("1000.005", "1000.005"), ("0.01", "0.01"), ("30000", "30000.00"), ("1/3", "0.333333333")],
)
def test_what_was_agreed_is_not_rounded(amount: str, text: str) -> None:
    assert exact_money(Fraction(amount)) == text


@pytest.mark.parametrize(
    ("part", "text"),
    [
        ("999/1000", "99.9 %"),
        ("99999/100000", "99.999 %"),
        ("1/10", "10 %"),
        ("1/30", "1/30"),
        ("1", "100 %"),
    ],
)
def test_a_share_that_was_agreed_has_all_its_digits(part: str, text: str) -> None:
    assert exact_percent(Fraction(part)) == text
