"""Requests lost to dead nodes, from a traffic file, by hand: beside our figures, by the contract's formula."""

from __future__ import annotations

from fractions import Fraction

from probe.core.sla.facts.traffic import TrafficFigure, by_traffic
from probe.core.sla.figures import GrainRule
from probe.core.sla.grains import Grain
from probe.core.sla.lost_requests import LostRule

RULE, LOST = GrainRule(), LostRule()
DAY = 288
FIRST = 10 * DAY
WELL, DEAD = Grain(n=5, due=5, measured=5), Grain(n=5, errors=5, due=5, measured=5)


def told(errors: dict[int, int] | None = None, days: int = 11) -> dict[str, dict[int, tuple[int, int]]]:
    """Two nodes, a thousand requests each in every grain; errors of the first one."""
    wrong = errors or {}
    return {
        "192.0.2.1": {n: (1_000, wrong.get(n, 0)) for n in range((11 - days) * DAY, 11 * DAY)},
        "192.0.2.2": dict.fromkeys(range((11 - days) * DAY, 11 * DAY), (1000, 0)),
    }


def figure(traffic: dict[str, dict[int, tuple[int, int]]], dead: range = range(0)) -> TrafficFigure:
    seen = {"192.0.2.1": {n: DEAD if n in dead else WELL for n in range(FIRST, FIRST + DAY)}}
    return by_traffic(traffic, seen, RULE, LOST, (FIRST, FIRST + DAY), lost_in_denominator=False)


def test_errors_are_counted_against_all_requests_strictly() -> None:
    """1 of 2,000 is exactly 0.05 %, and not over it; 2 are, twice running: ten minutes."""
    assert figure(told({FIRST: 1, FIRST + 1: 1})).bad == 0
    found = figure(told({FIRST: 2, FIRST + 1: 2}))
    assert (found.bad, found.unavailable, found.requests, found.errors) == (2, 2, 2_000 * DAY, 4)
    assert figure(told({FIRST: 2, FIRST + 2: 2})).unavailable == 0, "no two running"


def test_what_a_dead_node_lost_is_its_mean_of_seven_days() -> None:
    found = figure(told(), range(FIRST + 5, FIRST + 8))
    assert found.lost == 3 * 1_000
    assert (found.bad, found.unavailable) == (3, 3)
    assert not found.met(Fraction(999, 1000))


def test_without_the_days_before_nothing_is_known_of_the_loss() -> None:
    found = figure(told(days=3), range(FIRST + 5, FIRST + 8))
    assert (found.lost, found.unknown, found.bad) == (0, 3, 0)


def test_grains_that_the_file_leaves_out_are_unknown() -> None:
    traffic = told()
    for node in traffic.values():
        del node[FIRST + 9]
    assert figure(traffic).unknown == 1


def test_a_node_that_we_never_asked_is_never_dead() -> None:
    found = by_traffic(told(), {}, RULE, LOST, (FIRST, FIRST + DAY), lost_in_denominator=False)
    assert (found.lost, found.bad) == (0, 0)
