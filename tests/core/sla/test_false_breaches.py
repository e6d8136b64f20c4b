"""Simulated months of a service five times better than its limit: the text invents breaches, what is shown does not.

Seeds are fixed, so that a run that passes passes again.
"""

from __future__ import annotations

import math
import random

import pytest

from probe.core.sla.figures import Figures, GrainRule, Judged, View, Word, figures
from probe.core.sla.grains import Grain
from probe.core.sla.periods import month
from tests.support.sizes import scaled

RULE = GrainRule()
NOVEMBER = month("2026-11", "Asia/Shanghai")
FIRST, GRAINS = NOVEMBER.from_us // RULE.length_us, 8_640
MONTHS = scaled(300, 6)


def month_of(seed: int, n: int, rate: float) -> Figures:
    """Independent errors: the distance from one to the next is geometric."""
    chance, errors = random.Random(seed), dict[int, int]()
    at = -1
    while (at := at + 1 + int(math.log(1 - chance.random()) / math.log(1 - rate))) < n * GRAINS:
        errors[at // n] = errors.get(at // n, 0) + 1
    grains = {FIRST + i: Grain(n=n, errors=errors.get(i, 0), due=n, measured=n) for i in range(GRAINS)}
    return figures(grains, RULE, Judged(period=NOVEMBER))


@pytest.mark.scaled
@pytest.mark.parametrize("n", [60, 300])
@pytest.mark.timeout(600)
def test_no_month_of_a_good_service_is_called_a_breach(n: int) -> None:
    made = [month_of(seed, n, 0.0001) for seed in range(MONTHS)]
    assert [one.word for one in made if one.word is Word.BREACH_SHOWN] == []
    assert sum(one.views[View.SHOWN].unavailable for one in made) * 5 <= 0.03 * MONTHS + 10
    by_the_text = sum(not one.met(View.LITERAL) for one in made)
    assert by_the_text == 0 if n == 60 else by_the_text > MONTHS / 2, (
        "more samples make the text's rule worse"
    )


def test_an_outage_of_one_of_three_nodes_is_shown() -> None:
    grains = {FIRST + i: Grain(n=60, due=20, measured=20) for i in range(GRAINS)}
    grains |= {FIRST + i: Grain(n=60, errors=20, due=20, measured=20) for i in (100, 101)}
    found = figures(grains, RULE, Judged(period=NOVEMBER))
    assert found.views[View.SHOWN].unavailable == 2
    assert found.word is Word.KEPT_SHOWN, "ten minutes are within what is promised"


def test_an_hour_in_which_every_edge_fails_and_nobody_can_say_why_is_never_kept() -> None:
    """503 of all edges, and no origin that could be asked: requests of unknown fault, an hour of them."""
    grains = {FIRST + i: Grain(n=60, due=60, measured=60) for i in range(GRAINS)}
    grains |= {FIRST + i: Grain(unknown=60, due=60, measured=60) for i in range(100, 112)}
    end_us = NOVEMBER.to_us + RULE.at_least_us
    found = figures(grains, RULE, Judged(period=NOVEMBER, complete_up_to_us=end_us))
    assert found.final
    assert (found.word, found.why) == (Word.NOT_DECIDED, ("unknown_time",))
    assert not found.met(View.WORST)
